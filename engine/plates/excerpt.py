"""Blocks of the compressions that only the OpenEXR library knows: a few at a time, as a small EXR file in memory.

The excerpt has the original's channels and compression, and nothing else of its header. The library writes no
subsampled channels, so such blocks can be decoded but not encoded here.
"""

import io
import os
import struct
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import OpenEXR

from engine.geometry import Box
from engine.plates.bytefile import ByteFile
from engine.plates.chunks import Chunk, Lead
from engine.plates.header import attribute, single_header
from engine.plates.layout import Attributes, PartLayout, TileLevel, parse_layout
from engine.plates.rows import Bytes, Pixels, inside
from engine.plates.zipped import BlockError

# What the module raises for a file that it cannot make sense of.
FOREIGN = (RuntimeError, ValueError, OSError, MemoryError, TypeError, IndexError, KeyError, ArithmeticError)
_KEPT = ("channels", "compression", "pixelAspectRatio", "screenWindowCenter", "screenWindowWidth", "tiles")
_HERE = Path("excerpt")
_MOST_THREADS = 8

# The module's own default is no threads at all.
OpenEXR.set_global_thread_count(min(os.cpu_count() or 1, _MOST_THREADS))


def decode(file: ByteFile, part: PartLayout, chunks: Sequence[Chunk], box: Box) -> dict[str, Pixels]:
    """The samples of every channel in `box`, which is what `chunks` make up. Raises BlockError, EOFError or OSError."""
    data = _excerpt(file, part, chunks, box)
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
    if "dwaCompressionLevel" in part.attributes:
        (header["dwaCompressionLevel"],) = struct.unpack("<f", part.attributes["dwaCompressionLevel"][1])
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
    return _packed(stream, _alone(part, box), count)


def _packed(stream: io.BytesIO, part: PartLayout, count: int) -> list[Bytes]:
    data = stream.getbuffer()
    layout = parse_layout(_HERE, bytes(data[: 1 << 20]), len(data))
    if layout.parts[0].channels != part.channels or layout.parts[0].compression != part.compression:
        raise BlockError
    lead, found = Lead(part, None), []
    for offset in struct.unpack_from(f"<{count}Q", data, layout.table):
        _, size = lead.parse(bytes(data[offset : offset + lead.size]))
        found.append(np.frombuffer(data[offset + lead.size : offset + lead.size + size], np.uint8))
    return found


def _excerpt(file: ByteFile, part: PartLayout, chunks: Sequence[Chunk], box: Box) -> bytearray:
    alone = _alone(part, box)
    lead = Lead(alone, None)
    head = single_header(_header(alone), alone.tiles is not None)
    start = len(head) + 8 * len(chunks)
    offsets = np.cumsum([start, *(lead.size + chunk.packed for chunk in chunks)])
    data = bytearray(int(offsets[-1]))
    data[:start] = head + offsets[:-1].astype("<u8").tobytes()
    view = memoryview(data)
    for index, (chunk, offset) in enumerate(zip(chunks, offsets.tolist(), strict=False)):
        packed = offset + lead.size
        view[offset:packed] = lead.build(index, chunk.packed)
        file.read_into(view[packed : packed + chunk.packed], chunk.offset + chunk.lead)
    return data


def _alone(part: PartLayout, box: Box) -> PartLayout:
    """The part as the only one of a file, with nothing in it but `box`, which is made up of whole chunks."""
    if part.tiles is None:
        return replace(part, window=box)
    across, down, _ = part.tiles
    level = TileLevel((0, 0), -(-box.width // across), -(-box.height // down))
    return replace(part, window=box, tiles=(across, down, 0), levels=(level,))


def _header(part: PartLayout) -> Attributes:
    window = attribute(part.window)
    header = {name: part.attributes[name] for name in _KEPT if name in part.attributes}
    if part.tiles is not None:
        header["tiles"] = ("tiledesc", struct.pack("<IIB", *part.tiles))
    return header | {"dataWindow": window, "displayWindow": window, "lineOrder": ("lineOrder", b"\0")}
