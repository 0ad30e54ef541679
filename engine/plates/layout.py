"""The outside of an EXR file: its headers and its chunk table, read without decoding a pixel.

The OpenEXR module drops a part whose pixels it cannot decode and carries on, and it allocates what a header claims. So
this module looks first: what is in the file, whether it is of a kind that can be edited, and whether every chunk is
there. The format is described in "OpenEXR File Layout" (openexr.com).
"""

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from engine.errors import FrameUnreadable, PlateUnsupported
from engine.events import shown

_MAGIC = b"\x76\x2f\x31\x01"
_TILED, _DEEP, _MULTI_PART = 0x200, 0x800, 0x1000
_FIRST_READ, _LARGEST_HEADER = 1 << 16, 1 << 26
_MOST_BYTES = 1 << 32
_PIXEL_BYTES = {0: 4, 1: 2, 2: 4}
# Rows in a chunk by the number of the compression: none, rle, zips, zip, piz, pxr24, b44, b44a, dwaa, dwab, htj2k256,
# htj2k32; of newer ones the count is not known, and the library alone checks them.
_CHUNK_ROWS = {0: 1, 1: 1, 2: 1, 3: 16, 4: 32, 5: 16, 6: 32, 7: 32, 8: 32, 9: 256, 10: 256, 11: 32}

_Attributes = dict[str, tuple[str, bytes]]


@dataclass(frozen=True, slots=True)
class ChannelLayout:
    """A channel of a part: pixel type 0 uint, 1 half, 2 float; `sampling` is (1, 1) unless it is subsampled."""

    name: str
    pixel_type: int
    perceptually_linear: bool
    sampling: tuple[int, int]


@dataclass(frozen=True, slots=True)
class PartLayout:
    """A part of an EXR file. `window` is its data window as in the file: the last column and row are inside."""

    name: str
    kind: str
    window: tuple[int, int, int, int]
    channels: tuple[ChannelLayout, ...]
    compression: int
    tiles: tuple[int, int, int] | None
    chunk_count: int | None

    @property
    def size(self) -> tuple[int, int]:
        x0, y0, x1, y1 = self.window
        return x1 - x0 + 1, y1 - y0 + 1


@dataclass(frozen=True, slots=True)
class ExrLayout:
    """The parts of an EXR file, where its chunk table begins, and how long the file is."""

    parts: tuple[PartLayout, ...]
    table: int
    length: int


class _DamagedError(Exception):
    """The header contradicts itself; the text says how, and follows "its header is damaged: "."""


def read_layout(path: Path) -> ExrLayout:
    """Read the headers of an EXR file. Raises FrameUnreadable, or PlateUnsupported for a deep or subsampled file."""
    try:
        with path.open("rb") as file:
            length = file.seek(0, 2)
            file.seek(0)
            head = file.read(_FIRST_READ)
            _check_magic(path, head)
            while True:
                try:
                    layout = _parse(path, head, length)
                    break
                except (struct.error, IndexError, ValueError) as error:
                    if len(head) >= min(length, _LARGEST_HEADER):
                        raise _unreadable(path, "it ends inside its header") from error
                    head += file.read(3 * len(head))
    except OSError as error:
        raise FrameUnreadable(
            f"{shown(path)} cannot be read: {error.strerror}.", "Check the file and its permissions."
        ) from error
    except _DamagedError as error:
        raise _unreadable(path, f"its header is damaged: {error}") from error
    _refuse(path, layout)
    return layout


def check_chunks(path: Path, layout: ExrLayout) -> None:
    """Check that every chunk that the headers promise is inside the file. Raises FrameUnreadable."""
    if any(part.chunk_count is None for part in layout.parts):
        return
    promised = sum(part.chunk_count or 0 for part in layout.parts)
    lead = 8 if len(layout.parts) == 1 else 12
    with path.open("rb") as file:
        file.seek(layout.table)
        table = file.read(8 * promised)
        if len(table) < 8 * promised:
            raise _cut_off(path, layout, promised, promised)
        offsets = struct.unpack(f"<{promised}Q", table)
        absent = sum(not layout.table < offset <= layout.length - lead for offset in offsets)
        if absent:
            raise _cut_off(path, layout, absent, promised)
        last = max(offsets)
        tiled = _part_of(file, last, layout).tiles is not None
        lead += 12 if tiled else 0
        file.seek(last + lead - 4)
        packed = file.read(4)
    if len(packed) < 4 or last + lead + struct.unpack("<i", packed)[0] > layout.length:
        raise _cut_off(path, layout, 1, promised)


def _part_of(file, offset: int, layout: ExrLayout) -> PartLayout:
    if len(layout.parts) == 1:
        return layout.parts[0]
    file.seek(offset)
    number = struct.unpack("<i", file.read(4))[0]
    return layout.parts[number if 0 <= number < len(layout.parts) else 0]


def _unreadable(path: Path, reason: str) -> FrameUnreadable:
    return FrameUnreadable(f"{shown(path)} cannot be read: {reason}.", "Copy or render the frame again.")


def _cut_off(path: Path, layout: ExrLayout, absent: int, promised: int) -> FrameUnreadable:
    return _unreadable(
        path, f"it is cut off at {layout.length} bytes, and {absent} of its {promised} blocks are missing"
    )


def _check_magic(path: Path, head: bytes) -> None:
    if not head:
        raise _unreadable(path, "it is empty")
    if not head.startswith(_MAGIC):
        kind = "a text file" if _is_text(head) else "another kind of file"
        raise _unreadable(path, f"it is not an EXR file but {kind}")


def _is_text(head: bytes) -> bool:
    return all(byte >= 32 or byte in b"\t\n\r\f\x1b" for byte in head[:4096])


def _parse(path: Path, data: bytes, length: int) -> ExrLayout:
    flags = struct.unpack_from("<I", data, 4)[0]
    if flags & 0xFF != 2:
        raise _DamagedError(f"version {flags & 0xFF} of the format does not exist")
    headers: list[_Attributes] = []
    position = 8
    while True:
        attributes, position = _attributes(data, position)
        headers.append(attributes)
        if not flags & _MULTI_PART:
            break
        if data[position] == 0:
            position += 1
            break
    return ExrLayout(tuple(_part(path, header, flags) for header in headers), position, length)


def _attributes(data: bytes, position: int) -> tuple[_Attributes, int]:
    found: _Attributes = {}
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


def _part(path: Path, header: _Attributes, flags: int) -> PartLayout:
    for name, (kind, value) in header.items():
        if kind == "string" and not _is_utf8(value):
            raise PlateUnsupported(
                f"The text of the attribute {name} in {shown(path)} is not UTF-8.", "Correct or remove that attribute."
            )
    values = {name: value for name, (_, value) in header.items()}
    try:
        window = struct.unpack("<4i", values["dataWindow"])
        compression = values["compression"][0]
        channels = tuple(_channels(values["channels"]))
        tiles = struct.unpack("<IIB", values["tiles"]) if "tiles" in values and _is_tiled(values, flags) else None
    except (KeyError, struct.error, IndexError, ValueError) as error:
        raise _DamagedError("a required attribute is missing or malformed") from error
    kind = values.get("type", b"").rstrip(b"\0").decode("utf-8", "replace")
    if not flags & _MULTI_PART:
        kind = (
            "deep" if flags & _DEEP or kind.startswith("deep") else "tiledimage" if flags & _TILED else "scanlineimage"
        )
    name = values.get("name", b"").rstrip(b"\0").decode("utf-8", "replace")
    return PartLayout(name, kind, window, channels, compression, tiles, _chunk_count(window, compression, tiles, kind))


def _is_tiled(values: dict[str, bytes], flags: int) -> bool:
    return bool(flags & _TILED) or (bool(flags & _MULTI_PART) and values.get("type", b"").startswith(b"tiled"))


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _channels(value: bytes) -> Iterator[ChannelLayout]:
    position = 0
    while value[position]:
        name, position = _text(value, position)
        pixel_type, linear, across, down = struct.unpack_from("<iB3xii", value, position)
        if pixel_type not in _PIXEL_BYTES or across < 1 or down < 1:
            raise ValueError(name)
        yield ChannelLayout(name, pixel_type, bool(linear), (across, down))
        position += 16


def _chunk_count(
    window: tuple[int, int, int, int], compression: int, tiles: tuple[int, int, int] | None, kind: str
) -> int | None:
    width, height = window[2] - window[0] + 1, window[3] - window[1] + 1
    if width < 1 or height < 1:
        raise _DamagedError("its data window is empty")
    if kind.startswith("deep"):
        return None
    if tiles is None:
        rows = _CHUNK_ROWS.get(compression)
        return None if rows is None else -(-height // rows)
    across, down, mode = tiles
    if not across or not down:
        raise _DamagedError("its tiles have no size")
    return sum(
        -(-_level_size(width, x, mode >> 4) // across) * -(-_level_size(height, y, mode >> 4) // down)
        for x, y in _levels(width, height, mode)
    )


def _levels(width: int, height: int, mode: int) -> list[tuple[int, int]]:
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


def _refuse(path: Path, layout: ExrLayout) -> None:
    if any(part.kind.startswith("deep") for part in layout.parts):
        raise PlateUnsupported(f"{shown(path)} holds deep pixels.", "Flatten it first (DeepToImage in Nuke).")
    if any(channel.sampling != (1, 1) for part in layout.parts for channel in part.channels):
        raise PlateUnsupported(
            f"{shown(path)} has subsampled channels, as luminance-chroma files do.",
            "Save it with full R, G and B channels.",
        )
    pixels = [part.size[0] * part.size[1] for part in layout.parts]
    total = sum(
        count * sum(_PIXEL_BYTES[channel.pixel_type] for channel in part.channels)
        for count, part in zip(pixels, layout.parts, strict=True)
    )
    if total > _MOST_BYTES:
        raise PlateUnsupported(
            f"{shown(path)} would take {total / 2**30:.0f} GiB of memory, or its header is damaged.",
            "Crop it, or render it again.",
        )
