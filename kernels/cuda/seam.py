"""CUDA kernels of `kernels.seam`."""

# pyright: reportCallIssue=false

from numba import cuda

from kernels.scales import KNOWN
from kernels.seam import log_ratio_at, mean_near


@cuda.jit
def _log_ratio(plate, patch, anchor, rows, columns, epsilon, out):
    i = cuda.grid(1)
    if i < len(rows):
        out[i, 0], out[i, 1], out[i, 2] = log_ratio_at(plate, patch, anchor, rows[i], columns[i], epsilon)


@cuda.jit
def _smooth_listed(rows, columns, values, starts, factor, reach, out):
    i = cuda.grid(1)
    if i < len(rows):
        out[i, 0], out[i, 1], out[i, 2] = mean_near(rows, columns, values, starts, factor, reach, i)


@cuda.jit
def _hold_listed(rows, columns, values, pitch, difference, state):
    i = cuda.grid(1)
    if i < len(rows):
        for c in range(3):
            difference[rows[i], columns[i], c] = values[i, c]
        state[(rows[i] + 1) * pitch + columns[i] + 1] = KNOWN
