"""The layers of a frame in a file, or a part, of their own: the plate's own blocks need not change for them.

A companion has the plate's data window, so that hosts that know no data window (Blender shows it as the whole picture)
lay it over the plate; blocks without a face are all the same few bytes. It carries the frame's header.
"""

import struct
from collections.abc import Iterable, Mapping
from functools import reduce

import numpy as np

from engine.geometry import Box, extent
from engine.plates.chunks import chunk_box
from engine.plates.edit import NewPart
from engine.plates.header import attribute
from engine.plates.layout import CHUNK_ROWS, Attributes, ChannelLayout, ExrLayout, PartLayout
from engine.plates.rows import Bytes, Pixels, inside, new_planes, pack
from engine.plates.workers import ordered
from engine.plates.zipped import ZIP, compress
from engine.shot import LayersIn

# Where layers are a file of their own.
BESIDE: tuple[LayersIn, ...] = ("file", "cropped-file")

PART_NAME = "faceplate"
_NUMBERS = {np.dtype(np.uint32): 0, np.dtype(np.float16): 1, np.dtype(np.float32): 2}
# What belongs to the pixels of the part that it stands in, or says how they are stored.
_NOT_CARRIED = frozenset(
    {"channels", "chunkCount", "dwaCompressionLevel", "idManifest", "name", "preview", "tiles", "type", "view"}
)


def layer_part(header: Attributes, window: Box, layers: Mapping[str, Pixels], loaded: Box, name: str = "") -> NewPart:
    """A part of scanlines that holds `layers`, (rows, columns) over `loaded`, and zero elsewhere in `window`.

    Boxes are in the file's coordinates. `header` is that of the picture; `name` is needed in a file of several parts.
    """
    channels = tuple(
        ChannelLayout(key, _NUMBERS[layers[key].dtype], False, (1, 1)) for key in sorted(layers, key=str.encode)
    )
    attributes = {
        key: value for key, value in header.items() if key not in _NOT_CARRIED and not key.startswith("cryptomatte/")
    }
    attributes |= {
        "channels": ("chlist", b"".join(map(_channel_bytes, channels)) + b"\0"),
        "compression": ("compression", bytes([ZIP])),
        "dataWindow": attribute(window),
        "lineOrder": ("lineOrder", b"\0"),
        "type": ("string", b"scanlineimage"),
    }
    rows = CHUNK_ROWS[ZIP]
    count = -(-window.height // rows)
    if name:
        attributes |= {"name": ("string", name.encode()), "chunkCount": ("int", struct.pack("<i", count))}
    layout = PartLayout(name, "scanlineimage", window, channels, ZIP, None, (), rows, attributes)
    return NewPart(layout, _blocks(layout, layers, loaded))


def layer_part_name(layout: ExrLayout) -> str:
    """The name of a new part of layers: readers refuse a file in which two parts have the same."""
    taken = {part.name for part in layout.parts}
    names = (PART_NAME, *(f"{PART_NAME}{number}" for number in range(2, len(taken) + 2)))
    return next(name for name in names if name not in taken)


def cropped(layers: Mapping[str, Pixels], loaded: Box) -> Box:
    """The smallest box that holds everything in the layers that is not zero; of one pixel where there is nothing."""
    found = reduce(Box.union, (extent(values) for values in layers.values()))
    return (Box(0, 0, 1, 1) if found.empty else found).moved(loaded.x0, loaded.y0)


def _blocks(layout: PartLayout, layers: Mapping[str, Pixels], loaded: Box) -> Iterable[Bytes]:
    empty: dict[int, Bytes] = {}

    def block(index: int) -> Bytes:
        box = chunk_box(layout, index)
        seen = box.intersect(loaded)
        if seen.empty and box.height in empty:
            return empty[box.height]
        planes = new_planes(layout.channels, box)
        for channel in layout.channels:
            planes[channel.name].fill(0)
            if not seen.empty:
                planes[channel.name][inside(channel, seen, box)] = layers[channel.name][inside(channel, seen, loaded)]
        packed = compress(pack(layout.channels, box, planes, box), layout.compression)
        if seen.empty:
            empty[box.height] = packed
        return packed

    return ordered(block, range(layout.chunk_count))


def _channel_bytes(channel: ChannelLayout) -> bytes:
    across, down = channel.sampling
    numbers = struct.pack("<iB3xii", channel.pixel_type, channel.perceptually_linear, across, down)
    return channel.name.encode() + b"\0" + numbers
