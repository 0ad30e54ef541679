"""Pull-push filling: weighted pixels extended smoothly over what has no weight.

A pyramid of premultiplied sums is built (pull); from its top down every level fills what its weight lacks from the
level above, interpolated (push). After Gortler et al., "The Lumigraph" (1996).
"""

import math
from typing import Any

import numpy as np
from numba import float32, int32, njit, prange
from numpy.typing import NDArray

from kernels.half import loadable, narrowed, widened
from kernels.launch import empty, run
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]


def pull_push(
    image: NDArray[Any], weight: NDArray[Any], *, out: NDArray[Any] | None = None, workspace: Workspace | None = None
) -> NDArray[Any]:
    """Extend the weighted pixels of (h, w) or (h, w, c) smoothly over the picture; weight (h, w) in [0, 1].

    Both may be float16 or float32. Pixels of weight 1 keep their value; `out` (float16 or float32) may be `image`.
    Without any weight the result is 0. Pixels that are not finite count as without weight.
    """
    scratch = Workspace() if workspace is None else workspace
    result = empty(image, image.shape) if out is None else out
    filled(premultiplied(image, weight, "fill.weighted", scratch), with_channels(result), scratch)
    return result


def premultiplied(image: NDArray[Any], weight: NDArray[Any], name: str, workspace: Workspace) -> Float32:
    """image * weight with the weight as one more, last channel, in the workspace's buffer of this name."""
    source = with_channels(image)
    weighted = workspace.empty(name, source, (*source.shape[:2], source.shape[2] + 1))
    run(_premultiply, weighted.shape[:2], loadable(source), loadable(weight), weighted)
    return weighted


def filled(weighted: Float32, out: NDArray[Any], workspace: Workspace) -> None:
    """Pull-push of `premultiplied` values (h, w, c + 1) into `out` (h, w, c)."""
    levels = [weighted]
    while max(levels[-1].shape[:2]) > 1:
        height, width, channels = levels[-1].shape
        size = ((height + 1) // 2, (width + 1) // 2, channels)
        coarse = workspace.empty(f"fill.level {len(levels)}", weighted, size)
        run(_pull, size[:2], levels[-1], coarse)
        levels.append(coarse)
    wider = workspace.zeros("fill.top", weighted, (1, 1, weighted.shape[2] - 1))
    for number in range(len(levels) - 1, 0, -1):
        level = levels[number]
        values = workspace.empty(f"fill.filled {number}", weighted, (*level.shape[:2], level.shape[2] - 1))
        run(_push, level.shape[:2], level, wider, values)
        wider = values
    run(_push, weighted.shape[:2], weighted, wider, loadable(out))


def with_channels(image: NDArray[Any]) -> NDArray[Any]:
    """A picture (h, w) as (h, w, 1), any other as it is. Shares its memory."""
    return image[..., None] if image.ndim == 2 else image


@njit(cache=True, inline="always")
def clamped(index, size):
    """The nearest index inside an axis of `size`."""
    return min(max(index, 0), size - 1)


@njit(cache=True, inline="always")
def linear_place(centre, block, border, size):
    """Two neighbouring blocks and the second's share, for linear interpolation at a fine pixel's index."""
    place = (float32(centre) + float32(0.5)) / float32(block) - float32(0.5) + float32(border)
    lower = int32(math.floor(place))
    share = place - float32(lower)
    return clamped(lower, size), clamped(lower + 1, size), share


@njit(cache=True, inline="always")
def mixed(first, second, share):
    """Linear interpolation."""
    return first + share * (second - first)


@njit(cache=True, inline="always")
def usable_share(source, weight, y, x):
    """A pixel's weight: 0 where the weight is not positive, or where a channel is not finite."""
    share = widened(weight[y, x])
    share = share if share > float32(0.0) else float32(0.0)
    total = float32(0.0)
    for c in range(source.shape[2]):
        total += abs(widened(source[y, x, c]))
    return share if total < float32(np.inf) else float32(0.0)


@njit(cache=True, inline="always")
def pulled(fine, Y, X, c):
    """The sum of a channel over the four pixels of a level below a coarse one."""
    value = float32(0.0)
    for y in range(2 * Y, min(2 * Y + 2, fine.shape[0])):
        for x in range(2 * X, min(2 * X + 2, fine.shape[1])):
            value += fine[y, x, c]
    return value


@njit(cache=True, inline="always")
def interpolated(coarse, top, bottom, down, left, right, across, c):
    """A channel between four coarse pixels, interpolated down first."""
    first = mixed(coarse[top, left, c], coarse[bottom, left, c], down)
    return mixed(first, mixed(coarse[top, right, c], coarse[bottom, right, c], down), across)


@njit(cache=True)
def places_across(block, border, width, size):
    """`linear_place` of every column, as three lines (width,)."""
    left, right, across = np.empty(width, np.uint32), np.empty(width, np.uint32), np.empty(width, np.float32)
    for x in range(width):
        left[x], right[x], across[x] = linear_place(x, block, border, size)
    return left, right, across


@njit(cache=True)
def line_down(coarse, block, border, y):
    """What the fine row y lies on: coarse pixels interpolated down, (coarse width, c)."""
    top, bottom, down = linear_place(y, block, border, coarse.shape[0])
    line = np.empty(coarse.shape[1:], np.float32)
    for X in range(coarse.shape[1]):
        for c in range(coarse.shape[2]):
            line[X, c] = mixed(coarse[top, X, c], coarse[bottom, X, c], down)
    return line


@njit(cache=True, parallel=True, error_model="numpy")
def _premultiply(source, weight, out):
    height, width, channels = source.shape
    for y in prange(height):
        for x in range(width):
            share = usable_share(source, weight, y, x)
            for c in range(channels):
                value = widened(source[y, x, c])
                out[y, x, c] = share * value if share > float32(0.0) else float32(0.0)
            out[y, x, channels] = share


@njit(cache=True, parallel=True, error_model="numpy")
def _pull(fine, coarse):
    """Sums of four; where they hold more weight than 1 they are scaled to it, so that no pixel outweighs a full one."""
    channels = fine.shape[2]
    for Y in prange(coarse.shape[0]):
        for X in range(coarse.shape[1]):
            excess = max(pulled(fine, Y, X, channels - 1), float32(1.0))
            for c in range(channels):
                coarse[Y, X, c] = pulled(fine, Y, X, c) / excess


@njit(cache=True, parallel=True, error_model="numpy")
def _push(level, wider, out):
    """Premultiplied values, and what their weight lacks from the level above, interpolated."""
    height, width, channels = out.shape
    left, right, across = places_across(2, 0, width, wider.shape[1])
    for y in prange(height):
        line = line_down(wider, 2, 0, y)
        for x in range(width):
            lack = max(float32(1.0) - level[y, x, channels], float32(0.0))
            for c in range(channels):
                value = level[y, x, c]
                if lack > float32(0.0):
                    value += lack * mixed(line[left[x], c], line[right[x], c], across[x])
                out[y, x, c] = narrowed(value, out[y, x, c])
