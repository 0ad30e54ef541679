"""What a pass of `kernels.multigrid` does to one cell of a scale, on either device.

A cell's number is y * width + x, the same in every channel; its place is that in all planes one behind the other. For
the arrays see `kernels.scales`. A cell of the rim is never unknown, so that no neighbour is looked for beyond it.
"""

import numpy as np
from numba import float32, njit

NEAR, FAR = np.float32(0.75), np.float32(0.25)


@njit(cache=True, inline="always")
def relaxed(value, pull, share, weight):
    """A cell after one weighted Jacobi step; `pull` is the weighted sum of its neighbours and its source."""
    return value + weight * (pull * share - value) if share > float32(0.0) else value


@njit(cache=True, inline="always", error_model="numpy")
def left_over(value, pull, share):
    """The residual of a cell."""
    return pull - value / share if share > float32(0.0) else float32(0.0)


@njit(cache=True, inline="always", error_model="numpy")
def interpolated(value, total, weight, share):
    """A cell with the coarser scale's correction: the mean over those of its four cells that are unknown."""
    return value + total / weight if share > float32(0.0) else value


@njit(cache=True, inline="always")
def filled(share):
    """1 for an unknown cell, else 0."""
    return float32(1.0) if share > float32(0.0) else float32(0.0)


@njit(cache=True, inline="always")
def weighted(before, left, after, right, over, up, under, down):
    """The sum of four neighbours, each times its link."""
    return before * left + after * right + over * up + under * down


@njit(cache=True, inline="always")
def pull_at(values, source, across, down, cell, place, width):
    """The weighted sum of a cell's neighbours, and its source."""
    left, right, up, below = values[place - 1], values[place + 1], values[place - width], values[place + width]
    if len(across) == 0:
        return left + right + up + below
    pull = weighted(across[cell - 1], left, across[cell], right, down[cell - width], up, down[cell], below)
    return pull + source[place]


@njit(cache=True, inline="always")
def stepped_at(values, source, across, down, share, cell, place, width, weight):
    """A cell after one step, from `values` or, where they are empty, from zero."""
    if len(values) == 0:
        return weight * source[place] * share[cell]
    if not share[cell] > float32(0.0):
        return values[place]
    return relaxed(values[place], pull_at(values, source, across, down, cell, place, width), share[cell], weight)


@njit(cache=True, inline="always")
def smoothed_at(values, source, across, down, share, cell, place, width, first, second):
    """A cell after two steps."""
    here = stepped_at(values, source, across, down, share, cell, place, width, first)
    if not share[cell] > float32(0.0):
        return here
    left = stepped_at(values, source, across, down, share, cell - 1, place - 1, width, first)
    right = stepped_at(values, source, across, down, share, cell + 1, place + 1, width, first)
    up = stepped_at(values, source, across, down, share, cell - width, place - width, width, first)
    below = stepped_at(values, source, across, down, share, cell + width, place + width, width, first)
    if len(across) == 0:
        return relaxed(here, left + right + up + below, share[cell], second)
    pull = weighted(across[cell - 1], left, across[cell], right, down[cell - width], up, down[cell], below)
    return relaxed(here, pull + source[place], share[cell], second)


@njit(cache=True, inline="always")
def rest_at(values, source, across, down, share, cell, place, width):
    """The residual of a cell."""
    if not share[cell] > float32(0.0):
        return float32(0.0)
    return left_over(values[place], pull_at(values, source, across, down, cell, place, width), share[cell])


@njit(cache=True, inline="always")
def restricted_at(values, source, across, down, share, cell, place, width):
    """The residual of a coarse cell's children, of which this is the first."""
    total = rest_at(values, source, across, down, share, cell, place, width)
    total += rest_at(values, source, across, down, share, cell + width, place + width, width)
    beside = rest_at(values, source, across, down, share, cell + 1, place + 1, width)
    return total + (beside + rest_at(values, source, across, down, share, cell + width + 1, place + width + 1, width))


@njit(cache=True, inline="always")
def prolonged_at(values, coarse, coarse_share, coarse_plane, coarse_width, share, y, x, cell, place):
    """A cell with the coarser scale's correction, added to `values` or, where they are empty, to zero."""
    value = values[place] if len(values) > 0 else float32(0.0)
    if not share[cell] > float32(0.0):
        return value
    Y, X = (y + 1) >> 1, (x + 1) >> 1
    # Odd rows and columns lie in the first half of their coarse one.
    row, side = Y * coarse_width, (Y - 1 if y & 1 else Y + 1) * coarse_width
    beside = X - 1 if x & 1 else X + 1
    near = NEAR * filled(coarse_share[row + X]) + FAR * filled(coarse_share[side + X])
    far = NEAR * filled(coarse_share[row + beside]) + FAR * filled(coarse_share[side + beside])
    row += coarse_plane
    side += coarse_plane
    here = NEAR * coarse[row + X] + FAR * coarse[side + X]
    there = NEAR * coarse[row + beside] + FAR * coarse[side + beside]
    return interpolated(value, NEAR * here + FAR * there, NEAR * near + FAR * far, share[cell])


@njit(cache=True, inline="always")
def sum_of_knowns(up, share_up, down, share_down, left, share_left, right, share_right):
    """The sum of those of four neighbours that are not unknown."""
    total = (float32(1.0) - filled(share_up)) * up + (float32(1.0) - filled(share_down)) * down
    return total + ((float32(1.0) - filled(share_left)) * left + (float32(1.0) - filled(share_right)) * right)


@njit(cache=True, inline="always")
def squares_at(values, share, cell, place, width):
    """The squares of a pixel's residual and of its knowns' sum; both 0 for one that is not unknown."""
    up, down, left, right = values[place - width], values[place + width], values[place - 1], values[place + 1]
    rest = left_over(values[place], up + down + left + right, share[cell])
    knowns = sum_of_knowns(
        up, share[cell - width], down, share[cell + width], left, share[cell - 1], right, share[cell + 1]
    )
    return rest * rest, filled(share[cell]) * knowns * knowns
