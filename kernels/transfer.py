"""Colour transfer: the linear map that gives one picture the mean and the covariance of another.

Of all such maps it is the one that moves colours least, Monge's and Kantorovich's: y = T (x - mean) + mean', where
T = A^-1/2 (A^1/2 B A^1/2)^1/2 A^-1/2 of the covariances A and B (Pitié & Kokaram, "The linear Monge-Kantorovitch linear
colour mapping for example-based colour transfer", 2007). Means and variances follow every pixel, highlights included;
`kernels.match` has a match that does not. The pictures may be in any encoding, the same for both; in linear light the
result of a dark pixel may be negative.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import float32, float64, njit, prange
from numpy.typing import NDArray

from kernels.half import loadable, narrowed, widened
from kernels.launch import empty, fetch, on_gpu, run
from kernels.view import flat, transform
from kernels.workspace import Workspace

Float64 = NDArray[np.float64]

# More samples than this do not move a mean or a variance by anything visible; and rows that are read in any case.
SAMPLES = 1 << 18
FEWEST_ROWS = 64
# So many threads of a GPU share a row, each with every so many of its pixels.
LANES = 32
# Pixels that are transformed at a time: their scratch stays in the nearest cache.
CHUNK = 256
# Added to both covariances: relative to their mean variance, and absolute. A constant picture has a match, too.
FLOOR, LEAST_FLOOR = 1e-7, 1e-12


class ColorStatistics(NamedTuple):
    """The weighted mean (3,) and covariance (3, 3) of a picture, float64, and the sum of the weights that were read.

    Without any weight they are 0.
    """

    mean: Float64
    covariance: Float64
    weight: float


class ColorTransform(NamedTuple):
    """y = matrix (3, 3) · (x - pivot (3,)) + offset (3,); float64. Around the pivot, for that does not cancel."""

    matrix: Float64
    pivot: Float64
    offset: Float64


IDENTITY = ColorTransform(np.eye(3), np.zeros(3), np.zeros(3))


def statistics(
    picture: NDArray[Any],
    weight: NDArray[Any] | None = None,
    *,
    samples: int = SAMPLES,
    workspace: Workspace | None = None,
) -> ColorStatistics:
    """Mean and covariance of (h, w, 3) by weight (h, w) in [0, 1], float16, float32 or bool; 1 where there is none.

    Where more than about `samples` pixels have a weight, only every so many rows are read, as many as hold that many
    samples, and at least 64: the same rows whatever the device and the number of threads. Pixels that are not finite do
    not count. Sums are in float64, around a colour of their own row, so that a small variance of large values is not
    lost. Waits for the GPU where the picture lies there, and fetches a table.
    """
    scratch = Workspace() if workspace is None else workspace
    height = picture.shape[0]
    share = empty(picture, (height, 0)) if weight is None else loadable(weight)
    count, used = picture.shape[0] * picture.shape[1], height
    if weight is not None:
        counts = scratch.empty("transfer.counts", picture, height, np.int64)
        run(_count, height, share, counts)
        counts = fetch(counts)
        count, used = int(counts.sum()), int(np.count_nonzero(counts))
    step = max(1, min(count // samples, used // FEWEST_ROWS))
    first = step // 2
    rows = len(range(first, height, step))
    lanes = LANES if on_gpu(picture) else 1
    shifts = scratch.empty("transfer.shifts", picture, (rows, 3), np.float64)
    sums = scratch.empty("transfer.sums", picture, (rows, lanes, 10), np.float64)
    run(_moments, (rows, lanes), loadable(picture), share, np.int32(first), np.int32(step), shifts, sums)
    return _statistics_of(fetch(shifts), fetch(np.sum(sums, axis=1)))


def monge_kantorovich(source: ColorStatistics, target: ColorStatistics) -> ColorTransform:
    """The map that gives a picture with the statistics `source` those of `target`; identity where either is empty.

    Directions in which the source hardly varies, against the mean variance of both, are left nearly as they are
    rather than blown up; between constant pictures the map is a shift.
    """
    if not (source.weight > 0.0 and target.weight > 0.0):
        return IDENTITY
    floor = FLOOR * (np.trace(source.covariance) + np.trace(target.covariance)) / 6.0 + LEAST_FLOOR
    a, b = source.covariance + floor * np.eye(3), target.covariance + floor * np.eye(3)
    root = _power(a, 0.5, floor)
    inverse = _power(a, -0.5, floor)
    return ColorTransform(inverse @ _power(root @ b @ root, 0.5, 0.0) @ inverse, source.mean, target.mean)


def transfer(
    picture: NDArray[Any], change: ColorTransform, amount: float = 1.0, *, out: NDArray[Any] | None = None
) -> NDArray[Any]:
    """Apply a colour transform to (h, w, 3), `amount` [0, 1] of it. `out` may be `picture`; both float16 or float32.

    Pixels that are not finite stay as they are, and no new infinity is made: what is too large becomes the largest
    number that `out` holds.
    """
    result = empty(picture, picture.shape) if out is None else out
    matrix = amount * change.matrix + (1.0 - amount) * np.eye(3)
    offset = amount * change.offset + (1.0 - amount) * change.pivot
    largest = np.float32(np.finfo(result.dtype).max)
    numbers = (flat(matrix), flat(change.pivot), flat(offset), largest)
    run(_transfer, result.shape[:2], loadable(picture), *numbers, loadable(result))
    return result


def _statistics_of(shifts: Float64, sums: Float64) -> ColorStatistics:
    """Join the rows' sums of weights (1), first (3) and second (6) moments around their shifts."""
    weights, first = sums[:, 0], sums[:, 1:4]
    total = float(weights.sum())
    if not total > 0.0:
        return ColorStatistics(np.zeros(3), np.zeros((3, 3)), 0.0)
    mean = np.sum(first + weights[:, None] * shifts, axis=0) / total
    away = shifts - mean
    cross = first.T @ away
    second = sums[:, 4:].sum(0)[[[0, 1, 2], [1, 3, 4], [2, 4, 5]]]
    return ColorStatistics(mean, (second + cross + cross.T + (weights[:, None] * away).T @ away) / total, total)


def _power(matrix: Float64, exponent: float, floor: float) -> Float64:
    """A power of a symmetric matrix whose eigenvalues are at least `floor`."""
    values, vectors = np.linalg.eigh(matrix)
    return (vectors * np.maximum(values, floor) ** exponent) @ vectors.T


@njit(cache=True, inline="always", error_model="numpy")
def finite(r, g, b):
    """Whether a colour holds neither NaN nor infinity."""
    return abs(r) + abs(g) + abs(b) < float32(np.inf)


@njit(cache=True, inline="always", error_model="numpy")
def moments(picture, weight, shift, y, x):
    """A pixel's weight, weighted colour around a shift (3) and its products (6), in float64; 0 if it does not count."""
    r, g, b = widened(picture[y, x, 0]), widened(picture[y, x, 1]), widened(picture[y, x, 2])
    share = widened(weight[y, x]) if weight.size > 0 else float32(1.0)
    good = (share > float32(0.0)) & finite(r, g, b)
    w = float64(share) if good else 0.0
    r, g, b = (
        float64(r if good else float32(0.0)),
        float64(g if good else float32(0.0)),
        float64(b if good else float32(0.0)),
    )
    r, g, b = r - shift[0], g - shift[1], b - shift[2]
    wr, wg, wb = w * r, w * g, w * b
    return w, wr, wg, wb, wr * r, wr * g, wr * b, wg * g, wg * b, wb * b


@njit(cache=True, inline="always", error_model="numpy")
def shift_of(picture, y):
    """A colour of a row to sum it around: that of its middle, if it is finite."""
    x = picture.shape[1] // 2
    r, g, b = widened(picture[y, x, 0]), widened(picture[y, x, 1]), widened(picture[y, x, 2])
    return (float64(r), float64(g), float64(b)) if finite(r, g, b) else (0.0, 0.0, 0.0)


@njit(cache=True, inline="always", error_model="numpy")
def transferred(r, g, b, matrix, pivot, offset, largest):
    """A colour under a transform; as it is where it is not finite."""
    s, t, u = transform(matrix, r - pivot[0], g - pivot[1], b - pivot[2])
    s = min(max(s + offset[0], -largest), largest)
    t = min(max(t + offset[1], -largest), largest)
    u = min(max(u + offset[2], -largest), largest)
    good = finite(r, g, b)
    return s if good else r, t if good else g, u if good else b


@njit(cache=True, parallel=True, error_model="numpy")
def _count(weight, counts):
    """How many pixels of each row have a weight."""
    for y in prange(weight.shape[0]):
        count = 0
        for x in range(weight.shape[1]):
            count += int(widened(weight[y, x]) > float32(0.0))
        counts[y] = count


@njit(cache=True, error_model="numpy")
def lane_sums(picture, weight, shift, y, lane, lanes, total):
    """The sums (10,) of the `moments` of every so many pixels of a row."""
    w, r, g, b, rr, rg, rb, gg, gb, bb = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for x in range(lane, picture.shape[1], lanes):
        m = moments(picture, weight, shift, y, x)
        w, r, g, b = w + m[0], r + m[1], g + m[2], b + m[3]
        rr, rg, rb, gg, gb, bb = rr + m[4], rg + m[5], rb + m[6], gg + m[7], gb + m[8], bb + m[9]
    total[0], total[1], total[2], total[3] = w, r, g, b
    total[4], total[5], total[6], total[7], total[8], total[9] = rr, rg, rb, gg, gb, bb


@njit(cache=True, parallel=True, error_model="numpy")
def _moments(picture, weight, first, step, shifts, sums):
    rows, lanes, _ = sums.shape
    for row in prange(rows):
        y = first + row * step
        shift = shift_of(picture, y)
        shifts[row, 0], shifts[row, 1], shifts[row, 2] = shift
        for lane in range(lanes):
            lane_sums(picture, weight, shift, y, lane, lanes, sums[row, lane])


@njit(cache=True, error_model="numpy")
def _periodic(matrix, pivot, offset):
    """The transform of a chunk of pixels as if it were one line of numbers (7, 3 * CHUNK).

    Number i of the result is a sum over five neighbouring numbers, of which those of other pixels count 0: such lines
    become vector instructions, which three numbers to a pixel do not. Rows: the five factors, the pivot, the offset.
    """
    table = np.zeros((7, 3 * CHUNK), np.float32)
    for i in range(3 * CHUNK):
        c = i % 3
        for k in range(3):
            table[2 - c + k, i] = matrix[3 * c + k]
        table[5, i], table[6, i] = pivot[c], offset[c]
    return table


@njit(cache=True, error_model="numpy")
def _load_chunk(numbers, pivot, line):
    """A line's middle from numbers less the pivot; whether all of them are finite."""
    bad = 0
    for i in range(numbers.size):
        value = widened(numbers[i])
        bad += int(not abs(value) < float32(np.inf))
        line[i + 2] = value - pivot[i]
    return bad == 0


@njit(cache=True, error_model="numpy")
def _transfer_chunk(line, table, largest, out):
    a, b, c, d, e, offset = table[0], table[1], table[2], table[3], table[4], table[6]
    for i in range(out.size):
        # In the order of the channels, whichever the first of them is.
        value = a[i] * line[i] + b[i] * line[i + 1] + c[i] * line[i + 2] + d[i] * line[i + 3] + e[i] * line[i + 4]
        out[i] = narrowed(min(max(value + offset[i], -largest), largest), out[i])


@njit(cache=True, parallel=True, error_model="numpy")
def _transfer(picture, matrix, pivot, offset, largest, out):
    height, width, _ = out.shape
    table = _periodic(matrix, pivot, offset)
    for y in prange(height):
        line = np.zeros(3 * CHUNK + 4, np.float32)
        # Views of a contiguous picture, copies of any other.
        source, target = picture[y].ravel(), out[y].ravel()
        for i in range(0, 3 * width, 3 * CHUNK):
            numbers, result = source[i : i + 3 * CHUNK], target[i : i + 3 * CHUNK]
            if _load_chunk(numbers, table[5], line):
                _transfer_chunk(line, table, largest, result)
                continue
            for x in range(0, numbers.size, 3):
                r, g, b = widened(numbers[x]), widened(numbers[x + 1]), widened(numbers[x + 2])
                r, g, b = transferred(r, g, b, matrix, pivot, offset, largest)
                like = result[x]
                result[x], result[x + 1], result[x + 2] = narrowed(r, like), narrowed(g, like), narrowed(b, like)
        if not out.flags.c_contiguous:
            out[y] = target.reshape((width, 3))
