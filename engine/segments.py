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

from engine.errors import NoRoom
from engine.wire.frames import HUGE_FROM, HUGE_PAGE, map_shared

Create = Callable[[int], "Block"]

# Linux 6.1 and newer: make what is there huge pages, whatever the system's setting for new ones is.
_MADV_COLLAPSE = 25


class Block:
    """`size` bytes of `memory`; `name` tells a client how to attach, and is empty for the engine's own blocks."""

    def __init__(self, name: str, size: int, memory: mmap.mmap) -> None:
        self.name = name
        self.size = size
        self.memory = memory

    def close(self) -> None:
        """Take the block from everybody who has not mapped it; arrays that show it stay valid."""
        # With an array left, the mapping goes when that does.
        with suppress(BufferError):
            self.memory.close()

    def lock(self) -> bool:
        """Whether it is certain that no client can write any more, until `unlock`. Clients may map it to read."""
        return False

    def unlock(self) -> None:
        """Let the client attach to write again."""


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
    return Block("", size, memory)


def unnamed_block(size: int) -> Block:
    """A shared block as Linux has them; a client of the same user attaches through the engine's /proc entry."""
    if sys.platform != "linux":
        raise NotImplementedError("only Linux has memory without a name")
    try:
        return _Unnamed(size)
    except OSError as error:
        raise _no_room() from error


def named_block(size: int) -> Block:
    """A shared block as every system has them."""
    # macOS has room for 30 characters.
    label = f"faceplate-{secrets.token_hex(8)}"
    try:
        if sys.platform == "win32":
            return Block(f"shm:{label}", size, mmap.mmap(-1, size, tagname=label))
        return _Named(label, size)
    except OSError as error:
        raise _no_room() from error


if sys.platform == "linux":
    import fcntl

    class _Unnamed(Block):
        """Memory of a descriptor (memfd)."""

        def __init__(self, size: int) -> None:
            label = f"faceplate-{secrets.token_hex(8)}"
            self._descriptor = os.memfd_create(label, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
            self._reader = -1
            try:
                os.fchmod(self._descriptor, 0o600)
                os.ftruncate(self._descriptor, size)
                memory = map_shared(self._descriptor, size)
                _make_huge(self._descriptor, memory)
                os.posix_fallocate(self._descriptor, 0, size)
                seals = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL
                fcntl.fcntl(self._descriptor, fcntl.F_ADD_SEALS, seals)
            except OSError:
                os.close(self._descriptor)
                raise
            super().__init__(f"memfd:{os.getpid()}:{self._descriptor}:{label}", size, memory)

        def close(self) -> None:
            self.unlock()
            os.close(self._descriptor)
            super().close()

        def lock(self) -> bool:
            """Take a read lease on the memory, as fcntl(2) has it: the kernel grants one only while nobody has a
            descriptor or a mapping to write with.

            Then it refuses to open another one, by the mode. A process of the same user that changes the mode, or
            root, has to wait for /proc/sys/fs/lease-break-time (45 s) and is then let in; such a process could as
            well write to the engine's own memory. Write seals would be for ever: the memory could not be used again,
            and fresh pages take longer than a copy.
            """
            os.fchmod(self._descriptor, 0o400)
            try:
                self._reader = os.open(f"/proc/self/fd/{self._descriptor}", os.O_RDONLY | os.O_CLOEXEC)
                fcntl.fcntl(self._reader, fcntl.F_SETLEASE, fcntl.F_RDLCK)
                # Or SIGIO ends the engine when somebody tries.
                fcntl.fcntl(self._reader, fcntl.F_SETOWN, 0)
            except OSError:
                self.unlock()
                return False
            return True

        def unlock(self) -> None:
            if self._reader >= 0:
                os.close(self._reader)
                self._reader = -1
            os.fchmod(self._descriptor, 0o600)

    def _make_huge(descriptor: int, memory: mmap.mmap) -> None:
        """Make a large block of huge pages where the kernel can: making and mapping those takes far less time."""
        if len(memory) < HUGE_FROM:
            return
        # The kernel makes nothing huge where there is no page at all.
        for start in range(0, len(memory), HUGE_PAGE):
            os.posix_fallocate(descriptor, start, 1)
        with suppress(OSError):
            memory.madvise(_MADV_COLLAPSE)


if sys.platform != "win32":
    import _posixshmem
    from multiprocessing import resource_tracker

    class _Named(Block):
        """Memory with a name, which the resource tracker knows for as long as it is there."""

        def __init__(self, label: str, size: int) -> None:
            self._path = f"/{label}"
            resource_tracker.register(self._path, "shared_memory")
            try:
                super().__init__(f"shm:{label}", size, self._map(size))
            except OSError:
                self._unlink()
                raise

        def close(self) -> None:
            self._unlink()
            super().close()

        def _map(self, size: int) -> mmap.mmap:
            descriptor = _posixshmem.shm_open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL, 0o600)
            try:
                os.ftruncate(descriptor, size)
                # Without this a full /dev/shm ends the engine with SIGBUS at the first touch. macOS has no such limit.
                if hasattr(os, "posix_fallocate"):
                    os.posix_fallocate(descriptor, 0, size)
                return mmap.mmap(descriptor, size)
            finally:
                os.close(descriptor)

        def _unlink(self) -> None:
            with suppress(FileNotFoundError):
                _posixshmem.shm_unlink(self._path)
            resource_tracker.unregister(self._path, "shared_memory")


def _no_room() -> NoRoom:
    return NoRoom("There is no memory for another picture.", "Release pictures, or close programs, and try again.")
