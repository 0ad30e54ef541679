"""Reads a file back that has just been written, and compares it with what it must hold, bit by bit."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from engine.errors import FrameUnreadable, OutputError, PlateUnsupported
from engine.events import shown
from engine.geometry import Box
from engine.plates.exr import DERIVED
from engine.plates.frame import Frame
from engine.plates.header import with_attributes
from engine.plates.rewrite import WholePart, read_whole
from engine.plates.rows import Pixels, bits, inside
from engine.plates.splice import ExrFile, Window, is_lossy
from engine.shot import Chunks


def prove_whole(expected: Sequence[WholePart], written: Path, path: Path) -> None:
    """Compare a file with the parts that it must hold. `path` is the name that errors give. Raises OutputError."""
    try:
        stored = read_whole(written)
    except FrameUnreadable as error:
        raise _not_whole(path) from error
    same = len(stored) == len(expected) and all(
        have.channels.keys() == want.channels.keys()
        and all(same_bits(have.channels[name], want.channels[name]) for name in want.channels)
        and want.header.keys() - DERIVED <= have.header.keys()
        for have, want in zip(stored, expected, strict=True)
    )
    texts = all(
        have.header.get(name) == value
        for have, want in zip(stored, expected, strict=False)
        for name, value in want.header.items()
        if isinstance(value, str)
    )
    if not (same and texts):
        raise _differs(path)


def prove_edited(
    source: ExrFile,
    window: Window,
    changed: Box,
    attributes: Mapping[str, object],
    how: Chunks,
    written: Path,
    path: Path,
) -> None:
    """Compare the changed blocks of an edited file with `window`, and its headers and blocks with the source's.

    The bytes that the kernel copied are not read again: `faceplate verify` does that. Where a lossy compression was
    asked for, the changed blocks are only decoded. Raises OutputError.
    """
    file = _reopened(written, path)
    part = source.layout.parts[window.part]
    have = file.layout.parts[: len(source.layout.parts)]
    same = all(
        (new.channels, new.window, new.compression, new.tiles) == (old.channels, old.window, old.compression, old.tiles)
        for new, old in zip(have, source.layout.parts, strict=True)
    )
    header = have[window.part].attributes
    expected = with_attributes(part.attributes, attributes)
    same = same and expected.keys() <= header.keys()
    if not same or any(header.get(name) != expected.get(name) for name in attributes):
        raise _differs(path)
    seen = changed.intersect(window.box)
    if seen.empty:
        return
    try:
        stored = file.read(window.part, seen, window.planes)
    except FrameUnreadable as error:
        raise _not_whole(path) from error
    if how == "same" and is_lossy(part):
        return
    box = stored.box.intersect(window.box)
    for channel in part.channels:
        if channel.name not in window.planes:
            continue
        new = stored.planes[channel.name][inside(channel, box, stored.box)]
        if not same_bits(new, window.planes[channel.name][inside(channel, box, window.box)]):
            raise _differs(path)


def prove_layers(frame: Frame, written: Path, part: int, origin: tuple[int, int], path: Path) -> None:
    """Compare the layers in a part of a file with those of the frame, where it has any. Raises OutputError."""
    file = _reopened(written, path)
    loaded = frame.loaded.moved(*origin)
    if loaded.empty:
        return
    try:
        stored = file.read(part, loaded)
    except (FrameUnreadable, PlateUnsupported) as error:
        raise _not_whole(path) from error
    box = stored.box.intersect(loaded)
    whole = stored.planes.keys() == frame.added.keys() and all(
        same_bits(stored.planes[name][box.slices(stored.box)], values[box.slices(loaded)])
        for name, values in frame.added.items()
    )
    if not whole:
        raise _differs(path)


def same_bits(first: Pixels, second: Pixels) -> bool:
    """Whether two arrays are the same, whatever their bits mean: NaN is NaN, and minus zero is not zero."""
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    return np.array_equal(bits(first), bits(second))


def _reopened(written: Path, path: Path) -> ExrFile:
    try:
        file = ExrFile(written)
    except FrameUnreadable as error:
        raise _not_whole(path) from error
    if file.table.rebuilt:
        raise _not_whole(path)
    return file


def _not_whole(path: Path) -> OutputError:
    return OutputError(f"{shown(path)} was not written whole.", "Check the disk and try again.")


def _differs(path: Path) -> OutputError:
    return OutputError(f"{shown(path)} does not read back as it was written.", "Check the disk and try again.")
