"""Distances to the edge of a mask and of a polygon, in pixels, positive inside. Pixel centres lie at half-integers."""

import math
from typing import Any

import numpy as np
from numba import float32, float64, int32, njit, prange
from numpy.typing import ArrayLike, NDArray

from kernels.half import loadable, narrowed
from kernels.launch import empty, fetch, on_gpu, place, run
from kernels.workspace import Workspace

# Columns that one thread takes at a time in the vertical pass of the distance transform.
STRIP = 128
# Rows and columns of the tiles that share a choice of a polygon's edges.
TILE_ROWS, TILE_COLUMNS = 16, 64


def signed_distance(
    inside: NDArray[np.bool_], *, out: NDArray[Any] | None = None, workspace: Workspace | None = None
) -> NDArray[Any]:
    """Exact Euclidean distance (h, w) of each pixel's centre to the edge of `inside` (h, w), positive inside.

    The edge lies half a pixel before the nearest pixel of the other kind, so that the two kinds meet at +-0.5. Where
    all pixels are of one kind it is infinite. `out` may be float16 or float32.

    On the CPU the rows are solved by Felzenszwalb & Huttenlocher, "Distance Transforms of Sampled Functions" (2012),
    in linear time; on a GPU every pixel looks along its row no further than the nearest edge that it has found.
    """
    scratch = Workspace() if workspace is None else workspace
    vertical = scratch.empty("distance.vertical", inside, inside.shape, np.int32)
    result = empty(inside, inside.shape) if out is None else out
    run(_vertical_distance, inside.shape[1], inside, vertical)
    run(_nearest, inside.shape, inside, vertical, loadable(result))
    return result


def polygon_distance(
    points: ArrayLike, size: tuple[int, int] | None = None, *, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Signed distance of every pixel's centre of (height, width) to the closed polygon `points` (n, 2) of (x, y).

    A pixel is inside where the polygon winds round it, either way. Exact to 1e-3 of a pixel. It is made where `out`
    (float16 or float32) lies, or else where the points do; the points are read on the host in any case.
    """
    corners, result = polygon_and_result(points, size, out)
    run(_distance_to_edges, result.shape, corners, loadable(result))
    return result


def polygon_and_result(
    points: Any, size: tuple[int, int] | None, out: NDArray[Any] | None
) -> tuple[NDArray[np.float64], NDArray[Any]]:
    """A polygon's corners (n, 2) beside the result (height, width) that is to be filled."""
    if hasattr(points, "__cuda_array_interface__"):
        on_gpu(points, out)
    corners = np.ascontiguousarray(fetch(points), np.float64)
    if corners.ndim != 2 or corners.shape[1] != 2 or len(corners) < 3 or not np.isfinite(corners).all():
        raise ValueError("a polygon is at least three finite points (n, 2)")
    if out is None and size is None:
        raise ValueError("a polygon's picture needs a size or an array to fill")
    like = points if hasattr(points, "__cuda_array_interface__") else corners
    result = empty(like, size or ()) if out is None else out
    return place(result, corners, np.float64), result


@njit(cache=True, inline="always")
def edge_distance(square, inside):
    """Signed distance to the edge half a pixel before a pixel of the other kind at this squared distance."""
    length = math.sqrt(square) - float32(0.5)
    return length if inside else -length


@njit(cache=True, inline="always")
def rise_of(mask, vertical, y, x, kind):
    """Rows from (x, y) to the nearest pixel that is not of this kind, in the same column."""
    return vertical[y, x] if mask[y, x] == kind else int32(0)


@njit(cache=True, inline="always")
def stretch(dx, dy):
    """One over an edge's squared length; large for an edge without any."""
    return float32(1.0) / max(dx * dx + dy * dy, float32(1e-20))


@njit(cache=True, inline="always")
def segment_square(px, py, ax, ay, dx, dy, inverse):
    """Squared distance of the point p to the segment from a along d, `inverse` being its `stretch`."""
    ex, ey = px - ax, py - ay
    t = min(max((ex * dx + ey * dy) * inverse, float32(0.0)), float32(1.0))
    fx, fy = ex - t * dx, ey - t * dy
    return fx * fx + fy * fy


@njit(cache=True, inline="always")
def crossing(ax, ay, bx, by):
    """Where an edge, given relative to a row of pixel centres, crosses the row: the place, and 1 down, -1 up, 0 not."""
    if (ay <= 0.0) == (by <= 0.0):
        return 0.0, 0
    return ax - ay * (bx - ax) / (by - ay), 1 if by > ay else -1


@njit(cache=True, parallel=True)
def _vertical_distance(mask, distance):
    """Rows to the nearest pixel of the other kind in the same column; height + width + 1 stands for none."""
    height, width = mask.shape
    none = int32(height + width + 1)
    for strip in prange((width + STRIP - 1) // STRIP):
        x0, x1 = strip * STRIP, min(width, (strip + 1) * STRIP)
        for x in range(x0, x1):
            distance[0, x] = none
        for y in range(1, height):
            for x in range(x0, x1):
                same = mask[y, x] == mask[y - 1, x]
                distance[y, x] = min(distance[y - 1, x] + int32(1), none) if same else int32(1)
        for y in range(height - 2, -1, -1):
            for x in range(x0, x1):
                same = mask[y, x] == mask[y + 1, x]
                below = min(distance[y + 1, x] + int32(1), none) if same else int32(1)
                distance[y, x] = min(distance[y, x], below)


@njit(cache=True, parallel=True, error_model="numpy")
def _nearest(mask, vertical, distance):
    """From distances along the columns to those in the plane.

    Along a row, pixels of one kind stand in stretches between pixels of the other. Nothing beyond the first pixel on
    either side of a stretch can be nearer to it than that pixel: stretches are solved one by one.
    """
    height, width = mask.shape
    none = int32(height + width + 1)
    for y in prange(height):
        square = np.empty(width, np.float32)
        places, heights, starts = np.empty(width + 2), np.empty(width + 2), np.empty(width + 2)
        first = 0
        while first < width:
            last = first + 1
            while last < width and mask[y, last] == mask[y, first]:
                last += 1
            _envelope(vertical[y], first, last, none, places, heights, starts, square)
            first = last
        for x in range(width):
            distance[y, x] = narrowed(edge_distance(square[x], mask[y, x]), distance[y, x])


@njit(cache=True, error_model="numpy")
def _envelope(vertical, first, last, none, places, heights, starts, square):
    """Squared distances of a stretch [first, last): the lower envelope of a parabola over each of its columns, and
    over the pixels beside it.
    """
    count = 0
    for q in range(max(first - 1, 0), min(last + 1, len(vertical))):
        rise = vertical[q] if first <= q < last else int32(0)
        if rise >= none:
            continue
        place, height = float64(q), float64(rise) * float64(rise) + float64(q) * float64(q)
        # Compared without a division: only a parabola that stays needs the place where it begins.
        while count > 0:
            top = count - 1
            if height - heights[top] > starts[top] * (2.0 * (place - places[top])):
                break
            count -= 1
        start = -math.inf
        if count > 0:
            start = (height - heights[count - 1]) / (2.0 * (place - places[count - 1]))
        places[count], heights[count], starts[count] = place, height, start
        count += 1
    k = 0
    for q in range(first, last):
        while k + 1 < count and starts[k + 1] < q:
            k += 1
        at = float64(q)
        square[q] = heights[k] - 2.0 * at * places[k] + at * at if count > 0 else math.inf


@njit(cache=True)
def _edges_near(corners, cx, cy, reach, squares, chosen):
    """Fill `chosen` with the edges of which any may be the nearest within `reach` of a place; how many there are."""
    count = len(corners)
    least = float32(np.inf)
    for i in range(count):
        j = i + 1 if i + 1 < count else 0
        ax, ay = float32(corners[i, 0] - cx), float32(corners[i, 1] - cy)
        dx, dy = float32(corners[j, 0] - corners[i, 0]), float32(corners[j, 1] - corners[i, 1])
        squares[i] = segment_square(float32(0.0), float32(0.0), ax, ay, dx, dy, stretch(dx, dy))
        least = min(least, squares[i])
    # What is farther from the middle by twice the reach is farther from every place; a pixel makes up for rounding.
    limit = (math.sqrt(least) + float32(2.0 * reach + 1.0)) ** 2
    found = 0
    for i in range(count):
        if squares[i] <= limit:
            chosen[found] = i
            found += 1
    return found


@njit(cache=True, error_model="numpy")
def _tile(corners, chosen, x0, y0, square):
    """Squared distances of a tile of pixels (rows, columns) at (x0, y0) to the nearest of the chosen edges."""
    rows, columns = square.shape
    square[:] = float32(np.inf)
    for i in chosen:
        j = i + 1 if i + 1 < len(corners) else 0
        # Relative to the tile, which keeps float32 exact where the distance is small.
        ax, ay = float32(corners[i, 0] - x0), float32(corners[i, 1] - y0)
        dx, dy = float32(corners[j, 0] - corners[i, 0]), float32(corners[j, 1] - corners[i, 1])
        inverse = stretch(dx, dy)
        for y in range(rows):
            line, py = square[y], float32(y) + float32(0.5)
            for x in range(columns):
                px = float32(x) + float32(0.5)
                line[x] = min(line[x], segment_square(px, py, ax, ay, dx, dy, inverse))


@njit(cache=True, error_model="numpy")
def _winding(corners, py, turns):
    """How often the polygon winds round each pixel of a row whose centres lie at py."""
    width = turns.shape[0]
    turns[:] = int32(0)
    for i in range(len(corners)):
        j = i + 1 if i + 1 < len(corners) else 0
        at, turn = crossing(corners[i, 0], corners[i, 1] - py, corners[j, 0], corners[j, 1] - py)
        first = math.ceil(min(max(at - 0.5, 0.0), float64(width)))
        if turn != 0 and first < width:
            turns[int(first)] += int32(turn)
    for x in range(1, width):
        turns[x] += turns[x - 1]


@njit(cache=True, parallel=True, error_model="numpy")
def _distance_to_edges(corners, distance):
    height, width = distance.shape
    for band in prange((height + TILE_ROWS - 1) // TILE_ROWS):
        y0 = band * TILE_ROWS
        rows = min(TILE_ROWS, height - y0)
        turns, line = np.empty(width, np.int32), np.empty((rows, width), np.float32)
        squares, chosen = np.empty(len(corners), np.float32), np.empty(len(corners), np.int64)
        tile = np.empty((rows, TILE_COLUMNS), np.float32)
        for x0 in range(0, width, TILE_COLUMNS):
            cx, cy = x0 + 0.5 * TILE_COLUMNS, y0 + 0.5 * TILE_ROWS
            reach = 0.5 * math.hypot(TILE_ROWS, TILE_COLUMNS)
            found = _edges_near(corners, cx, cy, reach, squares, chosen)
            _tile(corners, chosen[:found], x0, y0, tile)
            columns = min(TILE_COLUMNS, width - x0)
            line[:, x0 : x0 + columns] = tile[:, :columns]
        for y in range(rows):
            _winding(corners, y0 + y + 0.5, turns)
            for x in range(width):
                length = math.sqrt(line[y, x])
                signed = length if turns[x] != 0 else -length
                distance[y0 + y, x] = narrowed(signed, distance[y0 + y, x])
