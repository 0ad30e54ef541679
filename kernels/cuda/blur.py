"""CUDA kernels of `kernels.blur`."""

# pyright: reportCallIssue=false, reportArgumentType=false

from numba import cuda, float32

from kernels.blur import LONGEST, normalised
from kernels.fill import clamped, interpolated, linear_place
from kernels.half import narrowed, widened
from kernels.launch import BLOCK

ROWS, COLUMNS = BLOCK
TILE = (ROWS, COLUMNS + 2 * LONGEST)


@cuda.jit
def _copy(source, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        for c in range(out.shape[2]):
            out[y, x, c] = narrowed(widened(source[y, x, c]), out[y, x, c])


@cuda.jit
def _convolve(source, channels, kernel, out):
    """A block blurs its rows down, over its columns and the kernel's reach beside them, and then across."""
    tile = cuda.shared.array(TILE, float32)
    x, y = cuda.grid(2)
    i, j = cuda.threadIdx.x, cuda.threadIdx.y
    height, width = out.shape[0], out.shape[1] // channels
    radius = kernel.shape[0] - 1
    row = clamped(y, height)
    for c in range(channels):
        for place in range(i, COLUMNS + 2 * radius, COLUMNS):
            column = clamped(x - i + place - radius, width) * channels + c
            value = kernel[0] * source[row, column]
            for k in range(1, radius + 1):
                above, below = clamped(row - k, height), clamped(row + k, height)
                value += kernel[k] * (source[above, column] + source[below, column])
            tile[j, place] = value
        cuda.syncthreads()
        value = kernel[0] * tile[j, i + radius]
        for k in range(1, radius + 1):
            value += kernel[k] * (tile[j, i + radius - k] + tile[j, i + radius + k])
        if y < height and x < width:
            out[y, x * channels + c] = narrowed(value, out[y, x * channels + c])
        cuda.syncthreads()


@cuda.jit
def _reduce(source, block, border, means):
    x, y = cuda.grid(2)
    if y < means.shape[0] and x < means.shape[1]:
        share = float32(1.0) / float32(block * block)
        for c in range(means.shape[2]):
            total = float32(0.0)
            for i in range(block):
                column = clamped((x - border) * block + i, source.shape[1])
                part = float32(0.0)
                for j in range(block):
                    part += source[clamped((y - border) * block + j, source.shape[0]), column, c]
                total += part
            means[y, x, c] = total * share


@cuda.jit
def _enlarge(coarse, block, border, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        top, bottom, down = linear_place(y, block, border, coarse.shape[0])
        left, right, across = linear_place(x, block, border, coarse.shape[1])
        for c in range(out.shape[2]):
            value = interpolated(coarse, top, bottom, down, left, right, across, c)
            out[y, x, c] = narrowed(value, out[y, x, c])


@cuda.jit
def _normalise(blurred, surroundings, block, thin, out):
    x, y = cuda.grid(2)
    if y < out.shape[0] and x < out.shape[1]:
        top, bottom, down = linear_place(y, block, 0, surroundings.shape[0])
        left, right, across = linear_place(x, block, 0, surroundings.shape[1])
        for c in range(out.shape[2]):
            wide = interpolated(surroundings, top, bottom, down, left, right, across, c)
            value = normalised(blurred[y, x, c], blurred[y, x, out.shape[2]], wide, thin)
            out[y, x, c] = narrowed(value, out[y, x, c])
