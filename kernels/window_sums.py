"""Weighted sums over the windows of a picture that a tile's pixels take, two columns of four channels at a time."""

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit

from kernels.filters import CUBIC, LINEAR, catmull_rom, lanczos, tent
from kernels.vectors import (
    add8,
    full8,
    greater8,
    lesser8,
    load4_twice,
    load8,
    madd8,
    pair8,
    spread8,
    start_of,
    store4,
    swapped8,
)

LANES = 4


class Axis(NamedTuple):
    """A tile's pixels along one axis of the source, each (pixels), see `kernels.filters.taps`.

    place: float64, NaN for none. scale: at least 1. narrow: 1 / scale. first, count, start: of the taps. weights: (most
    taps · pixels), one tap's after the other's.
    """

    place: Any
    scale: Any
    narrow: Any
    first: Any
    count: Any
    start: Any
    weights: Any


@njit(cache=True, error_model="numpy")
def weigh(axis, kind, total):
    """The weights of pixels' taps along an axis, whose sum is 1; False where there is no room for them.

    total: scratch.
    """
    start, narrow, count, weights = axis.start, axis.narrow, axis.count, axis.weights
    most, pixels = 0, start.size
    for i in range(pixels):
        most = max(most, count[i])
        total[i] = float32(0.0)
    if most * pixels > weights.size:
        return False
    for tap in range(most):
        line, far = weights[tap * pixels : (tap + 1) * pixels], float32(tap)
        if kind == LINEAR:
            for i in range(pixels):
                line[i] = tent((start[i] + far) * narrow[i])
        elif kind == CUBIC:
            for i in range(pixels):
                line[i] = catmull_rom((start[i] + far) * narrow[i])
        else:
            for i in range(pixels):
                line[i] = lanczos((start[i] + far) * narrow[i])
        for i in range(pixels):
            total[i] += line[i]
    for i in range(pixels):
        total[i] = float32(1.0) / total[i]
    for tap in range(most):
        line = weights[tap * pixels : (tap + 1) * pixels]
        for i in range(pixels):
            line[i] *= total[i]
    return True


@njit(cache=True)
def sum_all(across, down, x, y, width, limited, copied, sums):
    """The sums over the pixels' windows, where the source has been copied from (x, y) on."""
    first_x, count_x, first_y, count_y = across.first, across.count, down.first, down.count
    weights_x, weights_y = start_of(across.weights), start_of(down.weights)
    source, out, pixels = start_of(copied), start_of(sums), first_x.size
    for i in range(pixels):
        start = LANES * ((first_y[i] - y) * width + first_x[i] - x)
        columns, rows = count_x[i], count_y[i]
        if columns == 0 or rows == 0:
            store4(out, LANES * i, full8(float32(0.0)))
        elif columns == 2 and rows == 2 and not limited:
            _sum_of_four(source, start, LANES * width, weights_x, weights_y, i, pixels, out)
        elif limited:
            _limited_sum(source, start, LANES * width, columns, rows, weights_x, weights_y, i, pixels, out)
        else:
            _sum(source, start, LANES * width, columns, rows, weights_x, weights_y, i, pixels, out)


@njit(cache=True, inline="always")
def _sum_of_four(source, start, pitch, across, down, i, pixels, out):
    """The weighted sum over two columns and two rows."""
    column = madd8(spread8(down, i), load8(source, start), full8(float32(0.0)))
    column = madd8(spread8(down, i + pixels), load8(source, start + pitch), column)
    total = madd8(pair8(across[i], across[i + pixels]), column, full8(float32(0.0)))
    store4(out, LANES * i, add8(total, swapped8(total)))


@njit(cache=True)
def _sum(source, start, pitch, columns, rows, across, down, i, pixels, out):
    """The weighted sum over a window, two columns at a time."""
    total = full8(float32(0.0))
    for pair in range(columns >> 1):
        column = full8(float32(0.0))
        place, weight = start + 2 * LANES * pair, i
        for _ in range(rows):
            column = madd8(spread8(down, weight), load8(source, place), column)
            place, weight = place + pitch, weight + pixels
        weight = 2 * pair * pixels + i
        total = madd8(pair8(across[weight], across[weight + pixels]), column, total)
    total = add8(total, swapped8(total))
    if columns & 1:
        column = full8(float32(0.0))
        place, weight = start + LANES * (columns - 1), i
        for _ in range(rows):
            column = madd8(spread8(down, weight), load4_twice(source, place), column)
            place, weight = place + pitch, weight + pixels
        total = madd8(spread8(across, (columns - 1) * pixels + i), column, total)
    store4(out, LANES * i, total)


@njit(cache=True)
def _limited_sum(source, start, pitch, columns, rows, across, down, i, pixels, out):
    """As `_sum`, kept within the range of the window's pixels; NaN stays."""
    total = full8(float32(0.0))
    low, high = full8(float32(np.inf)), full8(float32(-np.inf))
    for pair in range(columns >> 1):
        column = full8(float32(0.0))
        place, weight = start + 2 * LANES * pair, i
        for _ in range(rows):
            value = load8(source, place)
            column = madd8(spread8(down, weight), value, column)
            low, high = lesser8(value, low), greater8(value, high)
            place, weight = place + pitch, weight + pixels
        weight = 2 * pair * pixels + i
        total = madd8(pair8(across[weight], across[weight + pixels]), column, total)
    total = add8(total, swapped8(total))
    if columns & 1:
        column = full8(float32(0.0))
        place, weight = start + LANES * (columns - 1), i
        for _ in range(rows):
            value = load4_twice(source, place)
            column = madd8(spread8(down, weight), value, column)
            low, high = lesser8(value, low), greater8(value, high)
            place, weight = place + pitch, weight + pixels
        total = madd8(spread8(across, (columns - 1) * pixels + i), column, total)
    low, high = lesser8(low, swapped8(low)), greater8(high, swapped8(high))
    # The limit comes first: of two that do not compare, the second is taken, and that is the sum's NaN.
    store4(out, LANES * i, lesser8(high, greater8(low, total)))
