"""Laplace's equation on any set of pixels: conjugate gradients, preconditioned by one multigrid cycle.

Unknown pixels hold the mean of their four neighbours; known neighbours give the right-hand side; beyond the array's
border the picture is mirrored, so that a neighbour which is not there drops out of the mean.

Arrays are planar, (channel, height + 2, width + 2) with a rim of zeros, so that rows vectorise and no neighbour needs
a test. `diagonal` (height + 2, width + 2) holds an unknown pixel's number of neighbours, and 0 elsewhere. Every sweep
reads one buffer and writes another: the same bits whatever the number of threads.

Sources: Trottenberg et al., "Multigrid" (2001), for cell-centred coarsening; Notay, "Flexible Conjugate Gradients"
(2000). A coarse cell is unknown only where all of its children are: with fewer, plain cycles diverge.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

Float32 = NDArray[np.float32]
Int32 = NDArray[np.int32]

# Two weighted Jacobi sweeps with Chebyshev's weights for eigenvalues of D^-1 A between 0.5 and 2: together they
# reduce every error that the coarser level cannot see to 0.22.
CENTRE, HALF_WIDTH = 1.25, 0.75
FIRST = np.float32(1.0 / (CENTRE - HALF_WIDTH * np.sqrt(0.5)))
SECOND = np.float32(1.0 / (CENTRE + HALF_WIDTH * np.sqrt(0.5)))
COARSEST_SWEEPS = 8
LARGEST_COARSEST = 4
MOST_ITERATIONS = 40
NEIGHBOURS = ((-1, 0), (1, 0), (0, -1), (0, 1))
# Pixels of a level below which starting threads costs more than they save, all the more on a busy machine.
WORTH_THREADS = 1 << 16


class Level(NamedTuple):
    """One scale: its unknowns, each row's first and past-the-last unknown column, and the cycle's buffers."""

    diagonal: Float32
    first: Int32
    last: Int32
    right: Float32
    solution: Float32
    other: Float32


class Launchers(NamedTuple):
    """The passes of a cycle, over all rows of a level."""

    smooth_zero: Callable[..., None]
    sweep: Callable[..., None]
    restrict: Callable[..., None]
    prolong: Callable[..., None]


def make_levels(unknown: NDArray[np.bool_], channels: int) -> list[Level]:
    """The scales of a set of unknown pixels (h, w), finest first, down to the last that has any unknown."""
    diagonal = np.zeros((unknown.shape[0] + 2, unknown.shape[1] + 2), np.float32)
    _finest_diagonal(unknown, diagonal)
    levels: list[Level] = []
    while True:
        first, last = np.empty(diagonal.shape[0], np.int32), np.empty(diagonal.shape[0], np.int32)
        _spans(diagonal, first, last)
        if not (last > first).any():
            return levels
        buffers = [np.zeros((channels, *diagonal.shape), np.float32) for _ in range(3)]
        levels.append(Level(diagonal, first, last, *buffers))
        height, width = diagonal.shape[0] - 2, diagonal.shape[1] - 2
        if min(height, width) <= LARGEST_COARSEST:
            return levels
        coarse = np.zeros(((height + 1) // 2 + 2, (width + 1) // 2 + 2), np.float32)
        _coarser_diagonal(diagonal, coarse)
        diagonal = coarse


def solve(levels: list[Level], values: Float32, residual: float) -> int:
    """Replace the unknowns of `values` (planar, with rim; knowns and a first guess) by the solution, in place.

    Ends where the residual's norm is at most `residual` times that of the knowns alone (the residual of unknowns that
    are 0), in each channel. Returns the iterations taken.
    """
    level = levels[0]
    grid = level.diagonal, level.first, level.last
    gradient = level.right
    scale = _knowns_norm(values, *grid)
    norm = _start(values, *grid, gradient)
    limit = residual * residual * scale
    direction, image = np.zeros_like(values), np.zeros_like(values)
    descent, curvature, step = np.ones(len(values)), np.zeros(len(values)), np.zeros(len(values))
    for iteration in range(MOST_ITERATIONS):
        if (norm <= limit).all():
            return iteration
        smooth = _cycle(levels, 0)
        along, past, bend = _products(smooth, gradient, image, *grid)
        # Flexible: beta = z (r - r_old) / (z r)_old, where r - r_old = -step * image.
        beta = np.where(descent > 0.0, -step * past / np.maximum(descent, 1e-300), 0.0)
        curvature = bend + 2.0 * beta * past + beta * beta * curvature
        descent = along
        step = np.where(curvature > 0.0, along / np.maximum(curvature, 1e-300), 0.0)
        factors = beta.astype(np.float32), step.astype(np.float32)
        norm = _advance(smooth, *factors, *grid, direction, image, values, gradient)
    return MOST_ITERATIONS


def _cycle(levels: list[Level], index: int) -> Float32:
    """One V-cycle on `levels[index].right`, from zero. The result lies in one of the level's buffers."""
    level = levels[index]
    grid = level.diagonal, level.first, level.last
    run = PARALLEL if level.diagonal.size >= WORTH_THREADS else SERIAL
    run.smooth_zero(level.right, *grid, FIRST, SECOND, level.solution)
    if index + 1 == len(levels):
        for _ in range(COARSEST_SWEEPS):
            run.sweep(level.solution, level.right, *grid, FIRST, level.other)
            run.sweep(level.other, level.right, *grid, SECOND, level.solution)
        return level.solution
    coarser = levels[index + 1]
    run.restrict(
        level.solution, level.right, level.diagonal, coarser.diagonal, coarser.first, coarser.last, coarser.right
    )
    correction = _cycle(levels, index + 1)
    run.prolong(level.solution, correction, *grid, level.other)
    # The order of the weights is reversed, which keeps the cycle symmetric.
    run.sweep(level.other, level.right, *grid, SECOND, level.solution)
    run.sweep(level.solution, level.right, *grid, FIRST, level.other)
    return level.other


@njit(cache=True, inline="always")
def mean_error(centre, up, down, left, right, source, neighbours):
    """How much an unknown pixel is off the mean of its neighbours, in the unit of the picture; 0 for a known one."""
    if neighbours > float32(0.0):
        return (up + down + left + right + source) / neighbours - centre
    return float32(0.0)


@njit(cache=True, inline="always")
def neighbours_of(row, column, height, width):
    """How many of a pixel's four neighbours lie in the array."""
    return float32(4 - int(row == 0) - int(row == height - 1) - int(column == 0) - int(column == width - 1))


@njit(cache=True, parallel=True)
def _finest_diagonal(unknown, diagonal):
    height, width = unknown.shape
    for y in prange(height):
        for x in range(width):
            if unknown[y, x]:
                diagonal[y + 1, x + 1] = neighbours_of(y, x, height, width)


@njit(cache=True, parallel=True)
def _coarser_diagonal(fine, coarse):
    fine_height, fine_width = fine.shape[0] - 2, fine.shape[1] - 2
    height, width = coarse.shape[0] - 2, coarse.shape[1] - 2
    for Y in prange(height):
        for X in range(width):
            # A child beyond the border is the mirror of one inside.
            unknown = True
            for y in range(2 * Y, min(2 * Y + 2, fine_height)):
                for x in range(2 * X, min(2 * X + 2, fine_width)):
                    unknown = unknown and fine[y + 1, x + 1] > float32(0.0)
            if unknown:
                coarse[Y + 1, X + 1] = neighbours_of(Y, X, height, width)


@njit(cache=True, parallel=True)
def _spans(diagonal, first, last):
    height, width = diagonal.shape
    for y in prange(height):
        begin, end = 0, width
        while begin < width and diagonal[y, begin] == float32(0.0):
            begin += 1
        while end > begin and diagonal[y, end - 1] == float32(0.0):
            end -= 1
        first[y], last[y] = begin, end


@njit(cache=True, parallel=True, error_model="numpy")
def _knowns_norm(values, diagonal, first, last):
    """Squared norm (channel,) of the residual that the known values alone would give."""
    channels, height, _ = values.shape
    partial = np.zeros((height, channels))
    for y in prange(1, height - 1):
        for x in range(first[y], last[y]):
            if diagonal[y, x] == float32(0.0):
                continue
            for c in range(channels):
                total = float32(0.0)
                for down, across in NEIGHBOURS:
                    if diagonal[y + down, x + across] == float32(0.0):
                        total += values[c, y + down, x + across]
                partial[y, c] += total * total
    return _summed(partial)


@njit(cache=True)
def _summed(partial):
    total = np.zeros(partial.shape[1])
    for y in range(partial.shape[0]):
        total += partial[y]
    return total


@njit(cache=True, parallel=True, error_model="numpy")
def _start(values, diagonal, first, last, gradient):
    """The residual of `values` into `gradient`; its squared norm (channel,)."""
    channels, height, _ = values.shape
    partial = np.zeros((height, channels))
    for y in prange(1, height - 1):
        x0, x1 = first[y], last[y]
        d = diagonal[y, x0:x1]
        for c in range(channels):
            up, down = values[c, y - 1, x0:x1], values[c, y + 1, x0:x1]
            left, here, right = values[c, y, x0 - 1 : x1 - 1], values[c, y, x0:x1], values[c, y, x0 + 1 : x1 + 1]
            out = gradient[c, y, x0:x1]
            for i in range(x1 - x0):
                out[i] = d[i] * mean_error(here[i], up[i], down[i], left[i], right[i], float32(0.0), d[i])
            for i in range(x1 - x0):
                partial[y, c] += out[i] * out[i]
    return _summed(partial)


@njit(cache=True, error_model="numpy")
def _smooth_zero_row(y, source, diagonal, first, last, weight_1, weight_2, out):
    """Two sweeps that start from zero: the first needs no neighbours and is made anew for each pixel."""
    channels = source.shape[0]
    x0, x1 = first[y] - 1, last[y] + 1
    count = x1 - x0
    if count <= 2:
        return
    rows = np.empty((3, count), np.float32)
    for c in range(channels):
        for j in range(3):
            d, f, row = diagonal[y - 1 + j, x0:x1], source[c, y - 1 + j, x0:x1], rows[j]
            for i in range(count):
                row[i] = weight_1 * f[i] / d[i] if d[i] > float32(0.0) else float32(0.0)
        d, f, result = diagonal[y, x0 + 1 : x1], source[c, y, x0 + 1 : x1], out[c, y, x0 + 1 : x1]
        up, down, left, here, right = rows[0, 1:], rows[2, 1:], rows[1], rows[1, 1:], rows[1, 2:]
        for i in range(count - 2):
            error = mean_error(here[i], up[i], down[i], left[i], right[i], f[i], d[i])
            result[i] = here[i] + weight_2 * error


@njit(cache=True, parallel=True)
def _smooth_zero_parallel(source, diagonal, first, last, weight_1, weight_2, out):
    for y in prange(1, source.shape[1] - 1):
        _smooth_zero_row(y, source, diagonal, first, last, weight_1, weight_2, out)


@njit(cache=True)
def _smooth_zero_serial(source, diagonal, first, last, weight_1, weight_2, out):
    for y in range(1, source.shape[1] - 1):
        _smooth_zero_row(y, source, diagonal, first, last, weight_1, weight_2, out)


@njit(cache=True, error_model="numpy")
def _sweep_row(y, values, source, diagonal, first, last, weight, out):
    """One weighted Jacobi sweep from `values` to `out`."""
    channels = values.shape[0]
    x0, x1 = first[y], last[y]
    d = diagonal[y, x0:x1]
    for c in range(channels):
        up, down, f = values[c, y - 1, x0:x1], values[c, y + 1, x0:x1], source[c, y, x0:x1]
        left, here, right = values[c, y, x0 - 1 : x1 - 1], values[c, y, x0:x1], values[c, y, x0 + 1 : x1 + 1]
        result = out[c, y, x0:x1]
        for i in range(x1 - x0):
            error = mean_error(here[i], up[i], down[i], left[i], right[i], f[i], d[i])
            result[i] = here[i] + weight * error


@njit(cache=True, parallel=True)
def _sweep_parallel(values, source, diagonal, first, last, weight, out):
    for y in prange(1, values.shape[1] - 1):
        _sweep_row(y, values, source, diagonal, first, last, weight, out)


@njit(cache=True)
def _sweep_serial(values, source, diagonal, first, last, weight, out):
    for y in range(1, values.shape[1] - 1):
        _sweep_row(y, values, source, diagonal, first, last, weight, out)


@njit(cache=True, error_model="numpy")
def _restrict_row(Y, values, source, diagonal, coarse_diagonal, coarse_first, coarse_last, coarse_source):
    """The fine residual, summed over each unknown coarse cell's children: the stencil's h**2 turns mean into sum."""
    channels = coarse_source.shape[0]
    height, width = diagonal.shape
    for X in range(coarse_first[Y], coarse_last[Y]):
        inside = coarse_diagonal[Y, X] > float32(0.0)
        for c in range(channels):
            total = float32(0.0)
            if inside:
                for y in range(2 * Y - 1, min(2 * Y + 1, height - 1)):
                    for x in range(2 * X - 1, min(2 * X + 1, width - 1)):
                        around = values[c, y - 1, x] + values[c, y + 1, x] + values[c, y, x - 1] + values[c, y, x + 1]
                        total += source[c, y, x] + around - diagonal[y, x] * values[c, y, x]
            coarse_source[c, Y, X] = total


@njit(cache=True, parallel=True)
def _restrict_parallel(values, source, diagonal, coarse_diagonal, coarse_first, coarse_last, coarse_source):
    for Y in prange(1, coarse_source.shape[1] - 1):
        _restrict_row(Y, values, source, diagonal, coarse_diagonal, coarse_first, coarse_last, coarse_source)


@njit(cache=True)
def _restrict_serial(values, source, diagonal, coarse_diagonal, coarse_first, coarse_last, coarse_source):
    for Y in range(1, coarse_source.shape[1] - 1):
        _restrict_row(Y, values, source, diagonal, coarse_diagonal, coarse_first, coarse_last, coarse_source)


@njit(cache=True, error_model="numpy")
def _prolong_row(y, values, coarse, diagonal, first, last, out):
    """Add the coarse level's correction, linearly interpolated and mirrored at the border, into `out`."""
    channels = values.shape[0]
    coarse_height, coarse_width = coarse.shape[1] - 2, coarse.shape[2] - 2
    near, far = float32(0.75), float32(0.25)
    if last[y] <= first[y]:
        return
    Y = (y + 1) >> 1
    side = min(max(Y - 1 if y & 1 else Y + 1, 1), coarse_height)
    # Columns of the coarse row that the span touches, and one more on either side.
    X0, X1 = max(((first[y] + 1) >> 1) - 1, 1), min((last[y] >> 1) + 1, coarse_width)
    line = np.empty(coarse_width + 2, np.float32)
    for c in range(channels):
        a, b = coarse[c, Y], coarse[c, side]
        for X in range(X0, X1 + 1):
            line[X] = near * a[X] + far * b[X]
        for x in range(first[y], last[y]):
            X = (x + 1) >> 1
            beside = min(max(X - 1 if x & 1 else X + 1, 1), coarse_width)
            if diagonal[y, x] > float32(0.0):
                out[c, y, x] = values[c, y, x] + near * line[X] + far * line[beside]
            else:
                out[c, y, x] = float32(0.0)


@njit(cache=True, parallel=True)
def _prolong_parallel(values, coarse, diagonal, first, last, out):
    for y in prange(1, values.shape[1] - 1):
        _prolong_row(y, values, coarse, diagonal, first, last, out)


@njit(cache=True)
def _prolong_serial(values, coarse, diagonal, first, last, out):
    for y in range(1, values.shape[1] - 1):
        _prolong_row(y, values, coarse, diagonal, first, last, out)


@njit(cache=True, parallel=True, error_model="numpy")
def _products(smooth, gradient, image, diagonal, first, last):
    """Per channel z·r, z·q and z·Az of the preconditioned residual z, the residual r and the last direction's q."""
    channels, height, _ = smooth.shape
    partial = np.zeros((height, 3 * channels))
    for y in prange(1, height - 1):
        x0, x1 = first[y], last[y]
        d = diagonal[y, x0:x1]
        for c in range(channels):
            up, down = smooth[c, y - 1, x0:x1], smooth[c, y + 1, x0:x1]
            left, here, right = smooth[c, y, x0 - 1 : x1 - 1], smooth[c, y, x0:x1], smooth[c, y, x0 + 1 : x1 + 1]
            r, q = gradient[c, y, x0:x1], image[c, y, x0:x1]
            along, past, bend = 0.0, 0.0, 0.0
            for i in range(x1 - x0):
                along += here[i] * r[i]
                past += here[i] * q[i]
                bend += here[i] * (d[i] * here[i] - up[i] - down[i] - left[i] - right[i])
            partial[y, c], partial[y, channels + c], partial[y, 2 * channels + c] = along, past, bend
    total = _summed(partial)
    return total[:channels], total[channels : 2 * channels], total[2 * channels :]


@njit(cache=True, parallel=True, error_model="numpy")
def _advance(smooth, beta, step, diagonal, first, last, direction, image, values, gradient):
    """New direction p and q = Ap, then one step along it; the residual's squared norm (channel,)."""
    channels, height, _ = smooth.shape
    partial = np.zeros((height, channels))
    for y in prange(1, height - 1):
        x0, x1 = first[y], last[y]
        d = diagonal[y, x0:x1]
        for c in range(channels):
            up, down = smooth[c, y - 1, x0:x1], smooth[c, y + 1, x0:x1]
            left, here, right = smooth[c, y, x0 - 1 : x1 - 1], smooth[c, y, x0:x1], smooth[c, y, x0 + 1 : x1 + 1]
            p, q = direction[c, y, x0:x1], image[c, y, x0:x1]
            u, r = values[c, y, x0:x1], gradient[c, y, x0:x1]
            for i in range(x1 - x0):
                if d[i] > float32(0.0):
                    p[i] = here[i] + beta[c] * p[i]
                    q[i] = d[i] * here[i] - up[i] - down[i] - left[i] - right[i] + beta[c] * q[i]
                    u[i] += step[c] * p[i]
                    r[i] -= step[c] * q[i]
            total = 0.0
            for i in range(x1 - x0):
                total += r[i] * r[i]
            partial[y, c] = total
    return _summed(partial)


PARALLEL = Launchers(_smooth_zero_parallel, _sweep_parallel, _restrict_parallel, _prolong_parallel)
SERIAL = Launchers(_smooth_zero_serial, _sweep_serial, _restrict_serial, _prolong_serial)
