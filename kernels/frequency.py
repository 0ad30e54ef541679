"""Frequency split: a picture as its soft part and its fine texture, and the texture of one picture on another.

A network's patch has no more detail than the network's resolution; above that, what is seen is the plate's own skin.

In `light="linear"` the texture is a difference of light. In `light="log"` it is a logarithm of a gain, so that a
highlight neither rings (its neighbours are not pulled below black) nor outweighs what lies around it: the blur runs
over sign(x) · ln(1 + |x| / BLACK), which is linear in the blacks and takes negatives; infinity counts as the largest
float32. NaN spreads over the kernel's reach, four sigmas, and no further; under a weight neither NaN nor infinity
spreads at all.
"""

import math
from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

from kernels.blur import gaussian, masked_gaussian
from kernels.elementary import exp, log
from kernels.half import loadable, narrowed, widened
from kernels.launch import FUSED, empty, run
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]
Light = Literal["linear", "log"]

# Linear light below which the logarithm turns into a straight line: noise in the blacks is no texture.
BLACK = 5e-3
UNBOUNDED = float("inf")


class Bands(NamedTuple):
    """low: the soft part, in the picture's own light. high: the texture, a difference of light or of its logarithm."""

    low: NDArray[Any]
    high: NDArray[Any]


def split(
    picture: NDArray[Any],
    sigma: float,
    *,
    light: Light = "log",
    weight: NDArray[Any] | None = None,
    low: NDArray[Any] | None = None,
    high: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> Bands:
    """Split a linear picture (h, w) or (h, w, c) at a blur of `sigma` pixels; `low` may be split again.

    weight: (h, w) [0, 1], the pixels that are blurred together, so that nothing of what lies outside a matte is pulled
    in; far outside, `low` is their extension. The picture, `low` and `high` may be float16 or float32; given `low` and
    `high`, the bands are written there. They belong together: `high` makes up for the rounding of `low`.

    `merge` gives the picture back. In linear float32 to the bit wherever low is at most twice the picture and of its
    sign, or at most as large; in its other pixels, which are much darker than their surroundings, to half a unit in
    the last place of low. In log to 1e-5 of max(|picture|, |low|, BLACK).
    """
    scratch = Workspace() if workspace is None else workspace
    bands = Bands(*(empty(picture, picture.shape) if band is None else band for band in (low, high)))
    source = _encoded(picture, light, scratch)
    blurred = _blurred(source, sigma, weight, scratch, picture.shape)
    _write(_split, (source, blurred), (_flag(light),), bands)
    return bands


def merge(
    low: NDArray[Any],
    high: NDArray[Any],
    *,
    light: Light = "log",
    out: NDArray[Any] | None = None,
) -> NDArray[Any]:
    """The picture of which `split` made these bands, in the same light. `out` may be one of them."""
    result = empty(low, low.shape) if out is None else out
    _write(_merge, (_lines(low), _lines(high)), (_flag(light),), (result,))
    return result


def carry_texture(
    patch: NDArray[Any],
    plate: NDArray[Any],
    sigma: float,
    share: NDArray[Any],
    *,
    light: Light = "log",
    weight: NDArray[Any] | None = None,
    most: float = UNBOUNDED,
    out: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> NDArray[Any]:
    """The patch with the plate's texture finer than `sigma` pixels in place of its own, by a share (h, w) [0, 1].

    Patch and plate are linear, (h, w) or (h, w, c); with `weight` as in `split`. Where the share is 0 the patch is
    left as it is, to the bit, and so it is where the plate's texture is not finite. `most` bounds what is changed, in
    log light (0.7 is a factor of 2) or in light. Any of the pictures may be float16 or float32; `out` may be `patch`.

    The texture's change is the fine band of the difference of the two pictures: one blur instead of two.
    """
    scratch = Workspace() if workspace is None else workspace
    result = empty(patch, patch.shape) if out is None else out
    difference = scratch.empty("frequency.source", patch, _lines(patch).shape)
    lines = loadable(_lines(plate)), loadable(_lines(patch))
    run(_difference, difference.shape, *lines, _flag(light), difference)
    blurred = _blurred(difference, sigma, weight, scratch, patch.shape)
    _add_texture(patch, difference, blurred, share, np.float32(1.0), np.float32(most), light, result)
    return result


def emphasise(
    picture: NDArray[Any],
    sigma: float,
    gain: float,
    most: float,
    *,
    light: Light = "log",
    out: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> NDArray[Any]:
    """A linear picture with `gain` times its own texture finer than `sigma` pixels on top: an unsharp mask.

    No pixel is changed by more than `most`, in log light or in light, so that no edge grows a halo; noise grows as the
    texture does, up to 1 + gain times. `out` may be `picture`.
    """
    scratch = Workspace() if workspace is None else workspace
    result = empty(picture, picture.shape) if out is None else out
    source = _encoded(picture, light, scratch)
    blurred = _blurred(source, sigma, None, scratch, picture.shape)
    nothing = empty(picture, (len(picture), 0))
    _add_texture(picture, source, blurred, nothing, np.float32(gain), np.float32(most), light, result)
    return result


def _encoded(picture: NDArray[Any], light: Light, scratch: Workspace) -> Float32:
    """Lines (h, w * c) that are blurred, in the workspace where they are not the picture's own."""
    lines = _lines(picture)
    if light == "linear" and picture.dtype == np.float32:
        return lines
    source = scratch.empty("frequency.source", picture, lines.shape)
    run(_encode, lines.shape, loadable(lines), _flag(light), source)
    return source


def _blurred(
    source: Float32, sigma: float, weight: NDArray[Any] | None, scratch: Workspace, shape: tuple[int, ...]
) -> Float32:
    """Lines of the blurred picture of this shape."""
    picture, blurred = source.reshape(shape), scratch.empty("frequency.blurred", source, shape)
    if weight is None:
        return _lines(gaussian(picture, sigma, out=blurred, workspace=scratch))
    return _lines(masked_gaussian(picture, weight, sigma, out=blurred, workspace=scratch))


def _add_texture(
    base: NDArray[Any],
    source: Float32,
    blurred: Float32,
    share: NDArray[Any],
    gain: np.float32,
    most: np.float32,
    light: Light,
    result: NDArray[Any],
) -> None:
    _write(_add, (_lines(base), source, blurred, share), (gain, most, _flag(light)), (result,))


def _write(loop: Any, sources: Sequence[NDArray[Any]], numbers: Sequence[Any], results: Sequence[NDArray[Any]]) -> None:
    """Run a loop on lines. Where a result's channels do not lie together it is made apart, and copied."""
    lines = [_lines(result) for result in results]
    run(loop, lines[0].shape, *map(loadable, sources), *numbers, *map(loadable, lines))
    for line, result in zip(lines, results, strict=True):
        if not np.may_share_memory(line, result):
            result[...] = line.reshape(result.shape)


def _lines(picture: NDArray[Any]) -> NDArray[Any]:
    """A picture's rows as lines (h, w * c), which is what vector instructions like: a view where its channels lie
    together, else a copy.
    """
    return picture.reshape(len(picture), math.prod(picture.shape[1:]))


def _flag(light: Light) -> np.bool_:
    if light not in ("linear", "log"):
        raise ValueError("light is linear or log")
    return np.bool_(light == "log")


@njit(cache=True, inline="always")
def encoded(x, logarithmic):
    """Light as it is blurred."""
    y = log(float32(1.0) + abs(x) * float32(1.0 / BLACK))
    y = y if x > float32(0.0) else -y
    # The logarithm makes numbers of NaN.
    return y if logarithmic & (x == x) else x


@njit(cache=True, inline="always")
def decoded(y, logarithmic):
    """The light of which `encoded` made this."""
    x = float32(BLACK) * (exp(abs(y)) - float32(1.0))
    x = x if y > float32(0.0) else -x
    return x if logarithmic & (y == y) else y


@njit(cache=True, inline="always")
def bands_of(source, blurred, logarithmic, like_low, like_high):
    """The bands of an encoded value, so that they give it back as they are stored, like these elements."""
    low = narrowed(decoded(blurred, logarithmic), like_low)
    high = narrowed(source - encoded(widened(low), logarithmic), like_high)
    # In linear light what is lost in a small low beside a large high can still be put right.
    return low if logarithmic else narrowed(source - widened(high), like_low), high


@njit(cache=True, inline="always")
def textured(base, source, blurred, amount, most, logarithmic):
    """A value with some of the texture between a source and its blur; itself where there is none."""
    texture = source - blurred
    change = min(max(amount * texture, -most), most)
    value = decoded(encoded(base, logarithmic) + change, logarithmic)
    return value if (abs(texture) < float32(np.inf)) & (change != float32(0.0)) else base


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _encode(picture, logarithmic, out):
    for y in prange(out.shape[0]):
        source, line = picture[y], out[y]
        for i in range(line.shape[0]):
            line[i] = encoded(widened(source[i]), logarithmic)


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _difference(picture, less, logarithmic, out):
    for y in prange(out.shape[0]):
        first, second, line = picture[y], less[y], out[y]
        for i in range(line.shape[0]):
            line[i] = encoded(widened(first[i]), logarithmic) - encoded(widened(second[i]), logarithmic)


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _split(source, blurred, logarithmic, low, high):
    for y in prange(low.shape[0]):
        own, soft, line, texture = source[y], blurred[y], low[y], high[y]
        # The two cases apart, so that linear light does not pay for logarithms that it does not take.
        if logarithmic:
            for i in range(line.shape[0]):
                line[i], texture[i] = bands_of(own[i], soft[i], True, line[i], texture[i])
        else:
            for i in range(line.shape[0]):
                line[i], texture[i] = bands_of(own[i], soft[i], False, line[i], texture[i])


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _merge(low, high, logarithmic, out):
    for y in prange(out.shape[0]):
        soft, texture, line = low[y], high[y], out[y]
        for i in range(line.shape[0]):
            value = encoded(widened(soft[i]), logarithmic) + widened(texture[i])
            line[i] = narrowed(decoded(value, logarithmic), line[i])


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _add(base, source, blurred, share, gain, most, logarithmic, out):
    for y in prange(out.shape[0]):
        line, own, soft, result = base[y], source[y], blurred[y], out[y]
        amount = np.full(line.shape[0], gain, np.float32)
        if share.shape[1] > 0:
            channels = line.shape[0] // share.shape[1]
            for x in range(share.shape[1]):
                for c in range(channels):
                    amount[x * channels + c] *= widened(share[y, x])
        for i in range(line.shape[0]):
            value = textured(widened(line[i]), own[i], soft[i], amount[i], most, logarithmic)
            result[i] = narrowed(value, result[i])
