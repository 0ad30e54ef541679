"""Blocks of the compressions that only the OpenEXR library knows: a few at a time, as a small EXR file in memory.

The excerpt has the original's channels and compression, and nothing else of its header. The library writes no
subsampled channels, so such blocks can be decoded but not encoded here.
"""

import io
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from engine.geometry import Box
from engine.plates.bytefile import ByteFile
from engine.plates.chunks import Chunk
from engine.plates.header import header_bytes
from engine.plates.layout import LONG_NAMES, TILED, Attributes, ExrLayout, PartLayout, parse_layout
from engine.plates.rows import Bytes, Pixels, inside
from engine.plates.zipped import BlockError

# What the module raises for a file that it cannot make sense of.
FOREIGN = (RuntimeError, ValueError, OSError, MemoryError, TypeError, IndexError, KeyError, ArithmeticError)
_KEPT = ("channels", "compression", "pixelAspectRatio", "screenWindowCenter", "screenWindowWidth", "tiles")
_LEVELS = {"dwaCompressionLevel": "<f"}
_HERE = Path("excerpt")


def decode(file: ByteFile, layout: ExrLayout, part: PartLayout, chunks: Sequence[Chunk], box: Box) -> dict[str, Pixels]:
    """The samples of every channel in `box`, which is what `chunks` make up. Raises BlockError, EOFError or OSError."""
    data = _excerpt(file, layout, part, chunks, box)
    try:
        found = OpenEXR.File(io.BytesIO(data), separate_channels=True).parts[0].channels
        planes = {name: channel.pixels for name, channel in found.items()}
    except FOREIGN as error:
        raise BlockError from error
    # The module warns on its own, drops what it could not decode, and carries on.
    for channel in part.channels:
        rows, columns = inside(channel, box, box)
        if channel.name not in planes or planes[channel.name].shape != (rows.stop, columns.stop):
            raise BlockError
    return planes


def encode(part: PartLayout, planes: Mapping[str, Pixels], box: Box, count: int) -> list[Bytes]:
    """The packed bytes of the `count` chunks that make up `box`, in their order; `planes` cover `box`.

    Raises BlockError where the library does not write such channels.
    """
    header: dict[str, Any] = {
        "compression": OpenEXR.Compression(part.compression),
        "type": OpenEXR.scanlineimage if part.tiles is None else OpenEXR.tiledimage,
        "dataWindow": (np.array([box.x0, box.y0], np.int32), np.array([box.x1 - 1, box.y1 - 1], np.int32)),
    }
    for name, form in _LEVELS.items():
        if name in part.attributes:
            (header[name],) = struct.unpack(form, part.attributes[name][1])
    if part.tiles is not None:
        header["tiles"] = OpenEXR.TileDescription()
        header["tiles"].xSize, header["tiles"].ySize = part.tiles[:2]
    own = {
        channel.name: OpenEXR.Channel(
            channel.name, np.ascontiguousarray(planes[channel.name]), 1, 1, channel.perceptually_linear
        )
        for channel in part.channels
    }
    stream = io.BytesIO()
    try:
        OpenEXR.File([OpenEXR.Part(header, own, "")]).write(stream)
    except FOREIGN as error:
        raise BlockError from error
    return _packed(stream, part, count)


def _packed(stream: io.BytesIO, part: PartLayout, count: int) -> list[Bytes]:
    data = stream.getbuffer()
    layout = parse_layout(_HERE, bytes(data[: 1 << 20]), len(data))
    if layout.parts[0].channels != part.channels or layout.parts[0].compression != part.compression:
        raise BlockError
    lead = 8 if part.tiles is None else 20
    found = []
    for offset in struct.unpack_from(f"<{count}Q", data, layout.table):
        (size,) = struct.unpack_from("<i", data, offset + lead - 4)
        found.append(np.frombuffer(data[offset + lead : offset + lead + size], np.uint8))
    return found


def _excerpt(file: ByteFile, layout: ExrLayout, part: PartLayout, chunks: Sequence[Chunk], box: Box) -> bytearray:
    head = header_bytes(
        [_header(part, box)], (layout.version & LONG_NAMES) | (TILED if part.tiles is not None else 0) | 2
    )
    lead = 8 if part.tiles is None else 20
    start = len(head) + 8 * len(chunks)
    offsets = np.cumsum([start, *(lead + chunk.packed for chunk in chunks)])
    data = bytearray(int(offsets[-1]))
    data[:start] = head + offsets[:-1].astype("<u8").tobytes()
    view = memoryview(data)
    across = 0 if part.tiles is None else -(-box.width // part.tiles[0])
    for index, (chunk, offset) in enumerate(zip(chunks, offsets.tolist(), strict=False)):
        if across:
            row, column = divmod(index, across)
            struct.pack_into("<5i", data, offset, column, row, 0, 0, chunk.packed)
        else:
            struct.pack_into("<2i", data, offset, box.y0 + index * part.rows, chunk.packed)
        file.read_into(view[offset + lead : offset + lead + chunk.packed], chunk.offset + chunk.lead)
    return data


def _header(part: PartLayout, box: Box) -> Attributes:
    window = ("box2i", struct.pack("<4i", box.x0, box.y0, box.x1 - 1, box.y1 - 1))
    header = {name: part.attributes[name] for name in _KEPT if name in part.attributes}
    if part.tiles is not None:
        header["tiles"] = ("tiledesc", struct.pack("<IIB", *part.tiles[:2], 0))
    return header | {"dataWindow": window, "displayWindow": window, "lineOrder": ("lineOrder", b"\0")}
