"""CUDA kernels of `kernels.matte`."""

# pyright: reportCallIssue=false

from numba import cuda, float32, float64

from kernels.half import narrowed, widened
from kernels.matte import combined, feathered, part_in_row, row_part


@cuda.jit
def _cover(corners, coverage):
    x, y = cuda.grid(2)
    if y < coverage.shape[0] and x < coverage.shape[1]:
        total = 0.0
        for i in range(corners.shape[0]):
            j = i + 1 if i + 1 < corners.shape[0] else 0
            left, right, signed = part_in_row(corners[i, 0], corners[i, 1], corners[j, 0], corners[j, 1], y)
            if signed != 0.0:
                total += signed * row_part(left, right, float64(x))
        coverage[y, x] = narrowed(float32(min(abs(total), 1.0)), coverage[y, x])


@cuda.jit
def _feather(distance, width, matte):
    x, y = cuda.grid(2)
    if y < matte.shape[0] and x < matte.shape[1]:
        matte[y, x] = narrowed(feathered(widened(distance[y, x]), width), matte[y, x])


@cuda.jit
def _grow(distance, pixels, moved):
    x, y = cuda.grid(2)
    if y < moved.shape[0] and x < moved.shape[1]:
        moved[y, x] = narrowed(widened(distance[y, x]) + pixels, moved[y, x])


@cuda.jit
def _combine(a, b, way, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        out[y, x] = narrowed(combined(widened(a[y, x]), widened(b[y, x]), way), out[y, x])
