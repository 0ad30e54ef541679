"""Resampling on the CPU, a tile of the output at a time.

The part of the source under a tile is copied, as float32 in pixels of four numbers, to where it stays in the cache:
that takes care of halves, strides, borders and straight alpha once, and leaves loops over whole vectors. Where a tile
takes from all over the source (a map that leaps), the source under each of its pixels is copied for it alone.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit

from kernels.filters import MIRROR, held, pixel_at, radius_of, taps
from kernels.half import narrowed, widened
from kernels.sample import FROM_VIEW, PREMULTIPLIED, STRAIGHT, TO_VIEW
from kernels.vectors import start_of
from kernels.view import transform, unview_channel, view_channel
from kernels.window_sums import LANES, Axis, sum_all, weigh

# Pixels of the source under a tile: at 16 bytes, what a core's second cache holds beside the rest.
ROOM = 1 << 15
LARGEST_SIDE, SMALLEST_SIDE = 64, 4
# An output is cut into at least so many rows of tiles, so that every thread gets some.
LEAST_BANDS = 8
FARTHEST_PIXEL = np.int32(1 << 30)


class Scratch(NamedTuple):
    """What one thread needs for a tile. copied: the source, four numbers to a pixel. sums: the results, too."""

    across: Axis
    down: Axis
    copied: Any
    sums: Any
    spare: Any


@njit(cache=True)
def side_of(spread_x, spread_y, scale_x, scale_y, kind, height):
    """The side of a tile of an output of this height; spread: what one of its pixels takes of the source at most."""
    side = LARGEST_SIDE
    while side > SMALLEST_SIDE and (
        side * LEAST_BANDS > height or _room(side, spread_x, spread_y, scale_x, scale_y, kind) > ROOM
    ):
        side //= 2
    return side


@njit(cache=True)
def scratch_for(side, spread_x, spread_y, scale_x, scale_y, largest, kind):
    """Memory for a thread's tiles of this side; scales: what is usual; largest: of any pixel."""
    pixels, most = side * side, most_taps(largest, kind)
    room = max(min(ROOM, _room(side, spread_x, spread_y, scale_x, scale_y, kind)), most * most)
    across = _axis(pixels, max(most, most_taps(scale_x, kind) * pixels))
    down = _axis(pixels, max(most, most_taps(scale_y, kind) * pixels))
    sums, spare = np.empty(LANES * pixels, np.float32), np.empty(pixels, np.float32)
    return Scratch(across, down, np.empty(LANES * room, np.float32), sums, spare)


@njit(cache=True)
def _room(side, spread_x, spread_y, scale_x, scale_y, kind):
    """How many pixels of the source lie under a tile."""
    across = int(side * spread_x) + most_taps(scale_x, kind) + 1
    return across * (int(side * spread_y) + most_taps(scale_y, kind) + 1)


@njit(cache=True)
def most_taps(scale, kind):
    """How many taps along an axis there are at most."""
    return int(2.0 * radius_of(kind) * scale) + 1


@njit(cache=True)
def _axis(pixels, weights):
    return Axis(
        np.empty(pixels, np.float64),
        np.empty(pixels, np.float32),
        np.empty(pixels, np.float32),
        np.empty(pixels, np.int32),
        np.empty(pixels, np.int32),
        np.empty(pixels, np.float32),
        np.empty(weights, np.float32),
    )


@njit(cache=True)
def fill_tile(source, top, left, rows, columns, manner, colour, scratch, out):
    """Resample the tile (rows, columns) of `out` at (top, left), whose places and scales stand in the scratch."""
    pixels = rows * columns
    across, down = _first_of(scratch.across, 0, pixels), _first_of(scratch.down, 0, pixels)
    _hold(across.place, down.place, across.scale, source.shape[1], manner.kind, manner.edge)
    _hold(down.place, across.place, down.scale, source.shape[0], manner.kind, manner.edge)
    _set_taps(across.place, down.place, across, manner.kind)
    _set_taps(down.place, across.place, down, manner.kind)
    for channel in range(0, source.shape[2], LANES):
        if not _sum_tile(source, channel, across, down, manner, scratch.copied, scratch.sums, scratch.spare):
            for row in range(rows):
                _sum_row(source, channel, across, down, row * columns, (row + 1) * columns, manner, scratch)
        if channel == 0:
            _finish(scratch.sums, scratch.spare, pixels, source.shape[2], manner, colour)
        _write(scratch.sums, channel, out[top : top + rows, left : left + columns])


@njit(cache=True)
def _sum_row(source, channel, across, down, begin, end, manner, scratch):
    """The sums over the windows of a part of a tile under which there is too much: together, or each on its own."""
    row_x, row_y, sums = _first_of(across, begin, end), _first_of(down, begin, end), scratch.sums[LANES * begin :]
    if _sum_tile(source, channel, row_x, row_y, manner, scratch.copied, sums, scratch.spare):
        return
    for i in range(begin, end):
        lone_x, lone_y = _first_of(across, i, i + 1), _first_of(down, i, i + 1)
        _sum_tile(source, channel, lone_x, lone_y, manner, scratch.copied, scratch.sums[LANES * i :], scratch.spare)


@njit(cache=True)
def _first_of(axis, begin, end):
    """Some of an axis' pixels."""
    return Axis(
        axis.place[begin:end],
        axis.scale[begin:end],
        axis.narrow[begin:end],
        axis.first[begin:end],
        axis.count[begin:end],
        axis.start[begin:end],
        axis.weights,
    )


@njit(cache=True, error_model="numpy")
def _hold(places, crossing, scales, length, kind, edge):
    """Take places that are far outside to where it looks the same; NaN where there is none, on either axis."""
    reach, none = np.float64(radius_of(kind)), np.float64(np.nan)
    if edge == MIRROR:
        for i in range(places.size):
            places[i] = held(places[i], length, 0.0, MIRROR)
    for i in range(places.size):
        place, other = places[i], crossing[i]
        place_held = held(place, length, np.float64(scales[i]) * reach, 0)
        places[i] = place_held if (place == place) & (other == other) else none


@njit(cache=True, error_model="numpy")
def _set_taps(places, crossing, axis, kind):
    # Loops of few arrays, which the compiler can tell apart, become vector instructions.
    first, count, start, narrow, scales = axis.first, axis.count, axis.start, axis.narrow, axis.scale
    for i in range(places.size):
        place = places[i] if places[i] == places[i] else np.float64(0.0)
        first[i], _, _ = taps(place, scales[i], kind)
    for i in range(places.size):
        known = (places[i] == places[i]) & (crossing[i] == crossing[i])
        place = places[i] if known else np.float64(0.0)
        _, some, _ = taps(place, scales[i], kind)
        count[i] = some if known else np.int32(0)
    for i in range(places.size):
        place = places[i] if places[i] == places[i] else np.float64(0.0)
        _, _, start[i] = taps(place, scales[i], kind)
    for i in range(places.size):
        narrow[i] = float32(1.0) / scales[i]


@njit(cache=True)
def _sum_tile(source, channel, across, down, manner, copied, sums, spare):
    """Four channels of the sums over a tile's windows; False where what lies under it is too large to copy."""
    x, width = _extent(across.first, across.count)
    y, height = _extent(down.first, down.count)
    if LANES * width * height > copied.size:
        return False
    if not weigh(across, manner.kind, spare) or not weigh(down, manner.kind, spare):
        return False
    _copy(source, channel, x, y, width, height, manner, copied)
    sum_all(across, down, x, y, width, manner.limited, copied, sums)
    return True


@njit(cache=True)
def _extent(first, count):
    """The first pixel that a tile takes along an axis, and how many there are."""
    low, high = FARTHEST_PIXEL, -FARTHEST_PIXEL
    for i in range(first.size):
        low = min(low, first[i] if count[i] > 0 else FARTHEST_PIXEL)
        high = max(high, first[i] + count[i] if count[i] > 0 else -FARTHEST_PIXEL)
    return (int(low), int(high - low)) if low < high else (0, 0)


@njit(cache=True)
def _copy(source, channel, left, top, width, height, manner, copied):
    """Copy up to four channels of a box of the source, which may reach over its border."""
    columns = source.shape[1]
    inner = min(max(-left, 0), width)
    outer = max(min(columns - left, width), inner)
    lanes = min(LANES, source.shape[2] - channel)
    for j in range(height):
        line = copied[j * width * LANES : (j + 1) * width * LANES]
        row = pixel_at(top + j, source.shape[0], manner.edge)
        if row < 0:
            line[:] = float32(0.0)
            continue
        pixels = source[row, :, channel : channel + lanes]
        if inner < outer:
            _copy_pixels(pixels[left + inner : left + outer], line[inner * LANES : outer * LANES])
        for i in range(inner):
            _copy_outside(pixels, pixel_at(left + i, columns, manner.edge), line[i * LANES : (i + 1) * LANES])
        for i in range(outer, width):
            _copy_outside(pixels, pixel_at(left + i, columns, manner.edge), line[i * LANES : (i + 1) * LANES])
    if manner.alpha == STRAIGHT:
        _premultiply(copied[: width * height * LANES], lanes)


@njit(cache=True)
def _copy_pixels(pixels, line):
    """(n, up to 4) to four numbers a pixel."""
    count, lanes = pixels.shape
    packed = pixels.strides[1] == pixels.itemsize and pixels.strides[0] == lanes * pixels.itemsize
    if packed and lanes >= 3:
        source, out = start_of(pixels), start_of(line)
        if lanes == 3:
            for i in range(count):
                k, m = LANES * i, 3 * i
                out[k], out[k + 1] = widened(source[m]), widened(source[m + 1])
                out[k + 2], out[k + 3] = widened(source[m + 2]), float32(0.0)
        else:
            for k in range(LANES * count):
                out[k] = widened(source[k])
        return
    line[:] = float32(0.0)
    for lane in range(lanes):
        for i in range(count):
            line[LANES * i + lane] = widened(pixels[i, lane])


@njit(cache=True)
def _copy_outside(pixels, column, pixel):
    pixel[:] = float32(0.0)
    if column >= 0:
        for lane in range(pixels.shape[1]):
            pixel[lane] = widened(pixels[column, lane])


@njit(cache=True)
def _premultiply(copied, lanes):
    """The last of the channels is the alpha of the others; where it is 0, they count as 0 whatever they hold."""
    for k in range(0, copied.size, LANES):
        alpha = copied[k + lanes - 1]
        for lane in range(lanes - 1):
            copied[k + lane] = copied[k + lane] * alpha if alpha != float32(0.0) else float32(0.0)


@njit(cache=True, error_model="numpy")
def _finish(sums, spare, pixels, channels, manner, colour):
    """Take sums to what is asked for, as `kernels.sample.finished`."""
    size = LANES * pixels
    if manner.alpha == STRAIGHT or (manner.alpha == PREMULTIPLIED and manner.finish != 0):
        for i in range(pixels):
            alpha = sums[LANES * i + channels - 1]
            part = float32(1.0) / alpha if alpha > float32(0.0) else float32(0.0)
            for lane in range(channels - 1):
                sums[LANES * i + lane] *= part
    if manner.finish == 0:
        return
    for i in range(pixels):
        spare[i] = sums[LANES * i + 3]
    if manner.finish == FROM_VIEW:
        for k in range(size):
            sums[k] = unview_channel(sums[k], manner.knee, manner.white)
    for k in range(0, size, LANES):
        sums[k], sums[k + 1], sums[k + 2] = transform(colour, sums[k], sums[k + 1], sums[k + 2])
    if manner.finish == TO_VIEW:
        for k in range(size):
            sums[k] = view_channel(sums[k], manner.knee, manner.white)
    for i in range(pixels):
        sums[LANES * i + 3] = spare[i]
    if manner.alpha == PREMULTIPLIED:
        for i in range(pixels):
            for lane in range(channels - 1):
                sums[LANES * i + lane] *= max(spare[i], float32(0.0))


@njit(cache=True)
def _write(sums, channel, tile):
    """Write results to a tile (rows, columns, channels) of the output."""
    rows, columns, channels = tile.shape
    lanes, like = min(LANES, channels - channel), tile[0, 0, 0]
    for row in range(rows):
        line, pixels = sums[LANES * row * columns : LANES * (row + 1) * columns], tile[row]
        if lanes == 3:
            for i in range(columns):
                pixels[i, channel] = narrowed(line[LANES * i], like)
                pixels[i, channel + 1] = narrowed(line[LANES * i + 1], like)
                pixels[i, channel + 2] = narrowed(line[LANES * i + 2], like)
        else:
            for lane in range(lanes):
                for i in range(columns):
                    pixels[i, channel + lane] = narrowed(line[LANES * i + lane], like)
