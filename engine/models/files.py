"""Model files on the disk: how large one may be, its SHA-256, a copy of it, and what the disk says against it."""

import errno
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine import kept
from engine.errors import DiskFull, ModelError, OutputError
from engine.events import shown
from engine.folders import is_other_than_file

LARGEST = (1 << 31) - 1
"""Bytes. Protobuf, which ONNX is written in, holds no more; a model is one file."""

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_PIECE = 1 << 20


def sha256_of(path: Path) -> str:
    """The SHA-256 of a file, 64 lower-case hexadecimal digits. Raises ModelError."""
    with _readable(path):
        return kept.sha256_of(path)


def copy_hashed(source: Path, target: Path) -> str:
    """Copy a model file and return the SHA-256 of what was copied.

    Raises ModelError when `source` is no file, cannot be read or is too large to be a model; DiskFull, OutputError.
    """
    digest, size = hashlib.sha256(), 0
    with _readable(source), source.open("rb") as file, writing(target), target.open("wb") as copy:
        while piece := file.read(_PIECE):
            size += len(piece)
            _bound(source, size)
            digest.update(piece)
            copy.write(piece)
    return digest.hexdigest()


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Map what the operating system raises while `path` is written to DiskFull or OutputError."""
    try:
        yield
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull(f"There is no room to write {shown(path)}.", "Make room and try again.") from error
        raise OutputError(
            f"{shown(path)} cannot be written: {error.strerror or error}.",
            "Check the folder's permissions, or name another one in FACEPLATE_MODELS.",
        ) from error


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        if is_other_than_file(path):
            raise ModelError(f"{shown(path)} is not a file.", "Give the model's own file.")
        _bound(path, path.stat().st_size)
        yield
    except OSError as error:
        raise ModelError(
            f"The model file {shown(path)} cannot be read: {error.strerror or error}.", "Give the model's own file."
        ) from error


def _bound(path: Path, size: int) -> None:
    if size > LARGEST:
        raise ModelError(
            f"{shown(path)} is larger than an ONNX file can be: {LARGEST} bytes.",
            "Give a model that is one file, with its weights inside.",
        )
