"""A plate's EXR file edited in place: blocks that hold the change are made anew, all else is copied as it is.

EXR compresses a picture in blocks of some rows, or tiles, each on its own. So a frame costs what the face costs, and
the rest of the result is not only equal to the plate: it is the same bytes. Blocks of a lossy compression that have to
be made anew are stored uncompressed, which every reader accepts under any compression, so that what shares their rows
with the face does not lose a bit.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from engine.errors import FrameUnreadable, PlateUnsupported
from engine.events import shown
from engine.geometry import Box
from engine.plates import excerpt
from engine.plates.bytefile import ByteFile
from engine.plates.chunks import chunk_box, covering, read_chunks
from engine.plates.layout import PartLayout, read_layout, unreadable
from engine.plates.rows import PIXEL_TYPES, Bytes, Pixels, inside, new_planes, pack, packed_bytes, unpack
from engine.plates.workers import ordered
from engine.plates.zipped import NONE, OWN, BlockError, compress, decompress
from engine.shot import Chunks

_PXR24, _FLOAT = 5, 2
# B44, B44A, DWAA, DWAB, LJ2K.
_LOSSY = frozenset({6, 7, 8, 9, 12})
# The library is given so many bytes of rows at a time: enough for its own threads, and few enough that several are
# under way at once.
_BAND = 1 << 22


@dataclass(slots=True)
class Window:
    """Pixels of one part that may be changed where they lie.

    `planes` are the channels' own samples over `box` (half-open, in the file's coordinates), each in its own type.
    """

    part: int
    box: Box
    planes: dict[str, Pixels]


class ExrFile:
    """An EXR file that is open for reading, with its headers and its chunk table checked."""

    def __init__(self, path: Path) -> None:
        """Raises FrameUnreadable where the file is damaged or a block is missing, or PlateUnsupported."""
        self.path = path
        self.layout = read_layout(path)
        try:
            self.file = ByteFile(path)
            self._stamp = self._now()
            self.table = read_chunks(path, self.file, self.layout)
        except OSError as error:
            raise refused(path, error) from error

    def read(self, part: int, box: Box, names: Iterable[str] | None = None) -> Window:
        """Read what of a part lies in `box` (half-open, in the file's coordinates), in the channels' own types.

        The window is widened to whole blocks. With `names` it has only those channels: enough to look at, and enough
        to write a part of plain rows. Raises FrameUnreadable for pixels that are damaged, PlateUnsupported for deep
        ones.
        """
        layout = self.layout.parts[part]
        if layout.deep:
            raise PlateUnsupported(f"{shown(self.path)} holds deep pixels.", "Flatten it first (DeepToImage in Nuke).")
        wanted = None if names is None else frozenset(names)
        try:
            if is_plain(layout):
                return self._read_plain(part, box.intersect(layout.window), wanted)
            return self._read_blocks(part, box, wanted)
        except (BlockError, EOFError) as error:
            raise unreadable(self.path, "some of its pixels are damaged") from error
        except OSError as error:
            raise refused(self.path, error) from error

    def check_unchanged(self) -> None:
        """Raises FrameUnreadable where somebody has written to the file since it was opened."""
        if self._now() != self._stamp:
            raise FrameUnreadable(f"{shown(self.path)} was changed while it was read.", "Run again when it is whole.")

    def _now(self) -> tuple[int, int]:
        status = os.fstat(self.file.descriptor)
        return status.st_size, status.st_mtime_ns

    def _read_plain(self, part: int, box: Box, wanted: frozenset[str] | None) -> Window:
        layout = self.layout.parts[part]
        channels = [channel for channel in layout.channels if wanted is None or channel.name in wanted]
        planes = new_planes(channels, box)
        first, size = box.y0 - layout.window.y0, packed_bytes(layout.channels, chunk_box(layout, 0))
        chunks = self.table.parts[part][first : first + box.height]
        if any(chunk.packed != size for chunk in chunks):
            raise BlockError
        for name, row, offset in plain_rows(layout, box, [channel.name for channel in channels]):
            chunk = chunks[row]
            self.file.read_into(planes[name][row], chunk.offset + chunk.lead + offset)
        return Window(part, box, planes)

    def _read_blocks(self, part: int, box: Box, wanted: frozenset[str] | None) -> Window:
        layout = self.layout.parts[part]
        indices, whole = covering(layout, box)
        channels = [channel for channel in layout.channels if wanted is None or channel.name in wanted]
        planes = new_planes(channels, whole)
        if layout.compression in OWN:
            done = ordered(lambda index: self._unpack(part, index, planes, whole), indices)
        else:
            done = ordered(lambda band: self._decode(part, *band, planes, whole), _bands(layout, whole))
        for _ in done:
            pass
        return Window(part, whole, planes)

    def _decode(self, part: int, indices: list[int], box: Box, planes: Mapping[str, Pixels], outer: Box) -> None:
        layout = self.layout.parts[part]
        chunks = [self.table.parts[part][index] for index in indices]
        decoded = excerpt.decode(self.file, layout, chunks, box)
        for channel in layout.channels:
            if channel.name in planes:
                planes[channel.name][inside(channel, box, outer)] = decoded[channel.name]

    def _unpack(self, part: int, index: int, planes: Mapping[str, Pixels], outer: Box) -> None:
        layout, chunk = self.layout.parts[part], self.table.parts[part][index]
        box = chunk_box(layout, index)
        packed = self.file.read_whole(chunk.offset + chunk.lead, chunk.packed)
        unpack(decompress(packed, packed_bytes(layout.channels, box)), layout.channels, box, planes, outer)


def is_plain(part: PartLayout) -> bool:
    """Whether the samples of a part lie in the file as they are, row by row: each can be changed on its own."""
    return part.compression == NONE and part.tiles is None and not part.subsampled and not part.deep


def plain_rows(part: PartLayout, box: Box, names: Iterable[str]) -> Iterable[tuple[str, int, int]]:
    """Channel, row of `box`, and place among its block's pixels, of every run of samples in a part of plain rows."""
    starts, start = {}, 0
    for channel in part.channels:
        size = PIXEL_TYPES[channel.pixel_type].itemsize
        starts[channel.name] = start + (box.x0 - part.window.x0) * size
        start += part.window.width * size
    names = list(names)
    return ((name, row, starts[name]) for row in range(box.height) for name in names)


def loses(compression: int, floats: bool) -> bool:
    """Whether a compression, by its number, changes what is compressed again; `floats`: some of it is float."""
    # PXR24 rounds floats to 24 bits and keeps the rest.
    return compression in _LOSSY or (compression == _PXR24 and floats)


def is_lossy(part: PartLayout) -> bool:
    """Whether the part's compression changes what is compressed again."""
    return loses(part.compression, any(channel.pixel_type == _FLOAT for channel in part.channels))


def encode_blocks(part: PartLayout, window: Window, changed: Box, how: Chunks) -> tuple[list[int], Iterable[Bytes]]:
    """The blocks of a part that hold `changed`, as places in its table, and their new bytes in the same order.

    The bytes come as they are made; a few are made ahead.
    """
    indices, whole = covering(part, changed.intersect(window.box))
    stored = how == "stored" or (how == "auto" and is_lossy(part))

    def rows(index: int) -> Bytes:
        return pack(part.channels, chunk_box(part, index), window.planes, window.box)

    if stored:
        return indices, ordered(rows, indices)
    if part.compression in OWN:
        return indices, ordered(lambda index: compress(rows(index), part.compression), indices)
    if part.subsampled:
        # The library reads such channels, and does not write them.
        return indices, ordered(rows, indices)

    def band(some: tuple[list[int], Box]) -> list[Bytes]:
        planes = {one.name: window.planes[one.name][inside(one, some[1], window.box)] for one in part.channels}
        return excerpt.encode(part, planes, some[1], len(some[0]))

    return indices, chain.from_iterable(ordered(band, _bands(part, whole)))


def _bands(part: PartLayout, whole: Box) -> Iterator[tuple[list[int], Box]]:
    """`whole` in pieces of about a band's bytes, as blocks and the box that they cover."""
    unit = part.rows if part.tiles is None else part.tiles[1]
    row = packed_bytes(part.channels, Box(whole.x0, 0, whole.x1, 16)) // 16
    rows = max(1, _BAND // max(1, row * unit)) * unit
    y = whole.y0
    while y < whole.y1:
        indices, covered = covering(part, Box(whole.x0, y, whole.x1, min(whole.y1, y + rows)))
        yield indices, covered
        y = covered.y1


def refused(path: Path, error: OSError) -> FrameUnreadable:
    """The error for a file that the operating system does not let be read."""
    return FrameUnreadable(f"{shown(path)} cannot be read: {error.strerror}.", "Check the file and its permissions.")
