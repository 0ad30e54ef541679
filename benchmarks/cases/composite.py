"""The composite of a face of 1000 pixels, turned by 12°, into a frame of 4096 × 2160.

The peer is FaceFusion's paste-back in floats: OpenCV warps patch and mask to the face's box, NumPy blends them into a
copy of the frame. It knows no view and no light: ours does that, too, and both use the matte of a face's hull.
"""

from functools import cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.growth import Case
from benchmarks.report import Row
from benchmarks.timing import Call, compare
from kernels.composite import composite
from kernels.view import make_view

FRAME, FACE, CROP = (2160, 4096), 1000, 512
TURN = np.deg2rad(12.0)
PLATE_Y, PLATE_X = 400, 1400


def rows() -> list[Row]:
    what = "composite of a 1000 px face into 4096×2160"
    with_layers = _ours(FACE, np.float16, layers=True)
    return [
        compare(f"{what}, float", "FaceFusion's paste-back", _peer(np.float32), _ours(FACE, np.float32), 8.0),
        compare(f"{what}, half", "FaceFusion's paste-back", _peer(np.float32), _ours(FACE, np.float16), 6.0),
        compare(f"{what}, half, with seam and grain", "FaceFusion's paste-back", _peer(np.float32), with_layers, 4.0),
    ]


def _growing(side: int) -> Call:
    return _ours(side, np.float16)


GROWTH: list[Case] = [("composite, half", _growing)]


@cache
def _patch() -> NDArray[np.float32]:
    return np.random.default_rng(1).uniform(0.0, 1.0, (CROP, CROP, 3)).astype(np.float32)


def _plate_to_patch(face: int) -> tuple[int, NDArray[np.float64]]:
    """The side of the box that holds the turned crop of a face, and the way from its pixels to the patch's."""
    side = int(np.ceil(face * (np.cos(TURN) + np.sin(TURN))))
    linear = np.array([[np.cos(TURN), np.sin(TURN)], [-np.sin(TURN), np.cos(TURN)]]) * CROP / face
    return side, np.column_stack([linear, CROP / 2 - linear @ [side / 2, side / 2]])


def _crop_matte(size: int) -> NDArray[np.float32]:
    """The hull of a face that fills the crop, with a soft edge."""
    y, x = (np.mgrid[:size, :size] + 0.5) / size * 2.0 - 1.0
    return np.clip((1.0 - np.hypot(x / 0.8, y)) * 20.0, 0.0, 1.0).astype(np.float32)


def _ours(face: int, dtype: Any, layers: bool = False) -> Call:
    side, matrix = _plate_to_patch(face)
    frame = np.full((3, max(FRAME[0], side), max(FRAME[1], side)), 0.2, dtype)
    y0, x0 = (PLATE_Y, PLATE_X) if side < 1400 else (0, 0)
    planes = tuple(frame[:, y0 : y0 + side, x0 : x0 + side])
    matte = np.asarray(cv2.warpAffine(_crop_matte(CROP), cv2.invertAffineTransform(matrix), (side, side)), np.float32)
    extra = [np.zeros((side, side, 3), np.float32) if layers else None for _ in range(2)]
    view = make_view()
    return lambda: composite(planes, _patch(), matte, matrix, view, *extra)


def _peer(dtype: Any) -> Call:
    side, matrix = _plate_to_patch(FACE)
    frame = np.full((*FRAME, 3), 0.2, dtype)
    mask, patch = _crop_matte(CROP), _patch()
    forward = cv2.invertAffineTransform(matrix)

    def paste_back() -> NDArray[Any]:
        box = cv2.warpAffine(patch, forward, (side, side), borderMode=cv2.BORDER_REPLICATE)
        share = np.clip(cv2.warpAffine(mask, forward, (side, side)), 0.0, 1.0)[..., None]
        result = frame.copy()
        part = result[PLATE_Y : PLATE_Y + side, PLATE_X : PLATE_X + side]
        result[PLATE_Y : PLATE_Y + side, PLATE_X : PLATE_X + side] = part * (1.0 - share) + box * share
        return result

    return paste_back
