"""CUDA kernels of `kernels.transfer`."""

# pyright: reportCallIssue=false

from numba import cuda, float32

from kernels.half import narrowed, widened
from kernels.transfer import lane_sums, shift_of, transferred


@cuda.jit
def _count(weight, counts):
    y = cuda.grid(1)
    if y < counts.shape[0]:
        count = 0
        for x in range(weight.shape[1]):
            if widened(weight[y, x]) > float32(0.0):
                count += 1
        counts[y] = count


@cuda.jit
def _moments(picture, weight, first, step, shifts, sums):
    lane, row = cuda.grid(2)
    if row < sums.shape[0] and lane < sums.shape[1]:
        y = first + row * step
        shift = shift_of(picture, y)
        if lane == 0:
            shifts[row, 0], shifts[row, 1], shifts[row, 2] = shift
        lane_sums(picture, weight, shift, y, lane, sums.shape[1], sums[row, lane])


@cuda.jit
def _transfer(picture, matrix, pivot, offset, largest, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        r, g, b = widened(picture[y, x, 0]), widened(picture[y, x, 1]), widened(picture[y, x, 2])
        r, g, b = transferred(r, g, b, matrix, pivot, offset, largest)
        like = out[y, x, 0]
        out[y, x, 0], out[y, x, 1], out[y, x, 2] = narrowed(r, like), narrowed(g, like), narrowed(b, like)
