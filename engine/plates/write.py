"""Writes a frame so that a file with its final name is whole: temporary name, sync, read back, compare, rename."""

import errno
import os
import secrets
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from engine.errors import DiskFull, FrameUnreadable, OutputError, OutputRefused
from engine.events import shown
from engine.plates.exr import check_compression, encode_exr, expected_parts, stored_parts
from engine.plates.frame import Frame, Pixels
from engine.plates.naming import EXR_SUFFIX

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
# What the OpenEXR module raises for a header or channels that it will not write.
_FOREIGN = (RuntimeError, ValueError, TypeError, MemoryError)
_UNFINISHED = ".part"
# Seconds; no frame takes that long to write.
_LEFT_OVER = 3600.0
_BIT_TYPES = {2: np.uint16, 4: np.uint32}


def write_frame(frame: Frame, path: Path, compression: str = "same") -> None:
    """Write `frame` as an EXR at `path`, whose folder exists, and prove it by reading it back bit by bit.

    `compression` is `same` (the plate's own; zip where that would change pixels that nobody touched), `none`, `rle`,
    `zips`, `zip` or `piz`. Raises OutputRefused where it would overwrite the plate, DiskFull, or OutputError; on any
    failure nothing is left behind, and a file of that name from before stays as it was.
    """
    check_compression(compression)
    if not frame.whole:
        raise ValueError("the frame was read with picture_only and cannot be written")
    if path.suffix.lower() != EXR_SUFFIX:
        raise OutputRefused(f"{shown(path)} is not an EXR file.", "Frames are written as .exr.")
    if _same_file(frame.path, path):
        raise OutputRefused(f"{shown(path)} is the plate itself.", "Write to another folder or name.")
    # Machines of a farm that share a folder may well share a process number.
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(4)}{_UNFINISHED}")
    try:
        _write_synced(frame, temporary, compression)
        prove(frame, temporary, path)
        temporary.replace(path)
    except OSError as error:
        raise _mapped(error, path) from error
    finally:
        _remove(temporary)


def remove_leftovers(folder: Path, names: Iterable[str]) -> None:
    """Remove what killed runs left of the frames with these names: unfinished files that nobody wrote to for an hour.

    Younger ones may belong to another run, here or on another machine. What cannot be removed stays.
    """
    wanted = {f".{name}" for name in names}
    try:
        for path in folder.iterdir():
            own = path.name.endswith(_UNFINISHED) and path.stem.rpartition(".")[0] in wanted
            if own and time.time() - path.stat().st_mtime > _LEFT_OVER:
                path.unlink()
    except OSError:
        # Another run was faster, or the folder is read-only; whoever writes there says so.
        return


def prove(frame: Frame, written: Path, path: Path) -> None:
    """Compare a file with the frame that it must hold: every channel of every part, bit by bit.

    `path` is the name that errors give. Raises OutputError where they differ.
    """
    try:
        headers, stored = stored_parts(written)
    except FrameUnreadable as error:
        raise OutputError(f"{shown(path)} was not written whole.", "Check the disk and try again.") from error
    expected = expected_parts(frame)
    whole = len(stored) == len(expected) and all(
        have.keys() == want.keys() and all(_same_bits(have[name], want[name]) for name in want)
        for have, want in zip(stored, expected, strict=True)
    )
    if not whole or not _has_attributes(headers[min(frame.part, len(headers) - 1)], frame):
        raise OutputError(f"{shown(path)} does not read back as it was written.", "Check the disk and try again.")


def _same_file(plate: Path, output: Path) -> bool:
    try:
        return plate.is_file() and output.exists() and plate.samefile(output)
    except OSError:
        return False


def _write_synced(frame: Frame, temporary: Path, compression: str) -> None:
    try:
        with temporary.open("wb") as stream:
            encode_exr(frame, stream, compression)
            stream.flush()
            os.fsync(stream.fileno())
    except _FOREIGN as error:
        raise OutputError(f"Frame {frame.number} cannot be written as EXR: {_first_line(error)}.") from error


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")


def _same_bits(first: Pixels, second: Pixels) -> bool:
    if first.dtype != second.dtype or first.shape != second.shape:
        return False
    bits = _BIT_TYPES[first.dtype.itemsize]
    return np.array_equal(first.view(bits), np.ascontiguousarray(second).view(bits))


def _has_attributes(header: dict[str, Any], frame: Frame) -> bool:
    return frame.header.keys() - {"channels", "chunkCount"} <= header.keys() and all(
        header.get(name) == value for name, value in frame.attributes.items()
    )


def _mapped(error: OSError, path: Path) -> OutputError:
    if error.errno in _FULL:
        return DiskFull(f"There is no room to write {shown(path)}.", "Make room and run again: whole frames are kept.")
    reason = error.strerror or "the operating system refused"
    return OutputError(f"{shown(path)} cannot be written: {reason}.", "Check the folder and its permissions.")


def _remove(temporary: Path) -> None:
    try:
        temporary.unlink(missing_ok=True)
    except OSError:
        # The folder itself is gone or read-only; the failure that led here says so.
        return
