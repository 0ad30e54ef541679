"""Which pixels a membrane covers, which hold its edge, and which regions nothing holds.

The *ring* is the set of pixels outside a region that share an edge with one of its pixels. A pixel is UNKNOWN inside,
KNOWN or FREE on the ring, and NOTHING elsewhere; the states lie in rows with a rim of NOTHING.
"""

from typing import Any

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

from kernels.half import loadable, widened
from kernels.launch import empty, fetch, on_gpu, run
from kernels.scales import FREE, KNOWN, NOTHING, UNKNOWN, States
from kernels.workspace import Workspace

Mask = NDArray[np.bool_]

# Regions with more empty rows or columns between them are solved apart.
APART = 16
# The longest piece of a row that a thread of a GPU looks along.
PIECE = 32


def make_states(inside: Mask, anchor: Mask | None, difference: Any, workspace: Workspace) -> States:
    """The states of a mask (h, w), of any layout, in a buffer of the workspace.

    A pixel of the ring is KNOWN where `difference` (h, w, c) is finite and `anchor` (h, w) is set; with None for one
    that does not restrict. Without any difference (h, 0, c) the ring is FREE.
    """
    height, width = inside.shape
    pitch = width + 2
    # A little more than the states: a pair of rows or columns may begin at the rim.
    state = workspace.empty("regions.state", inside, (height + 3) * pitch + 2, np.uint8)
    mask = inside if inside.flags.c_contiguous else workspace.empty("regions.mask", inside, inside.shape, np.bool_)
    if mask is not inside:
        mask[...] = inside
    anchors = empty(inside, (height, 0), np.bool_) if anchor is None else anchor
    flat = mask.reshape(-1).view(np.uint8)
    run(_classify, (height + 2, pitch), flat, anchors, loadable(difference), *sizes(inside), state)
    return States(state, 0, pitch, (height + 2, pitch))


def drop_unheld(states: States, workspace: Workspace) -> bool:
    """Make NOTHING of the regions that have no known pixel on their ring. False when, on the CPU, none is left."""
    state, (height, width) = states.array, states.size
    if not on_gpu(state):
        free, known = _count(state[: height * width])
        if not free or not known:
            return bool(known)
    labels = workspace.empty("regions.labels", state, height * width, np.int32)
    held = workspace.zeros("regions.held", state, height * width, np.uint8)
    size = np.int64(height), np.int64(width)
    run(_label, states.size, state, *size, labels)
    run(_join, states.size, state, *size, labels)
    run(_hold, states.size, state, *size, labels, held)
    run(_drop, states.size, state, *size, labels, held)
    return True


def boxes_of(states: States, workspace: Workspace) -> list[tuple[slice, slice]]:
    """Boxes of rows and columns that hold all regions, each with its ring, and no pixel twice.

    Regions that lie apart have a box each, so that what is between them costs nothing. Waits for a GPU.
    """
    (height, width), count = states.size, states.size[0] * states.size[1]
    used = workspace.empty("regions.used", states.array, states.size, np.bool_)
    np.equal(states.array[:count].reshape(states.size), UNKNOWN, out=used)
    pending, done = [(0, height, 0, width)], []
    while pending:
        top, end, left, right = pending.pop()
        parts = []
        for y0, y1 in _runs(np.any(used[top:end, left:right], axis=1), top):
            parts += [(y0, y1, x0, x1) for x0, x1 in _runs(np.any(used[y0:y1, left:right], axis=0), left)]
        if len(parts) > 1:
            pending += parts
        else:
            done += parts
    # From rows and columns with the rim, to those without, and one more for the ring.
    return [
        (slice(max(y0 - 2, 0), min(y1, height - 2)), slice(max(x0 - 2, 0), min(x1, width - 2)))
        for y0, y1, x0, x1 in sorted(done)
    ]


def sizes(array: Any) -> tuple[np.int64, np.int64]:
    """A picture's height and width as loops take them."""
    return np.int64(array.shape[0]), np.int64(array.shape[1])


def _runs(used: Any, start: int) -> list[tuple[int, int]]:
    """First and past-the-last of the used pieces of an axis; pieces closer than APART are one."""
    at = np.flatnonzero(fetch(used))
    if not len(at):
        return []
    breaks = np.flatnonzero(np.diff(at) > APART)
    firsts, lasts = np.concatenate([at[:1], at[breaks + 1]]), np.concatenate([at[breaks], at[-1:]])
    return [(start + int(first), start + int(last) + 1) for first, last in zip(firsts, lasts, strict=True)]


@njit(cache=True, inline="always")
def is_known(anchor, difference, y, x):
    """Whether the ring's pixel may hold the membrane."""
    if difference.shape[1] == 0 or (anchor.shape[1] > 0 and not anchor[y, x]):
        return False
    total = float32(0.0)
    for c in range(difference.shape[2]):
        total += float32(0.0) * widened(difference[y, x, c])
    return total == float32(0.0)


@njit(cache=True, inline="always")
def root_of(labels, at):
    """Where the chain of labels from a pixel ends."""
    while labels[at] != at:
        at = labels[at]
    return at


@njit(cache=True, inline="always")
def meets_above(state, at, width):
    """Whether an unknown pixel and the one above it are the first of their two pieces of a row to meet."""
    both = state[at] == UNKNOWN and state[at - width] == UNKNOWN
    return both and not (state[at - 1] == UNKNOWN and state[at - width - 1] == UNKNOWN)


@njit(cache=True, parallel=True)
def _classify(inside, anchor, difference, height, width, state):
    pitch = width + 2
    for y in prange(height + 2):
        row = state[y * pitch : (y + 1) * pitch]
        row[:] = NOTHING
        if y == 0 or y == height + 1:
            continue
        here = inside[(y - 1) * width : y * width]
        above = inside[max(y - 2, 0) * width :][:width]
        below = inside[min(y, height - 1) * width :][:width]
        out = row[1:]
        for i in range(width):
            # At the border the row itself stands for its neighbour: what is inside is not on the ring.
            out[i] = UNKNOWN if here[i] else (FREE if above[i] | below[i] else NOTHING)
        before, after, middle = here[:-1], here[1:], out[1:]
        for i in range(width - 1):
            middle[i] = FREE if (middle[i] == NOTHING) & (before[i] != 0) else middle[i]
        for i in range(width - 1):
            out[i] = FREE if (out[i] == NOTHING) & (after[i] != 0) else out[i]
        for x in range(width):
            if out[x] == FREE and is_known(anchor, difference, y - 1, x):
                out[x] = KNOWN


@njit(cache=True, parallel=True)
def _count(state):
    """How many pixels are free, and how many known."""
    free, known = 0, 0
    for i in prange(len(state)):
        free += int(state[i] == FREE)
        known += int(state[i] == KNOWN)
    return free, known


@njit(cache=True, parallel=True)
def _label(state, height, width, labels):
    """Each unknown pixel points to the first of its piece of the row, any other to itself."""
    for y in prange(height):
        start = y * width
        for x in range(width):
            at = y * width + x
            if state[at] != UNKNOWN or x == 0 or state[at - 1] != UNKNOWN:
                start = at
            labels[at] = start


@njit(cache=True)
def _join(state, height, width, labels):
    """Make one chain of the pieces that meet: their regions end at their first pixel."""
    for y in range(1, height):
        for x in range(1, width):
            at = y * width + x
            if meets_above(state, at, width):
                one, other = root_of(labels, at), root_of(labels, at - width)
                labels[max(one, other)] = min(one, other)


@njit(cache=True)
def _hold(state, height, width, labels, held):
    """Mark the ends of regions that a known pixel touches."""
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            at = y * width + x
            if state[at] == KNOWN:
                for near in (at - width, at + width, at - 1, at + 1):
                    if state[near] == UNKNOWN:
                        held[root_of(labels, near)] = 1


@njit(cache=True, parallel=True)
def _drop(state, height, width, labels, held):
    for y in prange(height):
        for x in range(width):
            at = y * width + x
            if state[at] == UNKNOWN and held[root_of(labels, at)] == 0:
                state[at] = NOTHING
