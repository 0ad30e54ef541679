"""Pixels as a chunk holds them once it is decompressed: row by row, and in each row channel by channel.

A channel that is subsampled has samples only where x and y are multiples of its steps. Boxes are in the file's own
coordinates. Samples are little-endian, as in memory.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.geometry import Box
from engine.plates.layout import PIXEL_BYTES, ChannelLayout

Bytes = NDArray[np.uint8]
Pixels = NDArray[Any]

PIXEL_TYPES = {0: np.dtype("<u4"), 1: np.dtype("<f2"), 2: np.dtype("<f4")}


def samples(channel: ChannelLayout, box: Box) -> tuple[slice, slice]:
    """Rows and columns of the channel's own samples that lie in `box`, counted from the samples at 0."""
    across, down = channel.sampling
    return slice(-(-box.y0 // down), -(-box.y1 // down)), slice(-(-box.x0 // across), -(-box.x1 // across))


def new_planes(channels: Sequence[ChannelLayout], box: Box) -> dict[str, Pixels]:
    """Room for the samples of each channel in `box`: (rows, columns) in the channel's own type, not filled."""
    return {
        channel.name: np.empty((max(0, rows.stop - rows.start), max(0, columns.stop - columns.start)), kind)
        for channel in channels
        for rows, columns in [samples(channel, box)]
        for kind in [PIXEL_TYPES[channel.pixel_type]]
    }


def inside(channel: ChannelLayout, box: Box, outer: Box) -> tuple[slice, slice]:
    """Where the samples of `box` lie in an array of those of `outer`."""
    (rows, columns), (first_rows, first_columns) = samples(channel, box), samples(channel, outer)
    y, x = first_rows.start, first_columns.start
    return slice(rows.start - y, rows.stop - y), slice(columns.start - x, columns.stop - x)


def bits(plane: Pixels) -> Pixels:
    """The samples as whole numbers, whatever they mean: NaN is its payload, and minus zero is not zero."""
    return plane.view(f"u{plane.dtype.itemsize}")


def packed_bytes(channels: Sequence[ChannelLayout], box: Box) -> int:
    """How many bytes the rows of `box` take, uncompressed."""
    total = 0
    for channel in channels:
        rows, columns = samples(channel, box)
        total += (rows.stop - rows.start) * (columns.stop - columns.start) * PIXEL_BYTES[channel.pixel_type]
    return total


def unpack(data: Bytes, channels: Sequence[ChannelLayout], box: Box, planes: Mapping[str, Pixels], outer: Box) -> None:
    """Spread the rows of `box` over `planes`, which cover `outer`; channels that have no plane are left out."""
    for channel, place, rows in _spans(data, channels, box):
        if channel.name in planes:
            plane = planes[channel.name][inside(channel, box, outer)]
            plane[place] = rows.view(PIXEL_TYPES[channel.pixel_type])


def pack(channels: Sequence[ChannelLayout], box: Box, planes: Mapping[str, Pixels], outer: Box) -> Bytes:
    """The rows of `box` (n,) from `planes` of every channel, which cover `outer`."""
    data = np.empty(packed_bytes(channels, box), np.uint8)
    for channel, place, rows in _spans(data, channels, box):
        plane = planes[channel.name][inside(channel, box, outer)]
        rows.view(PIXEL_TYPES[channel.pixel_type])[...] = plane[place]
    return data


def _spans(
    data: Bytes, channels: Sequence[ChannelLayout], box: Box
) -> Iterator[tuple[ChannelLayout, slice | int, NDArray[np.uint8]]]:
    """Each channel with the rows that its bytes in `data` belong to: all at once where no channel is subsampled."""
    whole = all(channel.sampling == (1, 1) for channel in channels)
    if whole:
        lines, start = data.reshape(box.height, -1), 0
        for channel in channels:
            size = box.width * PIXEL_BYTES[channel.pixel_type]
            yield channel, slice(None), lines[:, start : start + size]
            start += size
        return
    start = 0
    for y in range(box.y0, box.y1):
        for channel in channels:
            if y % channel.sampling[1]:
                continue
            rows, columns = samples(channel, box)
            size = (columns.stop - columns.start) * PIXEL_BYTES[channel.pixel_type]
            yield channel, y // channel.sampling[1] - rows.start, data[start : start + size]
            start += size
