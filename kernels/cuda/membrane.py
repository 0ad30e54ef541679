"""CUDA kernels of `kernels.membrane`."""

# pyright: reportCallIssue=false

from numba import cuda

from kernels.half import narrowed, widened
from kernels.membrane import corrected_channel, free_value
from kernels.scales import FREE


@cuda.jit
def _finish(state, origin, pitch, values, height, width, out):
    x, y = cuda.grid(2)
    if y < height and x < width:
        at, like = origin + (y + 1) * pitch + x + 1, out[y, x, 0]
        for c in range(out.shape[2]):
            place = (c * (height + 2) + y + 1) * (width + 2) + x + 1
            value = values[place]
            if state[at] == FREE:
                value = free_value(state, at, pitch, values, place, width + 2)
            out[y, x, c] = narrowed(value, like)


@cuda.jit
def _correct(patch, correction, epsilon, out):
    x, y = cuda.grid(2)
    if y < patch.shape[0] and x < patch.shape[1]:
        for c in range(patch.shape[2]):
            value = corrected_channel(widened(patch[y, x, c]), widened(correction[y, x, c]), epsilon)
            out[y, x, c] = narrowed(value, out[y, x, c])
