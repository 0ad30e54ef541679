"""Writes a frame so that a file with its final name is whole: temporary name, sync, read back, compare, rename.

A frame that came from an EXR file is written as that file, edited in place. Where that cannot be, or something else is
asked for, all of it is written anew.
"""

import errno
import os
import secrets
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import NamedTuple

from engine.errors import DiskFull, FrameUnreadable, OutputError, OutputRefused
from engine.events import shown
from engine.plates.companion import BESIDE, cropped, layer_part, layer_part_name
from engine.plates.edit import NewPart, write_alone, write_edited
from engine.plates.frame import Frame
from engine.plates.header import WINDOW
from engine.plates.layout import read_layout
from engine.plates.naming import EXR_SUFFIX, companion_path
from engine.plates.proof import prove_edited, prove_layers, prove_whole
from engine.plates.rewrite import LOSSLESS, WholePart, check_compression, encode_parts, whole_parts
from engine.shot import Chunks, LayersIn

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What the OpenEXR module raises for a header or channels that it will not write, and what an attribute cannot be.
_FOREIGN = (RuntimeError, ValueError, TypeError, MemoryError)
_UNFINISHED = ".part"
# Seconds; no frame takes that long to write.
_LEFT_OVER = 3600.0


class Written(NamedTuple):
    """How a frame was written: whether as the plate's file edited in place, and what a person should know of it."""

    in_place: bool
    note: str


def write_frame(
    frame: Frame, path: Path, compression: str = "same", chunks: Chunks = "auto", layers_in: LayersIn = "file"
) -> Written:
    """Write `frame` as an EXR at `path`, whose folder exists, and prove it by reading it back bit by bit.

    `compression` is `same` (the plate's own), `none`, `rle`, `zips`, `zip` or `piz`; another than the plate's means
    that the whole picture is written anew. `chunks` says how changed blocks are packed: as before, stored without
    compression, or stored only where compressing again would lose something. `layers_in` is where added layers go: a
    file beside the frame (`companion_path`), that file cropped to what is in it, a part of the frame's file, or the
    picture's own part. Raises OutputRefused where it would overwrite the plate, DiskFull, or OutputError; on any
    failure nothing is left behind, and a file of that name from before stays as it was.
    """
    check_compression(compression)
    if not frame.whole:
        raise ValueError("the frame was read with picture_only and cannot be written")
    if path.suffix.lower() != EXR_SUFFIX:
        raise OutputRefused(f"{shown(path)} is not an EXR file.", "Frames are written as .exr.")
    if _same_file(frame.path, path):
        raise OutputRefused(f"{shown(path)} is the plate itself.", "Write to another folder or name.")
    beside = companion_path(path) if frame.added and layers_in in BESIDE else None
    # Machines of a farm that share a folder may well share a process number.
    mark = f"{secrets.token_hex(4)}{_UNFINISHED}"
    temporary = path.with_name(f".{path.name}.{mark}")
    layers = None if beside is None else beside.with_name(f".{beside.name}.{mark}")
    try:
        written = _write(frame, temporary, path, compression, chunks, layers_in)
        if layers is not None and beside is not None:
            _write_layers(frame, temporary, layers, beside, layers_in)
            layers.replace(beside)
        temporary.replace(path)
        return written
    except OSError as error:
        raise _mapped(error, path) from error
    finally:
        for left in (temporary, layers):
            _remove(left)


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what killed runs left of the frames with these names: unfinished files that nobody wrote to for an hour.

    Younger ones may belong to another run, here or on another machine. What cannot be removed stays.
    """
    wanted = {f".{name}" for one in names for name in (one, companion_path(Path(one)).name)}
    try:
        for path in folder.iterdir():
            own = path.name.endswith(_UNFINISHED) and path.stem.rpartition(".")[0] in wanted
            if own and time.time() - path.stat().st_mtime > _LEFT_OVER:
                path.unlink()
    except OSError:
        # Another run was faster, or the folder is read-only; whoever writes there says so.
        return


def _write(frame: Frame, temporary: Path, path: Path, compression: str, chunks: Chunks, layers_in: LayersIn) -> Written:
    origin = _origin(frame)
    changed = (frame.loaded if frame.changed is None else frame.changed.intersect(frame.loaded)).moved(*origin)
    declared = None if frame.changed is None or changed.empty else changed
    inside = bool(frame.added) and layers_in == "picture"
    reason = _why_whole(frame, compression, inside)
    if reason is not None or frame.source is None:
        parts = whole_parts(frame, layers=inside or (bool(frame.added) and layers_in == "part"), window=declared)
        _make(frame, temporary, lambda: _encode(parts, temporary, compression))
        prove_whole(parts, temporary, path)
        return Written(False, reason or "")
    source = frame.source.file
    # A plate that is itself a result declares another window.
    marks = dict(frame.attributes) | {WINDOW: declared}
    extra = _part(frame, origin) if frame.added and layers_in == "part" else None
    window = frame.source.window
    _make(frame, temporary, lambda: write_edited(source, temporary, window, changed, marks, chunks, extra))
    source.check_unchanged()
    prove_edited(source, window, changed, marks, chunks, temporary, path)
    if extra is not None:
        prove_layers(frame, temporary, len(source.layout.parts), origin, path)
    rebuilt = "The plate's table of blocks was damaged; the result has a new one." if source.table.rebuilt else ""
    return Written(True, rebuilt)


def _write_layers(frame: Frame, main: Path, temporary: Path, beside: Path, layers_in: LayersIn) -> None:
    header = read_layout(main).parts[0 if frame.source is None else frame.source.window.part].attributes
    origin = _origin(frame)
    loaded = frame.loaded.moved(*origin)
    window = frame.data_window.moved(*origin)
    if layers_in == "cropped-file":
        window = cropped(frame.added, loaded)
    _make(frame, temporary, lambda: write_alone(layer_part(header, window, frame.added, loaded), temporary))
    prove_layers(frame, temporary, 0, origin, beside)


def _why_whole(frame: Frame, compression: str, layers_inside: bool) -> str | None:
    """Why a frame cannot be its plate's file edited in place: a sentence, empty where it was asked for; or None."""
    if frame.source is None or layers_inside:
        return ""
    parts = frame.source.file.layout.parts
    if compression != "same" and any(part.compression != LOSSLESS[compression].value for part in parts):
        return ""
    part = parts[frame.source.window.part]
    if len(part.levels) > 1:
        return "The plate's tiles have smaller levels, which would show the old face: all of it was written anew."
    return None


def _part(frame: Frame, origin: tuple[int, int]) -> NewPart:
    assert frame.source is not None
    layout = frame.source.file.layout
    header = layout.parts[frame.source.window.part].attributes
    window = frame.data_window.moved(*origin)
    return layer_part(header, window, frame.added, frame.loaded.moved(*origin), layer_part_name(layout))


def _origin(frame: Frame) -> tuple[int, int]:
    """From the display window's corner to the file's coordinates."""
    if frame.source is None:
        return 0, 0
    box = frame.source.window.box
    return box.x0 - frame.loaded.x0, box.y0 - frame.loaded.y0


def _make(frame: Frame, temporary: Path, write: Callable[[], object]) -> None:
    """Have a file written, and put on the disk."""
    try:
        write()
        with temporary.open("rb+") as stream:
            os.fsync(stream.fileno())
    except EOFError as error:
        raise FrameUnreadable(
            f"{shown(frame.path)} became shorter while it was read.", "Run again when it is whole."
        ) from error
    except _FOREIGN as error:
        raise OutputError(f"Frame {frame.number} cannot be written as EXR: {_first_line(error)}.") from error


def _encode(parts: list[WholePart], temporary: Path, compression: str) -> None:
    with temporary.open("xb") as stream:
        encode_parts(parts, stream, compression)


def _same_file(plate: Path, output: Path) -> bool:
    try:
        return plate.is_file() and output.exists() and plate.samefile(output)
    except OSError:
        return False


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _mapped(error: OSError, path: Path) -> OutputError:
    if error.errno in _FULL:
        return DiskFull(f"There is no room to write {shown(path)}.", "Make room and run again: whole frames are kept.")
    reason = error.strerror or "the operating system refused"
    return OutputError(f"{shown(path)} cannot be written: {reason}.", "Check the folder and its permissions.")


def _remove(temporary: Path | None) -> None:
    try:
        if temporary is not None:
            temporary.unlink(missing_ok=True)
    except OSError:
        # The folder itself is gone or read-only; the failure that led here says so.
        return
