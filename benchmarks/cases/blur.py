"""Gaussian blurs against OpenCV's of the same float pictures, and pull-push."""

import cv2
import numpy as np

from benchmarks.growth import Case
from benchmarks.report import Row
from benchmarks.timing import Call, compare
from kernels.blur import gaussian, masked_gaussian
from kernels.fill import pull_push
from kernels.workspace import Workspace

SIDE = 1024
# How many times as fast as OpenCV a blur of this sigma has to be.
TARGETS = {3.0: 1.0 / 1.5, 40.0: 1.0}


def rows() -> list[Row]:
    """A narrow and a wide blur."""
    return [_row(sigma, target) for sigma, target in TARGETS.items()]


def _row(sigma: float, times_faster: float) -> Row:
    picture, workspace = _picture(SIDE), Workspace()
    out, theirs = np.empty_like(picture), np.empty_like(picture)
    return compare(
        f"Gaussian, sigma {sigma:g}, {SIDE}² × 3 float",
        "OpenCV GaussianBlur",
        lambda: cv2.GaussianBlur(picture, (0, 0), sigma, theirs, borderType=cv2.BORDER_REPLICATE),
        lambda: gaussian(picture, sigma, out=out, workspace=workspace),
        times_faster,
    )


def _picture(side: int) -> np.ndarray:
    return np.random.default_rng(1).random((side, side, 3), dtype=np.float32)


def _gaussian(sigma: float, side: int) -> Call:
    picture, workspace = _picture(side), Workspace()
    out = np.empty_like(picture)
    return lambda: gaussian(picture, sigma, out=out, workspace=workspace)


def _masked(side: int) -> Call:
    picture, workspace = _picture(side), Workspace()
    weight = np.zeros((side, side), np.float32)
    weight[side // 8 : -side // 8, side // 4 : -side // 4] = 1.0
    out = np.empty_like(picture)
    return lambda: masked_gaussian(picture, weight, 0.1 * side, out=out, workspace=workspace)


def _pull_push(side: int) -> Call:
    picture, workspace = _picture(side), Workspace()
    weight = (np.random.default_rng(2).random((side, side)) < 0.1).astype(np.float32)
    out = np.empty_like(picture)
    return lambda: pull_push(picture, weight, out=out, workspace=workspace)


GROWTH: list[Case] = [
    ("Gaussian, sigma 3", lambda side: _gaussian(3.0, side)),
    ("Gaussian, sigma 40", lambda side: _gaussian(40.0, side)),
    ("masked Gaussian, a tenth of the side", _masked),
    ("pull-push", _pull_push),
]
