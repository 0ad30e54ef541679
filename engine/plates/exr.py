"""EXR frames through the OpenEXR module: native pixel types, all channels, all attributes, nothing converted."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from engine.errors import FrameUnreadable, PlateUnsupported, UsageError
from engine.events import shown
from engine.geometry import Box
from engine.plates.channels import NoPictureError, Picture, pick_picture
from engine.plates.color import PlateColor
from engine.plates.frame import Frame, Header, OtherPart, Pixels
from engine.plates.layout import ExrLayout, check_chunks, read_layout
from engine.plates.naming import is_utf8

# Compressions that a recipe may ask for. All give back the same bits.
LOSSLESS: dict[str, OpenEXR.Compression] = {
    "none": OpenEXR.NO_COMPRESSION,
    "rle": OpenEXR.RLE_COMPRESSION,
    "zips": OpenEXR.ZIPS_COMPRESSION,
    "zip": OpenEXR.ZIP_COMPRESSION,
    "piz": OpenEXR.PIZ_COMPRESSION,
}
_KEPT = (*LOSSLESS.values(), OpenEXR.HTJ2K256_COMPRESSION, OpenEXR.HTJ2K32_COMPRESSION, OpenEXR.ZSTD_COMPRESSION)
_TYPES = ("uint", "half", "float")
_MOST_THREADS = 8
# What the module raises for a file that it cannot make sense of.
_FOREIGN = (RuntimeError, ValueError, OSError, MemoryError, TypeError, IndexError)
# The writer makes these anew from the pixels.
_DERIVED = ("channels", "chunkCount")

# The module's own default is no threads at all.
OpenEXR.set_global_thread_count(min(os.cpu_count() or 1, _MOST_THREADS))


def read_exr_header(path: Path) -> Header:
    """Read an EXR header, no pixels. Raises FrameUnreadable, or PlateUnsupported where the frame cannot be edited."""
    layout = read_layout(path)
    chosen = _choose(path, layout)
    try:
        file = OpenEXR.File(_for_library(path), separate_channels=True, header_only=True)
        attributes = dict(file.parts[chosen.part].header)
        data_window, display_window = _windows(attributes)
        compression = attributes["compression"].name
    except (*_FOREIGN, KeyError) as error:
        raise _damaged(path, "its header is damaged") from error
    part = layout.parts[chosen.part]
    return Header(
        kind="exr",
        data_window=data_window,
        display_window=display_window,
        channels={channel.name: _TYPES[channel.pixel_type] for channel in part.channels},
        picture=chosen.names,
        alpha=chosen.alpha,
        compression=compression.removesuffix("_COMPRESSION").lower(),
        attributes={name: value for name, value in attributes.items() if name not in _DERIVED},
        parts=tuple(one.name for one in layout.parts) if len(layout.parts) > 1 else (),
        tiles=None if part.tiles is None else part.tiles[:2],
    )


def read_exr(path: Path, number: int, color: PlateColor, picture_only: bool = False) -> Frame:
    """Read an EXR frame whole; with `picture_only` keep just the picture and its alpha (such a frame is not `whole`).

    Raises FrameUnreadable for a file that is cut off or damaged anywhere, PlateUnsupported for one of another kind.
    """
    layout = read_layout(path)
    chosen = _choose(path, layout)
    check_chunks(path, layout)
    headers, pixels = _decode(path, layout)
    try:
        data_window, display_window = _windows(headers[chosen.part])
    except (KeyError, ValueError, TypeError) as error:
        raise _damaged(path, "its header is damaged") from error
    channels = pixels[chosen.part]
    if picture_only:
        kept = {*chosen.names, chosen.alpha}
        channels = {name: values for name, values in channels.items() if name in kept}
    marked = [frozenset(one.name for one in part.channels if one.perceptually_linear) for part in layout.parts]
    others = [
        OtherPart(*carried)
        for index, carried in enumerate(zip(headers, pixels, marked, strict=True))
        if index != chosen.part and not picture_only
    ]
    return Frame(
        number=number,
        path=path,
        data_window=data_window,
        display_window=display_window,
        channels=channels,
        picture=chosen.names,
        alpha=chosen.alpha,
        color=color,
        header=headers[chosen.part],
        part=chosen.part,
        others=others,
        perceptually_linear=marked[chosen.part],
        whole=not picture_only,
    )


def encode_exr(frame: Frame, stream: IO[bytes], compression: str = "same") -> None:
    """Write a frame as EXR to a binary stream, which must be able to seek. OSError of the stream comes through.

    `compression` is `same` or a name in LOSSLESS. `same` keeps the plate's own unless that would change pixels that
    nobody touched; then it is zip.
    """
    header = {"dataWindow": _corners(frame.data_window), "displayWindow": _corners(frame.display_window)}
    header |= frame.header | frame.attributes
    picture = _part(header, {**frame.channels, **frame.added}, compression, frame.perceptually_linear)
    parts = [_part(other.header, other.channels, compression, other.perceptually_linear) for other in frame.others]
    parts.insert(min(frame.part, len(parts)), picture)
    OpenEXR.File(parts).write(stream)


def stored_parts(path: Path) -> tuple[list[dict[str, Any]], list[dict[str, Pixels]]]:
    """Headers and channels of every part of an EXR file, to prove what was written. Raises FrameUnreadable."""
    layout = read_layout(path)
    check_chunks(path, layout)
    return _decode(path, layout)


def expected_parts(frame: Frame) -> list[dict[str, Pixels]]:
    """The channels of every part that a file of this frame must hold."""
    parts = [other.channels for other in frame.others]
    parts.insert(min(frame.part, len(parts)), {**frame.channels, **frame.added})
    return parts


def check_compression(compression: str) -> None:
    """Raise UsageError for a compression that is neither `same` nor lossless."""
    if compression != "same" and compression not in LOSSLESS:
        raise UsageError(
            f"The compression {shown(compression)!r} is unknown, or changes pixels.",
            f"Use same, {', '.join(LOSSLESS)}.",
        )


def _for_library(path: Path) -> str:
    # The module takes bytes for a name that is not UTF-8, which its type stubs do not say.
    return os.fspath(path) if is_utf8(path) else os.fsencode(path)  # type: ignore[return-value]


def _damaged(path: Path, reason: str) -> FrameUnreadable:
    return FrameUnreadable(f"{shown(path)} cannot be read: {reason}.", "Copy or render the frame again.")


def _choose(path: Path, layout: ExrLayout) -> Picture:
    floats = [
        (part.name, [channel.name for channel in part.channels if _TYPES[channel.pixel_type] != "uint"])
        for part in layout.parts
    ]
    try:
        return pick_picture(floats)
    except NoPictureError as error:
        raise PlateUnsupported(f"{shown(path)} {error}.", "Save it with one picture in channels R, G and B.") from error


def _windows(attributes: Mapping[str, Any]) -> tuple[Box, Box]:
    """Data and display window, half-open, from the top left of the display window."""
    (x0, y0), (x1, y1) = (tuple(int(value) for value in corner) for corner in attributes["displayWindow"])
    (u0, v0), (u1, v1) = (tuple(int(value) for value in corner) for corner in attributes["dataWindow"])
    return Box(u0 - x0, v0 - y0, u1 + 1 - x0, v1 + 1 - y0), Box(0, 0, x1 + 1 - x0, y1 + 1 - y0)


def _decode(path: Path, layout: ExrLayout) -> tuple[list[dict[str, Any]], list[dict[str, Pixels]]]:
    try:
        file = OpenEXR.File(_for_library(path), separate_channels=True)
        headers = [dict(part.header) for part in file.parts]
        pixels = [{name: channel.pixels for name, channel in part.channels.items()} for part in file.parts]
    except _FOREIGN as error:
        raise _damaged(path, "its header is damaged") from error
    # The module warns on its own, drops what it could not decode, and carries on.
    whole = len(pixels) == len(layout.parts) and all(
        values.keys() == {channel.name for channel in part.channels}
        and all(array.shape == part.size[::-1] for array in values.values())
        for values, part in zip(pixels, layout.parts, strict=True)
    )
    if not whole:
        raise _damaged(path, "some of its pixels are damaged")
    return headers, pixels


def _part(
    header: Mapping[str, Any], channels: Mapping[str, Pixels], compression: str, marked: frozenset[str]
) -> OpenEXR.Part:
    attributes = {name: value for name, value in header.items() if name not in _DERIVED}
    attributes.setdefault("type", OpenEXR.scanlineimage)
    attributes["compression"] = _compression(
        attributes.get("compression", OpenEXR.ZIP_COMPRESSION), channels, compression
    )
    if "tiles" in attributes:
        # Only the full resolution is read; the smaller levels would show what is no longer there.
        tiles = OpenEXR.TileDescription()
        tiles.xSize, tiles.ySize = attributes["tiles"].xSize, attributes["tiles"].ySize
        attributes["tiles"] = tiles
    own = {
        name: OpenEXR.Channel(name, np.ascontiguousarray(pixels), 1, 1, name in marked)
        for name, pixels in channels.items()
    }
    return OpenEXR.Part(attributes, own, str(attributes.get("name", "")))


def _corners(box: Box) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.array([box.x0, box.y0], np.int32), np.array([box.x1 - 1, box.y1 - 1], np.int32)


def _compression(own: OpenEXR.Compression, channels: Mapping[str, Pixels], asked: str) -> OpenEXR.Compression:
    if asked != "same":
        return LOSSLESS[asked]
    # PXR24 rounds floats to 24 bits and keeps the rest.
    exact = own in _KEPT or (
        own == OpenEXR.PXR24_COMPRESSION and all(pixels.dtype != np.float32 for pixels in channels.values())
    )
    return own if exact else OpenEXR.ZIP_COMPRESSION
