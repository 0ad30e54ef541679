"""CUDA kernels of `kernels.multigrid`.

Two steps of `_smooth` are one kernel: a thread makes the first step of its cell and of its four neighbours. That costs
arithmetic, of which there is plenty, and halves the memory's traffic and the launches.
"""

# pyright: reportCallIssue=false, reportAttributeAccessIssue=false

from numba import cuda, float32

from kernels.cells import prolonged_at, restricted_at, smoothed_at, squares_at
from kernels.scales import within


@cuda.jit
def _smooth(values, source, across, down, share, height, width, first, second, out):
    x, y = cuda.grid(2)
    if y < height and x < width:
        cell, plane = y * width + x, height * width
        for place in range(cell, len(out), plane):
            out[place] = smoothed_at(values, source, across, down, share, cell, place, width, first, second)


@cuda.jit
def _restrict(values, source, across, down, share, height, width, right, coarse_height, coarse_width):
    x, y = cuda.grid(2)
    if y < coarse_height and x < coarse_width:
        cell, plane, coarse_plane = (2 * y - 1) * width + 2 * x - 1, height * width, coarse_height * coarse_width
        for c in range(len(right) // coarse_plane):
            total = float32(0.0)
            if within(y, x, coarse_height, coarse_width):
                total = restricted_at(values, source, across, down, share, cell, c * plane + cell, width)
            right[c * coarse_plane + y * coarse_width + x] = total


@cuda.jit
def _prolong(values, coarse, coarse_share, coarse_height, coarse_width, share, height, width, out):
    x, y = cuda.grid(2)
    if y < height and x < width:
        cell, plane, coarse_plane = y * width + x, height * width, coarse_height * coarse_width
        for c in range(len(out) // plane):
            place = c * plane + cell
            out[place] = prolonged_at(
                values, coarse, coarse_share, c * coarse_plane, coarse_width, share, y, x, cell, place
            )


@cuda.jit
def _norms(values, share, height, width, partial):
    x = cuda.grid(1)
    if x < width:
        for c in range(partial.shape[1]):
            rest, knowns = float32(0.0), float32(0.0)
            if x > 0 and x < width - 1:
                for y in range(1, height - 1):
                    cell = y * width + x
                    square, own = squares_at(values, share, cell, c * height * width + cell, width)
                    rest += square
                    knowns += own
            partial[0, c, x], partial[1, c, x] = rest, knowns
