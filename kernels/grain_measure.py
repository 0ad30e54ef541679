"""Grain, measured: a plate's noise by channel and brightness, its spatial correlation, and that of the channels.

Measured from the second difference in both directions at once (Immerkaer, "Fast Noise Variance Estimation", 1996),
which sees neither level, slope nor straight edges along an axis, in the blocks of least structure. The model is fitted
to a table of a few numbers for each block (`kernels.grain_blocks`).
"""

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

from kernels.grain import NO_GRAIN, GrainModel, grain_kernel
from kernels.grain_blocks import block_table
from kernels.launch import fetch
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Blocks of least structure that are kept, and the least number of them worth selecting among.
CALM_SHARE = 0.5
FEWEST_BLOCKS = 16
BINS = 8
# A block of more than this many times the usual energy holds something other than grain.
OUTLIER = 2.5
# A block's energy has about as many degrees of freedom as 17 independent pixels; so far lies its median below its mean.
MEDIAN_TO_MEAN = 1.04
# The largest sigma of the grain's blur, beyond which the second difference sees less than a fifth of the grain.
WIDEST = 1.1


def measure_grain(plate: NDArray[Any], weight: NDArray[Any], *, workspace: Workspace | None = None) -> GrainModel:
    """The noise of a linear plate (h, w, 3) where weight (h, w) is over 0.5: skin outside the matte, say.

    Both may be float16 or float32, in any layout. Pixels that are not finite do not count. Where nothing can be
    measured the model is NO_GRAIN. Of a plate on a GPU the table of blocks is fetched, 72 bytes for 64 pixels, and
    waited for; nothing else leaves the device.
    """
    table = fetch(block_table(plate, weight, Workspace() if workspace is None else workspace))
    blocks = table[np.isfinite(table[..., 0, 0])].astype(np.float64)
    return _model_of(blocks) if len(blocks) else NO_GRAIN


def _model_of(blocks: Float64) -> GrainModel:
    """The model of rows (n, 6, 3) of a table, all of them finite."""
    brightness, energy, structure, beside, below, products = np.moveaxis(blocks, 1, 0)
    calm, usual = _calm(brightness, energy, structure)
    blur, variance, limit = np.zeros((3, 2)), np.zeros((3, 3)), np.zeros(3)
    for c in range(3):
        chosen = calm[:, c]
        # Over the usual energy, so that bright blocks do not drown the others.
        relative = energy[chosen, c] / usual[chosen, c]
        blur[c] = [_blur_of(along[chosen, c] / usual[chosen, c], relative) for along in (beside, below)]
        gain = np.prod([_difference_gain(sigma)[0] for sigma in blur[c]])
        variance[c], limit[c] = _fit_variance(brightness[chosen, c], energy[chosen, c] / gain)
    common = calm.all(1)
    pairs = np.sqrt(usual * usual[:, [1, 2, 0]])
    mixing = _mixing((products / pairs)[common], (energy / usual)[common])
    return GrainModel(variance, limit, blur, mixing)


def _calm(brightness: Float64, energy: Float64, structure: Float64) -> tuple[NDArray[np.bool_], Float64]:
    """Which blocks (n, 3) have little structure for their brightness and no outlying energy; the usual energy there."""
    calm, usual = np.empty(brightness.shape, np.bool_), np.empty(brightness.shape)
    for c in range(3):
        for part in _bins(brightness[:, c]):
            level = structure[part, c] <= np.quantile(structure[part, c], CALM_SHARE)
            usual[part, c] = np.median(energy[part[level], c])
            calm[part, c] = level & (energy[part, c] <= OUTLIER * usual[part, c])
    return calm, np.where(usual > 0.0, usual, np.inf)


def _bins(brightness: Float64) -> list[NDArray[np.intp]]:
    """The blocks in groups of rising brightness and about equal number."""
    order = np.argsort(brightness, kind="stable")
    return np.array_split(order, max(1, min(BINS, len(order) // FEWEST_BLOCKS)))


def _blur_of(along: Float64, energy: Float64) -> float:
    """The sigma whose grain has this ratio between neighbouring and equal pixels of the second difference."""
    if not energy.sum() > 0.0:
        return 0.0
    return float(np.interp(along.sum() / energy.sum(), *_ratios_and_sigmas()))


@cache
def _ratios_and_sigmas() -> tuple[Float64, Float64]:
    sigmas = np.linspace(0.0, WIDEST, 111)
    return np.array([after / gain for gain, after in map(_difference_gain, sigmas)]), sigmas


def _difference_gain(sigma: float) -> tuple[float, float]:
    """Variance of the second difference, along one axis, of grain of variance 1, and its covariance one pixel on."""
    response = np.convolve(grain_kernel(sigma), [1.0, -2.0, 1.0])
    return float(response @ response), float(response[1:] @ response[:-1])


def _fit_variance(brightness: Float64, variance: Float64) -> tuple[Float64, float]:
    """Non-negative a, b, c of the variance over brightness, through the medians of bins, and the brightest bin."""
    bins = _bins(brightness)
    level = np.array([max(float(np.median(brightness[part])), 0.0) for part in bins])
    value = np.array([float(np.median(variance[part])) * MEDIAN_TO_MEAN for part in bins])
    if not value.any():
        return np.zeros(3), float(level[-1])
    scale = max(float(level.max()), 1e-6)
    # Relative errors: a dark bin counts as much as a bright one.
    precision = 1.0 / np.maximum(value, 0.05 * value.max())
    terms = (level / scale)[:, None] ** np.arange(3)
    fitted, _ = nnls(terms * precision[:, None], value * precision)
    return fitted / scale ** np.arange(3), float(level[-1])


def _mixing(products: Float64, energy: Float64) -> Float64:
    """A square root of the channels' correlation matrix, by its eigenvectors."""
    total = np.sqrt(energy.sum(0))
    correlation = np.eye(3)
    for value, (i, j) in zip(products.sum(0), ((0, 1), (1, 2), (2, 0)), strict=True):
        if total[i] * total[j] > 0.0:
            correlation[i, j] = correlation[j, i] = value / (total[i] * total[j])
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root / np.linalg.norm(root, axis=1, keepdims=True)
