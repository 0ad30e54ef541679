"""CUDA kernels of `kernels.blend`."""

# pyright: reportCallIssue=false

from numba import cuda

from kernels.blend import shaped_gain


@cuda.jit
def _shape_gain(gain, distance, reach, amount, out):
    x, y = cuda.grid(2)
    if y < distance.shape[0] and x < distance.shape[1]:
        r, g, b = shaped_gain(gain[y, x, 0], gain[y, x, 1], gain[y, x, 2], distance[y, x], reach, amount)
        out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b
