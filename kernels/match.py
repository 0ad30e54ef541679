"""Give a patch the plate's colour: medians and spread of log light, and part of the low-frequency difference.

Means and variances are not used: one highlight or one strand of hair moves them. Medians and median absolute
deviations of log(light + e) do not (a robust form of Reinhard et al., "Color Transfer between Images", 2001, in the
logarithm, where a gain is a shift). `kernels.transfer` has the match by means and covariances.

Pictures are (h, w, 3) linear light, float16 or float32; negatives count as 0.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

from kernels.blur import masked_gaussian
from kernels.elementary import exp, log
from kernels.half import loadable, narrowed, widened
from kernels.launch import empty, fetch, run
from kernels.transfer import finite
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]
Numbers = tuple[np.float32, ...]

# Keeps the logarithm finite and its noise small in the blacks; in exposed light, where skin lies near 0.25.
FLOOR = 5e-3
# More samples than this do not move a median by anything visible.
SAMPLES = 40_000
# A patch is never given less or more contrast than this by the match.
CONTRAST_RANGE = (0.5, 1.15)
# The low-frequency difference is bounded, in log light, so that a shadow or a fringe cannot repaint the face.
LOW_FREQUENCY_LIMIT = 0.7


class LogStatistics(NamedTuple):
    """Of log(light + FLOOR) under a mask: the median (3,) by channel; the spread (MAD) of the channels' mean; and the
    spread of what each channel has over that mean, which is colour.
    """

    median: Float32
    spread: float
    color_spread: float


def log_light(light: NDArray[Any], *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """log(light + FLOOR) of linear light (h, w, c), negatives as 0. NaN and infinity stay. `out` may be `light`."""
    result = empty(light, light.shape) if out is None else out
    run(_log, light.shape[:2], loadable(light), loadable(result))
    return result


def channel_mean(picture: NDArray[Any], *, out: NDArray[Any] | None = None) -> NDArray[Any]:
    """The mean (h, w) of three channels (h, w, 3); several times faster than NumPy's over so short an axis."""
    result = empty(picture, picture.shape[:2]) if out is None else out
    run(_mean, result.shape, loadable(picture), loadable(result))
    return result


def log_statistics(
    light: NDArray[Any], mask: NDArray[np.bool_], *, workspace: Workspace | None = None
) -> LogStatistics | None:
    """Robust statistics of log(light + FLOOR), (h, w, 3), under `mask` (h, w).

    From every so many of the pixels, in the order of rows, so that there are 40 000 to 80 000 at most. Pixels that are
    not finite do not count; None where no pixel does. Waits for the GPU where the picture lies there.
    """
    scratch = Workspace() if workspace is None else workspace
    height = light.shape[0]
    counts = scratch.empty("match.counts", light, height, np.int64)
    ends = scratch.empty("match.ends", light, height, np.int64)
    run(_count, height, loadable(light), mask, counts)
    np.cumsum(counts, out=ends)
    count = int(ends[-1]) if height else 0
    if count == 0:
        return None
    step = max(1, count // SAMPLES)
    # Three channels, their mean, and what they have over it. Medians put them out of order, which does not matter.
    samples = scratch.empty("match.samples", light, (7, -(-count // step)))
    run(_sample, height, loadable(light), mask, counts, ends, np.int64(step), samples)
    medians = np.median(samples, axis=1, overwrite_input=True)
    deviations = samples[3:]
    deviations -= medians[3:, None]
    np.abs(deviations, out=deviations)
    spread = np.median(deviations[0], overwrite_input=True)
    color_spread = np.median(deviations[1:].reshape(-1), overwrite_input=True)
    return LogStatistics(fetch(medians)[:3].astype(np.float32), float(spread), float(color_spread))


def match_light(
    patch: NDArray[Any],
    plate: NDArray[Any],
    mask: NDArray[np.bool_],
    *,
    radius: float,
    amount: float = 1.0,
    contrast: float = 1.0,
    low_frequency: float = 0.5,
    out: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> NDArray[Any]:
    """The patch (h, w, 3) with the plate's colour; both in exposed linear light, both aligned.

    mask: (h, w), where both show skin. radius: sigma of the low-frequency blur, pixels. amount, contrast and
    low_frequency, each [0, 1], say how much of the shift, of the spread's ratio and of the smooth difference is taken.
    `out` may be `patch`. Pixels that are not finite stay as they are, and so does all of the patch where the mask has
    no finite pixel of both. Waits for the GPU where the pictures lie there: a few numbers are fetched.
    """
    scratch = Workspace() if workspace is None else workspace
    result = empty(patch, patch.shape) if out is None else out
    ours = log_statistics(patch, mask, workspace=scratch)
    theirs = log_statistics(plate, mask, workspace=scratch)
    if ours is None or theirs is None:
        result[...] = patch
        return result
    numbers = _numbers(ours, theirs, amount, contrast)
    taken = np.float32(low_frequency * amount)
    difference = scratch.empty("match.difference", patch, patch.shape if taken > 0.0 else (len(patch), 0, 3))
    if taken > 0.0:
        run(_difference, mask.shape, loadable(patch), loadable(plate), numbers, difference)
        masked_gaussian(difference, mask, radius, out=difference, workspace=scratch)
    largest = np.float32(np.finfo(result.dtype).max)
    run(_apply, mask.shape, loadable(patch), difference, numbers, taken, largest, loadable(result))
    return result


def _numbers(ours: LogStatistics, theirs: LogStatistics, amount: float, contrast: float) -> Numbers:
    """What `matched` needs: the patch's medians, the ratios of the spread and of the colour's, the medians to have."""
    ratio = _ratio(theirs.spread, ours.spread, contrast * amount)
    color_ratio = _ratio(theirs.color_spread, ours.color_spread, contrast * amount)
    shift = ours.median + np.float32(amount) * (theirs.median - ours.median)
    return (*ours.median, ratio, color_ratio, *shift)


def _ratio(theirs: float, ours: float, amount: float) -> np.float32:
    """The ratio of two spreads, bounded, taken by `amount`."""
    bounded = float(np.clip(theirs / max(ours, 1e-3), *CONTRAST_RANGE))
    return np.float32(1.0 + amount * (bounded - 1.0))


@njit(cache=True, inline="always", error_model="numpy")
def log_channel(x):
    """Logarithm of one channel of light over the floor; NaN of NaN and infinity of infinity."""
    lit = (float32(0.0) if x < float32(0.0) else x) + float32(FLOOR)
    value = log(lit)
    return value if lit < float32(np.inf) else lit


@njit(cache=True, inline="always", error_model="numpy")
def mean_of(r, g, b):
    """The mean of three channels."""
    return (r + g + b) * float32(1.0 / 3.0)


@njit(cache=True, inline="always", error_model="numpy")
def counted(light, mask, y, x):
    """Whether a pixel is under the mask and finite."""
    return mask[y, x] and finite(widened(light[y, x, 0]), widened(light[y, x, 1]), widened(light[y, x, 2]))


@njit(cache=True, inline="always", error_model="numpy")
def sample_at(light, y, x, samples, place):
    """Put a pixel's log light, its mean, and what the channels have over it into column `place` of (7, n)."""
    r, g = log_channel(widened(light[y, x, 0])), log_channel(widened(light[y, x, 1]))
    b = log_channel(widened(light[y, x, 2]))
    mean = mean_of(r, g, b)
    samples[0, place], samples[1, place], samples[2, place], samples[3, place] = r, g, b, mean
    samples[4, place], samples[5, place], samples[6, place] = r - mean, g - mean, b - mean


@njit(cache=True, inline="always", error_model="numpy")
def matched(r, g, b, numbers):
    """A colour of log light with the plate's medians and spreads."""
    r, g, b = r - numbers[0], g - numbers[1], b - numbers[2]
    mean = mean_of(r, g, b)
    base = numbers[3] * mean
    r = base + numbers[4] * (r - mean) + numbers[5]
    g = base + numbers[4] * (g - mean) + numbers[6]
    return r, g, base + numbers[4] * (b - mean) + numbers[7]


@njit(cache=True, inline="always", error_model="numpy")
def nearer(value, difference, taken):
    """Log light with part of the bounded low-frequency difference."""
    limit = float32(LOW_FREQUENCY_LIMIT)
    return value + taken * min(max(difference, -limit), limit)


@njit(cache=True, inline="always", error_model="numpy")
def light_of(value, largest):
    """Linear light of its logarithm."""
    return min(max(exp(value) - float32(FLOOR), float32(0.0)), largest)


@njit(cache=True, error_model="numpy")
def _log_lines(row, lines):
    """Log light of a row of pixels (n, 3) into three lines (3, n), which make vector instructions."""
    r, g, b, numbers = lines[0], lines[1], lines[2], lines.ravel()
    for x in range(row.shape[0]):
        r[x], g[x], b[x] = widened(row[x, 0]), widened(row[x, 1]), widened(row[x, 2])
    for i in range(numbers.size):
        numbers[i] = log_channel(numbers[i])


@njit(cache=True, error_model="numpy")
def _matched_lines(row, numbers, lines):
    """Matched log light of a row of pixels (n, 3)."""
    _log_lines(row, lines)
    r, g, b = lines[0], lines[1], lines[2]
    for x in range(row.shape[0]):
        r[x], g[x], b[x] = matched(r[x], g[x], b[x], numbers)


@njit(cache=True, error_model="numpy")
def _nearer_lines(row, taken, lines):
    """Log light in three lines with part of the low-frequency difference (n, 3)."""
    r, g, b = lines[0], lines[1], lines[2]
    for x in range(row.shape[0]):
        r[x], g[x], b[x] = (
            nearer(r[x], row[x, 0], taken),
            nearer(g[x], row[x, 1], taken),
            nearer(b[x], row[x, 2], taken),
        )


@njit(cache=True, parallel=True, error_model="numpy")
def _log(light, out):
    height, width, channels = out.shape
    for y in prange(height):
        # Views of a contiguous picture, copies of any other.
        numbers, result = light[y].ravel(), out[y].ravel()
        for i in range(numbers.size):
            result[i] = narrowed(log_channel(widened(numbers[i])), result[i])
        if not out.flags.c_contiguous:
            out[y] = result.reshape((width, channels))


@njit(cache=True, parallel=True, error_model="numpy")
def _mean(picture, out):
    for y in prange(out.shape[0]):
        for x in range(out.shape[1]):
            mean = mean_of(widened(picture[y, x, 0]), widened(picture[y, x, 1]), widened(picture[y, x, 2]))
            out[y, x] = narrowed(mean, out[y, x])


@njit(cache=True, parallel=True, error_model="numpy")
def _count(light, mask, counts):
    """How many pixels of each row are counted."""
    for y in prange(counts.shape[0]):
        count = 0
        for x in range(mask.shape[1]):
            count += int(counted(light, mask, y, x))
        counts[y] = count


@njit(cache=True, parallel=True, error_model="numpy")
def _sample(light, mask, counts, ends, step, samples):
    """Every `step`-th of the counted pixels, numbered through all rows; `ends` are the sums of their counts."""
    for y in prange(counts.shape[0]):
        number = ends[y] - counts[y]
        # Columns to the next one that is taken.
        wait = (step - number % step) % step
        place = (number + wait) // step
        for x in range(mask.shape[1]):
            if counted(light, mask, y, x):
                if wait == 0:
                    sample_at(light, y, x, samples, place)
                    place += 1
                    wait = step
                wait -= 1


@njit(cache=True, parallel=True, error_model="numpy")
def _difference(patch, plate, numbers, out):
    """What the plate's log light has over the matched patch's."""
    height, width, _ = out.shape
    for y in prange(height):
        ours, theirs, row = np.empty((3, width), np.float32), np.empty((3, width), np.float32), out[y]
        _matched_lines(patch[y], numbers, ours)
        _log_lines(plate[y], theirs)
        for x in range(width):
            row[x, 0], row[x, 1] = theirs[0, x] - ours[0, x], theirs[1, x] - ours[1, x]
            row[x, 2] = theirs[2, x] - ours[2, x]


@njit(cache=True, parallel=True, error_model="numpy")
def _apply(patch, difference, numbers, taken, largest, out):
    height, width, _ = out.shape
    for y in prange(height):
        own, row, lines = patch[y], out[y], np.empty((3, width), np.float32)
        _matched_lines(own, numbers, lines)
        if difference.size > 0:
            _nearer_lines(difference[y], taken, lines)
        line = lines.ravel()
        for i in range(line.size):
            line[i] = light_of(line[i], largest)
        for x in range(width):
            r, g, b = widened(own[x, 0]), widened(own[x, 1]), widened(own[x, 2])
            good, like = finite(r, g, b), row[x, 0]
            row[x, 0] = narrowed(lines[0, x] if good else r, like)
            row[x, 1] = narrowed(lines[1, x] if good else g, like)
            row[x, 2] = narrowed(lines[2, x] if good else b, like)
