"""Find faces in a picture: where they are, how large, and which way up.

CenterFace (Xu et al., "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019) on a reduced copy of
the picture, and on the same copy turned by 90, 180 and 270 degrees when asked, because it was trained on upright faces.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models.session import open_model
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# The network's output has one cell for each 4 x 4 pixels, and its input sides are multiples of 32.
CELL = 4
STEP = 32
# The network misses faces of more than about 400 pixels. A second copy, smaller by COARSE, is searched for those whose
# longer side has at least LARGE pixels there; it costs a sixteenth of the first.
COARSE = 4
LARGE = 40
# A small picture is enlarged to the size that is asked for, but no further than this: more only costs time.
LARGEST_ENLARGEMENT = 2.0
# Two boxes that share more of their union than this are one face.
SAME_FACE = 0.3
# Pixel values of the network's input run to this.
FULL = np.float32(255.0)


class Detection(NamedTuple):
    """A face by its box (4,) x0, y0, x1, y1 and five points (5, 2), in pixels, and a score in [0, 1].

    Points: the eyes (the person's right, then left), the tip of the nose, the corners of the mouth (right, then left).
    """

    box: Float64
    points: Float64
    score: float


def detect(picture: Float32, *, size: int = 640, threshold: float = 0.5, turned: bool = False) -> list[Detection]:
    """Faces in `picture` (h, w, 3), model view [0, 1], best score first; boxes may reach over its border.

    size: the longer side, in pixels, of the copy that is searched. threshold: the least score, [0, 1].
    turned: also search for faces that lie on their side or stand on their head. Raises ModelError.
    """
    height, width = picture.shape[:2]
    scale = min(size / max(height, width), LARGEST_ENLARGEMENT)
    small = (max(1, round(height * scale)), max(1, round(width * scale)))
    small_to_picture = np.array([[width / small[1], 0.0, 0.0], [0.0, height / small[0], 0.0]])
    return detect_reduced(warp_affine(picture, small_to_picture, small), small_to_picture, threshold, turned)


def detect_reduced(
    small: Float32, small_to_picture: Float64, threshold: float = 0.5, turned: bool = False
) -> list[Detection]:
    """As `detect`, on a copy that is reduced already; the matrix (2, 3), a scale and a shift, leads to the result."""
    found = _search_turned(small, threshold, turned)
    height, width = (max(1, round(side / COARSE)) for side in small.shape[:2])
    stretch = np.array([small.shape[1] / width, small.shape[0] / height])
    coarse = warp_affine(small, np.array([[stretch[0], 0.0, 0.0], [0.0, stretch[1], 0.0]]), (height, width))
    for detection in _search_turned(coarse, threshold, turned):
        if (detection.box[2:] - detection.box[:2]).max() >= LARGE:
            found.append(_moved(detection, np.diag(stretch), np.zeros(2)))
    matrix, shift = small_to_picture[:, :2], small_to_picture[:, 2]
    return [_moved(detection, matrix, shift) for detection in _without_doubles(found)]


def overlap(first: Float64, second: Float64) -> float:
    """Intersection over union of two boxes (4,)."""
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    if width <= 0.0 or height <= 0.0:
        return 0.0
    areas = (first[2] - first[0]) * (first[3] - first[1]) + (second[2] - second[0]) * (second[3] - second[1])
    return float(width * height / (areas - width * height))


def _search_turned(small: Float32, threshold: float, turned: bool) -> list[Detection]:
    found: list[Detection] = []
    for quarter_turns in range(4) if turned else (0,):
        for box, points, score in _search(np.rot90(small, quarter_turns), threshold):
            corners = _turn_back(box.reshape(2, 2), quarter_turns, small.shape[:2])
            box = np.concatenate([corners.min(axis=0), corners.max(axis=0)])
            found.append(Detection(box, _turn_back(points, quarter_turns, small.shape[:2]), score))
    return _without_doubles(found)


def _moved(detection: Detection, matrix: Float64, shift: Float64) -> Detection:
    box = (detection.box.reshape(2, 2) @ matrix.T + shift).ravel()
    return Detection(box, detection.points @ matrix.T + shift, detection.score)


def _search(small: Float32, threshold: float) -> list[Detection]:
    height, width = small.shape[:2]
    padded = np.zeros((1, 3, -(-height // STEP) * STEP, -(-width // STEP) * STEP), np.float32)
    padded[0, :, :height, :width] = np.moveaxis(small, 2, 0) * FULL
    heatmap, scale, offset, landmarks = open_model("centerface").run({"input": padded})
    rows, columns = np.nonzero(heatmap[0, 0] > threshold)
    found = []
    for row, column in zip(rows, columns, strict=True):
        high, wide = np.exp(scale[0, :, row, column].astype(np.float64)) * CELL
        y, x = (np.array([row, column]) + offset[0, :, row, column] + 0.5) * CELL
        box = np.array([x - wide / 2, y - high / 2, x + wide / 2, y + high / 2])
        inside = landmarks[0, :, row, column].astype(np.float64).reshape(5, 2)[:, ::-1]
        found.append(Detection(box, box[:2] + inside * [wide, high], float(heatmap[0, 0, row, column])))
    return _without_doubles(found)


def _turn_back(points: Float64, quarter_turns: int, size: tuple[int, int]) -> Float64:
    """Points (n, 2) of `np.rot90(picture, quarter_turns)` in the picture of `size` (height, width)."""
    height, width = size
    x, y = points[:, 0], points[:, 1]
    match quarter_turns:
        case 1:
            return np.stack([width - y, x], axis=1)
        case 2:
            return np.stack([width - x, height - y], axis=1)
        case 3:
            return np.stack([y, height - x], axis=1)
    return points


def _without_doubles(found: list[Detection]) -> list[Detection]:
    """Non-maximum suppression: of boxes that are one face, the best; ties go to the earlier."""
    kept: list[Detection] = []
    for candidate in sorted(found, key=lambda detection: -detection.score):
        if all(overlap(candidate.box, other.box) < SAME_FACE for other in kept):
            kept.append(candidate)
    return kept
