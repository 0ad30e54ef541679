"""The coarsest scales of `kernels.multigrid`, all in one loop, or one block of a GPU: each alone is not worth a launch.

They lie one behind the other in the buffers, largest first; the last is one cell, which is solved exactly.
"""

import numpy as np
from numba import float32, njit

from kernels.cells import prolonged_at, restricted_at, smoothed_at
from kernels.launch import LONE_BLOCK, run
from kernels.scales import Pyramid, coarser, sized, within

# Two weighted Jacobi steps with Chebyshev's weights for eigenvalues of D^-1 A between 0.5 and 2: together they
# reduce every error that the coarser scale cannot see to 0.22.
FIRST = np.float32(1.0 / (1.25 - 0.75 * np.sqrt(0.5)))
SECOND = np.float32(1.0 / (1.25 + 0.75 * np.sqrt(0.5)))


def solve_bottom(pyramid: Pyramid, full: bool) -> None:
    """Full multigrid on the `source` of the bottom's first scale, or one V-cycle on its `right`, into its `other`."""
    rest = pyramid.rest
    arrays = rest.share, rest.across, rest.down, rest.source, rest.right, rest.values, rest.other
    run(_bottom, LONE_BLOCK, *arrays, np.int64(pyramid.channels), *sized(rest), np.int64(full))


@njit(cache=True, inline="always")
def scales_from(height, width):
    """How many scales there are from one of this size on."""
    count = 1
    while max(height, width) > 3:
        height, width = coarser(height), coarser(width)
        count += 1
    return count


@njit(cache=True, inline="always")
def scale_at(height, width, index):
    """Where the index-th scale behind one of this size begins, in cells, and its size."""
    start = 0
    for _ in range(index):
        start += height * width
        height, width = coarser(height), coarser(width)
    return start, height, width


@njit(cache=True, inline="always")
def stage(step, first, last, full):
    """A V-cycle's stage, from the scale `first` down to `last` and up again.

    Which scale; whether the way goes up; whether the scale begins with what the next coarser one found, on the way up
    or of an earlier cycle; and whether its right-hand side is its own source.
    """
    rising = step > last - first
    index = first + (2 * (last - first) - step if rising else step)
    own = full != 0 and index == first
    return index, rising, rising or (own and index < last), own


@njit(cache=True, inline="always")
def smooth_scale(arrays, channels, height, width, index, started, source, last, rising, thread, threads):
    """Two steps, from `values` or from zero, into `other`; for every threads-th cell."""
    share, across, down, values, other = arrays
    start, height, width = scale_at(height, width, index)
    count = height * width
    cells, planes = slice(start, start + count), slice(channels * start, channels * (start + count))
    begin, f, out = values[planes] if started else values[:0], source[planes], other[planes]
    across, down, share = across[cells], down[cells], share[cells]
    first, second = (SECOND, FIRST) if rising else (FIRST, SECOND)
    if index == last:
        first, second = float32(1.0), float32(1.0)
    for cell in range(thread, count, threads):
        for place in range(cell, channels * count, count):
            out[place] = smoothed_at(begin, f, across, down, share, cell, place, width, first, second)


@njit(cache=True, inline="always")
def restrict_scale(arrays, channels, height, width, index, source, right, thread, threads):
    """The residual of a scale's `other`, into the next scale's right-hand side."""
    share, across, down, _, other = arrays
    next_start, coarse_height, coarse_width = scale_at(height, width, index + 1)
    start, height, width = scale_at(height, width, index)
    count, coarse_count = height * width, coarse_height * coarse_width
    cells, planes = slice(start, start + count), slice(channels * start, channels * (start + count))
    values, f, out = other[planes], source[planes], right[channels * next_start :]
    across, down, share = across[cells], down[cells], share[cells]
    for coarse in range(thread, coarse_count, threads):
        Y, X = coarse // coarse_width, coarse % coarse_width
        cell = (2 * Y - 1) * width + 2 * X - 1
        for c in range(channels):
            total = float32(0.0)
            if within(Y, X, coarse_height, coarse_width):
                total = restricted_at(values, f, across, down, share, cell, c * count + cell, width)
            out[c * coarse_count + coarse] = total


@njit(cache=True, inline="always")
def prolong_scale(arrays, channels, height, width, index, added, thread, threads):
    """The next scale's `other`, added to this one's or to zero, into this one's `values`."""
    share, _, _, values, other = arrays
    next_start, coarse_height, coarse_width = scale_at(height, width, index + 1)
    start, height, width = scale_at(height, width, index)
    count, coarse_count = height * width, coarse_height * coarse_width
    cells, planes = slice(start, start + count), slice(channels * start, channels * (start + count))
    begin, coarse, out = other[planes] if added else other[:0], other[channels * next_start :], values[planes]
    share, coarse_share = share[cells], share[next_start:]
    for cell in range(thread, count, threads):
        y, x = cell // width, cell % width
        for c in range(channels):
            place, plane = c * count + cell, c * coarse_count
            out[place] = prolonged_at(begin, coarse, coarse_share, plane, coarse_width, share, y, x, cell, place)


@njit(cache=True)
def _bottom(share, across, down, source, right, values, other, channels, height, width, full):
    arrays, last = (share, across, down, values, other), scales_from(height, width) - 1
    for first in range(last if full != 0 else 0, -1, -1):
        for step in range(2 * (last - first) + 1):
            index, rising, begun, own = stage(step, first, last, full)
            f = source if own else right
            if begun:
                prolong_scale(arrays, channels, height, width, index, rising, 0, 1)
            smooth_scale(arrays, channels, height, width, index, begun, f, last, rising, 0, 1)
            if not rising and index < last:
                restrict_scale(arrays, channels, height, width, index, f, right, 0, 1)
