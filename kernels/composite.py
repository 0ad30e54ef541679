"""Put a patch into a plate, in the plate's own pixels and in scene-linear light.

    plate' = plate + alpha · matte · (gain · linear(patch) + grain − linear(view(plate)))

`view(plate)` is taken at the plate's own pixel, so inside the view's range the result is the patch, and what the view
could not hold (highlights over its white, negatives) stays in the plate. As `linear` undoes `view` exactly, the last
term is the plate's exposed light, clamped to what the view holds. Where the matte is 0 nothing is written, so not one
bit changes: NaN, infinity and negative zero included. A pixel that is not finite is left as it is everywhere, and no
new infinity is made: what is too large for a half becomes the largest half.

The patch is sampled in the model view, as it came from its network, and turned into light afterwards.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit, prange, uint32
from numpy.typing import ArrayLike, NDArray

from kernels.elementary import exp
from kernels.half import loadable, narrowed, widened
from kernels.launch import empty, fetch, run, zeros
from kernels.membrane import EPSILON
from kernels.view import ModelView, flat, transform, unview_channel

Float32 = NDArray[np.float32]

SAME_GRID = (np.float32(1.0), np.float32(0.0), np.float32(0.0), np.float32(0.0), np.float32(1.0), np.float32(0.0))
# Rows that one thread takes at a time.
BAND = 8
LARGEST_HALF = np.float32(65504.0)
LARGEST_FLOAT = np.float32(np.finfo(np.float32).max)


class Counts(NamedTuple):
    """What a composite met under the matte: pixels written, of them those whose view clipped, pixels left alone because
    they were not finite, and written ones with a negative value afterwards.
    """

    written: int
    clipped: int
    not_finite: int
    negative: int

    @classmethod
    def of(cls, counts: Any) -> "Counts":
        """The counts (4,) that `composite` was given to fill. Waits for the GPU where they lie there."""
        return cls(*(int(count) for count in fetch(counts)))


def composite(
    plate: NDArray[Any],
    patch: NDArray[Any],
    matte: NDArray[Any],
    plate_to_patch: ArrayLike,
    model_view: ModelView,
    correction: NDArray[Any] | None = None,
    grain: NDArray[Any] | None = None,
    alpha: NDArray[Any] | None = None,
    *,
    plate_to_correction: ArrayLike | None = None,
    counts: Any = None,
) -> Counts | None:
    """Composite into `plate` in place.

    plate: (h, w, 3) scene-linear, premultiplied where `alpha` is given; float16 or float32, any strides: a box of a
    frame, or planes behind a moved axis. patch: (ph, pw, 3) model view [0, 1]. matte: (h, w) [0, 1]. plate_to_patch:
    (2, 3), plate pixels to patch pixels. correction: the logarithm of the gain on exposed light (h, w, 3), see
    `kernels.membrane.seam_correction`; of another size with `plate_to_correction` (2, 3). grain: (h, w, 3),
    plate-linear. alpha: (h, w) [0, 1]. All but the plate may be float16 or float32, too.

    Returns what it met; given `counts` (4,) int64 beside the plate, adds to them instead, and does not wait for a GPU.
    """
    total = zeros(plate, 4, np.int64) if counts is None else counts
    none, nothing = empty(plate, (len(matte), 0, 3)), empty(plate, (len(matte), 0))
    run(
        _composite,
        matte.shape,
        loadable(plate),
        loadable(patch),
        loadable(matte),
        flat(plate_to_patch),
        *(flat(model_view.to_view), flat(model_view.from_view)),
        *(np.float32(model_view.knee), np.float32(model_view.white)),
        none if correction is None else loadable(correction),
        SAME_GRID if plate_to_correction is None else flat(plate_to_correction),
        none if grain is None else loadable(grain),
        nothing if alpha is None else loadable(alpha),
        LARGEST_HALF if plate.dtype == np.float16 else LARGEST_FLOAT,
        total,
    )
    return Counts.of(total) if counts is None else None


@njit(cache=True, inline="always")
def place_of(matrix, x, y):
    """Where an affine (2, 3), row by row, takes the centre of a pixel."""
    px, py = float32(x) + float32(0.5), float32(y) + float32(0.5)
    return matrix[0] * px + matrix[1] * py + matrix[2], matrix[3] * px + matrix[4] * py + matrix[5]


@njit(cache=True, inline="always")
def bilinear(source, u, v):
    """A colour at a place of a picture (h, w, 3), which continues with its edge pixels."""
    right_edge, lower_edge = source.shape[1] - 1, source.shape[0] - 1
    u = min(max(u - float32(0.5), float32(0.0)), float32(right_edge))
    v = min(max(v - float32(0.5), float32(0.0)), float32(lower_edge))
    i, j = uint32(u), uint32(v)
    across, down = u - float32(i), v - float32(j)
    # Unsigned: a signed index would be tested for counting from the end.
    right, below = min(uint32(i + uint32(1)), uint32(right_edge)), min(uint32(j + uint32(1)), uint32(lower_edge))
    w11 = across * down
    w10, w01 = across - w11, down - w11
    w00 = float32(1.0) - across - w01
    r = w00 * widened(source[j, i, 0]) + w10 * widened(source[j, right, 0])
    g = w00 * widened(source[j, i, 1]) + w10 * widened(source[j, right, 1])
    b = w00 * widened(source[j, i, 2]) + w10 * widened(source[j, right, 2])
    r += w01 * widened(source[below, i, 0]) + w11 * widened(source[below, right, 0])
    g += w01 * widened(source[below, i, 1]) + w11 * widened(source[below, right, 1])
    b += w01 * widened(source[below, i, 2]) + w11 * widened(source[below, right, 2])
    return r, g, b


@njit(cache=True, inline="always")
def gained(light, correction):
    """Exposed light with a correction in logarithm; as `kernels.membrane.corrected_channel`."""
    return (light + float32(EPSILON)) * exp(correction) - float32(EPSILON)


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
def finite(r, g, b):
    """Whether a colour holds neither NaN nor infinity."""
    return abs(r) + abs(g) + abs(b) < float32(np.inf)


@njit(cache=True)
def _sampled_line(source, matrix, x0, y, line):
    """Colours of a row of plate pixels from x0 on, into three lines (3, n)."""
    same = matrix[0] == 1.0 and matrix[1] == 0.0 and matrix[2] == 0.0
    same = same and matrix[3] == 0.0 and matrix[4] == 1.0 and matrix[5] == 0.0
    if same and y < source.shape[0] and x0 + line.shape[1] <= source.shape[1]:
        for i in range(line.shape[1]):
            line[0, i] = widened(source[y, x0 + i, 0])
            line[1, i] = widened(source[y, x0 + i, 1])
            line[2, i] = widened(source[y, x0 + i, 2])
        return
    for i in range(line.shape[1]):
        u, v = place_of(matrix, x0 + i, y)
        line[0, i], line[1, i], line[2, i] = bilinear(source, u, v)


@njit(cache=True)
def _light_line(patch, plate_to_patch, correction, plate_to_correction, knee, white, x0, y, light, gain):
    """Exposed, corrected light of a row of plate pixels, into three lines (3, n); `gain` (3, n) is scratch."""
    _sampled_line(patch, plate_to_patch, x0, y, light)
    line = light.reshape(light.size)
    for i in range(line.size):
        line[i] = unview_channel(line[i], knee, white)
    if correction.size > 0:
        _sampled_line(correction, plate_to_correction, x0, y, gain)
        amount = gain.reshape(gain.size)
        for i in range(line.size):
            line[i] = gained(line[i], amount[i])


@njit(cache=True, error_model="numpy")
def _row(plate, share, coverage, light, grain, to_view, from_view, white, largest, own, counts):
    """Composite a row of plate pixels (n, 3) where `light` (3, n) has been made; `own` (3, n) is scratch.

    share: (n,) what the pixel gets of the change, 0 where it gets none. coverage: (n,) the plate's alpha.
    """
    count = share.shape[0]
    for i in range(count):
        own[0, i], own[1, i], own[2, i] = widened(plate[i, 0]), widened(plate[i, 1]), widened(plate[i, 2])
    own_r, own_g, own_b, light_r, light_g, light_b = own[0], own[1], own[2], light[0], light[1], light[2]
    if grain.size > 0:
        for i in range(count):
            # Half the formula ahead of time: the grain is plate-linear, the light is the view's.
            r, g, b = transform(to_view, widened(grain[i, 0]), widened(grain[i, 1]), widened(grain[i, 2]))
            light_r[i] += r
            light_g[i] += g
            light_b[i] += b
    broken, written, clips, negatives = 0, 0, 0, 0
    for i in range(count):
        r, g, b = own_r[i] / coverage[i], own_g[i] / coverage[i], own_b[i] / coverage[i]
        good, under = finite(r, g, b), share[i] > float32(0.0)
        r, g, b, clipped = change_of(r, g, b, light_r[i], light_g[i], light_b[i], to_view, from_view, white)
        r, g, b = own_r[i] + share[i] * r, own_g[i] + share[i] * g, own_b[i] + share[i] * b
        light_r[i], light_g[i], light_b[i] = limited(r, largest), limited(g, largest), limited(b, largest)
        below = (r < float32(0.0)) | (g < float32(0.0)) | (b < float32(0.0))
        share[i] = share[i] if good else float32(0.0)
        broken += int(under & (not good))
        written += int(under & good)
        clips += int(under & good & clipped)
        negatives += int(under & good & below)
    for i in range(count):
        if share[i] > float32(0.0):
            like = plate[i, 0]
            plate[i, 0], plate[i, 1] = narrowed(light_r[i], like), narrowed(light_g[i], like)
            plate[i, 2] = narrowed(light_b[i], like)
    counts[0] += written
    counts[1] += clips
    counts[2] += broken
    counts[3] += negatives


@njit(cache=True)
def _share_line(matte, alpha, share, coverage):
    """Of a row's matte (n,) and alpha (n,), or none: what the pixels get of the change, and a divisor for them."""
    for i in range(share.shape[0]):
        share[i], coverage[i] = max(widened(matte[i]), float32(0.0)), float32(1.0)
    if alpha.size > 0:
        for i in range(share.shape[0]):
            part = max(widened(alpha[i]), float32(0.0))
            share[i] *= part
            coverage[i] = part if part > float32(0.0) else float32(1.0)


@njit(cache=True)
def _span(matte, y):
    """The first column of a row with a matte, and the one past the last."""
    first, last = 0, matte.shape[1]
    while first < last and not matte[y, first] > 0:
        first += 1
    while last > first and not matte[y, last - 1] > 0:
        last -= 1
    return first, last


@njit(cache=True, parallel=True, error_model="numpy")
def _composite(
    plate,
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
    height, width = matte.shape
    bands = (height + BAND - 1) // BAND
    partial = np.zeros((bands, 4), np.int64)
    for band in prange(bands):
        lines = np.empty((8, width), np.float32)
        for y in range(band * BAND, min((band + 1) * BAND, height)):
            x0, x1 = _span(matte, y)
            n = x1 - x0
            if n == 0:
                continue
            light, scratch = lines[:3].reshape(3 * width)[: 3 * n], lines[3:6].reshape(3 * width)[: 3 * n]
            light, scratch = light.reshape((3, n)), scratch.reshape((3, n))
            share, coverage = lines[6, :n], lines[7, :n]
            _share_line(matte[y, x0:x1], alpha[y, x0:x1], share, coverage)
            _light_line(patch, plate_to_patch, correction, plate_to_correction, knee, white, x0, y, light, scratch)
            row, own_grain = plate[y, x0:x1], grain[y, x0:x1]
            _row(row, share, coverage, light, own_grain, to_view, from_view, white, largest, scratch, partial[band])
    for band in range(bands):
        counts += partial[band]
