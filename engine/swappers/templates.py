"""Where a network wants the face: five points of its training template, and the similarity that takes a mesh there.

A template holds the eyes' middles, the tip of the nose and the corners of the mouth, first those at the picture's left,
as fractions of a square picture's side. They are facts of how the published networks were trained.
"""

import numpy as np
from numpy.typing import NDArray

from engine.faces.pose import MOUTH_CORNERS, fit_similarity
from engine.models.manifest import Template
from engine.swappers.atlas import LEFT_EYE, RIGHT_EYE

Float64 = NDArray[np.float64]

NOSE_TIP = 1

TEMPLATES: dict[Template, Float64] = {
    "arcface_128": np.array(
        [
            [0.36167656, 0.40387734],
            [0.63696719, 0.40235469],
            [0.50019687, 0.56044219],
            [0.38710391, 0.72160547],
            [0.61507734, 0.72034453],
        ]
    ),
    "arcface_112_v1": np.array(
        [
            [0.35473214, 0.45658929],
            [0.64526786, 0.45658929],
            [0.5, 0.61154464],
            [0.37913393, 0.776875],
            [0.62086607, 0.776875],
        ]
    ),
    "arcface_112_v2": np.array(
        [
            [0.34191607, 0.46157411],
            [0.65653393, 0.45983393],
            [0.500225, 0.64050536],
            [0.37097589, 0.82469196],
            [0.63151696, 0.82325089],
        ]
    ),
    "ffhq_512": np.array(
        [
            [0.37691676, 0.46864664],
            [0.62285697, 0.46912813],
            [0.50123859, 0.61331904],
            [0.39308822, 0.725411],
            [0.61150205, 0.72490465],
        ]
    ),
    "mtcnn_512": np.array(
        [
            [0.36562865, 0.46733799],
            [0.63305391, 0.46585885],
            [0.50019127, 0.61942959],
            [0.39032951, 0.77598822],
            [0.61178945, 0.77476328],
        ]
    ),
    "dfl_whole_face": np.array(
        [
            [0.35342266, 0.39285716],
            [0.62797622, 0.39285716],
            [0.48660713, 0.5401786],
            [0.38839287, 0.68750011],
            [0.59821427, 0.68750011],
        ]
    ),
}


def five_points(mesh: NDArray[np.floating]) -> Float64:
    """The five points (5, 2) of a 478-point mesh, in its pixels."""
    points = mesh[:, :2].astype(np.float64)
    eyes = points[list(RIGHT_EYE)].mean(0), points[list(LEFT_EYE)].mean(0)
    return np.array([*eyes, points[NOSE_TIP], *points[list(MOUTH_CORNERS)]])


def picture_to_template(mesh: NDArray[np.floating], template: Template, size: int) -> Float64:
    """The (2, 3) matrix from a mesh's picture to a crop of `size` pixels with the face as the template has it."""
    fit = fit_similarity(five_points(mesh), TEMPLATES[template] * size)
    return np.column_stack([fit.scale * fit.rotation, fit.shift])


def scale_of(matrix: NDArray[np.floating]) -> float:
    """How many pixels of the result one pixel of the source is, for a similarity (2, 3)."""
    return float(np.sqrt(abs(np.linalg.det(matrix[:, :2]))))
