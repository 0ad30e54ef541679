"""The composite: lay a patch over the plate, in one pass, in the plate's own pixels.

    plate' = plate + alpha · matte · (gain · linear(patch) + grain − linear(view(plate)))

`view(plate)` is taken at the plate's own pixel, so inside the view's range the result is the patch, and what the view
could not hold (highlights over its white, negatives) stays in the plate. As `linear` undoes `view` exactly, the last
term is the plate's exposed light, clamped to what the view holds. Where the matte is 0 nothing is written, so not one
bit changes: NaN, infinity and negative zero included. A pixel that is not finite is left as it is everywhere, and no
new infinity is made: what is too large for a half becomes the largest half.

The patch is sampled in the model view, as it came from its network, and turned into light afterwards.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import float32, int32, njit, prange
from numpy.typing import ArrayLike, NDArray

from kernels.bilinear import SAME_GRID, bilinear, place_of, sample_line
from kernels.elementary import exp
from kernels.half import loadable, narrowed, widened
from kernels.launch import FUSED, contiguous, empty, fetch, run, zeros
from kernels.membrane import EPSILON
from kernels.view import ModelView, flat, transform, unview_channel

Pixels = NDArray[Any]

# Rows that one thread takes at a time, and pixels of a row whose numbers stay in the first cache together.
BAND, PIECE = 8, 496
LARGEST_HALF = np.float32(65504.0)
LARGEST_FLOAT = np.float32(np.finfo(np.float32).max)


class Counts(NamedTuple):
    """Pixels under the matte: written; where the plate's view clipped; not finite and so left alone; with a negative
    channel after the composite.
    """

    written: int
    clipped: int
    not_finite: int
    negative: int

    @classmethod
    def of(cls, counts: Any) -> "Counts":
        """What `composite` counted. Waits for the GPU where it ran there."""
        return cls(*(int(count) for count in fetch(counts)))


def composite(
    plate: Pixels | Sequence[Pixels],
    patch: Pixels,
    matte: Pixels,
    plate_to_patch: ArrayLike,
    model_view: ModelView,
    correction: Pixels | None = None,
    grain: Pixels | None = None,
    alpha: Pixels | None = None,
    *,
    plate_to_correction: ArrayLike | None = None,
    counts: Any = None,
) -> Any:
    """Composite into `plate` in place, and count: returns an array (4,) int64 beside the plate, for `Counts.of`.

    plate: (h, w, 3) scene-linear, premultiplied where `alpha` is given; or its three planes (h, w); any strides, so a
    box of a frame. patch: (ph, pw, 3) model view [0, 1]. matte: (h, w) [0, 1]. plate_to_patch: (2, 3), plate pixels to
    patch pixels. correction: the logarithm of the gain on exposed light (h, w, 3), see
    `kernels.membrane.seam_correction`; of another size with `plate_to_correction` (2, 3). grain: (h, w, 3),
    plate-linear. alpha: (h, w) [0, 1]. All may be float16 or float32.

    Given `counts`, it adds to them and returns them. Nothing waits for a GPU.
    """
    red, green, blue = _planes(plate)
    total = zeros(red, 4, np.int64) if counts is None else counts
    none, nothing = empty(red, (len(matte), 0, 3)), empty(red, (len(matte), 0))
    run(
        _composite,
        matte.shape,
        *(loadable(red), loadable(green), loadable(blue)),
        loadable(contiguous(patch)),
        loadable(matte),
        flat(plate_to_patch),
        *(flat(model_view.to_view), flat(model_view.from_view)),
        *(np.float32(model_view.knee), np.float32(model_view.white)),
        none if correction is None else loadable(contiguous(correction)),
        SAME_GRID if plate_to_correction is None else flat(plate_to_correction),
        none if grain is None else loadable(grain),
        nothing if alpha is None else loadable(alpha),
        LARGEST_HALF if red.dtype == np.float16 else LARGEST_FLOAT,
        total,
    )
    return total


def _planes(plate: Pixels | Sequence[Pixels]) -> tuple[Pixels, Pixels, Pixels]:
    red, green, blue = plate if isinstance(plate, Sequence) else (plate[..., 0], plate[..., 1], plate[..., 2])
    return red, green, blue


@njit(cache=True, inline="always")
def gained(light, correction):
    """Exposed light with a correction in logarithm; as `kernels.membrane.corrected_channel`."""
    return (light + float32(EPSILON)) * exp(correction) - float32(EPSILON)


@njit(cache=True, inline="always")
def light_of(patch, plate_to_patch, correction, plate_to_correction, knee, white, x, y):
    """Exposed, corrected light at a plate's pixel; `_light_line` is the same for a row."""
    u, v = place_of(plate_to_patch, x, y)
    r, g, b = bilinear(patch, u, v)
    r, g, b = unview_channel(r, knee, white), unview_channel(g, knee, white), unview_channel(b, knee, white)
    if correction.size > 0:
        u, v = place_of(plate_to_correction, x, y)
        gain_r, gain_g, gain_b = bilinear(correction, u, v)
        r, g, b = gained(r, gain_r), gained(g, gain_g), gained(b, gain_b)
    return r, g, b


@njit(cache=True, inline="always")
def change_of(r, g, b, light_r, light_g, light_b, to_view, from_view, white):
    """What to add to a plate's pixel to make it this exposed light, and whether its view clipped."""
    s, t, u = transform(to_view, r, g, b)
    zero = float32(0.0)
    clipped = (s > white) | (t > white) | (u > white) | (s < zero) | (t < zero) | (u < zero)
    s, t, u = min(max(s, zero), white), min(max(t, zero), white), min(max(u, zero), white)
    r, g, b = transform(from_view, light_r - s, light_g - t, light_b - u)
    return r, g, b, clipped


@njit(cache=True, inline="always")
def limited(value, largest):
    """The value, or the largest that can be held."""
    return min(max(value, -largest), largest)


@njit(cache=True, inline="always")
def is_finite(r, g, b):
    """Whether a colour holds neither NaN nor infinity."""
    return abs(r) + abs(g) + abs(b) < float32(np.inf)


@njit(cache=True, inline="always")
def inverse_of(coverage):
    """What undoes a premultiplication; 1 where there is no alpha to undo."""
    return float32(1.0) / coverage if coverage > float32(0.0) else float32(1.0)


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _share_line(matte, alpha, share, inverse):
    """Of a row's matte (n,) and alpha (n,), if any: what the pixels get of the change, and what undoes the alpha."""
    zero = float32(0.0)
    for i in range(share.shape[0]):
        share[i], inverse[i] = max(widened(matte[i]), zero), float32(1.0)
    if alpha.size > 0:
        for i in range(share.shape[0]):
            coverage = max(widened(alpha[i]), zero)
            share[i] *= coverage
            inverse[i] = inverse_of(coverage)


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _light_line(patch, plate_to_patch, correction, plate_to_correction, knee, white, x0, y, cells, shares, light, gain):
    """Exposed, corrected light (3, n) of the pixels of a row; cells (n,), shares (2, n) and gain (3, n) are scratch."""
    sample_line(patch, plate_to_patch, x0, y, cells, shares, light)
    line, amount = light.reshape(light.size), gain.reshape(gain.size)
    for i in range(line.size):
        line[i] = unview_channel(line[i], knee, white)
    if correction.size > 0:
        sample_line(correction, plate_to_correction, x0, y, cells, shares, gain)
        for i in range(line.size):
            line[i] = gained(line[i], amount[i])


@njit(cache=True, fastmath=FUSED)
def _add_grain(grain, to_view, light):
    """Add a row's grain (n, 3), which is plate-linear, to its light (3, n), which is the view's."""
    for i in range(light.shape[1]):
        r, g, b = transform(to_view, widened(grain[i, 0]), widened(grain[i, 1]), widened(grain[i, 2]))
        light[0, i] += r
        light[1, i] += g
        light[2, i] += b


@njit(cache=True, fastmath=FUSED)
def _mix_line(own, light, share, inverse, to_view, from_view, white, largest, counts):
    """Into `light` (3, n) the pixels of a row whose plate is `own` (3, n); into `share` 0 where none is to be written.

    Adds to counts (4,).
    """
    own_r, own_g, own_b, light_r, light_g, light_b = own[0], own[1], own[2], light[0], light[1], light[2]
    broken, written, clips, negatives = int32(0), int32(0), int32(0), int32(0)
    for i in range(share.shape[0]):
        r, g, b = own_r[i] * inverse[i], own_g[i] * inverse[i], own_b[i] * inverse[i]
        under, good = share[i] > float32(0.0), is_finite(r, g, b)
        r, g, b, clipped = change_of(r, g, b, light_r[i], light_g[i], light_b[i], to_view, from_view, white)
        r, g, b = own_r[i] + share[i] * r, own_g[i] + share[i] * g, own_b[i] + share[i] * b
        r, g, b = limited(r, largest), limited(g, largest), limited(b, largest)
        below = (r < float32(0.0)) | (g < float32(0.0)) | (b < float32(0.0))
        light_r[i], light_g[i], light_b[i] = r, g, b
        good = good & under
        share[i] = float32(1.0) if good else float32(0.0)
        # Numba's sums of int32 are int64, which would halve the vectors.
        written = int32(written + int32(good))
        clips = int32(clips + int32(good & clipped))
        broken = int32(broken + int32(under & (not good)))
        negatives = int32(negatives + int32(good & below))
    counts[0] += written
    counts[1] += clips
    counts[2] += broken
    counts[3] += negatives


@njit(cache=True)
def _load_line(red, green, blue, own):
    r, g, b = own[0], own[1], own[2]
    for i in range(own.shape[1]):
        r[i], g[i], b[i] = widened(red[i]), widened(green[i]), widened(blue[i])


@njit(cache=True)
def _store_line(light, share, red, green, blue):
    like = red[0]
    for i in range(share.shape[0]):
        if share[i] > float32(0.0):
            red[i], green[i] = narrowed(light[0, i], like), narrowed(light[1, i], like)
            blue[i] = narrowed(light[2, i], like)


@njit(cache=True)
def _span(matte, y):
    """The first column of a row with a matte, and the one past the last."""
    first, last = 0, matte.shape[1]
    while first < last and not widened(matte[y, first]) > float32(0.0):
        first += 1
    while last > first and not widened(matte[y, last - 1]) > float32(0.0):
        last -= 1
    return first, last


@njit(cache=True)
def _add_up(partial, counts):
    """Add the bands' counts (n, 4); as a sum of arrays in the parallel loop it would wake all threads for each band."""
    for band in range(partial.shape[0]):
        for i in range(4):
            counts[i] += partial[band, i]


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _composite(
    red,
    green,
    blue,
    patch,
    matte,
    plate_to_patch,
    to_view,
    from_view,
    knee,
    white,
    correction,
    plate_to_correction,
    grain,
    alpha,
    largest,
    counts,
):
    height = matte.shape[0]
    bands = (height + BAND - 1) // BAND
    partial = np.empty((bands, 4), np.int64)
    for band in prange(bands):
        own_counts = partial[band]
        for i in range(4):
            own_counts[i] = 0
        numbers, places = np.empty((13, PIECE), np.float32), np.empty(PIECE, np.uint32)
        for y in range(band * BAND, min((band + 1) * BAND, height)):
            first, last = _span(matte, y)
            for x0 in range(first, last, PIECE):
                x1 = min(x0 + PIECE, last)
                n = x1 - x0
                flat_numbers = numbers.reshape(numbers.size)
                light = flat_numbers[: 3 * n].reshape((3, n))
                own = flat_numbers[3 * PIECE : 3 * PIECE + 3 * n].reshape((3, n))
                shares = flat_numbers[6 * PIECE : 6 * PIECE + 2 * n].reshape((2, n))
                share, inverse, cells = numbers[8, :n], numbers[9, :n], places[:n]
                _share_line(matte[y, x0:x1], alpha[y, x0:x1], share, inverse)
                _light_line(
                    patch,
                    plate_to_patch,
                    correction,
                    plate_to_correction,
                    knee,
                    white,
                    x0,
                    y,
                    cells,
                    shares,
                    light,
                    own,
                )
                if grain.size > 0:
                    _add_grain(grain[y, x0:x1], to_view, light)
                _load_line(red[y, x0:x1], green[y, x0:x1], blue[y, x0:x1], own)
                _mix_line(own, light, share, inverse, to_view, from_view, white, largest, own_counts)
                _store_line(light, share, red[y, x0:x1], green[y, x0:x1], blue[y, x0:x1])
    _add_up(partial, counts)
