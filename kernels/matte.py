"""Mattes: distances to an edge, anti-aliased coverage, feather, grow, combine.

Pixel centres lie at half-integers: a polygon through (0, 0), (1, 0), (1, 1), (0, 1) covers the first pixel and no
other. Distances are in pixels, positive inside.
"""

import math
from functools import reduce

import numpy as np
from numba import float32, float64, njit, prange
from numpy.typing import ArrayLike, NDArray

Float32 = NDArray[np.float32]

# Columns that one thread takes at a time in the vertical pass of the distance transform.
STRIP = 64


def signed_distance(inside: NDArray[np.bool_]) -> Float32:
    """Exact Euclidean distance (h, w) of each pixel's centre to the edge of `inside` (h, w), positive inside.

    The edge lies half a pixel before the nearest pixel of the other kind, so that the two kinds meet at +-0.5. Where
    all pixels are of one kind it is infinite. After Felzenszwalb & Huttenlocher, "Distance Transforms of Sampled
    Functions" (2012).
    """
    mask = np.ascontiguousarray(inside, np.bool_)
    vertical = np.empty(mask.shape, np.int32)
    _vertical_distance(mask, vertical)
    distance = np.empty(mask.shape, np.float32)
    _horizontal_envelope(mask, vertical, distance)
    return distance


def polygon_distance(points: ArrayLike, size: tuple[int, int]) -> Float32:
    """Signed distance of every pixel's centre of (height, width) to the closed polygon `points` (n, 2) of (x, y).

    A pixel is inside where the polygon winds round it, either way. Exact to 1e-3 of a pixel.
    """
    corners = _corners(points)
    distance = np.empty(size, np.float32)
    _distance_to_edges(corners, distance)
    return distance


def polygon_coverage(points: ArrayLike, size: tuple[int, int]) -> Float32:
    """Share [0, 1] of every pixel's area of (height, width) that the closed polygon `points` (n, 2) of (x, y) covers.

    Exact for a polygon that does not cross itself; where it covers twice the share is 1.
    """
    corners = _corners(points)
    coverage = np.empty(size, np.float32)
    _cover(corners, coverage)
    return coverage


def feather(distance: Float32, width: float) -> Float32:
    """A smooth step of a signed distance: 0 at the edge, 1 from `width` pixels inside on.

    Without a width the edge is one pixel's linear ramp round it, which is as hard as an anti-aliased edge gets.
    """
    matte = np.empty(distance.shape, np.float32)
    _feather(distance, np.float32(max(width, 0.0)), matte)
    return matte


def grow(distance: Float32, pixels: float) -> Float32:
    """The signed distance to an edge moved outwards by `pixels`, inwards when negative."""
    return distance + np.float32(pixels)


def combine(*mattes: Float32) -> Float32:
    """Where all of the mattes are: their product."""
    return reduce(np.multiply, mattes)


def minimum(*mattes: Float32) -> Float32:
    """The smallest of the mattes at each pixel: does not thin out edges that they share, as the product does."""
    return reduce(np.minimum, mattes)


def _corners(points: ArrayLike) -> NDArray[np.float64]:
    corners = np.ascontiguousarray(points, np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise ValueError("a polygon is at least three finite points (n, 2)")
    return corners


@njit(cache=True, inline="always")
def smoothstep(t):
    """0 below 0, 1 above 1, between them a cubic with level ends."""
    t = min(max(t, float32(0.0)), float32(1.0))
    return t * t * (float32(3.0) - float32(2.0) * t)


@njit(cache=True, inline="always")
def segment_distance_squared(px, py, ax, ay, bx, by):
    """Squared distance of the point p to the segment from a to b."""
    dx, dy = bx - ax, by - ay
    ex, ey = px - ax, py - ay
    length = max(dx * dx + dy * dy, float32(1e-20))
    t = min(max((ex * dx + ey * dy) / length, float32(0.0)), float32(1.0))
    fx, fy = ex - t * dx, ey - t * dy
    return fx * fx + fy * fy


@njit(cache=True, inline="always")
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


@njit(cache=True, parallel=True)
def _vertical_distance(mask, distance):
    """Rows to the nearest pixel of the other kind in the same column; height + width + 1 stands for none."""
    height, width = mask.shape
    none = np.int32(height + width + 1)
    for strip in prange((width + STRIP - 1) // STRIP):
        x0, x1 = strip * STRIP, min(width, (strip + 1) * STRIP)
        for x in range(x0, x1):
            distance[0, x] = none
        for y in range(1, height):
            for x in range(x0, x1):
                same = mask[y, x] == mask[y - 1, x]
                distance[y, x] = min(distance[y - 1, x] + np.int32(1), none) if same else np.int32(1)
        for y in range(height - 2, -1, -1):
            for x in range(x0, x1):
                same = mask[y, x] == mask[y + 1, x]
                below = min(distance[y + 1, x] + np.int32(1), none) if same else np.int32(1)
                distance[y, x] = min(distance[y, x], below)


@njit(cache=True, parallel=True)
def _horizontal_envelope(mask, vertical, distance):
    height, width = mask.shape
    none = height + width + 1
    for y in prange(height):
        places, starts = np.empty(width, np.int64), np.empty(width + 1, np.float64)
        for kind in range(2):
            _envelope(mask[y], vertical[y], kind == 1, none, places, starts, distance[y])


@njit(cache=True)
def _envelope(mask, vertical, kind, none, places, starts, distance):
    """One row's distances of the pixels of one kind: the lower envelope of a parabola over each column."""
    width = len(mask)
    count = 0
    for q in range(width):
        rise = vertical[q] if mask[q] == kind else np.int32(0)
        if rise >= none:
            continue
        height_q = float64(rise) * float64(rise) + float64(q) * float64(q)
        start = -math.inf
        while count > 0:
            p = places[count - 1]
            rise_p = vertical[p] if mask[p] == kind else np.int32(0)
            height_p = float64(rise_p) * float64(rise_p) + float64(p) * float64(p)
            start = (height_q - height_p) / (2.0 * float64(q - p))
            if start > starts[count - 1]:
                break
            count -= 1
            start = -math.inf
        places[count], starts[count] = q, start
        count += 1
    k = 0
    sign = float32(1.0) if kind else float32(-1.0)
    for q in range(width):
        if mask[q] != kind:
            continue
        if count == 0:
            distance[q] = sign * float32(math.inf)
            continue
        while k + 1 < count and starts[k + 1] < q:
            k += 1
        p = places[k]
        rise = vertical[p] if mask[p] == kind else np.int32(0)
        square = float64(q - p) * float64(q - p) + float64(rise) * float64(rise)
        distance[q] = sign * (float32(math.sqrt(square)) - float32(0.5))


@njit(cache=True, parallel=True, error_model="numpy")
def _distance_to_edges(corners, distance):
    height, width = distance.shape
    count = len(corners)
    for y in prange(height):
        py = y + 0.5
        nearest, winding = np.full(width, float32(np.inf), np.float32), np.zeros(width + 1, np.int32)
        for i in range(count):
            j = i + 1 if i + 1 < count else 0
            # Relative to the row, which keeps float32 exact where the distance is small.
            ax, ay, bx, by = corners[i, 0], corners[i, 1] - py, corners[j, 0], corners[j, 1] - py
            sx, sy, ex, ey = float32(ax), float32(ay), float32(bx), float32(by)
            for x in range(width):
                square = segment_distance_squared(float32(x) + float32(0.5), float32(0.0), sx, sy, ex, ey)
                nearest[x] = min(nearest[x], square)
            if (ay <= 0.0) != (by <= 0.0):
                crossing = ax - ay * (bx - ax) / (by - ay)
                first = min(max(math.ceil(crossing - 0.5), 0), width)
                winding[first] += np.int32(1) if by > ay else np.int32(-1)
        turns = 0
        for x in range(width):
            turns += winding[x]
            length = math.sqrt(nearest[x])
            distance[y, x] = length if turns != 0 else -length


@njit(cache=True, parallel=True, error_model="numpy")
def _cover(corners, coverage):
    height, width = coverage.shape
    count = len(corners)
    for y in prange(height):
        row, whole = np.zeros(width), np.zeros(width + 1)
        for i in range(count):
            j = i + 1 if i + 1 < count else 0
            ax, ay, bx, by = corners[i, 0], corners[i, 1], corners[j, 0], corners[j, 1]
            top, bottom = max(min(ay, by), float64(y)), min(max(ay, by), float64(y + 1))
            if top >= bottom:
                continue
            # The part of the row right of the edge gains its height, signed by the edge's direction.
            slope = (bx - ax) / (by - ay)
            left, right = ax + (top - ay) * slope, ax + (bottom - ay) * slope
            signed = bottom - top if by > ay else top - bottom
            first = min(max(math.floor(min(left, right)), 0), width)
            last = min(max(math.floor(max(left, right)) + 1, 0), width)
            for x in range(first, last):
                row[x] += signed * row_part(left, right, float64(x))
            whole[last] += signed
        total = 0.0
        for x in range(width):
            total += whole[x]
            coverage[y, x] = min(abs(row[x] + total), 1.0)


@njit(cache=True, parallel=True)
def _feather(distance, width, matte):
    for y in prange(distance.shape[0]):
        for x in range(distance.shape[1]):
            if width > float32(0.0):
                matte[y, x] = smoothstep(distance[y, x] / width)
            else:
                matte[y, x] = min(max(distance[y, x] + float32(0.5), float32(0.0)), float32(1.0))
