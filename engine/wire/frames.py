"""Pictures in memory that the engine shares: a client attaches to what it was granted, and sees an array.

Nothing that comes from outside is believed: the memory must be what its name says, and as large as the picture.
Attaching does not go through multiprocessing's SharedMemory: before Python 3.13 that makes a client, when it exits,
unlink the memory of the engine.
"""

import mmap
import os
import re
import sys
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from engine.wire.errors import EngineGone, EngineIncompatible
from engine.wire.messages import Lease, Leased

DTYPES: dict[str, np.dtype[Any]] = {name: np.dtype(name) for name in ("float32", "float16", "uint8")}
# Mapping a picture of 4096×2160 takes most of the time of copying it; the engine gives a client its last blocks again.
IDLE_MAPPINGS = 2

_UNNAMED = re.compile(r"memfd:([0-9]{1,10}):([0-9]{1,10}):(faceplate-[0-9a-f]{16})")
_NAMED = re.compile(r"shm:(faceplate-[0-9a-f]{16})")


class Frames:
    """The pictures that one client has leased. Not for several threads at once."""

    def __init__(self) -> None:
        self._leased: dict[str, tuple[str, mmap.mmap]] = {}
        self._idle: dict[str, mmap.mmap] = {}

    def attach(self, asked: Lease, leased: Leased) -> NDArray[Any]:
        """The picture (height, width, channels) that was `asked` for, to read and write, in rows from the top.

        Raises EngineGone where there is no such memory any more, and EngineIncompatible where it is not what the
        engine says, or cannot be reached from this process.
        """
        dtype = DTYPES[asked.pixel]
        size = asked.height * asked.width * asked.channels * dtype.itemsize
        if size <= 0 or leased.size < size:
            _refuse("The engine granted less memory than the picture needs.")
        memory = self._idle.pop(leased.segment, None)
        if memory is None or len(memory) < size:
            memory = _map(leased.segment, size)
        self._leased[leased.lease] = leased.segment, memory
        count = asked.height * asked.width * asked.channels
        return np.frombuffer(memory, dtype, count).reshape(asked.height, asked.width, asked.channels)

    def release(self, lease: str) -> None:
        """Forget a picture, before or after the engine does. An array that is still in use stays valid, but what it
        shows is then nobody's, or the next lease's."""
        segment, memory = self._leased.pop(lease, ("", None))
        if memory is not None:
            self._idle[segment] = memory
            while len(self._idle) > IDLE_MAPPINGS:
                del self._idle[next(iter(self._idle))]

    def close(self) -> None:
        """Forget all pictures; the memory is unmapped with the last array that shows it."""
        self._leased.clear()
        self._idle.clear()


def _map(segment: str, size: int) -> mmap.mmap:
    """The first `size` bytes of a segment. Raises as `Frames.attach`."""
    try:
        if unnamed := _UNNAMED.fullmatch(segment):
            return _map_unnamed(int(unnamed[1]), int(unnamed[2]), unnamed[3], size)
        if named := _NAMED.fullmatch(segment):
            return _map_named(named[1], size)
    except FileNotFoundError as error:
        raise EngineGone("The shared picture is gone.", "Ask the engine for another one.") from error
    except OSError as error:
        raise EngineIncompatible(
            "The engine's memory cannot be reached from this program.",
            "Run both as the same user, and outside of containers or inside of the same one.",
        ) from error
    _refuse("The engine names its memory in a way that this program does not know.")


def _map_unnamed(process: int, number: int, label: str, size: int) -> mmap.mmap:
    """Map a block without a name, through the descriptor that the engine's process has of it."""
    descriptor = os.open(f"/proc/{process}/fd/{number}", os.O_RDWR | os.O_CLOEXEC)
    try:
        # The number may by now be another file of the engine, or of another process.
        if str(Path(f"/proc/self/fd/{descriptor}").readlink()) != f"/memfd:{label} (deleted)":
            raise FileNotFoundError(label)
        return _map_descriptor(descriptor, size)
    finally:
        os.close(descriptor)


def _map_named(label: str, size: int) -> mmap.mmap:
    """Map a block by its name, without a word to the resource tracker."""
    if sys.platform == "win32":
        # Windows itself refuses more than the block has. One that is gone is made anew, and is nobody's.
        return mmap.mmap(-1, size, tagname=label)
    import _posixshmem

    descriptor = _posixshmem.shm_open(f"/{label}", os.O_RDWR, 0o600)
    try:
        return _map_descriptor(descriptor, size)
    finally:
        os.close(descriptor)


def _map_descriptor(descriptor: int, size: int) -> mmap.mmap:
    if os.fstat(descriptor).st_size < size:
        _refuse("The engine's memory is smaller than it says.")
    # All pages at once: a fault for each takes longer than filling them. Only Linux has this.
    flags = mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
    return mmap.mmap(descriptor, size, flags)


def _refuse(message: str) -> NoReturn:
    raise EngineIncompatible(message, "Update Faceplate, and start the engine again.")
