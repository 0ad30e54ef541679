"""CUDA kernels of `kernels.warp`."""

# pyright: reportCallIssue=false

from numba import cuda, float32, float64

from kernels.filters import local_scales
from kernels.sample import finished, sampled, write
from kernels.warp import place_of


@cuda.jit
def _affine(source, matrix, scale_x, scale_y, manner, colour, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        u, v = place_of(matrix, x, y)
        for channel in range(0, out.shape[2], 4):
            a, b, c, d = sampled(source, u, v, scale_x, scale_y, manner, channel)
            if channel == 0:
                a, b, c, d = finished(a, b, c, d, out.shape[2], manner, colour)
            write(out[y, x], channel, a, b, c, d)


@cuda.jit
def _dense(source, coordinates, scale, manner, colour, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        scale_x, scale_y = scale, scale
        if scale == float32(0.0):
            scale_x, scale_y = local_scales(coordinates, x, y)
        u, v = float64(coordinates[y, x, 0]), float64(coordinates[y, x, 1])
        for channel in range(0, out.shape[2], 4):
            a, b, c, d = sampled(source, u, v, scale_x, scale_y, manner, channel)
            if channel == 0:
                a, b, c, d = finished(a, b, c, d, out.shape[2], manner, colour)
            write(out[y, x], channel, a, b, c, d)
