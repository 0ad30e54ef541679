"""The one engine of a user: a lock that the system takes back when the process ends, however it ends.

The file stays where it is: were it removed, two processes could each hold the lock of another file by that name. It
holds the number of the process that has the lock, or had it when it was killed.
"""

import os
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from engine.wire.errors import EngineRuns, PlaceUnsafe
from engine.wire.place import LOCK, clear, open_private

# Seconds: to look at the lock is to share it for a moment, and who takes it must outlast that.
_PATIENCE = 0.5
# Windows cannot share it, so two that look at once must not take each other for the engine.
_LOOK = 0.05 if sys.platform == "win32" else 0.0
# Between taking the lock and writing its number a process only clears the folder.
_NAMED_WITHIN = 1.0
_PAUSE = 0.01


@contextmanager
def only_engine(folder: Path) -> Iterator[None]:
    """Be the one engine of a runtime folder until the block ends or the process dies.

    What an engine that died has left in the folder is cleared away, and what this one leaves when the block ends.
    Raises EngineRuns when another process is, PlaceUnsafe when the lock's file is not to be trusted.
    """
    descriptor = open_private(folder / LOCK, os.O_RDWR | os.O_CREAT)
    try:
        if not _taken_within(descriptor, _PATIENCE, alone=True):
            raise EngineRuns(_named_within(descriptor, _NAMED_WITHIN))
        # Nobody is told of this engine while files of the last one could be taken for its own.
        _write_name(descriptor, b"")
        clear(folder)
        _write_name(descriptor, b"%d\n" % os.getpid())
        try:
            yield
        finally:
            clear(folder)
            _write_name(descriptor, b"")
            _let_go(descriptor)
    finally:
        os.close(descriptor)


def holder(folder: Path) -> int | None:
    """The process that is the engine of a runtime folder, or None when there is none. Raises PlaceUnsafe."""
    try:
        descriptor = open_private(folder / LOCK, os.O_RDWR)
    except FileNotFoundError:
        return None
    try:
        if not _taken_within(descriptor, _LOOK, alone=False):
            try:
                return _named_within(descriptor, _NAMED_WITHIN)
            except PlaceUnsafe:
                # One that ends takes its name away first, and on a busy machine may be slow to let go.
                if not _taken_within(descriptor, _LOOK, alone=False):
                    raise
        _let_go(descriptor)
        return None
    finally:
        os.close(descriptor)


def _taken_within(descriptor: int, seconds: float, alone: bool) -> bool:
    end = time.monotonic() + seconds
    while not _take(descriptor, alone):
        if time.monotonic() > end or (alone and not _is_only_looked_at(descriptor)):
            return False
        time.sleep(_PAUSE)
    return True


def _named_within(descriptor: int, seconds: float) -> int:
    end = time.monotonic() + seconds
    while True:
        os.lseek(descriptor, 0, os.SEEK_SET)
        text = os.read(descriptor, 32)
        if text.strip().isdigit() and int(text) > 0:
            return int(text)
        if time.monotonic() > end:
            raise PlaceUnsafe("The engine's lock is held by a process that does not say which it is.", "End that one.")
        time.sleep(_PAUSE)


def _write_name(descriptor: int, text: bytes) -> None:
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text)


if sys.platform == "win32":
    import msvcrt

    # What is locked on Windows cannot be read: a byte far behind the number.
    _FAR = 1 << 30

    def _take(descriptor: int, alone: bool) -> bool:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def _is_only_looked_at(descriptor: int) -> bool:
        # There is no telling, so it is tried again.
        return True

    def _let_go(descriptor: int) -> None:
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        msvcrt.locking(descriptor, msvcrt.LK_UNLCK, 1)

else:
    import fcntl

    def _take(descriptor: int, alone: bool) -> bool:
        try:
            fcntl.flock(descriptor, (fcntl.LOCK_EX if alone else fcntl.LOCK_SH) | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        except OSError as error:
            raise PlaceUnsafe(
                f"The engine's folder cannot hold a lock: {error.strerror}.", "Name a local one in FACEPLATE_RUNTIME."
            ) from error
        return True

    def _is_only_looked_at(descriptor: int) -> bool:
        shared = _take(descriptor, alone=False)
        if shared:
            _let_go(descriptor)
        return shared

    def _let_go(descriptor: int) -> None:
        fcntl.flock(descriptor, fcntl.LOCK_UN)
