"""Writes a copy of an EXR file in which some blocks are new: the other bytes are moved by the kernel.

The blocks keep the order that they have in the file. Before a long stretch that is copied, up to one file-system block
is left free, so that file systems that can share blocks between files do so instead of copying. Between the scanlines
of a single part there must be no such gap: OpenEXR before 3.3 goes on reading where the block before ended, whatever
the table says. There only the first stretch can be shared.
"""

import os
import struct
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from engine.geometry import Box
from engine.plates.bytefile import BLOCK, ByteFile, copy_range
from engine.plates.chunks import Chunk, leads_of
from engine.plates.header import header_bytes, single_header, with_attributes
from engine.plates.layout import MULTI_PART, TILED, Attributes, PartLayout
from engine.plates.rows import Bytes
from engine.plates.splice import ExrFile, Window, encode_blocks, is_plain, plain_rows
from engine.shot import Chunks

# Shorter stretches are not worth a gap in the file.
_WORTH_SHARING = 16 * BLOCK


@dataclass(slots=True)
class NewPart:
    """A part to add at the end of a file: its layout, and the bytes of its chunks in the order of its table."""

    layout: PartLayout
    blocks: Iterable[Bytes]


@dataclass(slots=True)
class Edited:
    """What was written: how many chunks are new, of how many, and how many bytes were copied as they are."""

    new: int = 0
    chunks: int = 0
    copied: int = 0


def write_edited(
    source: ExrFile,
    target: Path,
    window: Window,
    changed: Box,
    attributes: Mapping[str, object],
    how: Chunks = "auto",
    new_part: NewPart | None = None,
) -> Edited:
    """Write `source` to the new file `target`, with what `window` now holds in `changed`, and with `attributes` set.

    `changed` is in the file's coordinates; all that lies outside of its chunks stays as it is, byte by byte. Raises
    FileExistsError, OSError of the target, EOFError where the source has become shorter, TypeError for an attribute
    that is neither text nor a number nor a Box.
    """
    layouts = list(source.layout.parts)
    headers: list[Attributes] = [part.attributes for part in layouts]
    headers[window.part] = with_attributes(headers[window.part], attributes)
    version = source.layout.version
    if new_part is not None:
        headers, version = _multi_part(headers, layouts, version)
        headers.append(new_part.layout.attributes)
        layouts.append(new_part.layout)
    head = header_bytes(headers, version)
    file = ByteFile(target, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        writer = _Editor(source, file, layouts, bool(version & MULTI_PART), len(head))
        part = source.layout.parts[window.part]
        if is_plain(part):
            writer.copy_all(window.part, [], [])
            writer.patch(window, changed)
        else:
            writer.copy_all(window.part, *encode_blocks(part, window, changed, how))
        if new_part is not None:
            writer.add(len(layouts) - 1, new_part.blocks)
        file.write(0, head + writer.table())
        return writer.done
    finally:
        file.close()


def write_alone(part: NewPart, target: Path) -> None:
    """Write a part as the only one of a new file. Raises FileExistsError and OSError."""
    head = single_header(part.layout.attributes, part.layout.tiles is not None)
    file = ByteFile(target, os.O_RDWR | os.O_CREAT | os.O_EXCL)
    try:
        writer = _Writer(file, [part.layout], multi_part=False, table=len(head))
        writer.add(0, part.blocks)
        file.write(0, head + writer.table())
    finally:
        file.close()


class _Writer:
    """Places chunks in the target, one after the other, and remembers where."""

    def __init__(self, target: ByteFile, layouts: Sequence[PartLayout], multi_part: bool, table: int) -> None:
        self.done = Edited(chunks=sum(layout.chunk_count for layout in layouts))
        self._target = target
        self._leads = leads_of(layouts, multi_part)
        self._offsets = [[0] * layout.chunk_count for layout in layouts]
        self._position = table + 8 * self.done.chunks

    def table(self) -> bytes:
        return b"".join(struct.pack(f"<{len(offsets)}Q", *offsets) for offsets in self._offsets)

    def add(self, part: int, blocks: Iterable[Bytes]) -> None:
        """Every chunk of a part, in the order of its table."""
        for index, packed in enumerate(blocks):
            self._place(part, index, packed)

    def _place(self, part: int, index: int, packed: Bytes) -> None:
        lead = self._leads[part].build(index, packed.size)
        self._offsets[part][index] = self._position
        self._target.write(self._position, lead)
        self._target.write(self._position + len(lead), packed)
        self._position += len(lead) + packed.size
        self.done.new += 1


class _Editor(_Writer):
    """Also brings over what stays of the source."""

    def __init__(
        self, source: ExrFile, target: ByteFile, layouts: Sequence[PartLayout], multi_part: bool, table: int
    ) -> None:
        super().__init__(target, layouts, multi_part, table)
        self._source, self._layouts = source, layouts
        # A file of one part that becomes one of several: each chunk gets the number of its part.
        self._numbered = multi_part and not source.layout.multi_part
        self._first = self._position
        self._seeks = multi_part or layouts[0].tiles is not None

    def copy_all(self, part: int, new: Sequence[int], blocks: Iterable[Bytes]) -> None:
        """Every chunk of the source in its order, those of `part` that are `new` from `blocks`, which are in step."""
        made = _ByIndex(new, blocks)
        fresh = {(part, index) for index in new}
        for run in _runs(self._source, fresh, self._numbered):
            _, number, index = run[0]
            if (number, index) in fresh:
                self._place(number, index, made.take(index))
            else:
                self._copy(run)

    def patch(self, window: Window, changed: Box) -> None:
        """Write the samples of a part of plain rows where they lie."""
        part = self._layouts[window.part]
        box = changed.intersect(window.box)
        if box.empty:
            return
        rows, columns = box.slices(window.box)
        lead = self._leads[window.part].size
        for name, row, start in plain_rows(part, box, window.planes):
            offset = self._offsets[window.part][row + box.y0 - part.window.y0] + lead + start
            self._target.write(offset, window.planes[name][rows.start + row, columns])
        self.done.new += box.height

    def _copy(self, run: Sequence[tuple[Chunk, int, int]]) -> None:
        first, last = run[0][0], run[-1][0]
        number = self._leads[0].number if self._numbered else b""
        size = last.end - first.offset
        if size >= _WORTH_SHARING and (self._seeks or self._position == self._first):
            self._position += (first.offset - len(number) - self._position) % BLOCK
        if number:
            self._target.write(self._position, number)
        moved = self._position + len(number) - first.offset
        copy_range(self._source.file, self._target, first.offset, size, first.offset + moved)
        for chunk, part, index in run:
            self._offsets[part][index] = chunk.offset + moved - len(number)
        self._position += len(number) + size
        self.done.copied += size


class _ByIndex:
    """Blocks that are made in the order of the table, asked for in the order of the file."""

    def __init__(self, indices: Iterable[int], blocks: Iterable[Bytes]) -> None:
        self._made: Iterator[tuple[int, Bytes]] = zip(indices, blocks, strict=False)
        self._kept: dict[int, Bytes] = {}

    def take(self, index: int) -> Bytes:
        while index not in self._kept:
            place, block = next(self._made)
            self._kept[place] = block
        return self._kept.pop(index)


def _runs(source: ExrFile, new: set[tuple[int, int]], apart: bool) -> Iterator[list[tuple[Chunk, int, int]]]:
    """The chunks in the order of the file: each that is new on its own, the others as long as one follows the other."""
    run: list[tuple[Chunk, int, int]] = []
    for entry in source.table.in_file_order():
        chunk, part, index = entry
        follows = run and run[-1][0].end == chunk.offset and not apart
        if run and ((part, index) in new or not follows):
            yield run
            run = []
        if (part, index) in new:
            yield [entry]
        else:
            run.append(entry)
    if run:
        yield run


def _multi_part(
    headers: Sequence[Attributes], layouts: Sequence[PartLayout], version: int
) -> tuple[list[Attributes], int]:
    """Headers as a file of several parts needs them: with a name, a type and a count of chunks."""
    if version & MULTI_PART:
        return list(headers), version
    (header,), (layout,) = headers, layouts
    named = {
        "name": header.get("name", ("string", b"rgba")),
        "type": ("string", layout.kind.encode()),
        "chunkCount": ("int", struct.pack("<i", layout.chunk_count)),
    }
    return [header | named], (version | MULTI_PART) & ~TILED
