"""A drawn face, to try networks on: the canonical mesh with shading, eyes and lips, looking at the camera."""

from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.models.catalogue import CanonicalMesh, canonical_mesh

# Where the middle between the eyes lies, and how far they are apart: near where every family's template has them.
_EYES, _APART = (0.5, 0.44), 0.27
_SKIN, _LIPS, _WHITE, _IRIS = (0.80, 0.62, 0.52), (0.65, 0.28, 0.28), (0.92, 0.90, 0.88), (0.20, 0.13, 0.10)
# Fractions of a pixel that OpenCV draws with, as a power of two.
_SHIFT = 4


def drawn_face(size: int) -> NDArray[np.float32]:
    """The face in a square picture: (size, size, 3) float32, RGB in the model view, [0, 1], not constant."""
    mesh = canonical_mesh()
    points = _placed(mesh, size)
    picture = np.linspace(0.25, 0.45, size, dtype=np.float32)[:, None, None].repeat(size, 1).repeat(3, 2)
    corners = mesh.vertices[mesh.triangles]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    facing = normals[:, 2] / np.linalg.norm(normals, axis=1)
    for triangle in np.argsort(corners[:, :, 2].mean(1)):
        light = 0.35 + 0.65 * max(0.0, float(facing[triangle]))
        _fill(picture, points[mesh.triangles[triangle]], light * np.array(_SKIN))
    _fill(picture, cv2.convexHull(points[mesh.lips])[:, 0], np.array(_LIPS))
    for eye in (mesh.right_eye, mesh.left_eye):
        _fill(picture, points[eye], np.array(_WHITE))
        centre = np.rint(points[eye].mean(0) * (1 << _SHIFT)).astype(int).tolist()
        radius = round(0.025 * size * (1 << _SHIFT))
        cv2.circle(picture, centre, radius, _IRIS, cv2.FILLED, cv2.LINE_AA, _SHIFT)
    return picture


def _placed(mesh: CanonicalMesh, size: int) -> NDArray[np.float32]:
    """The vertices in the picture's pixels, (468, 2); the person's left is at the right."""
    right, left = (mesh.vertices[eye].mean(0)[:2] for eye in (mesh.right_eye, mesh.left_eye))
    scale = _APART * size / np.linalg.norm(left - right)
    moved = (mesh.vertices[:, :2] - (left + right) / 2) * (scale, -scale)
    return (moved + np.array(_EYES) * size).astype(np.float32)


def _fill(picture: NDArray[np.float32], ring: NDArray[Any], color: NDArray[np.float64]) -> None:
    fixed = np.rint(ring * (1 << _SHIFT)).astype(np.int32)
    cv2.fillPoly(picture, [fixed], color.tolist(), cv2.LINE_8, _SHIFT)
