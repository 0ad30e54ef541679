"""One sample of a picture: what both devices do at an output pixel.

On the CPU, `kernels.windows` does the same for a tile of the output at a time.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import float32, float64, njit

from kernels.filters import held, kernel_at, pixel_at, radius_of, taps
from kernels.half import narrowed, widened
from kernels.view import transform, unview_pixel, view_pixel

STRAIGHT, PREMULTIPLIED = 1, 2
MATRIX, TO_VIEW, FROM_VIEW = 1, 2, 3


class Manner(NamedTuple):
    """How to sample, as loops and CUDA kernels take it; see the codes above and those of `kernels.filters`.

    limited: whether a result is kept within the range of its pixels. knee, white: of a view. The matrix of a finish,
    (3, 3) row by row, goes beside it: loops take no tuples inside of tuples.
    """

    kind: Any
    edge: Any
    alpha: Any
    limited: Any
    finish: Any
    knee: np.float32
    white: np.float32


@njit(cache=True, inline="always")
def pixel_of(source, row, column, channel, alpha):
    """Four channels of a pixel from one on; the last again where there are fewer. Outside (-1) all is 0."""
    last = source.shape[2] - 1
    inside = (row >= 0) & (column >= 0)
    row, column = max(row, 0), max(column, 0)
    j, k, m = min(channel + 1, last), min(channel + 2, last), min(channel + 3, last)
    a, b = widened(source[row, column, channel]), widened(source[row, column, j])
    c, d = widened(source[row, column, k]), widened(source[row, column, m])
    if alpha == STRAIGHT:
        zero = float32(0.0)
        share = d
        # Where alpha is 0 the colour counts as 0, whatever it holds.
        a = a * share if share != zero else zero
        b = (b * share if share != zero else zero) if j != last else b
        c = (c * share if share != zero else zero) if k != last else c
    none = float32(0.0)
    return a if inside else none, b if inside else none, c if inside else none, d if inside else none


@njit(cache=True, inline="always", error_model="numpy")
def sampled(source, u, v, scale_x, scale_y, manner, channel):
    """Four channels of a picture, from one on, at a place (float64) in it; 0 where the place is NaN."""
    zero, one, endless = float32(0.0), float32(1.0), float32(np.inf)
    kind, reach = manner.kind, float64(radius_of(manner.kind))
    known = (u == u) & (v == v)
    u = held(u if known else float64(0.0), source.shape[1], float64(scale_x) * reach, manner.edge)
    v = held(v if known else float64(0.0), source.shape[0], float64(scale_y) * reach, manner.edge)
    known = known & (u == u) & (v == v)
    first_x, count_x, start_x = taps(u if known else float64(0.0), scale_x, kind)
    first_y, count_y, start_y = taps(v if known else float64(0.0), scale_y, kind)
    narrow_x, narrow_y = one / scale_x, one / scale_y
    total_x, total_y = total_of(kind, start_x, count_x, narrow_x), total_of(kind, start_y, count_y, narrow_y)
    a, b, c, d = zero, zero, zero, zero
    low_a, low_b, low_c, low_d = endless, endless, endless, endless
    high_a, high_b, high_c, high_d = -endless, -endless, -endless, -endless
    for j in range(count_y):
        row = pixel_at(first_y + j, source.shape[0], manner.edge)
        weight_y = kernel_at(kind, (start_y + float32(j)) * narrow_y) / total_y
        for i in range(count_x):
            column = pixel_at(first_x + i, source.shape[1], manner.edge)
            weight = weight_y * (kernel_at(kind, (start_x + float32(i)) * narrow_x) / total_x)
            e, f, g, h = pixel_of(source, row, column, channel, manner.alpha)
            a, b, c, d = a + weight * e, b + weight * f, c + weight * g, d + weight * h
            low_a, low_b = e if e < low_a else low_a, f if f < low_b else low_b
            low_c, low_d = g if g < low_c else low_c, h if h < low_d else low_d
            high_a, high_b = e if e > high_a else high_a, f if f > high_b else high_b
            high_c, high_d = g if g > high_c else high_c, h if h > high_d else high_d
    if manner.limited:
        a, b = within(a, low_a, high_a), within(b, low_b, high_b)
        c, d = within(c, low_c, high_c), within(d, low_d, high_d)
    return a if known else zero, b if known else zero, c if known else zero, d if known else zero


@njit(cache=True, inline="always")
def total_of(kind, start, count, narrow):
    """The sum of a kernel's taps along an axis."""
    total = float32(0.0)
    for i in range(count):
        total += kernel_at(kind, (start + float32(i)) * narrow)
    return total


@njit(cache=True, inline="always")
def within(value, low, high):
    """A value kept within a range; NaN stays."""
    value = low if low > value else value
    return high if high < value else value


@njit(cache=True, inline="always", error_model="numpy")
def finished(a, b, c, d, channels, manner, colour):
    """What is asked for of a sampled pixel: unpremultiplied, and into or out of a view."""
    zero = float32(0.0)
    alpha = d if channels == 4 else b
    if manner.alpha == STRAIGHT or (manner.alpha == PREMULTIPLIED and manner.finish != 0):
        part = float32(1.0) / alpha if alpha > zero else zero
        a, b, c = a * part, b * part, c * part
    if manner.finish == MATRIX:
        a, b, c = transform(colour, a, b, c)
    elif manner.finish == TO_VIEW:
        a, b, c = view_pixel(a, b, c, colour, manner.knee, manner.white)
    elif manner.finish == FROM_VIEW:
        a, b, c = unview_pixel(a, b, c, colour, manner.knee, manner.white)
    if manner.alpha == PREMULTIPLIED and manner.finish != 0:
        cover = max(alpha, zero)
        a, b, c = a * cover, b * cover, c * cover
    # Of two channels the second is the alpha.
    b = alpha if channels == 2 and manner.alpha != 0 else b
    return a, b, c, d


@njit(cache=True, inline="always")
def write(pixel, channel, a, b, c, d):
    """Write four channels of a pixel (channels) from one on, or as many as it has."""
    like, count = pixel[channel], pixel.shape[0]
    pixel[channel] = narrowed(a, like)
    if channel + 1 < count:
        pixel[channel + 1] = narrowed(b, like)
    if channel + 2 < count:
        pixel[channel + 2] = narrowed(c, like)
    if channel + 3 < count:
        pixel[channel + 3] = narrowed(d, like)
