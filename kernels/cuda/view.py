"""CUDA kernels of `kernels.view`."""

# pyright: reportCallIssue=false

from numba import cuda

from kernels.half import narrowed, widened
from kernels.view import held_channel, transform, unview_pixel, view_pixel


@cuda.jit
def _view(linear, to_view, knee, white, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        r, g, b = widened(linear[y, x, 0]), widened(linear[y, x, 1]), widened(linear[y, x, 2])
        r, g, b = view_pixel(r, g, b, to_view, knee, white)
        like = out[y, x, 0]
        out[y, x, 0], out[y, x, 1], out[y, x, 2] = narrowed(r, like), narrowed(g, like), narrowed(b, like)


@cuda.jit
def _unview(seen, from_view, knee, white, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        r, g, b = widened(seen[y, x, 0]), widened(seen[y, x, 1]), widened(seen[y, x, 2])
        r, g, b = unview_pixel(r, g, b, from_view, knee, white)
        like = out[y, x, 0]
        out[y, x, 0], out[y, x, 1], out[y, x, 2] = narrowed(r, like), narrowed(g, like), narrowed(b, like)


@cuda.jit
def _held(linear, to_view, white, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        r, g, b = transform(to_view, widened(linear[y, x, 0]), widened(linear[y, x, 1]), widened(linear[y, x, 2]))
        like = out[y, x, 0]
        out[y, x, 0], out[y, x, 1] = narrowed(held_channel(r, white), like), narrowed(held_channel(g, white), like)
        out[y, x, 2] = narrowed(held_channel(b, white), like)
