"""CUDA kernels of `kernels.grain_blocks`."""

# pyright: reportCallIssue=false

import numpy as np
from numba import cuda, float32, int32

from kernels.grain_blocks import BLOCK, SPAN, find_usable, put_differences, put_levels


@cuda.jit
def _block_table(plate, weight, kernel, table):
    """A thread for a channel of a block. It reads its surroundings from the cache again and again, and nothing else."""
    place, row = cuda.grid(2)
    column, c = place // 3, place % 3
    if row < table.shape[0] and column < table.shape[1]:
        usable = cuda.local.array(SPAN, int32)
        details = cuda.local.array((BLOCK, BLOCK), float32)
        columns = cuda.local.array(SPAN, float32)
        y0, x0, own = row * BLOCK, column * BLOCK, table[row, column]
        if find_usable(plate, weight, y0, x0, usable):
            put_differences(plate, y0, x0, c, details, own)
            put_levels(plate, y0, x0, c, kernel, usable, columns, own)
        else:
            for s in range(own.shape[0]):
                own[s, c] = float32(np.inf)
