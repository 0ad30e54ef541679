"""CUDA kernels of `kernels.scales`."""

# pyright: reportCallIssue=false

from numba import cuda, float32

from kernels.scales import coarser_cell, even_cell, first_cell, share_at, start_of, within


@cuda.jit
def _finest(state, origin, pitch, difference, guess, height, width, share, values, other):
    x, y = cuda.grid(2)
    if y < height and x < width:
        at, cell = origin + y * pitch + x, y * width + x
        inner = within(y, x, height, width)
        share[cell] = share_at(state, at, pitch) if inner else float32(0.0)
        for c in range(difference.shape[2]):
            place = c * height * width + cell
            known, guessed = float32(0.0), float32(0.0)
            if inner:
                known, guessed = start_of(state[at], difference, guess, y, x, c)
            other[place] = known
            if guess.shape[1] > 0:
                values[place] = guessed


@cuda.jit
def _first_coarse(
    state, origin, pitch, fine, fine_height, fine_width, across, down, pinned, share, source, height, width
):
    x, y = cuda.grid(2)
    if y < height and x < width:
        coarse, cell, cells = (across, down, pinned, share, source), y * width + x, height * width
        plane, channels = fine_height * fine_width, len(source) // cells
        if within(y, x, height, width):
            index = (2 * y - 1) * fine_width + 2 * x - 1
            at = origin + (2 * y - 1) * pitch + 2 * x - 1
            first_cell(state, at, pitch, fine, index, fine_width, plane, coarse, cell, cells, channels)
        else:
            even_cell(float32(0.0), coarse, cell, cells, channels)


@cuda.jit
def _coarser(
    fine_across,
    fine_down,
    fine_pinned,
    fine_source,
    fine_height,
    fine_width,
    across,
    down,
    pinned,
    share,
    source,
    height,
    width,
):
    x, y = cuda.grid(2)
    if y < height and x < width:
        fine, coarse = (fine_across, fine_down, fine_pinned, fine_source), (across, down, pinned, share, source)
        plane, cells = fine_height * fine_width, height * width
        channels = len(source) // cells
        if within(y, x, height, width):
            at = (2 * y - 1) * fine_width + 2 * x - 1
            coarser_cell(fine, at, fine_width, plane, coarse, y * width + x, cells, channels)
        else:
            even_cell(float32(0.0), coarse, y * width + x, cells, channels)
