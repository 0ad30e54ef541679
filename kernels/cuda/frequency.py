"""CUDA kernels of `kernels.frequency`."""

# pyright: reportCallIssue=false

from numba import cuda

from kernels.frequency import bands_of, decoded, encoded, textured
from kernels.half import narrowed, widened


@cuda.jit
def _encode(picture, logarithmic, out):
    i, y = cuda.grid(2)
    if y < out.shape[0] and i < out.shape[1]:
        out[y, i] = encoded(widened(picture[y, i]), logarithmic)


@cuda.jit
def _difference(picture, less, logarithmic, out):
    i, y = cuda.grid(2)
    if y < out.shape[0] and i < out.shape[1]:
        out[y, i] = encoded(widened(picture[y, i]), logarithmic) - encoded(widened(less[y, i]), logarithmic)


@cuda.jit
def _split(source, blurred, logarithmic, low, high):
    i, y = cuda.grid(2)
    if y < low.shape[0] and i < low.shape[1]:
        bands = bands_of(source[y, i], blurred[y, i], logarithmic, low[y, i], high[y, i])
        low[y, i], high[y, i] = bands


@cuda.jit
def _merge(low, high, logarithmic, out):
    i, y = cuda.grid(2)
    if y < out.shape[0] and i < out.shape[1]:
        value = encoded(widened(low[y, i]), logarithmic) + widened(high[y, i])
        out[y, i] = narrowed(decoded(value, logarithmic), out[y, i])


@cuda.jit
def _add(base, source, blurred, share, gain, most, logarithmic, out):
    i, y = cuda.grid(2)
    if y < out.shape[0] and i < out.shape[1]:
        amount = gain
        if share.shape[1] > 0:
            amount = gain * widened(share[y, i // (out.shape[1] // share.shape[1])])
        value = textured(widened(base[y, i]), source[y, i], blurred[y, i], amount, most, logarithmic)
        out[y, i] = narrowed(value, out[y, i])
