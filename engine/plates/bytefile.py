"""Bytes at a place in a file, for several threads at once, and ranges moved from file to file by the kernel."""

import errno
import os
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

# The block of every file system that can share blocks between files.
BLOCK = 4096
_PIECE = 1 << 30
_BUFFER = 1 << 23
_POSITIONED = hasattr(os, "pread")
# copy_file_range: not on this kernel, not between these file systems, not for this kind of file.
_CANNOT = (errno.EXDEV, errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP, errno.EBADF, errno.EPERM, errno.ETXTBSY)


class ByteFile:
    """An open file without a position. It is closed when nobody refers to it, or by `close`."""

    def __init__(self, path: Path, flags: int = os.O_RDONLY) -> None:
        """Open as `os.open` does; its OSError comes through."""
        self.descriptor = os.open(path, flags | getattr(os, "O_BINARY", 0) | getattr(os, "O_CLOEXEC", 0), 0o666)
        self._turn = threading.Lock()
        self.close = weakref.finalize(self, os.close, self.descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """At most `size` bytes; fewer at the end of the file."""
        if _POSITIONED:
            return os.pread(self.descriptor, size, offset)
        with self._turn:
            os.lseek(self.descriptor, offset, os.SEEK_SET)
            return os.read(self.descriptor, size)

    def read_whole(self, offset: int, size: int) -> bytes:
        """Exactly `size` bytes. Raises EOFError where the file has become shorter."""
        data = self.read(offset, size)
        while len(data) < size:
            more = self.read(offset + len(data), size - len(data))
            if not more:
                raise EOFError
            data += more
        return data

    def read_into(self, buffer: Any, offset: int) -> None:
        """Fill a contiguous buffer. Raises EOFError where the file has become shorter."""
        view = memoryview(buffer).cast("B")
        if _POSITIONED and hasattr(os, "preadv"):
            done = 0
            while done < len(view):
                got = os.preadv(self.descriptor, [view[done:]], offset + done)
                if not got:
                    raise EOFError
                done += got
            return
        view[:] = self.read_whole(offset, len(view))

    def write(self, offset: int, data: Any) -> None:
        """Write the whole of a contiguous buffer."""
        view = memoryview(data).cast("B")
        while len(view):
            if _POSITIONED:
                done = os.pwrite(self.descriptor, view, offset)
            else:
                with self._turn:
                    os.lseek(self.descriptor, offset, os.SEEK_SET)
                    done = os.write(self.descriptor, view)
            view, offset = view[done:], offset + done


def copy_range(source: ByteFile, target: ByteFile, start: int, size: int, to: int) -> None:
    """Copy bytes within the kernel, as shared blocks where the file system has them and the ranges are aligned.

    Raises EOFError where the source has become shorter, and OSError.
    """
    for offset, length in _aligned(start, size, to):
        _copy(source, target, offset, length, offset - start + to)


def _aligned(start: int, size: int, to: int) -> Iterator[tuple[int, int]]:
    """Blocks can be shared only from block to block: what comes before the first is moved on its own."""
    head = -start % BLOCK
    if (start - to) % BLOCK or head >= size or not head:
        yield start, size
    else:
        yield start, head
        yield start + head, size - head


def _copy(source: ByteFile, target: ByteFile, start: int, size: int, to: int) -> None:
    while size:
        try:
            done = os.copy_file_range(source.descriptor, target.descriptor, min(size, _PIECE), start, to)
        except (AttributeError, OSError) as error:
            if isinstance(error, OSError) and error.errno not in _CANNOT:
                raise
            return _copy_through(source, target, start, size, to)
        if not done:
            raise EOFError
        start, to, size = start + done, to + done, size - done


def _copy_through(source: ByteFile, target: ByteFile, start: int, size: int, to: int) -> None:
    while size:
        data = source.read(start, min(size, _BUFFER))
        if not data:
            raise EOFError
        target.write(to, data)
        start, to, size = start + len(data), to + len(data), size - len(data)
