"""The headers of an EXR file, read without decoding a pixel and kept byte for byte.

The OpenEXR module drops a part whose pixels it cannot decode and carries on, and it allocates what a header claims. So
this module looks first. The format is described in "OpenEXR File Layout" (openexr.com).
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import FrameUnreadable, PlateUnsupported
from engine.events import shown
from engine.folders import is_other_than_file
from engine.geometry import Box

MAGIC = b"\x76\x2f\x31\x01"
VERSION = 2
TILED, LONG_NAMES, DEEP, MULTI_PART = 0x200, 0x400, 0x800, 0x1000
PIXEL_BYTES = {0: 4, 1: 2, 2: 4}
# Rows in a chunk by the number of the compression: none, rle, zips, zip, piz, pxr24, b44, b44a, dwaa, dwab, htj2k256,
# htj2k32, lj2k, zstd.
CHUNK_ROWS = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256, 10: 256, 11: 32, 12: 256, 13: 1}
# An attribute of another type is another attribute, whatever its name: readers go by their default instead.
_KINDS = {"channels": "chlist", "compression": "compression", "dataWindow": "box2i", "tiles": "tiledesc"}
_FIRST_READ, _LARGEST_HEADER = 1 << 16, 1 << 26

Attributes = dict[str, tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class ChannelLayout:
    """A channel of a part: pixel type 0 uint, 1 half, 2 float; `sampling` is (1, 1) unless it is subsampled."""

    name: str
    pixel_type: int
    perceptually_linear: bool
    sampling: tuple[int, int]


@dataclass(frozen=True, slots=True)
class TileLevel:
    """One resolution of a tiled part: its number across and down, and its count of tiles each way."""

    level: tuple[int, int]
    across: int
    down: int


@dataclass(frozen=True, slots=True)
class PartLayout:
    """A part of an EXR file.

    `window` is its data window in the file's own coordinates, half-open. `attributes` are its header, in the order of
    the file: type and value as they stand. `levels` is empty for scanlines; `rows` is the height of a scanline chunk.
    """

    name: str
    kind: str
    window: Box
    channels: tuple[ChannelLayout, ...]
    compression: int
    tiles: tuple[int, int, int] | None
    levels: tuple[TileLevel, ...]
    rows: int
    attributes: Attributes

    @property
    def deep(self) -> bool:
        return self.kind.startswith("deep")

    @property
    def subsampled(self) -> bool:
        return any(channel.sampling != (1, 1) for channel in self.channels)

    @property
    def size(self) -> tuple[int, int]:
        return self.window.width, self.window.height

    @property
    def chunk_count(self) -> int:
        if self.tiles is not None:
            return sum(level.across * level.down for level in self.levels)
        return -(-self.window.height // self.rows)


@dataclass(frozen=True, slots=True)
class ExrLayout:
    """The parts of an EXR file, its version field, where its chunk table begins, and how long the file is."""

    parts: tuple[PartLayout, ...]
    version: int
    table: int
    length: int

    @property
    def multi_part(self) -> bool:
        return bool(self.version & MULTI_PART)


class _DamagedError(Exception):
    """The header contradicts itself; the text says how, and follows "its header is damaged: "."""


def read_layout(path: Path) -> ExrLayout:
    """Read the headers of an EXR file. Raises FrameUnreadable, or PlateUnsupported for a compression of the future."""
    try:
        if is_other_than_file(path):
            raise unreadable(path, "it is not a file")
        with path.open("rb") as file:
            length = file.seek(0, 2)
            file.seek(0)
            head = file.read(_FIRST_READ)
            _check_magic(path, head)
            while True:
                try:
                    return parse_layout(path, head, length)
                except (struct.error, IndexError, ValueError) as error:
                    if len(head) >= min(length, _LARGEST_HEADER):
                        raise unreadable(path, "it ends inside its header") from error
                    head += file.read(3 * len(head))
    except OSError as error:
        raise FrameUnreadable(
            f"{shown(path)} cannot be read: {error.strerror}.", "Check the file and its permissions."
        ) from error
    except _DamagedError as error:
        raise unreadable(path, f"its header is damaged: {error}") from error


def unreadable(path: Path, reason: str) -> FrameUnreadable:
    """The error for a damaged file; `reason` follows "cannot be read: " and has no full stop."""
    return FrameUnreadable(f"{shown(path)} cannot be read: {reason}.", "Copy or render the frame again.")


def _check_magic(path: Path, head: bytes) -> None:
    if not head:
        raise unreadable(path, "it is empty")
    if not head.startswith(MAGIC):
        kind = "a text file" if _is_text(head) else "another kind of file"
        raise unreadable(path, f"it is not an EXR file but {kind}")


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in head[:4096])


def parse_layout(path: Path, data: bytes, length: int) -> ExrLayout:
    """The layout of a file of `length` bytes that begins with `data`; `path` is the name that errors give.

    Raises IndexError, ValueError or struct.error where `data` ends inside the headers.
    """
    version = struct.unpack_from("<I", data, 4)[0]
    if version & 0xFF != VERSION:
        raise _DamagedError(f"version {version & 0xFF} of the format does not exist")
    headers: list[Attributes] = []
    position = 8
    while True:
        attributes, position = _attributes(data, position)
        headers.append(attributes)
        if not version & MULTI_PART:
            break
        if data[position] == 0:
            position += 1
            break
    return ExrLayout(tuple(_part(path, header, version) for header in headers), version, position, length)


def _attributes(data: bytes, position: int) -> tuple[Attributes, int]:
    found: Attributes = {}
    while data[position]:
        name, position = _text(data, position)
        kind, position = _text(data, position)
        (size,) = struct.unpack_from("<i", data, position)
        position += 4
        if size < 0:
            raise _DamagedError(f"the attribute {name} has a negative length")
        if position + size > len(data):
            raise IndexError
        found[name] = (kind, data[position : position + size])
        position += size
    return found, position + 1


def _text(data: bytes, position: int) -> tuple[str, int]:
    end = data.index(b"\0", position)
    if end - position > 255:
        raise _DamagedError("the name of an attribute is longer than the format allows")
    try:
        return data[position:end].decode("utf-8"), end + 1
    except UnicodeDecodeError as error:
        raise _DamagedError("the name of an attribute is not text") from error


def _part(path: Path, header: Attributes, version: int) -> PartLayout:
    for name, (kind, value) in header.items():
        if kind == "string" and not _is_utf8(value):
            raise PlateUnsupported(
                f"The text of the attribute {name} in {shown(path)} is not UTF-8.", "Correct or remove that attribute."
            )
    values = {name: value for name, (kind, value) in header.items() if _KINDS.get(name, kind) == kind}
    try:
        x0, y0, x1, y1 = struct.unpack("<4i", values["dataWindow"])
        compression = values["compression"][0]
        # Readers go by name: whatever the order in the list, pixels are in that of the alphabet.
        channels = tuple(sorted(parse_channels(values["channels"]), key=lambda channel: channel.name.encode()))
        tiles = struct.unpack("<IIB", values["tiles"]) if "tiles" in values and _is_tiled(values, version) else None
    except (KeyError, struct.error, IndexError, ValueError) as error:
        raise _DamagedError("a required attribute is missing or malformed") from error
    if len({channel.name for channel in channels}) < len(channels):
        raise _DamagedError("two channels have the same name")
    if x1 < x0 or y1 < y0:
        raise _DamagedError("its data window is empty")
    if compression not in CHUNK_ROWS:
        raise PlateUnsupported(
            f"{shown(path)} has a compression that this version does not know, or is damaged.", "Save it as ZIP."
        )
    window = Box(x0, y0, x1 + 1, y1 + 1)
    name = values.get("name", b"").rstrip(b"\0").decode("utf-8", "replace")
    levels = () if tiles is None else _levels(window, tiles)
    kind = _kind(values, version)
    part = PartLayout(name, kind, window, channels, compression, tiles, levels, CHUNK_ROWS[compression], header)
    if version & MULTI_PART and values.get("chunkCount", b"") != struct.pack("<i", part.chunk_count):
        raise _DamagedError("the number of its blocks does not fit its size")
    return part


def _kind(values: dict[str, bytes], version: int) -> str:
    kind = values.get("type", b"").rstrip(b"\0").decode("utf-8", "replace")
    if version & MULTI_PART:
        return kind
    if version & DEEP or kind.startswith("deep"):
        return "deeptile" if kind == "deeptile" else "deepscanline"
    return "tiledimage" if version & TILED else "scanlineimage"


def _is_tiled(values: dict[str, bytes], version: int) -> bool:
    kind = values.get("type", b"")
    if version & MULTI_PART:
        return kind.startswith((b"tiled", b"deeptile"))
    return bool(version & TILED) or kind.startswith(b"deeptile")


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def parse_channels(value: bytes) -> Iterator[ChannelLayout]:
    """The channels in the value of a part's attribute. Raises struct.error, IndexError or ValueError."""
    position = 0
    while value[position]:
        name, position = _text(value, position)
        pixel_type, linear, across, down = struct.unpack_from("<iB3xii", value, position)
        if pixel_type not in PIXEL_BYTES or across < 1 or down < 1:
            raise ValueError(name)
        yield ChannelLayout(name, pixel_type, bool(linear), (across, down))
        position += 16


def _levels(window: Box, tiles: tuple[int, int, int]) -> tuple[TileLevel, ...]:
    width, height, mode = tiles
    if not width or not height:
        raise _DamagedError("its tiles have no size")
    return tuple(
        TileLevel(
            (x, y),
            -(-_level_size(window.width, x, mode >> 4) // width),
            -(-_level_size(window.height, y, mode >> 4) // height),
        )
        for x, y in _level_numbers(window.width, window.height, mode)
    )


def _level_numbers(width: int, height: int, mode: int) -> list[tuple[int, int]]:
    rounded = math.ceil if mode >> 4 else math.floor
    across, down = (rounded(math.log2(size)) + 1 for size in (width, height))
    match mode & 15:
        case 0:
            return [(0, 0)]
        case 1:
            return [(level, level) for level in range(max(across, down))]
        case 2:
            return [(x, y) for y in range(down) for x in range(across)]
    raise _DamagedError("its tiles have levels of an unknown kind")


def _level_size(size: int, level: int, round_up: int) -> int:
    return max(1, -(-size >> level) if round_up else size >> level)
