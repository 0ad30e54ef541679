"""CUDA kernels of `kernels.fill`."""

# pyright: reportCallIssue=false

from numba import cuda, float32

from kernels.fill import interpolated, linear_place, pulled, usable_share
from kernels.half import narrowed, widened


@cuda.jit
def _premultiply(source, weight, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        share = usable_share(source, weight, y, x)
        for c in range(source.shape[2]):
            value = widened(source[y, x, c])
            out[y, x, c] = share * value if share > float32(0.0) else float32(0.0)
        out[y, x, source.shape[2]] = share


@cuda.jit
def _pull(fine, coarse):
    x, y = cuda.grid(2)
    if y < coarse.shape[0] and x < coarse.shape[1]:
        excess = max(pulled(fine, y, x, fine.shape[2] - 1), float32(1.0))
        for c in range(fine.shape[2]):
            coarse[y, x, c] = pulled(fine, y, x, c) / excess


@cuda.jit
def _push(level, wider, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        top, bottom, down = linear_place(y, 2, 0, wider.shape[0])
        left, right, across = linear_place(x, 2, 0, wider.shape[1])
        lack = max(float32(1.0) - level[y, x, out.shape[2]], float32(0.0))
        for c in range(out.shape[2]):
            value = level[y, x, c]
            if lack > float32(0.0):
                value += lack * interpolated(wider, top, bottom, down, left, right, across, c)
            out[y, x, c] = narrowed(value, out[y, x, c])
