"""Laplace's equation on any set of pixels by full multigrid, in a number of passes that the picture does not change.

An unknown pixel holds the mean of those of its four neighbours that are unknown or known: the membrane is free where it
meets neither, and at the border. `kernels.scales` makes the coarse scales. The coarsest is solved first, and each
solution, interpolated, is where the next finer one starts; there it takes one V-cycle. So the work per pixel and the
error are the same for every size. Measured from a disk to a sponge, and from a smooth edge to one of noise alone: the
finest scale starts with a residual of at most START times that of the known pixels alone, the first V-cycle leaves a
twentieth of it, FIRST_RATE at most, and another a tenth, RATE. Where most of an edge is free, and known pixels are few
and far between, another leaves a third; a labyrinth of one pixel's width with such edges is slower still.

Every pass reads one buffer and writes another: the same bits whatever the number of threads. For the layout of arrays
see `kernels.scales`; `source` is empty at the finest scale, and `values` is empty for a start from zero.

Source: Trottenberg et al., "Multigrid" (2001), for full multigrid and Chebyshev's weights.
"""

import math
from typing import Any

import numpy as np
from numba import float32, njit, prange

from kernels.bottom import FIRST, SECOND, solve_bottom
from kernels.cells import FAR, NEAR, filled, interpolated, left_over, relaxed, sum_of_knowns, weighted
from kernels.launch import fetch, on_gpu, run
from kernels.scales import Level, Pyramid, sized
from kernels.workspace import Workspace

START, FIRST_RATE, RATE = 0.15, 0.05, 0.1
MOST_CYCLES = 12
# The residual of a guess that will do for a preview as it is.
GOOD_GUESS = 0.01
# Rows that one thread takes at a time, and columns whose sums are one.
BAND = 16
STRIP = 512


def solve(pyramid: Pyramid, residual: float, preview: bool, guessed: bool, workspace: Workspace) -> Any:
    """The finest scale's solution (channel * height * width,), in a buffer of the pyramid.

    Ends where the residual's norm is at most `residual` times that of the knowns alone (the residual of unknowns that
    are 0): after a fixed number of cycles; a GPU is not waited for, but the CPU then measures what is left, and goes on
    if it has to. A preview is what full multigrid finds, without a cycle on the finest scale. `guessed`: start from
    what the finest scale holds, if that is nearer; to know it, a GPU is waited for.
    """
    finest = pyramid.levels[0]
    now, spare = finest.values, finest.other
    distance = relative_residual(pyramid, now, workspace) if guessed else math.inf
    if distance < (GOOD_GUESS if preview else START):
        cycles = cycles_for(residual, distance)
    else:
        now, spare = _from_coarse(pyramid), finest.values
        cycles = 1 + cycles_for(residual, START * FIRST_RATE)
    if preview:
        return now
    for _ in range(cycles):
        now, spare = _finest_cycle(pyramid, now, spare), now
    for _ in range(0 if on_gpu(now) else MOST_CYCLES):
        if relative_residual(pyramid, now, workspace) <= residual:
            break
        now, spare = _finest_cycle(pyramid, now, spare), now
    return now


def cycles_for(residual: float, distance: float) -> int:
    """The V-cycles, but for the first after full multigrid, that bring a relative residual down to another."""
    return max(0, math.ceil(math.log(max(distance, 1e-30) / residual) / math.log(1.0 / RATE)))


def relative_residual(pyramid: Pyramid, values: Any, workspace: Workspace) -> float:
    """The largest channel's norm of what is left, over that of the knowns alone. Waits for a GPU."""
    finest, channels = pyramid.levels[0], pyramid.channels
    partial = workspace.empty("multigrid.partial", values, (2, channels, finest.size[1]))
    run(_norms, finest.size[1], values, finest.share, *sized(finest), partial)
    left, knowns = fetch(np.sum(partial, axis=2, dtype=np.float64))
    return float(np.sqrt(np.max(np.where(left > 0.0, left / np.maximum(knowns, 1e-300), 0.0))))


def _from_coarse(pyramid: Pyramid) -> Any:
    """Full multigrid: the finest scale's start, smoothed, in its `other`."""
    levels, bottom = pyramid.levels, pyramid.bottom
    solve_bottom(pyramid, True)
    for index in range(bottom - 1, 0, -1):
        level = levels[index]
        _interpolate(level, levels[index + 1], level.values[:0], level.values)
        _cycle(pyramid, index, level.values, level.source)
    finest = levels[0]
    _interpolate(finest, levels[1], finest.other, finest.values)
    _relax(finest, finest.values, finest.source, (FIRST, SECOND), finest.other)
    return finest.other


def _finest_cycle(pyramid: Pyramid, now: Any, spare: Any) -> Any:
    """One V-cycle from `now`; the result lies in `spare`."""
    finest, coarse = pyramid.levels[:2]
    _relax(finest, now, finest.source, (FIRST, SECOND), spare)
    _reduce(finest, spare, finest.source, coarse)
    _cycle(pyramid, 1, coarse.values[:0], coarse.right)
    _interpolate(finest, coarse, spare, now)
    _relax(finest, now, finest.source, (SECOND, FIRST), spare)
    return spare


def _cycle(pyramid: Pyramid, index: int, start: Any, source: Any) -> None:
    """One V-cycle of a coarse scale; the result lies in its `other`."""
    if index == pyramid.bottom:
        solve_bottom(pyramid, False)
        return
    level, coarse = pyramid.levels[index : index + 2]
    _relax(level, start, source, (FIRST, SECOND), level.other)
    _reduce(level, level.other, source, coarse)
    _cycle(pyramid, index + 1, coarse.values[:0], coarse.right)
    _interpolate(level, coarse, level.other, level.values)
    _relax(level, level.values, source, (SECOND, FIRST), level.other)


def _relax(level: Level, values: Any, source: Any, weights: tuple[np.float32, np.float32], out: Any) -> None:
    run(_smooth, level.size, values, source, level.across, level.down, level.share, *sized(level), *weights, out)


def _reduce(level: Level, values: Any, source: Any, coarse: Level) -> None:
    arrays = values, source, level.across, level.down, level.share
    run(_restrict, coarse.size, *arrays, *sized(level), coarse.right, *sized(coarse))


def _interpolate(level: Level, coarse: Level, values: Any, out: Any) -> None:
    run(_prolong, level.size, values, coarse.other, coarse.share, *sized(coarse), level.share, *sized(level), out)


@njit(cache=True, error_model="numpy")
def _relax_line(above, here, below, source, across, upper, lower, share, weight, out):
    """One Jacobi step of a row, from three rows; all but `out` may be any lines of the same length."""
    count = len(share) - 2
    left, value, right, up, down = here[:-2], here[1:-1], here[2:], above[1:-1], below[1:-1]
    s, result = share[1:-1], out[1:-1]
    if len(across) > 0:
        before, after, over, under, f = across[:-2], across[1:-1], upper[1:-1], lower[1:-1], source[1:-1]
        for i in range(count):
            pull = weighted(before[i], left[i], after[i], right[i], over[i], up[i], under[i], down[i]) + f[i]
            result[i] = relaxed(value[i], pull, s[i], weight)
    else:
        for i in range(count):
            result[i] = relaxed(value[i], left[i] + right[i] + up[i] + down[i], s[i], weight)
    out[0] = out[count + 1] = float32(0.0)


@njit(cache=True)
def _row_of(array, y, width):
    """A row of a plane, or of all planes one below the other; nothing of an empty array."""
    return array[y * width : (y + 1) * width] if len(array) > 0 else array


@njit(cache=True, error_model="numpy")
def _first_sweep(values, source, across, down, share, height, width, weight, y, channel, line):
    """The first of two steps for a row, into a line."""
    row = channel * height + y
    if y == 0 or y == height - 1:
        line[:] = float32(0.0)
    elif len(values) == 0:
        f, s = _row_of(source, row, width), _row_of(share, y, width)
        for i in range(width):
            line[i] = weight * f[i] * s[i]
    else:
        _relax_line(
            _row_of(values, row - 1, width),
            _row_of(values, row, width),
            _row_of(values, row + 1, width),
            _row_of(source, row, width),
            _row_of(across, y, width),
            _row_of(down, y - 1, width),
            _row_of(down, y, width),
            _row_of(share, y, width),
            weight,
            line,
        )


@njit(cache=True, error_model="numpy")
def _smooth_rows(values, source, across, down, share, height, width, first, second, out, top, end):
    """Two steps for rows of all channels; the first step's rows stay in the cache."""
    lines = np.empty((3, width), np.float32)
    for channel in range(len(out) // (height * width)):
        plane = channel * height
        if top == 1:
            _row_of(out, plane, width)[:] = float32(0.0)
        if end == height - 1:
            _row_of(out, plane + height - 1, width)[:] = float32(0.0)
        for y in range(top - 1, end + 1):
            _first_sweep(values, source, across, down, share, height, width, first, y, channel, lines[y % 3])
            if y > top:
                _relax_line(
                    lines[(y - 2) % 3],
                    lines[(y - 1) % 3],
                    lines[y % 3],
                    _row_of(source, plane + y - 1, width),
                    _row_of(across, y - 1, width),
                    _row_of(down, y - 2, width),
                    _row_of(down, y - 1, width),
                    _row_of(share, y - 1, width),
                    second,
                    _row_of(out, plane + y - 1, width),
                )


@njit(cache=True, parallel=True)
def _smooth(values, source, across, down, share, height, width, first, second, out):
    for band in prange((height - 2 + BAND - 1) // BAND):
        top = 1 + band * BAND
        end = min(top + BAND, height - 1)
        _smooth_rows(values, source, across, down, share, height, width, first, second, out, top, end)


@njit(cache=True, error_model="numpy")
def _add_left_over(above, here, below, source, across, upper, lower, share, line):
    """Add a row's residual to a line."""
    count = len(share) - 2
    left, value, right, up, down = here[:-2], here[1:-1], here[2:], above[1:-1], below[1:-1]
    s, result = share[1:-1], line[1:]
    if len(across) > 0:
        before, after, over, under, f = across[:-2], across[1:-1], upper[1:-1], lower[1:-1], source[1:-1]
        for i in range(count):
            pull = weighted(before[i], left[i], after[i], right[i], over[i], up[i], under[i], down[i]) + f[i]
            result[i] += left_over(value[i], pull, s[i])
    else:
        for i in range(count):
            result[i] += left_over(value[i], left[i] + right[i] + up[i] + down[i], s[i])


@njit(cache=True)
def _restrict_row(values, source, across, down, share, height, width, right, coarse_height, coarse_width, Y):
    """A coarse row of all channels: residuals summed over each cell's children."""
    line = np.empty(2 * coarse_width, np.float32)
    for channel in range(len(right) // (coarse_height * coarse_width)):
        line[:] = float32(0.0)
        for y in range(2 * Y - 1, min(2 * Y + 1, height - 1)):
            if 0 < Y < coarse_height - 1:
                row = channel * height + y
                _add_left_over(
                    _row_of(values, row - 1, width),
                    _row_of(values, row, width),
                    _row_of(values, row + 1, width),
                    _row_of(source, row, width),
                    _row_of(across, y, width),
                    _row_of(down, y - 1, width),
                    _row_of(down, y, width),
                    _row_of(share, y, width),
                    line,
                )
        out = _row_of(right, channel * coarse_height + Y, coarse_width)
        out[0] = out[coarse_width - 1] = float32(0.0)
        pairs = line[1:]
        for X in range(coarse_width - 2):
            out[X + 1] = pairs[2 * X] + pairs[2 * X + 1]


@njit(cache=True, parallel=True)
def _restrict(values, source, across, down, share, height, width, right, coarse_height, coarse_width):
    for Y in prange(coarse_height):
        _restrict_row(values, source, across, down, share, height, width, right, coarse_height, coarse_width, Y)


@njit(cache=True)
def _spread(line, out):
    """A coarse line, linearly interpolated to twice its cells; cell X lies at 2 X - 1 and 2 X."""
    before, here, after, result = line[:-2], line[1:-1], line[2:], out[1:]
    for X in range(len(here)):
        near = NEAR * here[X]
        result[2 * X] = near + FAR * before[X]
        result[2 * X + 1] = near + FAR * after[X]


@njit(cache=True, error_model="numpy")
def _prolong_row(values, coarse, coarse_share, coarse_height, coarse_width, share, height, width, out, y):
    """A row of all channels, with the coarser scale's correction."""
    # Odd rows lie in the upper half of their coarse row.
    Y = (y + 1) >> 1
    side = Y - 1 if y & 1 else Y + 1
    line, weights = np.empty(coarse_width, np.float32), np.zeros(2 * coarse_width, np.float32)
    totals = np.zeros(2 * coarse_width, np.float32)
    inner = y > 0 and y < height - 1
    s = _row_of(share, y, width)
    if inner:
        near, far = _row_of(coarse_share, Y, coarse_width), _row_of(coarse_share, side, coarse_width)
        for X in range(coarse_width):
            line[X] = NEAR * filled(near[X]) + FAR * filled(far[X])
        _spread(line, weights)
    for channel in range(len(out) // (height * width)):
        result = _row_of(out, channel * height + y, width)
        if not inner:
            result[:] = float32(0.0)
            continue
        near = _row_of(coarse, channel * coarse_height + Y, coarse_width)
        far = _row_of(coarse, channel * coarse_height + side, coarse_width)
        for X in range(coarse_width):
            line[X] = NEAR * near[X] + FAR * far[X]
        _spread(line, totals)
        if len(values) > 0:
            value = _row_of(values, channel * height + y, width)
            for x in range(width):
                result[x] = interpolated(value[x], totals[x], weights[x], s[x])
        else:
            for x in range(width):
                result[x] = interpolated(float32(0.0), totals[x], weights[x], s[x])


@njit(cache=True, parallel=True)
def _prolong(values, coarse, coarse_share, coarse_height, coarse_width, share, height, width, out):
    for y in prange(height):
        _prolong_row(values, coarse, coarse_share, coarse_height, coarse_width, share, height, width, out, y)


@njit(cache=True, error_model="numpy")
def _add_squares(above, here, below, shares_above, shares, shares_below, left, knowns):
    """Add a row's squares of the residual and of the knowns' sum to sums for each column."""
    up, value, down, before, after = above[1:-1], here[1:-1], below[1:-1], here[:-2], here[2:]
    over, s, under, s_before, s_after = shares_above[1:-1], shares[1:-1], shares_below[1:-1], shares[:-2], shares[2:]
    rests, owns = left[1:], knowns[1:]
    for i in range(len(s)):
        rest = left_over(value[i], up[i] + down[i] + before[i] + after[i], s[i])
        own = filled(s[i]) * sum_of_knowns(
            up[i], over[i], down[i], under[i], before[i], s_before[i], after[i], s_after[i]
        )
        rests[i] += rest * rest
        owns[i] += own * own


@njit(cache=True, parallel=True)
def _norms(values, share, height, width, partial):
    """Squares summed over columns: (2, channel, width) of the residual, and of what the knowns alone would leave."""
    for strip in prange((width + STRIP - 1) // STRIP):
        # The sums of a strip lie between those of a column to either side, which are not its own.
        first, end = max(strip * STRIP, 1), min((strip + 1) * STRIP, width - 1)
        sums = np.empty((2, end - first + 2), np.float32)
        for channel in range(partial.shape[1]):
            sums[:] = float32(0.0)
            for y in range(1, height - 1):
                row = channel * height + y
                _add_squares(
                    _row_of(values, row - 1, width)[first - 1 : end + 1],
                    _row_of(values, row, width)[first - 1 : end + 1],
                    _row_of(values, row + 1, width)[first - 1 : end + 1],
                    _row_of(share, y - 1, width)[first - 1 : end + 1],
                    _row_of(share, y, width)[first - 1 : end + 1],
                    _row_of(share, y + 1, width)[first - 1 : end + 1],
                    sums[0],
                    sums[1],
                )
            partial[:, channel, first:end] = sums[:, 1:-1]
    partial[:, :, 0] = partial[:, :, width - 1] = float32(0.0)
