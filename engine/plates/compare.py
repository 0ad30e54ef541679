"""What of an EXR file another does not have: packed blocks by their digests, samples bit for bit, a band at a time.

Boxes are in the files' own coordinates.
"""

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from itertools import chain

import numpy as np

from engine.errors import FrameUnreadable
from engine.geometry import Box, extent
from engine.plates.bytefile import ByteFile
from engine.plates.chunks import Chunk, chunk_box, covering
from engine.plates.layout import ChannelLayout, PartLayout, unreadable
from engine.plates.rows import Pixels, bits, inside, packed_bytes, samples
from engine.plates.splice import ExrFile, refused
from engine.plates.workers import ordered

# Bytes of pixels that are decoded at a time, and of packed blocks that are hashed in one go.
_BAND, _BATCH = 1 << 26, 1 << 22
# A deep block's lead ends with sizes that nothing else says.
_DEEP_SIZES = 24


@dataclass(slots=True)
class Differences:
    """How the samples of a part differ from another file's.

    `inside` counts those of the picture inside the window. `outside` has, of every other difference, the channel with
    the number of samples and the box of pixels that holds them. `damaged` are boxes that cannot be decoded, with the
    error.
    """

    inside: int = 0
    outside: dict[str, tuple[int, Box]] = field(default_factory=dict)
    damaged: list[tuple[Box, FrameUnreadable]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Allowed:
    """Channels that may differ inside a window, which lies in the part's data window."""

    names: frozenset[str]
    window: Box


def chunk_digests(file: ExrFile, part: int) -> list[bytes]:
    """SHA-256 of the packed bytes of each of a part's chunks, in the order of its table. Raises FrameUnreadable."""
    extra = _DEEP_SIZES if file.layout.parts[part].deep else 0

    def hashed(batch: Sequence[Chunk]) -> list[bytes]:
        return [_digest(file.file, chunk.offset + chunk.lead - extra, chunk.packed + extra) for chunk in batch]

    try:
        return list(chain.from_iterable(ordered(hashed, _batches(file.table.parts[part]))))
    except EOFError as error:
        raise unreadable(file.path, "it became shorter while it was read") from error
    except OSError as error:
        raise refused(file.path, error) from error


def all_bands(first: PartLayout, second: PartLayout) -> Iterator[Box]:
    """The data window, which both have, in pieces that follow the larger blocks of the two.

    A piece takes at most a band's bytes in each file, unless a single block takes more.
    """
    window = first.window
    across, down = (max(sizes) for sizes in zip(_block_size(first), _block_size(second), strict=True))
    row = max(packed_bytes(part.channels, Box(window.x0, 0, window.x1, 16)) for part in (first, second)) / 16
    fit = max(1, int(_BAND / max(1.0, row / window.width * across * down)))
    per_row = -(-window.width // across)
    columns, rows = min(fit, per_row) * across, max(1, fit // per_row) * down
    for y in range(window.y0, window.y1, rows):
        for x in range(window.x0, window.x1, columns):
            yield Box(x, y, x + columns, y + rows).intersect(window)


def bands_of(part: PartLayout, chunks: Iterable[int]) -> Iterator[Box]:
    """The bands that hold some chunks of a part's full resolution, each no larger than those chunks need."""
    boxes = [chunk_box(part, index) for index in chunks]
    for band in all_bands(part, part):
        held = [box for box in boxes if not box.intersect(band).empty]
        if held:
            yield reduce(Box.union, held)


def compare_samples(
    first: ExrFile, second: ExrFile, part: int, bands: Iterable[Box], names: Collection[str], allowed: Allowed | None
) -> Differences:
    """Compare the channels `names`, which both files have alike, bit by bit: NaN by its payload, -0 is not 0.

    Raises FrameUnreadable where the first file is damaged; what of the second is, is among the differences.
    """
    comparison = _Comparison(first, second, part, names, allowed)
    for band in bands:
        comparison.add(band)
    return comparison.found


class _Comparison:
    def __init__(
        self, first: ExrFile, second: ExrFile, part: int, names: Collection[str], allowed: Allowed | None
    ) -> None:
        self.found = Differences()
        self._first, self._second, self._part = first, second, part
        self._names, self._allowed = names, allowed
        self._channels = [one for one in first.layout.parts[part].channels if one.name in names]

    def add(self, box: Box, alone: bool = False) -> None:
        """Compare what lies in a box; where some of it is damaged, block by block, so that only those are named."""
        try:
            new = self._second.read(self._part, box, self._names)
        except FrameUnreadable as error:
            if alone:
                self.found.damaged.append((box, error))
                return
            layout = self._second.layout.parts[self._part]
            for index in covering(layout, box)[0]:
                self.add(chunk_box(layout, index).intersect(box), alone=True)
            return
        old = self._first.read(self._part, box, self._names)
        for channel in self._channels:
            before, after = (window.planes[channel.name][inside(channel, box, window.box)] for window in (old, new))
            differs = bits(before) != bits(after)
            if differs.any():
                self._count(channel, box, differs)

    def _count(self, channel: ChannelLayout, box: Box, differs: Pixels) -> None:
        allowed = self._allowed
        if allowed is not None and channel.name in allowed.names:
            seen = allowed.window.intersect(box)
            if not seen.empty:
                within = differs[inside(channel, seen, box)]
                self.found.inside += int(np.count_nonzero(within))
                within[...] = False
        count = int(np.count_nonzero(differs))
        if count:
            before, where = self.found.outside.get(channel.name, (0, Box(0, 0, 0, 0)))
            self.found.outside[channel.name] = before + count, where.union(_where(channel, box, differs))


def _digest(file: ByteFile, start: int, size: int) -> bytes:
    digest = hashlib.sha256()
    for offset in range(0, size, _BATCH):
        digest.update(file.read_whole(start + offset, min(_BATCH, size - offset)))
    return digest.digest()


def _batches(chunks: Iterable[Chunk]) -> Iterator[list[Chunk]]:
    """A few chunks at a time: plain rows are many and short."""
    batch: list[Chunk] = []
    size = 0
    for chunk in chunks:
        batch.append(chunk)
        size += chunk.packed
        if size >= _BATCH:
            yield batch
            batch, size = [], 0
    yield batch


def _block_size(part: PartLayout) -> tuple[int, int]:
    return (part.window.width, part.rows) if part.tiles is None else part.tiles[:2]


def _where(channel: ChannelLayout, box: Box, differs: Pixels) -> Box:
    """The smallest box of pixels that holds the samples of `box` that differ, of which there are some."""
    across, down = channel.sampling
    rows, columns = samples(channel, box)
    found = extent(differs).moved(columns.start, rows.start)
    return Box(found.x0 * across, found.y0 * down, (found.x1 - 1) * across + 1, (found.y1 - 1) * down + 1)
