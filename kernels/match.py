"""Give a patch the plate's colour: medians and spread of log light, and part of the low-frequency difference.

Means and variances are not used: one highlight or one strand of hair moves them. Medians and median absolute
deviations of log(light + e) do not (a robust form of Reinhard et al., "Color Transfer between Images", 2001, in the
logarithm, where a gain is a shift).
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.blur import masked_gaussian

Float32 = NDArray[np.float32]

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


def log_light(light: Float32) -> Float32:
    """log(light + FLOOR) of linear light (h, w, 3), negatives as 0."""
    return np.log(np.maximum(light, np.float32(0.0)) + np.float32(FLOOR))


def channel_mean(picture: Float32) -> Float32:
    """The mean (h, w) of three channels (h, w, 3); several times faster than NumPy's over so short an axis."""
    return (picture[..., 0] + picture[..., 1] + picture[..., 2]) * np.float32(1.0 / 3.0)


def log_statistics(log: Float32, mask: NDArray[np.bool_]) -> LogStatistics:
    """Robust statistics of `log` (h, w, 3) under `mask` (h, w), which must not be empty."""
    samples = log[mask]
    step = max(1, len(samples) // SAMPLES)
    samples = samples[::step]
    brightness = channel_mean(samples)
    spread = float(np.median(np.abs(brightness - np.median(brightness))))
    color = samples - brightness[:, None]
    color_spread = float(np.median(np.abs(color - np.median(color, axis=0))))
    return LogStatistics(np.median(samples, axis=0).astype(np.float32), spread, color_spread)


def match_light(
    patch: Float32,
    plate: Float32,
    mask: NDArray[np.bool_],
    *,
    radius: float,
    amount: float = 1.0,
    contrast: float = 1.0,
    low_frequency: float = 0.5,
) -> Float32:
    """The patch (h, w, 3) with the plate's colour; both in exposed linear light, both aligned.

    mask: (h, w), where both show skin. radius: sigma of the low-frequency blur, pixels. amount, contrast and
    low_frequency, each [0, 1], say how much of the shift, of the spread's ratio and of the smooth difference is taken.
    """
    log_patch, log_plate = log_light(patch), log_light(plate)
    ours, theirs = log_statistics(log_patch, mask), log_statistics(log_plate, mask)
    shift = ours.median + np.float32(amount) * (theirs.median - ours.median)
    offset = log_patch - ours.median
    brightness = channel_mean(offset)[..., None]
    ratio = _ratio(theirs.spread, ours.spread, contrast * amount)
    color_ratio = _ratio(theirs.color_spread, ours.color_spread, contrast * amount)
    matched = np.asarray(ratio * brightness + color_ratio * (offset - brightness) + shift, np.float32)
    if low_frequency * amount > 0.0:
        difference = masked_gaussian(log_plate - matched, mask.astype(np.float32), radius)
        limit = np.float32(LOW_FREQUENCY_LIMIT)
        matched += np.float32(low_frequency * amount) * np.clip(difference, -limit, limit)
    return np.maximum(np.exp(matched) - np.float32(FLOOR), np.float32(0.0))


def _ratio(theirs: float, ours: float, amount: float) -> np.float32:
    """The ratio of two spreads, bounded, taken by `amount`."""
    bounded = float(np.clip(theirs / max(ours, 1e-3), *CONTRAST_RANGE))
    return np.float32(1.0 + amount * (bounded - 1.0))
