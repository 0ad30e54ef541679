"""Blocks of memory for whole pictures: the engine's own, and those that a client can attach to.

On Linux a shared block has no name in any file system (memfd): nothing stays when the engine is killed, the size of
/dev/shm is no limit, and its size is sealed, so that a client cannot shrink it and end the engine with SIGBUS.
Elsewhere it is a named one. There Python's resource tracker, a process of its own, unlinks the names of an engine
that was killed; Windows does so itself; and neither macOS nor Windows lets a client shrink one.
"""

import mmap
import os
import secrets
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from engine.errors import NoRoom

Create = Callable[[int], "Block"]


@dataclass(eq=False)
class Block:
    """`size` bytes of `memory`; `name` tells a client how to attach, and is empty for the engine's own blocks."""

    name: str
    size: int
    memory: mmap.mmap
    free: Callable[[], None]

    def close(self) -> None:
        """Take the block from everybody who has not mapped it; arrays that show it stay valid."""
        self.free()
        # With an array left, the mapping goes when that does.
        with suppress(BufferError):
            self.memory.close()


def shared_block(size: int) -> Block:
    """A zeroed block that clients can attach to, really reserved. Raises NoRoom, and then leaves nothing behind."""
    return unnamed_block(size) if sys.platform == "linux" else named_block(size)


def private_block(size: int) -> Block:
    """A block that only the engine can see. Raises NoRoom."""
    try:
        memory = mmap.mmap(-1, size) if sys.platform == "win32" else mmap.mmap(-1, size, flags=mmap.MAP_PRIVATE)
    except OSError as error:
        raise _no_room() from error
    # Faults of 4096 bytes would take longer than the copy into them.
    if sys.platform == "linux":
        with suppress(OSError):
            memory.madvise(mmap.MADV_HUGEPAGE)
    return Block("", size, memory, lambda: None)


def unnamed_block(size: int) -> Block:
    """A shared block as Linux has them; a client of the same user attaches through the engine's /proc entry."""
    if sys.platform != "linux":
        raise NotImplementedError("only Linux has memory without a name")
    import fcntl

    label = f"faceplate-{secrets.token_hex(8)}"
    try:
        descriptor = os.memfd_create(label, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    except OSError as error:
        raise _no_room() from error
    try:
        os.posix_fallocate(descriptor, 0, size)
        seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
        memory = mmap.mmap(descriptor, size)
    except OSError as error:
        os.close(descriptor)
        raise _no_room() from error
    name = f"memfd:{os.getpid()}:{descriptor}:{label}"
    return Block(name, size, memory, lambda: os.close(descriptor))


def named_block(size: int) -> Block:
    """A shared block as every system has them."""
    # macOS has room for 30 characters.
    label = f"faceplate-{secrets.token_hex(8)}"
    try:
        if sys.platform == "win32":
            return Block(f"shm:{label}", size, mmap.mmap(-1, size, tagname=label), lambda: None)
        return Block(f"shm:{label}", size, *_posix_memory(f"/{label}", size))
    except OSError as error:
        raise _no_room() from error


def _posix_memory(path: str, size: int) -> tuple[mmap.mmap, Callable[[], None]]:
    """Named memory, and what takes its name away. Raises OSError."""
    import _posixshmem
    from multiprocessing import resource_tracker

    def free() -> None:
        with suppress(FileNotFoundError):
            _posixshmem.shm_unlink(path)
        resource_tracker.unregister(path, "shared_memory")

    resource_tracker.register(path, "shared_memory")
    try:
        descriptor = _posixshmem.shm_open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            os.ftruncate(descriptor, size)
            # Without this a full /dev/shm ends the engine with SIGBUS at the first touch. macOS has no such limit.
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(descriptor, 0, size)
            return mmap.mmap(descriptor, size), free
        finally:
            os.close(descriptor)
    except OSError:
        free()
        raise


def _no_room() -> NoRoom:
    return NoRoom("There is no memory for another picture.", "Release pictures, or close programs, and try again.")
