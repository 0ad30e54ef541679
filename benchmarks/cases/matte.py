"""Distances to a matte's edge against SciPy's and OpenCV's exact transforms, which give one sign at a time."""

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from benchmarks.growth import Case
from benchmarks.report import Row
from benchmarks.timing import Call, compare
from kernels.distance import polygon_distance, signed_distance
from kernels.matte import feather, polygon_coverage
from kernels.workspace import Workspace

SIDE = 1024


def rows() -> list[Row]:
    """The signed distance of a face's hull."""
    inside, workspace = polygon_coverage(_hull(SIDE), (SIDE, SIDE)) > 0.5, Workspace()
    out = np.empty(inside.shape, np.float32)
    mask, inverse = inside.astype(np.uint8), 1 - inside.astype(np.uint8)
    within, without = np.empty((2, SIDE, SIDE), np.float32)

    def scipy() -> None:
        ndimage.distance_transform_edt(inside)
        ndimage.distance_transform_edt(~inside)

    def opencv() -> None:
        cv2.distanceTransform(mask, cv2.DIST_L2, cv2.DIST_MASK_PRECISE, within)
        cv2.distanceTransform(inverse, cv2.DIST_L2, cv2.DIST_MASK_PRECISE, without)

    def ours() -> None:
        signed_distance(inside, out=out, workspace=workspace)

    what = f"signed distance of a hull, {SIDE}²"
    return [
        compare(what, "SciPy distance_transform_edt, both signs", scipy, ours, 4.0),
        compare(what, "OpenCV distanceTransform, both signs", opencv, ours, 1.0),
    ]


def _hull(side: int) -> NDArray[np.float64]:
    """An oval with 36 corners, as the face mesh's."""
    angles = np.arange(36) * (2.0 * np.pi / 36.0)
    return side * np.stack([0.5 + 0.36 * np.cos(angles), 0.5 + 0.45 * np.sin(angles)], -1)


def _signed(side: int) -> Call:
    inside, workspace = polygon_coverage(_hull(side), (side, side)) > 0.5, Workspace()
    out = np.empty(inside.shape, np.float32)
    return lambda: signed_distance(inside, out=out, workspace=workspace)


def _coverage(side: int) -> Call:
    hull, out = _hull(side), np.empty((side, side), np.float32)
    return lambda: polygon_coverage(hull, out=out)


def _feathered(side: int) -> Call:
    hull, out = _hull(side), np.empty((side, side), np.float32)
    return lambda: feather(polygon_distance(hull, out=out), 0.1 * side, out=out)


GROWTH: list[Case] = [
    ("signed distance of a mask", _signed),
    ("coverage of a polygon", _coverage),
    ("feathered hull", _feathered),
]
