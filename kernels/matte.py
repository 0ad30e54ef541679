"""Mattes: anti-aliased coverage, feather, grow, combine. Distances to an edge are in `kernels.distance`.

Pixel centres lie at half-integers: a polygon through (0, 0), (1, 0), (1, 1), (0, 1) covers the first pixel and no
other. Distances are in pixels, positive inside. Mattes and distances may be float16 or float32; results are float32
unless `out` says otherwise. NaN stays where it is.
"""

import math
from typing import Any

import numpy as np
from numba import float32, float64, njit, prange
from numpy.typing import ArrayLike, NDArray

from kernels.distance import polygon_and_result
from kernels.distance import polygon_distance as polygon_distance
from kernels.distance import signed_distance as signed_distance
from kernels.half import loadable, narrowed, widened
from kernels.launch import empty, run

Float32 = NDArray[np.float32]

PRODUCT, LEAST, GREATEST, WITHOUT = (np.int32(way) for way in range(4))


def polygon_coverage(
    points: ArrayLike, size: tuple[int, int] | None = None, *, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Share [0, 1] of every pixel's area of (height, width) that the closed polygon `points` (n, 2) of (x, y) covers.

    Exact for a polygon that does not cross itself; where it covers twice the share is 1. It is made where `out` lies,
    or else where the points do; the points are read on the host in any case.
    """
    corners, coverage = polygon_and_result(points, size, out)
    run(_cover, coverage.shape, corners, loadable(coverage))
    return coverage


def feather(distance: NDArray[Any], width: float, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """A smooth step of a signed distance (h, w): 0 at the edge, 1 from `width` pixels inside on. `out` may be it.

    Without a width the edge is one pixel's linear ramp round it, which is as hard as an anti-aliased edge gets.
    """
    matte = empty(distance, distance.shape) if out is None else out
    run(_feather, distance.shape, loadable(distance), np.float32(max(width, 0.0)), loadable(matte))
    return matte


def grow(distance: NDArray[Any], pixels: float, *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The signed distance (h, w) to an edge moved outwards by `pixels`, inwards when negative. `out` may be it."""
    moved = empty(distance, distance.shape) if out is None else out
    run(_grow, distance.shape, loadable(distance), np.float32(pixels), loadable(moved))
    return moved


def combine(*mattes: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Where all of the mattes (h, w) are: their product. `out` may be the first of them."""
    return _combined(PRODUCT, mattes, out)


def minimum(*mattes: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The smallest of the mattes (h, w) at each pixel: does not thin out edges that they share, as the product does.

    `out` may be the first of them.
    """
    return _combined(LEAST, mattes, out)


def maximum(*mattes: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Where any of the mattes (h, w) is: the largest at each pixel. `out` may be the first of them."""
    return _combined(GREATEST, mattes, out)


def subtract(matte: NDArray[Any], *held: NDArray[Any], out: NDArray[Any] | None = None) -> NDArray[Any]:
    """Where a matte (h, w) is and none of the others: matte * (1 - held), once for each. `out` may be the matte."""
    return _combined(WITHOUT, (matte, *held), out)


def _combined(way: np.int32, mattes: tuple[NDArray[Any], ...], out: NDArray[Any] | None) -> NDArray[Any]:
    first, *others = mattes
    result = empty(first, first.shape) if out is None else out
    # A single matte is its own minimum.
    for other in others or [first]:
        run(_combine, result.shape, loadable(first), loadable(other), way if others else LEAST, loadable(result))
        first = result
    return result


@njit(cache=True, inline="always")
def smoothstep(t):
    """0 below 0, 1 above 1, between them a cubic with level ends; NaN of NaN."""
    t = float32(1.0) if t > float32(1.0) else (float32(0.0) if t < float32(0.0) else t)
    return t * t * (float32(3.0) - float32(2.0) * t)


@njit(cache=True, inline="always", error_model="numpy")
def feathered(distance, width):
    """The matte at a signed distance."""
    ramp = distance + float32(0.5)
    ramp = float32(1.0) if ramp > float32(1.0) else (float32(0.0) if ramp < float32(0.0) else ramp)
    return smoothstep(distance / width) if width > float32(0.0) else ramp


@njit(cache=True, inline="always")
def combined(a, b, way):
    """Two mattes at a pixel, NaN if either is."""
    least = b if b < a or b != b else a
    greatest = b if b > a or b != b else a
    joined = least if way == LEAST else greatest
    return a * b if way == PRODUCT else (a - a * b if way == WITHOUT else joined)


@njit(cache=True, inline="always", error_model="numpy")
def row_part(left, right, cell):
    """Mean share of the unit cell at `cell` that lies right of a straight edge from x = left to x = right."""
    a, b = min(left, right) - cell, max(left, right) - cell
    if b <= 0.0:
        return 1.0
    if a >= 1.0:
        return 0.0
    if b - a < 1e-9:
        return 1.0 - min(max(0.5 * (a + b), 0.0), 1.0)
    # Integral of 1 - clamp(x, 0, 1) over [a, b], divided by its length.
    low, high = min(max(a, 0.0), 1.0), min(max(b, 0.0), 1.0)
    area = max(-a, 0.0) - max(-b, 0.0) + (high - low) - 0.5 * (high * high - low * low)
    return area / (b - a)


@njit(cache=True, inline="always", error_model="numpy")
def part_in_row(ax, ay, bx, by, y):
    """The part of an edge in a row of pixels: x where it begins and ends, and its height, signed by its direction."""
    top, bottom = max(min(ay, by), float64(y)), min(max(ay, by), float64(y + 1))
    if top >= bottom:
        return 0.0, 0.0, 0.0
    slope = (bx - ax) / (by - ay)
    return ax + (top - ay) * slope, ax + (bottom - ay) * slope, bottom - top if by > ay else top - bottom


@njit(cache=True, parallel=True, error_model="numpy")
def _cover(corners, coverage):
    height, width = coverage.shape
    count = len(corners)
    for y in prange(height):
        row, whole = np.zeros(width), np.zeros(width + 1)
        for i in range(count):
            j = i + 1 if i + 1 < count else 0
            left, right, signed = part_in_row(corners[i, 0], corners[i, 1], corners[j, 0], corners[j, 1], y)
            if signed == 0.0:
                continue
            # The part of the row right of the edge gains its height.
            first = int(min(max(math.floor(min(left, right)), 0.0), float64(width)))
            last = int(min(max(math.floor(max(left, right)) + 1.0, 0.0), float64(width)))
            for x in range(first, last):
                row[x] += signed * row_part(left, right, float64(x))
            whole[last] += signed
        total = 0.0
        for x in range(width):
            total += whole[x]
            coverage[y, x] = narrowed(float32(min(abs(row[x] + total), 1.0)), coverage[y, x])


@njit(cache=True, parallel=True, error_model="numpy")
def _feather(distance, width, matte):
    for y in prange(distance.shape[0]):
        for x in range(distance.shape[1]):
            matte[y, x] = narrowed(feathered(widened(distance[y, x]), width), matte[y, x])


@njit(cache=True, parallel=True)
def _grow(distance, pixels, moved):
    for y in prange(distance.shape[0]):
        for x in range(distance.shape[1]):
            moved[y, x] = narrowed(widened(distance[y, x]) + pixels, moved[y, x])


@njit(cache=True, parallel=True)
def _combine(a, b, way, out):
    for y in prange(out.shape[0]):
        for x in range(out.shape[1]):
            out[y, x] = narrowed(combined(widened(a[y, x]), widened(b[y, x]), way), out[y, x])
