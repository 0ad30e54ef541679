"""The table that a plate's grain is measured from: a few numbers for each block of pixels.

Per block and channel: brightness; the energy of the second difference; structure; and the second difference's mean
product with the next pixel of the row, with the next row, and with the next channel (red green, green blue, blue red).
Structure is the variance of the blurred picture, in which pixels that are not usable are black. A pixel is usable
where it and the eight around it have weight and are finite. A block with one that is not usable is infinite.

On the CPU a thread takes a band of blocks and works on its lines; on a GPU a thread takes a channel of a block.
"""

from typing import Any

import numpy as np
from numba import float32, int32, njit, prange
from numpy.typing import NDArray

from kernels.blur import gaussian_kernel
from kernels.half import loadable, widened
from kernels.launch import FUSED, run
from kernels.view import flat
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]

# Side of a block in pixels.
BLOCK = 8
# What a block's row of the table holds, for each channel.
STATISTICS = 6
# Sigma, in pixels, of a blur that hides the grain but not the picture's structure, and its kernel's reach.
STRUCTURE_BLUR = 1.5
HALF_KERNEL = gaussian_kernel(STRUCTURE_BLUR)
BLUR_REACH = len(HALF_KERNEL) - 1
# A block's side with all that its blur needs; and of the bits of such a row those that are the block's own.
SPAN = BLOCK + 2 * BLUR_REACH
OWN_BITS = ((1 << BLOCK) - 1) << BLUR_REACH
# Rows of blocks that one thread takes at a time.
BAND = 4
# What a line has before and after it, so that nobody looks beyond its ends.
MARGIN = BLUR_REACH + 2


def block_table(plate: NDArray[Any], weight: NDArray[Any], workspace: Workspace) -> Float32:
    """The table (h // BLOCK, w // BLOCK, STATISTICS, 3) of a linear plate (h, w, 3) where weight (h, w) is over 0.5.

    It lies in the workspace.
    """
    rows, columns = plate.shape[0] // BLOCK, plate.shape[1] // BLOCK
    table = workspace.empty("grain.blocks", plate, (rows, columns, STATISTICS, 3))
    run(_block_table, (rows, 3 * columns), loadable(plate), loadable(weight), flat(HALF_KERNEL), table)
    return table


@njit(cache=True, inline="always")
def counts(r, g, b, weight):
    """Whether a pixel counts: whether it has weight, and is finite."""
    infinity = float32(np.inf)
    return (weight > float32(0.5)) & (abs(r) < infinity) & (abs(g) < infinity) & (abs(b) < infinity)


@njit(cache=True, inline="always")
def share_of(statistic):
    """One over the number of a block's pixels, or of its pairs of neighbours."""
    pairs = (statistic == 3) | (statistic == 4)
    return float32(1.0 / (BLOCK * (BLOCK - 1))) if pairs else float32(1.0 / (BLOCK * BLOCK))


@njit(cache=True, inline="always")
def second_difference(a, b, c, d, e, f, g, h, i):
    """The mask (1 -2 1) x (1 -2 1) on nine pixels, row by row."""
    return ((a + c) + (g + i)) - float32(2.0) * ((b + h) + (d + f)) + float32(4.0) * e


@njit(cache=True, inline="always")
def find_usable(plate, weight, y0, x0, usable):
    """Bits of the rows (SPAN,) round a block, 1 where all nine pixels count; and whether the whole block is usable."""
    before, here, whole = int32(0), int32(0), True
    for r in range(SPAN + 2):
        y, bits = y0 + r - BLUR_REACH - 1, int32(0)
        for i in range(SPAN + 2):
            x = x0 + i - BLUR_REACH - 1
            if (y >= 0) & (y < plate.shape[0]) & (x >= 0) & (x < plate.shape[1]):
                red, green, blue = widened(plate[y, x, 0]), widened(plate[y, x, 1]), widened(plate[y, x, 2])
                if counts(red, green, blue, widened(weight[y, x])):
                    bits |= int32(1) << int32(i)
        bits = bits & (bits >> int32(1)) & (bits >> int32(2))
        if r >= 2:
            usable[r - 2] = before & here & bits
            if (r >= BLUR_REACH + 2) & (r < BLUR_REACH + 2 + BLOCK):
                whole = whole & ((usable[r - 2] & int32(OWN_BITS)) == int32(OWN_BITS))
        before, here = here, bits
    return whole


@njit(cache=True, inline="always")
def difference_at(plate, y, x, c):
    """The second difference at a pixel inside a picture."""
    a, b, d = widened(plate[y - 1, x - 1, c]), widened(plate[y - 1, x, c]), widened(plate[y - 1, x + 1, c])
    e, f, g = widened(plate[y, x - 1, c]), widened(plate[y, x, c]), widened(plate[y, x + 1, c])
    h, i, j = widened(plate[y + 1, x - 1, c]), widened(plate[y + 1, x, c]), widened(plate[y + 1, x + 1, c])
    return second_difference(a, b, d, e, f, g, h, i, j)


@njit(cache=True, inline="always")
def put_differences(plate, y0, x0, c, details, row):
    """The energy and the products of a usable block into its row of the table; `details` (BLOCK, BLOCK) is scratch."""
    energy, beside, below, product = float32(0.0), float32(0.0), float32(0.0), float32(0.0)
    for y in range(BLOCK):
        for x in range(BLOCK):
            own = difference_at(plate, y0 + y, x0 + x, c)
            details[y, x] = own
            energy += own * own
            product += own * difference_at(plate, y0 + y, x0 + x, (c + 1) % 3)
            if x > 0:
                beside += own * details[y, x - 1]
            if y > 0:
                below += own * details[y - 1, x]
    row[1, c], row[3, c] = energy * share_of(1), beside * share_of(3)
    row[4, c], row[5, c] = below * share_of(4), product * share_of(5)


@njit(cache=True, inline="always")
def put_levels(plate, y0, x0, c, kernel, usable, columns, row):
    """The brightness and the structure of a usable block into its row of the table; `columns` (SPAN,) is scratch."""
    reference, total, square = float32(0.0), float32(0.0), float32(0.0)
    for y in range(BLOCK):
        for i in range(SPAN):
            columns[i] = float32(0.0)
            for r in range(SPAN - BLOCK + 1):
                if (usable[y + r] >> int32(i)) & int32(1):
                    value = widened(plate[y0 + y + r - BLUR_REACH, x0 + i - BLUR_REACH, c])
                    columns[i] += kernel[abs(r - BLUR_REACH)] * value
        for x in range(BLOCK):
            level = kernel[0] * columns[x + BLUR_REACH]
            for k in range(1, BLUR_REACH + 1):
                level += kernel[k] * (columns[x + BLUR_REACH - k] + columns[x + BLUR_REACH + k])
            if (x == 0) & (y == 0):
                reference = level
            total += level - reference
            square += (level - reference) * (level - reference)
    mean = total * share_of(0)
    row[0, c] = reference + mean
    row[2, c] = square * share_of(2) - mean * mean


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _block_table(plate, weight, kernel, table):
    rows, length = table.shape[0], plate.shape[1] + 2 * MARGIN
    for band in prange((rows + BAND - 1) // BAND):
        first, count = band * BAND, min(BAND, rows - band * BAND)
        # One line more above and below than the blur reaches: what lies there says whether its neighbour is usable.
        lines = np.zeros((count * BLOCK + 2 * BLUR_REACH + 2, 3, length), np.float32)
        usable = np.zeros((count * BLOCK + 2 * BLUR_REACH, length), np.float32)
        _read_lines(plate, weight, first * BLOCK - BLUR_REACH - 1, lines, usable)
        sums = np.zeros((count, STATISTICS, 3, length), np.float32)
        reference, whole = np.zeros((3, length), np.float32), np.ones((count, length), np.float32)
        for row in range(count):
            here = row * BLOCK + BLUR_REACH
            _and_lines(usable[here : here + BLOCK], whole[row])
            if whole[row].any():
                _sum_differences(lines[here : here + BLOCK + 2], sums[row])
        _mask_lines(usable, lines[1:-1])
        for row in range(count):
            if whole[row].any():
                here = row * BLOCK
                _sum_levels(lines[here + 1 : here + 1 + BLOCK + 2 * BLUR_REACH], kernel, reference, sums[row])
            _put_blocks(whole[row], sums[row], reference, table[first + row])


@njit(cache=True)
def _read_lines(plate, weight, y0, lines, usable):
    """Rows of a plate from y0 on, black beyond it; and 1 where a pixel of all but the first and the last is usable."""
    good = np.zeros((lines.shape[0], lines.shape[2]), np.float32)
    for r in range(lines.shape[0]):
        if 0 <= y0 + r < plate.shape[0]:
            _read_line(plate[y0 + r], weight[y0 + r], lines[r], good[r])
    for r in range(usable.shape[0]):
        _usable_line(good[r], good[r + 1], good[r + 2], usable[r])


@njit(cache=True, error_model="numpy")
def _read_line(plate, weight, lines, good):
    """A row (n, 3) and its weight (n,) into the middle of three lines, and of one that is 1 where a pixel counts."""
    count = plate.shape[0]
    red, green, blue = lines[0, MARGIN:], lines[1, MARGIN:], lines[2, MARGIN:]
    middle = good[MARGIN:]
    for i in range(count):
        red[i], green[i], blue[i] = widened(plate[i, 0]), widened(plate[i, 1]), widened(plate[i, 2])
    for i in range(count):
        middle[i] = float32(1.0) if counts(red[i], green[i], blue[i], widened(weight[i])) else float32(0.0)


@njit(cache=True, error_model="numpy")
def _usable_line(above, here, below, usable):
    """Where all nine pixels count, from three lines of which do."""
    left, right, middle = above[:-2], above[2:], above[1:]
    for i in range(usable.shape[0] - 2):
        usable[i + 1] = min(left[i], middle[i], right[i])
    for line in (here, below):
        left, right, middle = line[:-2], line[2:], line[1:]
        for i in range(usable.shape[0] - 2):
            usable[i + 1] = min(usable[i + 1], left[i], middle[i], right[i])


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _sum_differences(lines, sums):
    """Add up, down the columns of a row of blocks, what the second differences of lines (BLOCK + 2, 3, n) give."""
    details, before = np.zeros((3, lines.shape[2]), np.float32), np.zeros((3, lines.shape[2]), np.float32)
    for y in range(1, BLOCK + 1):
        for c in range(3):
            _difference_line(lines[y - 1, c], lines[y, c], lines[y + 1, c], details[c])
        for c in range(3):
            own, next_channel, above = details[c], details[(c + 1) % 3], before[c]
            energy, beside, below, product = sums[1, c], sums[3, c], sums[4, c], sums[5, c]
            next_pixel = own[1:]
            for i in range(own.shape[0] - 1):
                energy[i] += own[i] * own[i]
                beside[i] += own[i] * next_pixel[i]
                below[i] += own[i] * above[i]
                product[i] += own[i] * next_channel[i]
        details, before = before, details


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _difference_line(above, here, below, out):
    """The second difference of a line, but for its two ends."""
    a, b, c = above, above[1:], above[2:]
    d, e, f = here, here[1:], here[2:]
    g, h, i = below, below[1:], below[2:]
    middle = out[1:]
    for n in range(out.shape[0] - 2):
        middle[n] = second_difference(a[n], b[n], c[n], d[n], e[n], f[n], g[n], h[n], i[n])


@njit(cache=True, error_model="numpy")
def _and_lines(lines, out):
    """The least of lines (m, n) in each column."""
    for r in range(lines.shape[0]):
        line = lines[r]
        for i in range(line.shape[0]):
            out[i] = min(out[i], line[i])


@njit(cache=True, error_model="numpy")
def _mask_lines(usable, lines):
    """Make lines (m, 3, n) black where a pixel is not usable."""
    for r in range(usable.shape[0]):
        counting = usable[r]
        for c in range(3):
            line = lines[r, c]
            for i in range(line.shape[0]):
                line[i] = line[i] if counting[i] > float32(0.0) else float32(0.0)


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _sum_levels(lines, kernel, reference, sums):
    """Add up, down the columns of a row of blocks, what blurred lines have over a reference, and the square of it.

    The reference is a level of each block: so the squares of small differences are not lost beside a large level.
    """
    level, down = np.zeros(lines.shape[2], np.float32), np.zeros(lines.shape[2], np.float32)
    for c in range(3):
        total, square, base = sums[0, c], sums[2, c], reference[c]
        for y in range(BLOCK):
            _blur_down(lines[y:], c, kernel, down)
            _blur_across(down, kernel, level)
            if y == 0:
                for first in range(MARGIN, base.shape[0] - MARGIN - BLOCK + 1, BLOCK):
                    base[first : first + BLOCK] = level[first]
            for i in range(base.shape[0]):
                over = level[i] - base[i]
                total[i] += over
                square[i] += over * over


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _blur_down(lines, channel, kernel, out):
    """The first 2 * BLUR_REACH + 1 lines (m, 3, n) of a channel under a kernel, given from its centre on.

    In two goes: LLVM compares no more than so many addresses to see that lines do not overlap.
    """
    k0, k1, k2, k3, k4, k5, k6 = kernel
    a, b, c, d = lines[3, channel], lines[4, channel], lines[5, channel], lines[6, channel]
    e, f, g = lines[7, channel], lines[8, channel], lines[9, channel]
    for i in range(out.shape[0]):
        out[i] = k0 * d[i] + k1 * (c[i] + e[i]) + k2 * (b[i] + f[i]) + k3 * (a[i] + g[i])
    a, b, c = lines[0, channel], lines[1, channel], lines[2, channel]
    d, e, f = lines[10, channel], lines[11, channel], lines[12, channel]
    for i in range(out.shape[0]):
        out[i] += k4 * (c[i] + d[i]) + k5 * (b[i] + e[i]) + k6 * (a[i] + f[i])


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _blur_across(line, kernel, out):
    """A line under a kernel, but for its two ends."""
    k0, k1, k2, k3, k4, k5, k6 = kernel
    inner = out[BLUR_REACH:]
    a, b, c, d, e, f, g = line[3:], line[4:], line[5:], line[6:], line[7:], line[8:], line[9:]
    for i in range(out.shape[0] - 2 * BLUR_REACH):
        inner[i] = k0 * d[i] + k1 * (c[i] + e[i]) + k2 * (b[i] + f[i]) + k3 * (a[i] + g[i])
    b, c, d, e, f = line[1:], line[2:], line[10:], line[11:], line[12:]
    for i in range(out.shape[0] - 2 * BLUR_REACH):
        inner[i] += k4 * (c[i] + d[i]) + k5 * (b[i] + e[i]) + k6 * (line[i] + f[i])


@njit(cache=True, error_model="numpy")
def _put_blocks(whole, sums, reference, table):
    """The sums of the columns of a row of blocks, added up and divided by their number."""
    for column in range(table.shape[0]):
        first = MARGIN + column * BLOCK
        if not whole[first : first + BLOCK].all():
            table[column] = np.inf
            continue
        for c in range(3):
            for s in range(STATISTICS):
                total = float32(0.0)
                for i in range(first, first + BLOCK - (s == 3)):
                    total += sums[s, c, i]
                table[column, s, c] = total * share_of(s)
            mean = table[column, 0, c]
            table[column, 0, c] = reference[c, first] + mean
            table[column, 2, c] -= mean * mean
