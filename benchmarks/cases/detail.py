"""The frequency split against OpenCV's blur and a subtraction."""

import cv2
import numpy as np

from benchmarks.growth import Case
from benchmarks.report import Row
from benchmarks.timing import Call, compare
from kernels.frequency import Light, split
from kernels.workspace import Workspace

SIDE = 1024
SIGMA = 8.0


def rows() -> list[Row]:
    picture = _picture(SIDE)

    def by_opencv() -> tuple[np.ndarray, np.ndarray]:
        low = cv2.GaussianBlur(picture, (0, 0), SIGMA)
        return low, cv2.subtract(picture, low)

    return [
        compare(
            f"frequency split in {light} light, sigma {SIGMA:g}, {SIDE}²",
            "OpenCV GaussianBlur and subtract",
            by_opencv,
            _split(picture, light),
            1.0,
        )
        for light in ("linear", "log")
    ]


def _picture(side: int) -> np.ndarray:
    return np.random.default_rng(3).random((side, side, 3), dtype=np.float32)


def _split(picture: np.ndarray, light: Light) -> Call:
    low, high, workspace = np.empty_like(picture), np.empty_like(picture), Workspace()
    return lambda: split(picture, SIGMA, light=light, low=low, high=high, workspace=workspace)


def _growing(side: int) -> Call:
    return _split(_picture(side), "log")


GROWTH: list[Case] = [("frequency split", _growing)]
