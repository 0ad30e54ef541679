"""The membrane against OpenCV's seamless cloning, on a face that fills most of a square."""

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.growth import Case
from benchmarks.report import Row
from benchmarks.timing import Call, compare
from kernels.membrane import Quality, membrane
from kernels.workspace import Workspace

SIDES = (1024, 2048)
# How many times faster than the peer each has to be.
FASTER: dict[Quality, float] = {"final": 2.0, "preview": 8.0}


def rows() -> list[Row]:
    result = []
    for side in SIDES:
        for quality, times in FASTER.items():
            what = f"membrane, {quality}, {side}²"
            result.append(compare(what, "cv2.seamlessClone, 8 bit", _clone(side), _stretch(side, quality), times))
    return result


def _face(side: int) -> NDArray[np.uint8]:
    """A lobed disk as large as a face that fills most of a square."""
    mask = np.zeros((side, side), np.uint8)
    angle = np.linspace(0.0, 2.0 * np.pi, 200, endpoint=False)
    radius = 1.0 + 0.08 * np.cos(2.0 * angle) + 0.05 * np.sin(3.0 * angle) + 0.03 * np.cos(5.0 * angle + 1.0)
    outline = np.stack([0.34 * radius * np.cos(angle), 0.44 * radius * np.sin(angle)], -1)
    cv2.fillPoly(mask, [(side * (0.5 + outline)).astype(np.int32)], (255,))
    return mask


def _difference(side: int) -> NDArray[np.float32]:
    """Smooth light, a tint, and noise, as at a real seam."""
    y, x = np.mgrid[0:side, 0:side].astype(np.float32) / side
    light = np.stack([0.3 + x - 0.5 * y, 0.5 - y + 0.3 * np.sin(9.0 * x), x * y + 0.2 * np.cos(11.0 * y)], -1)
    noise = np.random.default_rng(3).standard_normal(light.shape, np.float32)
    return (light + np.float32(0.1) * noise).astype(np.float32)


def _stretch(side: int, quality: Quality) -> Call:
    difference, inside, workspace = _difference(side), _face(side) > 0, Workspace()
    result = np.empty_like(difference)
    return lambda: membrane(difference, inside, quality=quality, out=result, workspace=workspace)


def _clone(side: int) -> Call:
    mask = _face(side)
    picture = np.clip(255.0 * (0.5 + 0.3 * _difference(side)), 0.0, 255.0).astype(np.uint8)
    under = picture[::-1].copy()
    left, top, width, height = cv2.boundingRect(mask)
    centre = (left + width // 2, top + height // 2)
    return lambda: cv2.seamlessClone(picture, under, mask, centre, cv2.NORMAL_CLONE)


GROWTH: list[Case] = [
    ("membrane, final", lambda side: _stretch(side, "final")),
    ("membrane, preview", lambda side: _stretch(side, "preview")),
]
