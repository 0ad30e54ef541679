"""CUDA kernels of `kernels.detail`."""

# pyright: reportCallIssue=false

from numba import cuda

from kernels.detail import STRIP, sum_strip


@cuda.jit
def _sum_rings(spectrum, down, across, noise_down, noise_across, edges, partial):
    strip, y = cuda.grid(2)
    if y < partial.shape[0] and strip < partial.shape[1]:
        sums = partial[y, strip]
        sum_strip(spectrum[y], down[y], across, noise_down[y], noise_across, edges, strip * STRIP, sums)
