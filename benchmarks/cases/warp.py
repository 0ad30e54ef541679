"""Warps of a face's square of a frame, against OpenCV: anti-aliased with a Gaussian before, and of the same size.

OpenCV's warp takes no mean over what an output pixel covers, so whoever shrinks a face with it blurs the face's box
before, by what the square of the spacing adds to a tent's variance.
"""

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.growth import Case
from benchmarks.report import Row
from benchmarks.timing import Call, compare
from kernels.filters import Kind
from kernels.warp import warp_affine, warp_dense

FACE = 1500
TURN = math.radians(12.0)
FRAME = (2160, 4096)
FLAGS = {"linear": cv2.INTER_LINEAR, "cubic": cv2.INTER_CUBIC, "lanczos": cv2.INTER_LANCZOS4}


def rows() -> list[Row]:
    frame = _frame(FRAME)
    return [
        _shrunk(frame, 512, "linear"),
        _shrunk(frame, 128, "linear"),
        _shrunk(frame, 512, "cubic"),
        _shrunk(frame, 128, "cubic"),
        _same_size(frame, 512, "linear"),
        _same_size(frame, 512, "cubic"),
        _same_size(frame, 512, "lanczos"),
        _mapped(frame, 1024),
    ]


def _frame(size: tuple[int, int]) -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(0.0, 2.0, (*size, 3)).astype(np.float32)


def _matrix(scale: float, side: int, frame: NDArray[np.float32]) -> NDArray[np.float64]:
    """A crop of this side around the middle of the frame, turned; output pixels to the frame's."""
    linear = scale * np.array([[math.cos(TURN), -math.sin(TURN)], [math.sin(TURN), math.cos(TURN)]])
    centre = np.array([frame.shape[1], frame.shape[0]]) / 2
    return np.column_stack([linear, centre - linear @ [side / 2, side / 2]])


def _for_opencv(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The matrix for pixels whose centres lie at whole numbers."""
    moved = matrix.copy()
    moved[:, 2] += moved[:, :2] @ [0.5, 0.5] - 0.5
    return moved


def _shrunk(frame: NDArray[np.float32], side: int, kind: Kind) -> Row:
    scale = FACE / side
    matrix, size = _matrix(scale, side, frame), (side, side)
    sigma = math.sqrt((scale * scale - 1.0) / 6.0)
    half = math.ceil(FACE / 2 * (math.cos(TURN) + math.sin(TURN)) + scale)
    y, x = frame.shape[0] // 2 - half, frame.shape[1] // 2 - half
    box = frame[max(0, y) : y + 2 * half, x : x + 2 * half]
    theirs = _for_opencv(matrix)
    theirs[:, 2] -= [x, max(0, y)]
    out, result = np.empty((*size, 3), np.float32), np.empty((*size, 3), np.float32)

    def peer() -> object:
        blurred = cv2.GaussianBlur(box, (0, 0), sigma)
        return cv2.warpAffine(blurred, theirs, size, dst=result, flags=FLAGS[kind] | cv2.WARP_INVERSE_MAP)

    what = f"{kind} warp of {FACE}² to {side}², anti-aliased"
    return compare(
        what, "OpenCV GaussianBlur + warpAffine", peer, lambda: warp_affine(frame, matrix, size, kind, out), 1
    )


def _same_size(frame: NDArray[np.float32], side: int, kind: Kind) -> Row:
    matrix, size = _matrix(1.0, side, frame), (side, side)
    theirs, out, result = _for_opencv(matrix), np.empty((*size, 3), np.float32), np.empty((*size, 3), np.float32)

    def peer() -> object:
        return cv2.warpAffine(frame, theirs, size, dst=result, flags=FLAGS[kind] | cv2.WARP_INVERSE_MAP)

    peer_name = "OpenCV warpAffine" + (", four lobes" if kind == "lanczos" else "")
    what = f"{kind} warp of {side}², turned, 1:1"
    return compare(what, peer_name, peer, lambda: warp_affine(frame, matrix, size, kind, out), 1)


def _mapped(frame: NDArray[np.float32], side: int) -> Row:
    matrix = _matrix(0.9, side, frame)
    y, x = np.mgrid[:side, :side] + 0.5
    coordinates = np.stack([row[0] * x + row[1] * y + row[2] for row in matrix], axis=2).astype(np.float32)
    theirs, none = coordinates - np.float32(0.5), np.empty(0, np.float32)
    out, result = np.empty((side, side, 3), np.float32), np.empty((side, side, 3), np.float32)

    def peer() -> object:
        return cv2.remap(frame, theirs, none, cv2.INTER_CUBIC, dst=result)

    what = f"cubic warp of {side}² by a map"
    return compare(what, "OpenCV remap", peer, lambda: warp_dense(frame, coordinates, "cubic", out=out), 1)


def _growth(side: int) -> Call:
    frame = _frame((side, side))
    out, matrix = np.empty((side // 2, side // 2, 3), np.float32), _matrix(2.0, side // 2, frame)
    return lambda: warp_affine(frame, matrix, (side // 2, side // 2), "linear", out)


GROWTH: list[Case] = [("warp, shrunk to a half", _growth)]
