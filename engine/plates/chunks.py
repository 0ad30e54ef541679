"""The chunk table of an EXR file: where every block of pixels lies, how long it is, and what part of the picture it is.

The table is in the order of the picture; the blocks may lie in any order, with gaps. Each block begins with its own
coordinates and length, and all of them are compared with the table: so a file that is cut off, or whose table is
damaged, is known before a pixel is decoded. A damaged table is made anew where the blocks are all there.
"""

import math
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.errors import FrameUnreadable
from engine.geometry import Box
from engine.plates.bytefile import ByteFile
from engine.plates.layout import ExrLayout, PartLayout, unreadable


@dataclass(frozen=True, slots=True)
class Chunk:
    """A block in the file: `lead` bytes that say what it is, and `packed` bytes of pixels behind them."""

    offset: int
    lead: int
    packed: int

    @property
    def end(self) -> int:
        return self.offset + self.lead + self.packed


@dataclass(frozen=True, slots=True)
class ChunkTable:
    """The chunks of every part, in the order of the table; `rebuilt` where the file's own table was damaged."""

    parts: tuple[tuple[Chunk, ...], ...]
    rebuilt: bool

    def in_file_order(self) -> list[tuple[Chunk, int, int]]:
        """Every chunk with its part and its place in that part's table, by offset."""
        every = [(chunk, part, index) for part, chunks in enumerate(self.parts) for index, chunk in enumerate(chunks)]
        return sorted(every, key=lambda entry: entry[0].offset)


def read_chunks(path: Path, file: ByteFile, layout: ExrLayout) -> ChunkTable:
    """Read and check the chunk table in `file`. Raises FrameUnreadable where blocks are missing."""
    promised = sum(part.chunk_count for part in layout.parts)
    start = layout.table + 8 * promised
    if start > layout.length:
        raise _cut_off(path, layout, promised, promised)
    offsets = iter(struct.unpack(f"<{promised}Q", file.read(layout.table, 8 * promised)))
    found = [
        [_checked(lead, file, next(offsets), place, layout) for place in lead.places()]
        for lead in leads_of(layout.parts, layout.multi_part)
    ]
    absent = sum(chunk is None for chunks in found for chunk in chunks)
    if not absent:
        if sum(chunk.lead + chunk.packed for chunks in found for chunk in chunks if chunk) > layout.length - start:
            # A few bytes that belong to many blocks would be copied for each of them, and fill a disk.
            raise unreadable(path, "its blocks overlap")
        return _table(found, rebuilt=False)
    scanned = _scan(file, layout, start)
    left = sum(chunk is None for chunks in scanned for chunk in chunks)
    if left:
        raise _cut_off(path, layout, min(absent, left), promised)
    return _table(scanned, rebuilt=True)


def covering(part: PartLayout, box: Box) -> tuple[list[int], Box]:
    """The chunks that hold `box`, as places in the table of a part of one level, and the box that they make up.

    Boxes are in the file's coordinates. Where channels are subsampled in y, chunks come in groups that end between
    two rows of samples.
    """
    window = part.window
    inner = box.intersect(window)
    if inner.empty:
        return [], Box(window.x0, window.y0, window.x0, window.y0)
    if part.tiles is None:
        rows = _group_rows(part)
        first, last = (inner.y0 - window.y0) // rows, -(-(inner.y1 - window.y0) // rows)
        whole = Box(window.x0, window.y0 + first * rows, window.x1, min(window.y1, window.y0 + last * rows))
        per_group = rows // part.rows
        return list(range(first * per_group, min(part.chunk_count, last * per_group))), whole
    across, down, _ = part.tiles
    x0, x1 = (inner.x0 - window.x0) // across, -(-(inner.x1 - window.x0) // across)
    y0, y1 = (inner.y0 - window.y0) // down, -(-(inner.y1 - window.y0) // down)
    whole = Box(x0 * across, y0 * down, x1 * across, y1 * down).moved(window.x0, window.y0).intersect(window)
    return [y * part.levels[0].across + x for y in range(y0, y1) for x in range(x0, x1)], whole


def chunk_box(part: PartLayout, index: int) -> Box:
    """What a chunk of a part of one level covers, in the file's coordinates."""
    window = part.window
    if part.tiles is None:
        y0 = window.y0 + index * part.rows
        return Box(window.x0, y0, window.x1, min(window.y1, y0 + part.rows))
    across, down, _ = part.tiles
    row, column = divmod(index, part.levels[0].across)
    tile = Box(column * across, row * down, (column + 1) * across, (row + 1) * down)
    return tile.moved(window.x0, window.y0).intersect(window)


class Lead:
    """How the `size` bytes before the pixels of a chunk are laid out, for one part; they begin with its `number`."""

    def __init__(self, part: PartLayout, number: int | None) -> None:
        """`number` is the part's in a multi-part file, else None."""
        self._part = part
        self._number = () if number is None else (number,)
        self.number = struct.pack(f"<{len(self._number)}i", *self._number)
        places = 1 if part.tiles is None else 4
        self._form = struct.Struct(f"<{len(self._number) + places}i" + ("3q" if part.deep else "i"))
        self.size = self._form.size

    def places(self) -> Iterator[tuple[int, ...]]:
        """The coordinates of every chunk, in the order of the table."""
        part = self._part
        if part.tiles is None:
            yield from ((y,) for y in range(part.window.y0, part.window.y1, part.rows))
            return
        for level in part.levels:
            yield from ((x, y, *level.level) for y in range(level.down) for x in range(level.across))

    def parse(self, data: bytes) -> tuple[tuple[int, ...], int]:
        """Coordinates and number of packed bytes. Raises struct.error, or ValueError for another part's chunk."""
        values = self._form.unpack_from(data)
        if values[: len(self._number)] != self._number:
            raise ValueError
        sizes = values[-3:-1] if self._part.deep else values[-1:]
        if any(size < 0 for size in sizes):
            raise ValueError
        return values[len(self._number) : -len(sizes) - self._part.deep], sum(sizes)

    def build(self, index: int, packed: int) -> bytes:
        """The lead of a chunk that is not deep, of a part of one level."""
        part = self._part
        if part.tiles is None:
            return self._form.pack(*self._number, part.window.y0 + index * part.rows, packed)
        row, column = divmod(index, part.levels[0].across)
        return self._form.pack(*self._number, column, row, 0, 0, packed)


def leads_of(parts: Sequence[PartLayout], multi_part: bool) -> list[Lead]:
    """The leads of each part of a file."""
    return [Lead(part, number if multi_part else None) for number, part in enumerate(parts)]


def _group_rows(part: PartLayout) -> int:
    return math.lcm(part.rows, *(channel.sampling[1] for channel in part.channels))


def _checked(lead: Lead, file: ByteFile, offset: int, place: tuple[int, ...], layout: ExrLayout) -> Chunk | None:
    if not layout.table < offset <= layout.length - lead.size:
        return None
    try:
        found, packed = lead.parse(file.read(offset, lead.size))
    except (struct.error, ValueError):
        return None
    chunk = Chunk(offset, lead.size, packed)
    return chunk if found == place and chunk.end <= layout.length else None


def _scan(file: ByteFile, layout: ExrLayout, start: int) -> list[list[Chunk | None]]:
    """Every chunk that is found by going from one to the next."""
    leads = leads_of(layout.parts, layout.multi_part)
    known = [{place: index for index, place in enumerate(lead.places())} for lead in leads]
    found: list[list[Chunk | None]] = [[None] * len(places) for places in known]
    position = start
    while position < layout.length:
        for lead, places, chunks in zip(leads, known, found, strict=True):
            try:
                place, packed = lead.parse(file.read(position, lead.size))
            except (struct.error, ValueError):
                continue
            chunk = Chunk(position, lead.size, packed)
            index = places.get(place)
            if index is not None and chunks[index] is None and chunk.end <= layout.length:
                chunks[index] = chunk
                position = chunk.end
                break
        else:
            break
    return found


def _table(found: Sequence[Sequence[Chunk | None]], rebuilt: bool) -> ChunkTable:
    return ChunkTable(tuple(tuple(chunk for chunk in chunks if chunk is not None) for chunks in found), rebuilt)


def _cut_off(path: Path, layout: ExrLayout, absent: int, promised: int) -> FrameUnreadable:
    return unreadable(
        path, f"it is cut off at {layout.length} bytes, and {absent} of its {promised} blocks are missing"
    )
