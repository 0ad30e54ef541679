"""CUDA kernels of `kernels.regions`.

Pieces of rows are joined as in Playne & Hawick, "A new algorithm for parallel connected-component labelling on GPUs"
(2018): a thread that meets another's piece lowers the label at its end, and goes on with what it found there.
"""

# pyright: reportCallIssue=false, reportAttributeAccessIssue=false

from numba import cuda, int64

from kernels.regions import PIECE, is_known, meets_above, root_of
from kernels.scales import FREE, KNOWN, NOTHING, UNKNOWN


@cuda.jit
def _classify(inside, anchor, difference, height, width, state):
    column, row = cuda.grid(2)
    if row < height + 2 and column < width + 2:
        y, x, result = row - 1, column - 1, NOTHING
        if y >= 0 and y < height and x >= 0 and x < width:
            at = y * width + x
            near = (y > 0 and inside[at - width]) or (y + 1 < height and inside[at + width])
            near = near or (x > 0 and inside[at - 1]) or (x + 1 < width and inside[at + 1])
            if inside[at]:
                result = UNKNOWN
            elif near:
                result = KNOWN if is_known(anchor, difference, y, x) else FREE
        state[row * (width + 2) + column] = result


@cuda.jit
def _label(state, height, width, labels):
    x, y = cuda.grid(2)
    if y < height and x < width:
        at = start = y * width + x
        if state[at] == UNKNOWN:
            while start % PIECE > 0 and state[start - 1] == UNKNOWN:
                start -= 1
        labels[at] = start


@cuda.jit
def _join(state, height, width, labels):
    x, y = cuda.grid(2)
    if y > 0 and y < height and x > 0 and x < width:
        at = y * width + x
        for step in range(2):
            beside = at - 1 if step == 0 else at - width
            if step == 0:
                meet = at % PIECE == 0 and state[at] == UNKNOWN and state[beside] == UNKNOWN
            else:
                meet = meets_above(state, at, width)
            if meet:
                one, other = int64(root_of(labels, at)), int64(root_of(labels, beside))
                while one != other:
                    low, high = min(one, other), max(one, other)
                    found = int64(cuda.atomic.min(labels, high, low))
                    one, other = low, low if found == high else found


@cuda.jit
def _hold(state, height, width, labels, held):
    x, y = cuda.grid(2)
    if y > 0 and y < height - 1 and x > 0 and x < width - 1:
        at = y * width + x
        if state[at] == KNOWN:
            for near in (at - width, at + width, at - 1, at + 1):
                if state[near] == UNKNOWN:
                    held[root_of(labels, near)] = 1


@cuda.jit
def _drop(state, height, width, labels, held):
    x, y = cuda.grid(2)
    if y < height and x < width:
        at = y * width + x
        if state[at] == UNKNOWN and held[root_of(labels, at)] == 0:
            state[at] = NOTHING
