"""The compressions none, ZIPS and ZIP, block by block, on all cores, without a copy through a library's own frame.

Deflate comes from ISA-L, which inflates as fast as the library of OpenEXR does and deflates many times faster, at about
four per cent more bytes. Every reader of EXR reads it.
"""

import threading

import numpy as np
from isal import isal_zlib

from engine.plates.rows import Bytes
from kernels.byte_planes import from_planes, to_planes

NONE, ZIPS, ZIP = 0, 2, 3
OWN = frozenset({NONE, ZIPS, ZIP})
_LEVEL = 1
# Its type stubs say that it is an exception, not a class of them.
_INFLATE_ERROR: type[Exception] = isal_zlib.error  # type: ignore[assignment]

_local = threading.local()


class BlockError(ValueError):
    """The bytes of a block are not what its compression makes."""


def decompress(packed: bytes, size: int) -> Bytes:
    """The `size` bytes of a block's rows; a block as long as its rows is not compressed. Raises BlockError."""
    if len(packed) == size:
        return np.frombuffer(packed, np.uint8)
    if len(packed) > size or not size:
        raise BlockError
    stream = isal_zlib.decompressobj()
    try:
        # One byte more than there is, so that it comes to the checksum.
        planes = stream.decompress(packed, size + 1)
    except _INFLATE_ERROR as error:
        raise BlockError from error
    if len(planes) != size or not stream.eof or size % 2:
        raise BlockError
    rows = np.empty(size, np.uint8)
    from_planes(np.frombuffer(planes, np.uint8), _split(size), rows)
    return rows


def compress(rows: Bytes, compression: int) -> Bytes:
    """A block's bytes for the file from its rows; the rows themselves where deflating gains nothing."""
    if compression == NONE or rows.size == 0:
        return rows
    planes = np.empty(rows.size, np.uint8)
    to_planes(rows, _split(rows.size), planes)
    packed = isal_zlib.compress(planes, _LEVEL)
    return np.frombuffer(packed, np.uint8) if len(packed) < rows.size else rows


def _split(size: int) -> Bytes:
    """Scratch of this thread, kept for the next block."""
    split: Bytes | None = getattr(_local, "split", None)
    if split is None or split.size < size:
        split = _local.split = np.empty(size, np.uint8)
    return split[:size]
