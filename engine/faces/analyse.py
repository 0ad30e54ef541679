"""Everything about the faces of one picture, for the pictures of an identity and to judge results."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.faces.detect import Detection, detect, overlap
from engine.faces.identity import embed
from engine.faces.mesh import PRESENT, SAME_MESH, fit_mesh, mesh_box, region_of_detection
from engine.faces.pose import Pose, fit_pose

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]


class Face(NamedTuple):
    """A face in a picture.

    mesh: (478, 3) x, y in pixels, z in the same scale, smaller is nearer. box: (4,) x0, y0, x1, y1 around the mesh.
    points: (5, 2) as in `Detection`. score, presence: [0, 1], of the detector and of the mesh. pose: see `Pose`.
    embedding: (128,) the identity.
    """

    mesh: Float64
    box: Float64
    points: Float64
    score: float
    presence: float
    pose: Pose
    embedding: Float32


def analyse_picture(
    picture: Float32, *, detect_size: int = 640, threshold: float = 0.5, turned: bool = False
) -> list[Face]:
    """The faces of `picture` (h, w, 3), model view [0, 1], largest first. Arguments as for `detect`.

    Raises ModelError.
    """
    faces: list[Face] = []
    for detection in detect(picture, size=detect_size, threshold=threshold, turned=turned):
        face = _examine(picture, detection)
        if face is not None and all(overlap(face.box, other.box) < SAME_MESH for other in faces):
            faces.append(face)
    return sorted(faces, key=lambda face: -(face.box[2] - face.box[0]) * (face.box[3] - face.box[1]))


def _examine(picture: Float32, detection: Detection) -> Face | None:
    mesh, presence = fit_mesh(picture, region_of_detection(detection))
    if presence < PRESENT:
        return None
    embedding = embed(picture, mesh)
    return Face(mesh, mesh_box(mesh), detection.points, detection.score, presence, fit_pose(mesh), embedding)
