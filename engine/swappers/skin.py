"""What is bare skin in a picture of a face, by the statistics of that face's own skin.

A robust Gaussian is fitted to log brightness and log chroma where the mesh says that skin must be (cheeks, nose,
chin); what lies far from it is hair, cloth, glasses, or deep shadow. Light brighter than the model is judged mildly, in
brightness and in colour, so that a shine on the skin stays skin.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.swappers.atlas import Regions
from kernels.blur import gaussian, masked_gaussian
from kernels.match import channel_mean, log_light

Float32 = NDArray[np.float32]

# Squared Mahalanobis distances at which doubt begins and skin ends.
CERTAIN, IMPOSSIBLE = 9.0, 25.0
# Variances added to the fit (log brightness, log chroma): skin under uneven light is wider than its core.
TOLERANCE = np.diag([0.05, 0.004, 0.004])
# A shine on skin is brighter and has the lamp's colour: this part of the excess does not count, and the offset in
# colour counts less by this factor for each unit of it in log light.
SHINE_BRIGHTNESS = np.float32(0.6)
SHINE_COLOR = np.float32(2.0)
# Where only large things are looked for, skin may lie in shadow: down to so far under the mean, in log light, darkness
# counts by the factor only; beyond, it counts in full.
SHADOW, SHADOW_FACTOR = np.float32(1.2), np.float32(0.35)
# What is smaller than about this, in face widths, is no obstruction.
OBSTRUCTION = 0.04
TRIM = 6.0
MAD_TO_SIGMA = 1.4826
ROUNDS = 4
SAMPLES = 20_000


class Skin(NamedTuple):
    """likelihood: (h, w) [0, 1], smooth. bare: (h, w) bool, sure skin inside the hull, away from its features.

    unobstructed: (h, w) [0, 1], 0 where something large lies before the face: a milder judgement, which takes shadow
    for skin, averaged over a few percent of the face, so that creases and the rims of glasses do not count.
    """

    likelihood: Float32
    bare: NDArray[np.bool_]
    unobstructed: Float32


def find_skin(light: Float32, regions: Regions, face_width: float) -> Skin:
    """Judge exposed linear `light` (h, w, 3) of a face `face_width` pixels wide whose regions are given."""
    plain = (
        (regions.hull > 0.06)
        & (regions.eyes < -0.04)
        & (regions.lips < -0.02)
        & (regions.brows < -0.02)
        & (regions.nostrils < -0.015)
    )
    sample = plain & (regions.forehead < 0.0) & (regions.hull > 0.12)
    if np.count_nonzero(sample) < 50:
        everywhere = np.ones(light.shape[:2], np.float32)
        return Skin(everywhere, plain, everywhere)
    features = _features(light)
    mean, precision = _fit(features[sample])
    likelihood = _likelihood(features, mean, precision)
    likelihood = cv2.medianBlur((likelihood * 255.0).astype(np.uint8), 5).astype(np.float32) / 255.0
    eroded = np.asarray(cv2.erode(likelihood, np.ones((3, 3), np.uint8)), np.float32)
    smooth = gaussian(eroded, 0.012 * face_width + 0.5)
    return Skin(
        np.clip(smooth * 1.3, 0.0, 1.0).astype(np.float32),
        plain & (likelihood > 0.6),
        _unobstructed(_likelihood(features, mean, precision, shadow=True), regions, face_width),
    )


def _unobstructed(likelihood: Float32, regions: Regions, face_width: float) -> Float32:
    """Brows and lips are small against what is looked for; only eyes and the open mouth are left out."""
    counted = (regions.hull > 0.03) & (regions.eyes < -0.01) & (regions.inner_lips < -0.006)
    average = masked_gaussian(likelihood[..., None], counted.astype(np.float32), OBSTRUCTION * face_width)[..., 0]
    return np.clip((average - 0.25) / 0.35, 0.0, 1.0).astype(np.float32)


def _features(light: Float32) -> Float32:
    log = log_light(light)
    red, green, blue = log[..., 0], log[..., 1], log[..., 2]
    return np.stack([channel_mean(log), red - green, blue - green], axis=2)


def _fit(samples: Float32) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Mean and precision of a Gaussian trimmed to its core, so that shadows and highlights do not widen it."""
    core = samples[:: max(1, len(samples) // SAMPLES)].astype(np.float64)
    mean = np.asarray(np.median(core, axis=0), np.float64)
    # The first width is a robust one: a microphone among the samples must not make everything skin.
    covariance = np.diag((MAD_TO_SIGMA * np.median(np.abs(core - mean), axis=0)) ** 2)
    for _ in range(ROUNDS):
        precision = np.linalg.inv(covariance + TOLERANCE / 3.0)
        offset = core - mean
        near = np.einsum("ij,jk,ik->i", offset, precision, offset) < TRIM
        if np.count_nonzero(near) < 50:
            break
        core = core[near]
        mean, covariance = np.asarray(core.mean(0), np.float64), np.cov(core.T)
    return mean, np.asarray(np.linalg.inv(np.cov(core.T) + TOLERANCE), np.float64)


def _likelihood(
    features: Float32, mean: NDArray[np.float64], precision: NDArray[np.float64], shadow: bool = False
) -> Float32:
    """The likelihood (h, w) of skin, or of skin that may lie in shadow."""
    offset = features - mean.astype(np.float32)
    if shadow:
        dark = np.minimum(offset[..., 0], 0.0)
        offset[..., 0] += np.minimum(SHADOW_FACTOR * dark, dark + (1.0 - SHADOW_FACTOR) * SHADOW) - dark
    brighter = np.maximum(offset[..., :1], 0.0)
    offset[..., :1] -= SHINE_BRIGHTNESS * brighter
    offset /= 1.0 + SHINE_COLOR * brighter
    white = offset @ np.linalg.cholesky(precision).astype(np.float32)
    distance = white[..., 0] ** 2 + white[..., 1] ** 2 + white[..., 2] ** 2
    return np.clip((IMPOSSIBLE - distance) / (IMPOSSIBLE - CERTAIN), 0.0, 1.0).astype(np.float32)
