"""Pictures in memory that the engine shares: a client attaches to what it was granted, and sees an array.

Nothing that comes from outside is believed: the memory must be what its name says, and as large as the picture.
Attaching does not go through multiprocessing's SharedMemory: before Python 3.13 that makes a client, when it exits,
unlink the memory of the engine.
"""

import mmap
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from engine.wire.errors import EngineGone, EngineIncompatible
from engine.wire.messages import Lease, Leased, LeasedPicture

DTYPES: dict[str, np.dtype[Any]] = {name: np.dtype(name) for name in ("float32", "float16", "uint8")}
# Bytes of a huge page, and of a block that is worth them.
HUGE_PAGE = 2 << 20
HUGE_FROM = 8 << 20

# Linux 5.14 and newer.
_MADV_POPULATE_READ = 22
_MADV_POPULATE_WRITE = 23

_UNNAMED = re.compile(r"memfd:([0-9]{1,10}):([0-9]{1,10}):(faceplate-[0-9a-f]{16})")
_NAMED = re.compile(r"shm:(faceplate-[0-9a-f]{16})")


def attach(asked: Lease | LeasedPicture, leased: Leased, writing: bool = True) -> NDArray[Any]:
    """The picture (height, width, channels) that was `asked` for, rows from the top; read-only unless for `writing`.

    It is mapped until the last array that shows it is gone, also when the engine has ended the lease. Let go of those
    for writing before `Submit`: then the engine takes the picture without a copy, and it can be attached to again
    only to read. Raises EngineGone where there is no such memory any more, and EngineIncompatible where it is not
    what the engine says, or cannot be reached from this program.
    """
    dtype = DTYPES[asked.pixel]
    count = asked.height * asked.width * asked.channels
    size = count * dtype.itemsize
    if size <= 0 or leased.size < size:
        _refuse("The engine granted less memory than the picture needs.")
    memory = _map(leased.segment, size, writing)
    return np.frombuffer(memory, dtype, count).reshape(asked.height, asked.width, asked.channels)


def map_shared(descriptor: int, size: int, writing: bool = True) -> mmap.mmap:
    """Map a descriptor's first `size` bytes, where they can be mapped in huge pages if they lie in such."""
    access = mmap.PROT_READ | (mmap.PROT_WRITE if writing else 0)
    memory = mmap.mmap(descriptor, size, mmap.MAP_SHARED, access)
    gaps: list[mmap.mmap] = []
    # Those want an address that is a multiple of theirs. A new mapping goes below the others, into the first gap
    # that is large enough: fill what is too much, by something that fits into no smaller gap.
    while size >= HUGE_FROM and len(gaps) < 64 and (beyond := _address(memory) % HUGE_PAGE):
        memory.close()
        gaps.append(mmap.mmap(-1, -(-size // HUGE_PAGE) * HUGE_PAGE + beyond, mmap.MAP_PRIVATE, mmap.PROT_READ))
        memory = mmap.mmap(descriptor, size, mmap.MAP_SHARED, access)
    return memory


def _address(memory: mmap.mmap) -> int:
    return np.frombuffer(memory, np.uint8).ctypes.data


def _map(segment: str, size: int, writing: bool) -> mmap.mmap:
    """The first `size` bytes of a segment. Raises as `attach`."""
    try:
        if unnamed := _UNNAMED.fullmatch(segment):
            return _map_unnamed(int(unnamed[1]), int(unnamed[2]), unnamed[3], size, writing)
        if named := _NAMED.fullmatch(segment):
            return _map_named(named[1], size, writing)
    except FileNotFoundError as error:
        raise EngineGone("The shared picture is gone.", "Ask the engine for another one.") from error
    except OSError as error:
        raise EngineIncompatible(
            "The engine's memory cannot be reached from this program.",
            "Lease another picture if this one was submitted; else run both as the same user, and in one container.",
        ) from error
    _refuse("The engine names its memory in a way that this program does not know.")


def _map_unnamed(process: int, number: int, label: str, size: int, writing: bool) -> mmap.mmap:
    """Map a block without a name, through the descriptor that the engine's process has of it."""
    access = os.O_RDWR if writing else os.O_RDONLY
    # Root would wait for the engine to give up a picture that was submitted.
    descriptor = os.open(f"/proc/{process}/fd/{number}", access | os.O_CLOEXEC | os.O_NONBLOCK)
    try:
        # The number may by now be another file of the engine, or of another process.
        if str(Path(f"/proc/self/fd/{descriptor}").readlink()) != f"/memfd:{label} (deleted)":
            raise FileNotFoundError(label)
        return _map_descriptor(descriptor, size, writing)
    finally:
        os.close(descriptor)


def _map_named(label: str, size: int, writing: bool) -> mmap.mmap:
    """Map a block by its name, without a word to the resource tracker."""
    if sys.platform == "win32":
        # Windows itself refuses more than the block has. One that is gone is made anew, and is nobody's.
        access = mmap.ACCESS_WRITE if writing else mmap.ACCESS_READ
        return mmap.mmap(-1, size, label, access)
    import _posixshmem

    descriptor = _posixshmem.shm_open(f"/{label}", os.O_RDWR if writing else os.O_RDONLY, 0o600)
    try:
        return _map_descriptor(descriptor, size, writing)
    finally:
        os.close(descriptor)


def _map_descriptor(descriptor: int, size: int, writing: bool) -> mmap.mmap:
    if os.fstat(descriptor).st_size < size:
        _refuse("The engine's memory is smaller than it says.")
    memory = map_shared(descriptor, size, writing)
    # All pages at once: a fault for each takes longer than filling them.
    if sys.platform == "linux":
        with suppress(OSError):
            memory.madvise(_MADV_POPULATE_WRITE if writing else _MADV_POPULATE_READ)
    return memory


def _refuse(message: str) -> NoReturn:
    raise EngineIncompatible(message, "Update Faceplate, and start the engine again.")
