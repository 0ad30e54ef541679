"""Colours between the pixels of a picture, bilinearly: for one place, and for a row of places in vector instructions.

A picture continues with its edge pixels. Pixel centres lie at half-integers; a matrix is an affine (2, 3), row by row.
"""

from typing import Any

import numpy as np
from numba import float32, njit, uint32

from kernels.half import widened
from kernels.launch import FUSED

SAME_GRID = (np.float32(1.0), np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(1.0), np.float32(0.0))


@njit(cache=True, inline="always")
def place_of(matrix, x, y):
    """Where an affine takes the centre of a pixel."""
    px, py = float32(x) + float32(0.5), float32(y) + float32(0.5)
    return matrix[0] * px + matrix[1] * py + matrix[2], matrix[3] * px + matrix[4] * py + matrix[5]


@njit(cache=True, inline="always")
def cell_of(place, size):
    """The first of the two pixels along an axis that a place lies between, and the second's share [0, 1]."""
    inside: Any = min(max(place - float32(0.5), float32(0.0)), float32(size - 1))
    # The last pixel is the second of its cell, so that both may be read without a test; an axis of one has only it.
    first = min(uint32(inside), uint32(max(size - 2, 0)))
    return first, inside - float32(first)


@njit(cache=True, inline="always")
def corner_weights(across, down):
    """The shares of a cell's four pixels: upper left, upper right, lower left, lower right."""
    both = across * down
    return float32(1.0) - across - (down - both), across - both, down - both, both


@njit(cache=True, inline="always")
def bilinear(source, u, v):
    """The colour at a place of a picture (h, w, 3)."""
    i, across = cell_of(u, source.shape[1])
    j, down = cell_of(v, source.shape[0])
    right, below = min(i + 1, source.shape[1] - 1), min(j + 1, source.shape[0] - 1)
    w00, w10, w01, w11 = corner_weights(across, down)
    r = w00 * widened(source[j, i, 0]) + w10 * widened(source[j, right, 0])
    g = w00 * widened(source[j, i, 1]) + w10 * widened(source[j, right, 1])
    b = w00 * widened(source[j, i, 2]) + w10 * widened(source[j, right, 2])
    r += w01 * widened(source[below, i, 0]) + w11 * widened(source[below, right, 0])
    g += w01 * widened(source[below, i, 1]) + w11 * widened(source[below, right, 1])
    b += w01 * widened(source[below, i, 2]) + w11 * widened(source[below, right, 2])
    return r, g, b


@njit(cache=True, fastmath=FUSED)
def sample_line(source, matrix, x0, y, cells, shares, line):
    """Colours of a contiguous picture (h, w, 3) at a row of pixels from (x0, y) on, under a matrix.

    line: (3, n), what is written. cells (n,) uint32 and shares (2, n) are scratch.
    """
    height, width, _ = source.shape
    if is_same_grid(matrix) and y < height and x0 + line.shape[1] <= width:
        _copy_line(source, x0, y, line)
        return
    across, down = shares[0], shares[1]
    for k in range(cells.shape[0]):
        u, v = place_of(matrix, x0 + k, y)
        i, across[k] = cell_of(u, width)
        j, down[k] = cell_of(v, height)
        cells[k] = uint32(3) * (j * uint32(width) + i)
    right = uint32(3 if width > 1 else 0)
    _gather(source.reshape(source.size), cells, right, uint32(3 * width if height > 1 else 0), across, down, line)


@njit(cache=True, inline="always")
def is_same_grid(matrix):
    """Whether a matrix leaves every pixel where it is."""
    same = matrix[0] == 1.0 and matrix[1] == 0.0 and matrix[2] == 0.0
    return same and matrix[3] == 0.0 and matrix[4] == 1.0 and matrix[5] == 0.0


@njit(cache=True)
def _copy_line(source, x0, y, line):
    r, g, b = line[0], line[1], line[2]
    for k in range(line.shape[1]):
        r[k] = widened(source[y, x0 + k, 0])
        g[k] = widened(source[y, x0 + k, 1])
        b[k] = widened(source[y, x0 + k, 2])


@njit(cache=True, fastmath=FUSED)
def _gather(source, cells, right, below, across, down, line):
    """Weighted sums of a cell's four pixels, which lie `right` and `below` numbers apart in a flat source."""
    r, g, b = line[0], line[1], line[2]
    one, lower_right = uint32(1), uint32(right + below)
    for k in range(cells.shape[0]):
        w00, w10, w01, w11 = corner_weights(across[k], down[k])
        p, q, s, t = cells[k], cells[k] + right, cells[k] + below, cells[k] + lower_right
        r[k] = w00 * widened(source[p]) + w10 * widened(source[q]) + w01 * widened(source[s]) + w11 * widened(source[t])
        p, q, s, t = p + one, q + one, s + one, t + one
        g[k] = w00 * widened(source[p]) + w10 * widened(source[q]) + w01 * widened(source[s]) + w11 * widened(source[t])
        p, q, s, t = p + one, q + one, s + one, t + one
        b[k] = w00 * widened(source[p]) + w10 * widened(source[q]) + w01 * widened(source[s]) + w11 * widened(source[t])
