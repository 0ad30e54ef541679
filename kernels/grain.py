"""Grain: measure a plate's own noise and make more of the same.

A model holds, per channel, the variance as a function of brightness (read-out, photon and gain noise: constant, linear
and quadratic in the linear signal), the width of a Gaussian that gives its spatial correlation, and the correlation
between the channels.

Measured from the second difference in both directions at once (Immerkaer, "Fast Noise Variance Estimation", 1996),
which sees neither level, slope nor straight edges along an axis, in the blocks of least structure. Synthesised from
Philox's counters, keyed by seed and frame and counted by absolute pixel: a pixel's grain does not depend on the box
that is rendered, nor on the order of the frames.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numba import float32, njit, prange, uint64
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from kernels.blur import gaussian
from kernels.philox import normals

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

BLOCK = 8
# Blocks of least structure that are kept, and the least number of them worth selecting among.
CALM_SHARE = 0.5
FEWEST_BLOCKS = 16
BINS = 8
# A block of more than this many times the usual energy holds something other than grain.
OUTLIER = 2.5
# A block's energy has about as many degrees of freedom as 17 independent pixels; so far lies its median below its mean.
MEDIAN_TO_MEAN = 1.04
# Sigma, in pixels, of a blur that hides the grain but not the picture's structure.
STRUCTURE_BLUR = 1.5
# The grain's blur: reach of its kernel in pixels, and the largest sigma, beyond which the second difference sees less
# than a fifth of the grain.
REACH = 3
WIDEST = 1.1


class GrainModel(NamedTuple):
    """variance (3, 3): per channel a, b, c of a + b * s + c * s**2, s linear and clamped to [0, limit (3,)].

    blur (3, 2): per channel the sigma in pixels along x and y. mixing (3, 3): rows of unit length that turn three
    independent deviates into correlated channels. All float64.
    """

    variance: Float64
    limit: Float64
    blur: Float64
    mixing: Float64


NO_GRAIN = GrainModel(np.zeros((3, 3)), np.zeros(3), np.zeros((3, 2)), np.eye(3))


def measure_grain(plate: Float32, weight: Float32) -> GrainModel:
    """The noise of a linear plate (h, w, 3) where weight (h, w) is over 0.5: skin outside the matte, say.

    Pixels that are not finite do not count. Where nothing can be measured the model is NO_GRAIN.
    """
    source = np.ascontiguousarray(plate, np.float32)
    usable = np.empty(source.shape[:2], np.bool_)
    detail = np.empty_like(source)
    _second_difference(source, np.ascontiguousarray(weight, np.float32), detail, usable)
    level = gaussian(np.where(usable[..., None], source, np.float32(0.0)), STRUCTURE_BLUR)
    blocks = np.empty((source.shape[0] // BLOCK, source.shape[1] // BLOCK, 5, 3))
    products = np.empty((*blocks.shape[:2], 3))
    _block_statistics(detail, level, usable, blocks, products)
    whole = np.isfinite(blocks[..., 0, 0])
    if not whole.any():
        return NO_GRAIN
    return _model_of(blocks[whole], products[whole])


def synthesize_grain(
    model: GrainModel,
    signal: Float32,
    frame: int,
    seed: int,
    origin: tuple[int, int],
    out: Float32 | None = None,
) -> Float32:
    """Zero-mean linear noise (h, w, 3) of a model at the brightness of a linear `signal` (h, w, 3).

    `origin` is the absolute pixel (x, y) of the first sample; frame and seed may be any integers (taken modulo 2**32).
    A signal that is not finite gets the noise of its clamped value (NaN: of black).
    """
    kernels = np.array([[grain_kernel(sigma) for sigma in channel] for channel in model.blur], np.float32)
    result = np.empty(signal.shape, np.float32) if out is None else out
    height, width = signal.shape[:2]
    white = np.empty((3, height + 2 * REACH, width + 2 * REACH), np.float32)
    keys = np.array([seed & 0xFFFFFFFF, frame & 0xFFFFFFFF], np.uint64)
    _white(keys, origin[0] - REACH, origin[1] - REACH, model.mixing.astype(np.float32), white)
    _shape(white, kernels, signal, model.variance.astype(np.float32), model.limit.astype(np.float32), result)
    return result


def grain_kernel(sigma: float) -> Float64:
    """The Gaussian (2 * REACH + 1,) that correlates white noise along one axis and keeps its variance."""
    places = np.arange(-REACH, REACH + 1)
    kernel = np.exp(-0.5 * (places / sigma) ** 2) if sigma > 1e-3 else (places == 0).astype(np.float64)
    return kernel / np.sqrt(kernel @ kernel)


def mean_variance(model: GrainModel, level: ArrayLike) -> float:
    """The variance of the grain in the mean of the three channels, at a linear `level` (3,)."""
    signal = np.clip(np.nan_to_num(np.asarray(level, np.float64)), 0.0, model.limit)
    sigma = np.sqrt(np.sum(model.variance * signal[:, None] ** np.arange(3), axis=1))
    return float(sigma @ (model.mixing @ model.mixing.T) @ sigma) / 9.0


def _model_of(blocks: Float64, products: Float64) -> GrainModel:
    brightness, energy, structure, beside, below = np.moveaxis(blocks, 1, 0)
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
    pairs = np.sqrt(usual[:, [0, 0, 1]] * usual[:, [1, 2, 2]])
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
    for value, (i, j) in zip(products.sum(0), ((0, 1), (0, 2), (1, 2)), strict=True):
        if total[i] * total[j] > 0.0:
            correlation[i, j] = correlation[j, i] = value / (total[i] * total[j])
    values, vectors = np.linalg.eigh(correlation)
    root = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return root / np.linalg.norm(root, axis=1, keepdims=True)


@njit(cache=True, inline="always")
def grain_sigma(signal, constant, linear, quadratic, limit):
    """Standard deviation of the grain at a linear signal."""
    s = min(signal, limit) if signal > float32(0.0) else float32(0.0)
    return (constant + s * (linear + s * quadratic)) ** float32(0.5)


@njit(cache=True, parallel=True)
def _second_difference(source, weight, detail, usable):
    """The 3 x 3 mask (1 -2 1) x (1 -2 1), and where all of it lies on finite pixels with weight."""
    height, width, channels = source.shape
    for y in prange(height):
        for x in range(width):
            good = 0 < y < height - 1 and 0 < x < width - 1
            if good:
                for v in range(y - 1, y + 2):
                    for u in range(x - 1, x + 2):
                        good = good and weight[v, u] > float32(0.5)
                        for c in range(channels):
                            good = good and np.isfinite(source[v, u, c])
            usable[y, x] = good
            for c in range(channels):
                if not good:
                    detail[y, x, c] = float32(0.0)
                    continue
                sides = source[y - 1, x, c] + source[y + 1, x, c] + source[y, x - 1, c] + source[y, x + 1, c]
                corners = source[y - 1, x - 1, c] + source[y - 1, x + 1, c]
                corners += source[y + 1, x - 1, c] + source[y + 1, x + 1, c]
                detail[y, x, c] = corners - float32(2.0) * sides + float32(4.0) * source[y, x, c]


@njit(cache=True, parallel=True)
def _block_statistics(detail, level, usable, blocks, products):
    """Per block and channel: brightness, energy, structure, and the detail's products with the next pixels.

    `products` holds the products of the channels (red green, red blue, green blue). A block with an unusable pixel is
    infinite. Structure is the variance of the blurred picture.
    """
    rows, columns = blocks.shape[0], blocks.shape[1]
    share = 1.0 / (BLOCK * BLOCK)
    beside_share = 1.0 / (BLOCK * (BLOCK - 1))
    for row in prange(rows):
        for column in range(columns):
            y0, x0 = row * BLOCK, column * BLOCK
            good = True
            for y in range(y0, y0 + BLOCK):
                for x in range(x0, x0 + BLOCK):
                    good = good and usable[y, x]
            blocks[row, column] = 0.0
            products[row, column] = 0.0
            if not good:
                blocks[row, column] = np.inf
                continue
            for c in range(3):
                mean, energy, square, beside, below = 0.0, 0.0, 0.0, 0.0, 0.0
                for y in range(y0, y0 + BLOCK):
                    for x in range(x0, x0 + BLOCK):
                        e = detail[y, x, c]
                        value = level[y, x, c]
                        mean += value * share
                        square += value * value * share
                        energy += e * e * share
                        if x + 1 < x0 + BLOCK:
                            beside += e * detail[y, x + 1, c] * beside_share
                        if y + 1 < y0 + BLOCK:
                            below += e * detail[y + 1, x, c] * beside_share
                blocks[row, column, 0, c] = mean
                blocks[row, column, 1, c] = energy
                blocks[row, column, 2, c] = square - mean * mean
                blocks[row, column, 3, c] = beside
                blocks[row, column, 4, c] = below
            for y in range(y0, y0 + BLOCK):
                for x in range(x0, x0 + BLOCK):
                    red, green, blue = detail[y, x, 0], detail[y, x, 1], detail[y, x, 2]
                    products[row, column, 0] += red * green * share
                    products[row, column, 1] += red * blue * share
                    products[row, column, 2] += green * blue * share


@njit(cache=True, parallel=True)
def _white(keys, x0, y0, mixing, white):
    """Planes of noise without spatial correlation, but with the channels' own."""
    for y in prange(white.shape[1]):
        for x in range(white.shape[2]):
            n0, n1, n2 = normals(x0 + x, y0 + y, uint64(keys[0]), uint64(keys[1]))
            for c in range(3):
                white[c, y, x] = mixing[c, 0] * n0 + mixing[c, 1] * n1 + mixing[c, 2] * n2


@njit(cache=True, parallel=True)
def _shape(white, kernels, signal, variance, limit, out):
    """Blur each plane by its kernels (channel, axis, tap) and scale it to the signal's sigma."""
    height, width, _ = signal.shape
    taps = kernels.shape[2]
    for y in prange(height):
        line, row = np.empty(width + taps - 1, np.float32), np.empty(width, np.float32)
        for c in range(3):
            across, down = kernels[c, 0], kernels[c, 1]
            line[:] = float32(0.0)
            row[:] = float32(0.0)
            for k in range(taps):
                source, tap = white[c, y + k], down[k]
                for x in range(width + taps - 1):
                    line[x] += tap * source[x]
            for k in range(taps):
                shifted, tap = line[k:], across[k]
                for x in range(width):
                    row[x] += tap * shifted[x]
            for x in range(width):
                sigma = grain_sigma(signal[y, x, c], variance[c, 0], variance[c, 1], variance[c, 2], limit[c])
                out[y, x, c] = row[x] * sigma
