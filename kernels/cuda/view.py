"""CUDA kernels of `kernels.view`."""

# pyright: reportCallIssue=false

from numba import cuda

from kernels.view import unview_pixel, view_pixel


@cuda.jit
def _view(linear, to_view, knee, white, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        r, g, b = linear[y, x, 0], linear[y, x, 1], linear[y, x, 2]
        out[y, x, 0], out[y, x, 1], out[y, x, 2] = view_pixel(r, g, b, to_view, knee, white)


@cuda.jit
def _unview(seen, from_view, knee, white, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        r, g, b = seen[y, x, 0], seen[y, x, 1], seen[y, x, 2]
        out[y, x, 0], out[y, x, 1], out[y, x, 2] = unview_pixel(r, g, b, from_view, knee, white)
