"""The scales of a set of pixels for `kernels.multigrid`: what is unknown, and how hard cells pull at each other.

An unknown pixel is pulled at by those of its four neighbours that are unknown or known. A coarse cell is unknown where
any of its children is, so that a line of one pixel lives on to the coarsest scale, which is one cell. Cells pull at
each other half as hard as their children do across the common border. The known neighbours of a cell's children lie
off the cell's centre: seen from there, n of them are n springs in line with one more, 1 / (1 / n + SPREAD). Without it
the coarse scales would hold the membrane too tightly, and with more they would let it overshoot: a line of known pixels
would give 1/4, a lone one ln 2 / 2π = 0.11; a little less is stable for both.

Arrays are flat and planar, (channel, height, width) with a rim of one pixel, so that rows vectorise and no neighbour
needs a test. `share` (height, width) is 1 over how hard an unknown cell is pulled at, and 0 elsewhere. At coarse scales
`across` and `down` (height, width) are the links to the right and to below, `pinned` is how hard the known pixels
pull, and `source` (channel, height, width) is what they pull with. At the finest scale every link is 1, what is not
linked is 0, and the known pixels are part of `values`.

Source: Vaněk et al., "Algebraic multigrid by smoothed aggregation" (1996), for coarse equations as sums of fine ones.
"""

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit, prange

from kernels.half import widened
from kernels.launch import empty, run
from kernels.workspace import Workspace

# What a pixel is. An odd one is linked to its neighbours; a free one is on the edge, but its value is not known.
NOTHING, UNKNOWN, FREE, KNOWN = np.uint8(0), np.uint8(1), np.uint8(2), np.uint8(3)
SPREAD = np.float32(0.08)
# Cells of the largest scale that is done together with all coarser ones: by one loop, or one block of a GPU.
BOTTOM = 18 * 18


class Level(NamedTuple):
    """One scale. Its size includes the rim. `across`, `down`, `pinned`, `source` and `right` are empty at the finest.

    right: the right-hand side of a cycle. values, other: what the passes read from and write to in turns.
    """

    size: tuple[int, int]
    share: Any
    across: Any
    down: Any
    pinned: Any
    source: Any
    right: Any
    values: Any
    other: Any


class Pyramid(NamedTuple):
    """All scales, finest first. Those from `bottom` on are done together and lie one behind the other in `rest`."""

    channels: int
    levels: list[Level]
    bottom: int
    rest: Level


class States(NamedTuple):
    """What each pixel of a window is: `array[origin + y * pitch + x]`, for a window of this size with its rim."""

    array: Any
    origin: int
    pitch: int
    size: tuple[int, int]

    @property
    def arguments(self) -> tuple[Any, np.int64, np.int64]:
        """As loops take them."""
        return self.array, np.int64(self.origin), np.int64(self.pitch)


def make_pyramid(states: States, difference: Any, guess: Any, workspace: Workspace) -> Pyramid:
    """The scales of a window, in buffers of the workspace: a pyramid holds until the next one is made.

    difference: (h, w, c), read where a pixel is KNOWN. guess: (h, w, c), read where it is UNKNOWN, or (h, 0, c). The
    rim of `states` is neither. On return the finest level's `other` holds what is known, and 0; its `values` that and
    the guess, where there is one.
    """
    channels, sizes = difference.shape[2], _sizes(states.size)
    pyramid = _buffers(difference, channels, sizes, workspace)
    finest, *coarse = pyramid.levels
    run(_finest, finest.size, *states.arguments, difference, guess, *sized(finest), *finest[1:2], *finest[-2:])
    run(_first_coarse, coarse[0].size, *states.arguments, finest.other, *sized(finest), *_made(coarse[0]))
    for fine, level in pairwise(coarse):
        run(_coarser, level.size, fine.across, fine.down, fine.pinned, fine.source, *sized(fine), *_made(level))
    return pyramid


def sized(level: Level) -> tuple[np.int64, np.int64]:
    """A level's height and width as loops take them."""
    return np.int64(level.size[0]), np.int64(level.size[1])


def _made(level: Level) -> tuple[Any, ...]:
    return level.across, level.down, level.pinned, level.share, level.source, *sized(level)


def _sizes(finest: tuple[int, int]) -> list[tuple[int, int]]:
    sizes = [finest]
    while len(sizes) == 1 or max(sizes[-1]) > 3:
        height, width = sizes[-1]
        sizes.append((coarser(height), coarser(width)))
    return sizes


def _buffers(like: Any, channels: int, sizes: Sequence[tuple[int, int]], workspace: Workspace) -> Pyramid:
    counts = [height * width for height, width in sizes]
    ends = np.cumsum([0, *counts[1:]])
    cells = int(ends[-1])
    singles = [workspace.empty(f"scales.{name}", like, cells) for name in ("share", "across", "down", "pinned")]
    planes = [
        workspace.empty(f"scales.{name}", like, channels * cells) for name in ("source", "right", "values", "other")
    ]
    nothing = empty(like, 0)
    share = workspace.empty("scales.finest share", like, counts[0])
    values, other = (workspace.empty(f"scales.finest {name}", like, channels * counts[0]) for name in ("u", "v"))
    levels = [Level(sizes[0], share, nothing, nothing, nothing, nothing, nothing, values, other)]
    for size, start, end in zip(sizes[1:], ends[:-1], ends[1:], strict=True):
        levels.append(_scale(size, singles, planes, channels, int(start), int(end)))
    bottom = next(i for i, count in enumerate(counts) if i > 0 and (count <= BOTTOM or i + 1 == len(counts)))
    rest = _scale(sizes[bottom], singles, planes, channels, int(ends[bottom - 1]), cells)
    return Pyramid(channels, levels, bottom, rest)


def _scale(size: tuple[int, int], singles: list[Any], planes: list[Any], channels: int, start: int, end: int) -> Level:
    share, across, down, pinned = (array[start:end] for array in singles)
    source, right, values, other = (array[channels * start : channels * end] for array in planes)
    return Level(size, share, across, down, pinned, source, right, values, other)


@njit(cache=True, inline="always")
def coarser(size):
    """How many rows or columns, with the rim, the next coarser scale has."""
    return (size + 3) // 2


@njit(cache=True, inline="always", error_model="numpy")
def weakened(count):
    """How hard `count` known pixels pull at a cell, over how hard they would at its children."""
    return float32(1.0) / (float32(1.0) + SPREAD * count)


@njit(cache=True, inline="always", error_model="numpy")
def share_of(pull):
    """1 over how hard a cell is pulled at; 0 for one that nothing pulls at."""
    return float32(1.0) / pull if pull > float32(0.0) else float32(0.0)


@njit(cache=True, inline="always")
def linked(first, second):
    """1 where both of two pixels are unknown, else 0."""
    return float32((first == UNKNOWN) & (second == UNKNOWN))


@njit(cache=True, inline="always")
def links_of(state, up, down, left, right):
    """How many neighbours pull at a pixel; 0 for one that is not unknown."""
    links = float32((up & 1) + (down & 1) + (left & 1) + (right & 1))
    return links if state == UNKNOWN else float32(0.0)


@njit(cache=True, inline="always")
def pins_of(state, up, down, left, right):
    """How many known neighbours pull at a pixel; 0 for one that is not unknown."""
    pins = float32(int(up == KNOWN) + int(down == KNOWN) + int(left == KNOWN) + int(right == KNOWN))
    return pins if state == UNKNOWN else float32(0.0)


@njit(cache=True, inline="always")
def pull_of_knowns(state, at, pitch, values, index, width):
    """The sum of a pixel's known neighbours; 0 for one that is not unknown."""
    total = float32(0.0)
    if state[at] == UNKNOWN:
        total += values[index - width] if state[at - pitch] == KNOWN else float32(0.0)
        total += values[index + width] if state[at + pitch] == KNOWN else float32(0.0)
        total += values[index - 1] if state[at - 1] == KNOWN else float32(0.0)
        total += values[index + 1] if state[at + 1] == KNOWN else float32(0.0)
    return total


@njit(cache=True, inline="always", error_model="numpy")
def share_at(state, at, pitch):
    """The finest scale's share of a pixel within the rim."""
    return share_of(links_of(state[at], state[at - pitch], state[at + pitch], state[at - 1], state[at + 1]))


@njit(cache=True, inline="always")
def pins_at(state, at, pitch):
    """How many known neighbours pull at a pixel within the rim."""
    return pins_of(state[at], state[at - pitch], state[at + pitch], state[at - 1], state[at + 1])


@njit(cache=True, inline="always")
def start_of(state, difference, guess, y, x, c):
    """What is known of a pixel within the rim, and what it starts with."""
    known, value = float32(0.0), float32(0.0)
    if state == KNOWN:
        known = value = widened(difference[y - 1, x - 1, c])
    elif state == UNKNOWN and guess.shape[1] > 0:
        guessed = widened(guess[y - 1, x - 1, c])
        value = guessed if math.isfinite(guessed) else float32(0.0)
    return known, value


@njit(cache=True, inline="always")
def even(state, at, pitch):
    """Whether four children and their neighbours are all unknown, or all nothing, as they are far from every edge."""
    a, b, c, d = state[at], state[at + 1], state[at + pitch], state[at + pitch + 1]
    e, f, g, h = state[at - pitch], state[at - pitch + 1], state[at - 1], state[at + 2]
    i, j, k, m = state[at + pitch - 1], state[at + pitch + 2], state[at + 2 * pitch], state[at + 2 * pitch + 1]
    some = a | b | c | d | e | f | g | h | i | j | k | m
    every = a & b & c & d & e & f & g & h & i & j & k & m
    return some == NOTHING or (some == UNKNOWN and every == UNKNOWN)


@njit(cache=True, inline="always")
def even_cell(link, coarse, cell, cells, channels):
    """Make a cell far from every edge: within a region where `link` is 1, outside and on the rim where it is 0."""
    across, down, pinned, share, source = coarse
    across[cell], down[cell], pinned[cell], share[cell] = link, link, float32(0.0), float32(0.25) * link
    for channel in range(channels):
        source[channel * cells + cell] = float32(0.0)


@njit(cache=True, inline="always", error_model="numpy")
def first_cell(state, at, pitch, fine, index, fine_width, plane, coarse, cell, cells, channels):
    """Make a cell of the first coarse scale. Its first child's state stands `at`, its value at `index` of a plane."""
    across, down, pinned, share, source = coarse
    a, b, c, d = state[at], state[at + 1], state[at + pitch], state[at + pitch + 1]
    left = linked(state[at - 1], a) + linked(state[at + pitch - 1], c)
    right = linked(b, state[at + 2]) + linked(d, state[at + pitch + 2])
    upper = linked(state[at - pitch], a) + linked(state[at - pitch + 1], b)
    lower = linked(c, state[at + 2 * pitch]) + linked(d, state[at + 2 * pitch + 1])
    count = pins_at(state, at, pitch) + pins_at(state, at + 1, pitch)
    count += pins_at(state, at + pitch, pitch) + pins_at(state, at + pitch + 1, pitch)
    across[cell], down[cell], pinned[cell] = float32(0.5) * right, float32(0.5) * lower, count * weakened(count)
    share[cell] = share_of(pinned[cell] + float32(0.5) * (left + right + upper + lower))
    for channel in range(channels):
        total = float32(0.0)
        if count > float32(0.0):
            for row in range(2):
                for column in range(2):
                    place = channel * plane + index + row * fine_width + column
                    total += pull_of_knowns(state, at + row * pitch + column, pitch, fine, place, fine_width)
        source[channel * cells + cell] = total * weakened(count)


@njit(cache=True, inline="always", error_model="numpy")
def coarser_cell(fine, at, fine_width, plane, coarse, cell, cells, channels):
    """Make a cell of another coarse scale, whose first child stands `at`."""
    fine_across, fine_down, fine_pinned, fine_source = fine
    across, down, pinned, share, source = coarse
    below = at + fine_width
    left, right = fine_across[at - 1] + fine_across[below - 1], fine_across[at + 1] + fine_across[below + 1]
    upper = fine_down[at - fine_width] + fine_down[at - fine_width + 1]
    lower = fine_down[below] + fine_down[below + 1]
    count = fine_pinned[at] + fine_pinned[at + 1] + fine_pinned[below] + fine_pinned[below + 1]
    across[cell], down[cell], pinned[cell] = float32(0.5) * right, float32(0.5) * lower, count * weakened(count)
    share[cell] = share_of(pinned[cell] + float32(0.5) * (left + right + upper + lower))
    for channel in range(channels):
        first = channel * plane + at
        total = fine_source[first] + fine_source[first + 1]
        total += fine_source[first + fine_width] + fine_source[first + fine_width + 1]
        source[channel * cells + cell] = total * weakened(count)


@njit(cache=True, inline="always")
def within(y, x, height, width):
    """Whether a cell does not belong to the rim."""
    return y > 0 and y < height - 1 and x > 0 and x < width - 1


@njit(cache=True, parallel=True)
def _finest(state, origin, pitch, difference, guess, height, width, share, values, other):
    for y in prange(height):
        start = origin + y * pitch
        shares = share[y * width : (y + 1) * width]
        shares[:] = float32(0.0)
        inner = y > 0 and y < height - 1
        if inner:
            above, left, below = state[start - pitch + 1 :], state[start:], state[start + pitch + 1 :]
            middle, right = left[1:], left[2:]
            for i in range(width - 2):
                shares[i + 1] = share_of(links_of(middle[i], above[i], below[i], left[i], right[i]))
        for c in range(difference.shape[2]):
            first = (c * height + y) * width
            other[first : first + width] = float32(0.0)
            if guess.shape[1] > 0:
                values[first : first + width] = float32(0.0)
        for x in range(1, width - 1):
            here = state[start + x]
            if inner and (here == KNOWN or (here == UNKNOWN and guess.shape[1] > 0)):
                for c in range(difference.shape[2]):
                    place = (c * height + y) * width + x
                    other[place], guessed = start_of(here, difference, guess, y, x, c)
                    if guess.shape[1] > 0:
                        values[place] = guessed


@njit(cache=True, parallel=True)
def _first_coarse(
    state, origin, pitch, fine, fine_height, fine_width, across, down, pinned, share, source, height, width
):
    plane, cells, coarse = fine_height * fine_width, height * width, (across, down, pinned, share, source)
    channels = len(source) // cells
    for Y in prange(height):
        for X in range(width):
            index = (2 * Y - 1) * fine_width + 2 * X - 1
            at = origin + (2 * Y - 1) * pitch + 2 * X - 1
            if not within(Y, X, height, width):
                even_cell(float32(0.0), coarse, Y * width + X, cells, channels)
            elif even(state, at, pitch):
                even_cell(float32(state[at]), coarse, Y * width + X, cells, channels)
            else:
                first_cell(state, at, pitch, fine, index, fine_width, plane, coarse, Y * width + X, cells, channels)


@njit(cache=True, parallel=True)
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
    fine, coarse = (fine_across, fine_down, fine_pinned, fine_source), (across, down, pinned, share, source)
    plane, cells = fine_height * fine_width, height * width
    channels = len(source) // cells
    for Y in prange(height):
        for X in range(width):
            if within(Y, X, height, width):
                at = (2 * Y - 1) * fine_width + 2 * X - 1
                coarser_cell(fine, at, fine_width, plane, coarse, Y * width + X, cells, channels)
            else:
                even_cell(float32(0.0), coarse, Y * width + X, cells, channels)
