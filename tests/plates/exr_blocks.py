"""EXR files taken apart into headers and blocks, and put together again in any order, without the engine.

So tests can say which bytes must be the same, and make files that no library writes.
"""

import math
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Header = dict[str, tuple[str, bytes]]
# Samples of each channel, and its steps across and down.
Sampled = dict[str, tuple[NDArray[Any], tuple[int, int]]]

TILED, LONG_NAMES, DEEP, MULTI_PART = 0x200, 0x400, 0x800, 0x1000
# Rows in a block of scanlines, by the number of the compression.
LINES = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256, 10: 256, 11: 32, 12: 256, 13: 1}
_KINDS = {np.dtype(np.uint32): 0, np.dtype(np.float16): 1, np.dtype(np.float32): 2}


@dataclass(slots=True)
class Part:
    """A part of one level: its attributes, and its blocks in the order of the table.

    A block is all that stands in the file from its coordinates on; the number of the part is left out.
    """

    header: Header
    blocks: list[bytes]

    @property
    def window(self) -> tuple[int, int, int, int]:
        """The data window, with its last column and row inside."""
        return struct.unpack("<4i", self.header["dataWindow"][1])

    @property
    def deep(self) -> bool:
        return self.header.get("type", ("", b""))[1].startswith(b"deep")

    @property
    def tiles(self) -> tuple[int, int] | None:
        return struct.unpack_from("<II", self.header["tiles"][1]) if "tiles" in self.header else None

    @property
    def lead(self) -> int:
        """How many bytes a block has before its pixels."""
        return (4 if self.tiles is None else 16) + (24 if self.deep else 4)

    @property
    def count(self) -> int:
        x0, y0, x1, y1 = self.window
        if self.tiles is None:
            return -(-(y1 - y0 + 1) // LINES[self.header["compression"][1][0]])
        width, height = self.tiles
        return -(-(x1 - x0 + 1) // width) * -(-(y1 - y0 + 1) // height)

    def touched(self, x0: int, y0: int, x1: int, y1: int) -> set[int]:
        """The blocks that hold a half-open box of the file's coordinates, which lies in the data window."""
        left, top, right, _ = self.window
        x0, x1, y0, y1 = x0 - left, x1 - left, y0 - top, y1 - top
        if x0 >= x1 or y0 >= y1:
            return set()
        if self.tiles is None:
            lines = LINES[self.header["compression"][1][0]]
            group = math.lcm(lines, *self._steps_down()) // lines
            first, last = y0 // lines // group * group, ((y1 - 1) // lines // group + 1) * group
            return set(range(first, min(last, self.count)))
        width, height = self.tiles
        across = -(-(right - left + 1) // width)
        rows, columns = range(y0 // height, (y1 - 1) // height + 1), range(x0 // width, (x1 - 1) // width + 1)
        return {row * across + column for row in rows for column in columns}

    def _steps_down(self) -> list[int]:
        """The sampling of each channel in y."""
        value, position, steps = self.header["channels"][1], 0, []
        while value[position]:
            position = value.index(b"\0", position) + 17
            steps.append(struct.unpack_from("<i", value, position - 4)[0])
        return steps


def take_apart(path: Path) -> list[Part]:
    """The parts of a file without levels."""
    data = path.read_bytes()
    parts, start = _parts(data)
    offsets = iter(struct.unpack_from(f"<{sum(part.count for part in parts)}Q", data, start))
    for number, part in enumerate(parts):
        part.blocks = [_block(data, next(offsets), part, number if len(parts) > 1 else None) for _ in range(part.count)]
    return parts


def headers_of(path: Path) -> list[Header]:
    return [part.header for part in _parts(path.read_bytes())[0]]


def put_together(
    path: Path, parts: Sequence[Part], order: Sequence[tuple[int, int]] | None = None, gap: Callable[[], int] = int
) -> None:
    """Write parts as a file; `order` says which block of which part comes when, `gap` how far behind the last."""
    count = sum(part.count for part in parts)
    head = head_of(parts)
    places = [(number, index) for number, part in enumerate(parts) for index in range(part.count)]
    data, offsets = bytearray(head + bytes(8 * count)), {}
    for number, index in order or places:
        data += b"\xa5" * gap()
        offsets[number, index] = len(data)
        data += (struct.pack("<i", number) if len(parts) > 1 else b"") + parts[number].blocks[index]
    struct.pack_into(f"<{count}Q", data, len(head), *(offsets[place] for place in places))
    path.write_bytes(data)


def write_sampled(path: Path, channels: Sampled, compression: int, origin: tuple[int, int]) -> None:
    """A file of scanlines whose channels may be subsampled: the OpenEXR module writes none.

    Only ZIPS and ZIP are compressed; rows that are stored as they are stand for all others, which the format allows.
    The window begins at `origin`, a multiple of every step, and has the size of the first channel times its steps.
    """
    pixels, (across, down) = next(iter(channels.values()))
    (x0, y0), height = origin, pixels.shape[0] * down
    corners = ("box2i", struct.pack("<4i", x0, y0, x0 + pixels.shape[1] * across - 1, y0 + height - 1))
    header: Header = {
        "channels": ("chlist", _channel_list(channels)),
        "compression": ("compression", bytes([compression])),
        "dataWindow": corners,
        "displayWindow": corners,
        "lineOrder": ("lineOrder", b"\0"),
        "pixelAspectRatio": ("float", struct.pack("<f", 1)),
        "screenWindowCenter": ("v2f", bytes(8)),
        "screenWindowWidth": ("float", struct.pack("<f", 1)),
    }
    blocks = []
    for y in range(y0, y0 + height, LINES[compression]):
        rows = _rows(channels, y0, range(y, min(y0 + height, y + LINES[compression])))
        packed = _deflated(rows) if compression in (2, 3) else rows
        blocks.append(struct.pack("<ii", y, len(packed)) + packed)
    put_together(path, [Part(header, blocks)])


def _channel_list(channels: Sampled) -> bytes:
    entries = (
        name.encode() + b"\0" + struct.pack("<iB3xii", _KINDS[pixels.dtype], 0, *steps)
        for name, (pixels, steps) in sorted(channels.items())
    )
    return b"".join(entries) + b"\0"


def _rows(channels: Sampled, y0: int, rows: range) -> bytes:
    """Some rows of a window that begins at `y0`: each has the channels with samples on it."""
    return b"".join(
        pixels[(y - y0) // down].tobytes()
        for y in rows
        for _, (pixels, (_, down)) in sorted(channels.items())
        if y % down == 0
    )


def _deflated(rows: bytes) -> bytes:
    """As "OpenEXR File Layout" has it: even bytes, odd bytes, each as its difference to the one before."""
    data = np.frombuffer(rows, np.uint8)
    split = np.concatenate([data[::2], data[1::2]])
    split[1:] = split[1:] - split[:-1] + np.uint8(128)
    packed = zlib.compress(split.tobytes())
    return packed if len(packed) < len(rows) else rows


def head_of(parts: Sequence[Part]) -> bytes:
    """Everything before the table of blocks."""
    version = 2
    if len(parts) > 1:
        version |= MULTI_PART
    elif parts[0].tiles is not None:
        version |= TILED
    if any(part.deep for part in parts):
        version |= DEEP
    if any(len(name) > 31 for part in parts for name in part.header):
        version |= LONG_NAMES
    text = b"".join(_header(part.header) for part in parts)
    return struct.pack("<II", 20000630, version) + text + (b"\0" if len(parts) > 1 else b"")


def table_of(path: Path) -> tuple[int, int]:
    """Where the table of blocks begins, and how many entries it has."""
    parts, start = _parts(path.read_bytes())
    return start, sum(part.count for part in parts)


def _header(header: Header) -> bytes:
    return b"".join(
        name.encode() + b"\0" + kind.encode() + b"\0" + struct.pack("<i", len(value)) + value
        for name, (kind, value) in header.items()
    ) + (b"\0")


def _parts(data: bytes) -> tuple[list[Part], int]:
    """Parts without blocks, and where the table begins."""
    multi_part = struct.unpack_from("<I", data, 4)[0] & MULTI_PART
    parts, position = [], 8
    while True:
        header: Header = {}
        while data[position]:
            end = data.index(b"\0", position)
            kind = data.index(b"\0", end + 1)
            (size,) = struct.unpack_from("<i", data, kind + 1)
            header[data[position:end].decode()] = data[end + 1 : kind].decode(), data[kind + 5 : kind + 5 + size]
            position = kind + 5 + size
        position += 1
        parts.append(Part(header, []))
        if not multi_part:
            return parts, position
        if not data[position]:
            return parts, position + 1


def _block(data: bytes, offset: int, part: Part, number: int | None) -> bytes:
    if number is not None:
        assert struct.unpack_from("<i", data, offset) == (number,)
        offset += 4
    form, back = ("<2q", 24) if part.deep else ("<i", 4)
    size = sum(struct.unpack_from(form, data, offset + part.lead - back))
    block = data[offset : offset + part.lead + size]
    assert len(block) == part.lead + size
    return block
