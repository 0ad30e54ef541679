"""The byte order that EXR's ZIP compressions deflate: even bytes, then odd ones, each as its difference to the last.

The transform is that of "OpenEXR File Layout" (openexr.com). It works on bytes in memory and has no counterpart on the
GPU: files are read and written by the CPU. It lets go of the interpreter, so that several blocks go at once.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

Bytes = NDArray[np.uint8]


@njit(nogil=True, cache=True)
def to_planes(pixels: Bytes, split: Bytes, out: Bytes) -> None:
    """Split and subtract: `pixels` (n,) as they lie in memory become `out` (n,), which deflates well.

    `n` is even, as every pixel type of EXR is; `split` (n,) is for the intermediate.
    """
    pairs, half = pixels.view(np.uint16), pixels.shape[0] // 2
    for index in range(half):
        split[index] = np.uint8(pairs[index] & 255)
        split[half + index] = np.uint8(pairs[index] >> 8)
    before, after, difference = split[:-1], split[1:], out[1:]
    out[0] = split[0]
    for index in range(before.shape[0]):
        difference[index] = np.uint8(after[index] - before[index] + 128)


@njit(nogil=True, cache=True)
def from_planes(planes: Bytes, split: Bytes, out: Bytes) -> None:
    """The inverse of `to_planes`: `planes` (n,) become `out` (n,); `split` (n,) is for the intermediate."""
    value, half = np.uint8(128), planes.shape[0] // 2
    for index in range(planes.shape[0]):
        value = np.uint8(value + planes[index] - 128)
        split[index] = value
    pairs = out.view(np.uint16)
    for index in range(half):
        pairs[index] = np.uint16(split[index]) | np.uint16(np.uint16(split[half + index]) << 8)
