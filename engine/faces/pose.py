"""How a head is held, and what its eyes and mouth do, by a weighted fit of the canonical mesh.

The fit is the least-squares similarity of Umeyama, "Least-squares estimation of transformation parameters between two
point patterns", 1991 (Horn 1987 without the scale), with MediaPipe's weights: the points that expression moves little.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models.catalogue import canonical_mesh

Float64 = NDArray[np.float64]

# The canonical mesh has y up and z towards the camera; a picture has y down and z away from it.
CANONICAL_TO_PICTURE = np.array([1.0, -1.0, -1.0])

RIGHT_EYE_CORNERS, LEFT_EYE_CORNERS = (33, 133), (263, 362)
RIGHT_LIDS, LEFT_LIDS = ((160, 144), (159, 145), (158, 153)), ((387, 373), (386, 374), (385, 380))
MOUTH_CORNERS, INNER_LIPS_MIDDLE = (61, 291), (13, 14)


class Similarity(NamedTuple):
    """y = scale · rotation · x + shift, in two or three dimensions."""

    scale: float
    rotation: Float64
    shift: Float64

    def __call__(self, points: NDArray[np.floating]) -> Float64:
        return self.scale * (points @ self.rotation.T) + self.shift

    def back(self, points: NDArray[np.floating]) -> Float64:
        return (points - self.shift) @ self.rotation / self.scale


class Pose(NamedTuple):
    """How a head is held.

    canonical_to_picture: from the canonical mesh, axes as in a picture, to pixels. angles: (3,) degrees: yaw, positive
    when the nose points to the right of the picture; pitch, positive when it points up; roll, positive clockwise. The
    roll is the turn in the picture and comes last, so yaw and pitch say how the face looks once it is upright.
    residual: root of the weighted mean square distance of the fit, as a fraction of the face's width.
    """

    canonical_to_picture: Similarity
    angles: Float64
    residual: float


class Mouth(NamedTuple):
    """Openness (gap of the inner lips), width, lift of the corners over the middle; the resting width is 1."""

    openness: float
    width: float
    lift: float


def fit_similarity(source: Float64, target: Float64, weights: Float64 | None = None) -> Similarity:
    """The similarity that takes points (n, d) to others with the least weighted square error; never mirrors."""
    share = np.full(len(source), 1.0 / len(source)) if weights is None else weights / weights.sum()
    source_mean, target_mean = share @ source, share @ target
    source, target = source - source_mean, target - target_mean
    left, singular, right = np.linalg.svd((target * share[:, None]).T @ source)
    signs = np.ones(source.shape[1])
    signs[-1] = np.sign(np.linalg.det(left @ right))
    rotation = (left * signs) @ right
    spread = float(share @ (source**2).sum(1))
    scale = float(singular @ signs) / max(spread, 1e-12)
    return Similarity(scale, rotation, target_mean - scale * (rotation @ source_mean))


def fit_pose(mesh: NDArray[np.floating]) -> Pose:
    """The pose of a mesh (478, 3) or (468, 3) in pixels."""
    canonical = canonical_mesh()
    vertices = canonical.vertices.astype(np.float64) * CANONICAL_TO_PICTURE
    weights = canonical.procrustes_weights.astype(np.float64)
    points = mesh[: len(vertices)].astype(np.float64)
    placed = fit_similarity(vertices, points, weights)
    distance = weights @ ((placed(vertices) - points) ** 2).sum(1) / weights.sum()
    width = placed.scale * float(np.linalg.norm(vertices[454] - vertices[234]))
    return Pose(placed, rotation_angles(placed.rotation), float(np.sqrt(distance)) / max(width, 1e-12))


def rotation_angles(rotation: Float64) -> Float64:
    """Yaw, pitch, roll (3,) in degrees, as in `Pose`, of a (3, 3) rotation of picture axes."""
    yaw = np.arctan2(rotation[2, 0], rotation[2, 2])
    pitch = -np.arcsin(np.clip(rotation[2, 1], -1.0, 1.0))
    roll = np.arctan2(-rotation[0, 1], rotation[1, 1])
    return np.degrees([yaw, pitch, roll])


def eye_aperture(mesh: NDArray[np.floating]) -> tuple[float, float]:
    """Distance of the lids as a fraction of the eye's width, of the person's right and left eye; seen from the front.

    About 0.3 for an open eye, under 0.12 for a closed one.
    """
    face = _upright(mesh)
    return (_aperture(face, RIGHT_EYE_CORNERS, RIGHT_LIDS), _aperture(face, LEFT_EYE_CORNERS, LEFT_LIDS))


def mouth_shape(mesh: NDArray[np.floating]) -> Mouth:
    """The shape of the mouth as seen from the front, whatever the pose and the size of the face."""
    face = _upright(mesh)
    canonical = canonical_mesh().vertices
    unit = float(np.linalg.norm(canonical[MOUTH_CORNERS[1]] - canonical[MOUTH_CORNERS[0]]))
    upper, lower = face[INNER_LIPS_MIDDLE[0]], face[INNER_LIPS_MIDDLE[1]]
    corners = face[list(MOUTH_CORNERS)]
    lift = (upper[1] + lower[1]) / 2 - corners[:, 1].mean()
    width = float(np.linalg.norm(corners[1] - corners[0]))
    return Mouth(float(lower[1] - upper[1]) / unit, width / unit, float(lift) / unit)


def _upright(mesh: NDArray[np.floating]) -> Float64:
    """The mesh in the canonical frame, centimetres, y down: the pose and the size undone."""
    return fit_pose(mesh).canonical_to_picture.back(mesh.astype(np.float64))


def _aperture(face: Float64, corners: tuple[int, int], lids: tuple[tuple[int, int], ...]) -> float:
    width = float(np.linalg.norm(face[corners[1]] - face[corners[0]]))
    gap = float(np.mean([face[lower, 1] - face[upper, 1] for upper, lower in lids]))
    return max(0.0, gap) / max(width, 1e-12)
