"""Sharpness: how much of a picture's detail there is in each band of frequencies, without its grain.

The spectrum of the mean of the channels is taken in a tapered window over the weighted region, less its surroundings'
slow changes, and averaged round rings (bands) of equal ratio. Two faces have different detail but spectra of similar
shape, so the blur between them is what remains once their contrast is let go: the Gaussian of the greatest likelihood
(Whittle, 1953) of the plate's bands given the patch's, a free contrast, and the grain.
"""

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from kernels.blur import masked_gaussian
from kernels.grain import grain_kernel
from kernels.matte import feather, signed_distance

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

BANDS = 20
# Cycles per pixel at the bands' edges: from waves of 24 pixels to the diagonal's limit.
EDGES = np.geomspace(1.0 / 24.0, np.sqrt(0.5), BANDS + 1)
# Slower changes than this sigma, in pixels, are light and not detail.
LIGHT = 8.0
TAPER = 8.0
# Pixels of the larger side of the window; a larger region is measured in its middle.
WINDOW = 1024
# Fully weighted pixels below which a spectrum says nothing.
FEWEST_PIXELS = 400.0

WIDEST = 4.0
# Less blur than this is not worth a pass.
NARROWEST = 0.1
# Added to both sides, relative to the strongest band: what leaks through the window, and what nobody sees.
FLOOR = 2e-4
SIGMAS = np.linspace(0.0, WIDEST, 161)
CONTRASTS = np.geomspace(0.25, 4.0, 33)


def sharpness(
    image: Float32, weight: Float32, noise_variance: float = 0.0, noise_blur: tuple[float, float] = (0.0, 0.0)
) -> Float64:
    """Energy (BANDS,) of an image's detail per band, where weight (h, w) is over 0.5; at least 0.

    The image is (h, w) or (h, w, 3), linear or encoded; the energies are in its unit squared, and white noise of
    variance v has v in every band. `noise_variance` of the channels' mean (`grain.mean_variance`) and its blur along x
    and y are taken off. NaN in every band where there is too little to measure.
    """
    total, noise = _spectrum(image, weight, noise_variance, noise_blur)
    return np.maximum(total - noise, 0.0)


def match_sharpness(
    patch: Float32,
    plate: Float32,
    weight: Float32,
    plate_noise: float = 0.0,
    patch_noise: float = 0.0,
    noise_blur: tuple[float, float] = (0.0, 0.0),
) -> float:
    """Sigma in pixels [0, 4] of the Gaussian blur that makes `patch` as soft as `plate` where weight is over 0.5.

    Both are (h, w) or (h, w, 3) in the same encoding. The noise is given as in `sharpness`; the patch's counts as
    white. 0 where the patch is as soft already, or where there is too little to measure.
    """
    total, noise = _spectrum(plate, weight, plate_noise, noise_blur)
    detail = sharpness(patch, weight, patch_noise)
    if not (np.isfinite(total).all() and np.isfinite(detail).all()) or not detail.any():
        return 0.0
    centres = np.sqrt(EDGES[1:] * EDGES[:-1])
    loss = np.exp(-((2.0 * np.pi * centres * SIGMAS[:, None]) ** 2))
    floor = FLOOR * total.max()
    expected = CONTRASTS[:, None, None] * (detail * loss) + noise + floor
    cost = np.min(np.sum(np.log(expected) + (total + floor) / expected, axis=-1), axis=0)
    best = int(np.argmin(cost))
    sigma = float(SIGMAS[best])
    return sigma if sigma >= NARROWEST else 0.0


def _spectrum(
    image: Float32, weight: Float32, noise_variance: float, noise_blur: tuple[float, float]
) -> tuple[Float64, Float64]:
    """Mean power (BANDS,) per band of an image in its window, and of noise of this variance."""
    rows, columns = _window(weight)
    part = image[rows, columns]
    grey = np.ascontiguousarray(part if part.ndim == 2 else part.mean(-1, dtype=np.float32))
    chosen = (weight[rows, columns] > 0.5) & np.isfinite(grey)
    taper = feather(signed_distance(np.pad(chosen, 1)), TAPER)[1:-1, 1:-1]
    if np.sum(taper, dtype=np.float64) < FEWEST_PIXELS:
        return np.full(BANDS, np.nan), np.full(BANDS, np.nan)
    light = masked_gaussian(grey, chosen.astype(np.float32), LIGHT)
    detail = np.where(chosen, (grey - light) * taper, np.float32(0.0))
    size = [int(fft.next_fast_len(length, real=True) or length) for length in detail.shape]
    power = np.abs(np.asarray(fft.rfft2(detail, size))) ** 2 / np.sum(taper * taper, dtype=np.float64)
    down = np.asarray(np.fft.fftfreq(size[0]), np.float64)[:, None]
    across = np.asarray(np.fft.rfftfreq(size[1]), np.float64)[None]
    band = np.searchsorted(EDGES, np.hypot(down, across)).ravel()
    noise = noise_variance * _gain(down, noise_blur[1]) * _gain(across, noise_blur[0])
    count = np.maximum(np.bincount(band, minlength=BANDS + 2), 1)
    means = [np.bincount(band, values.ravel(), BANDS + 2) / count for values in (power, noise)]
    return means[0][1:-1], means[1][1:-1]


def _window(weight: Float32) -> tuple[slice, slice]:
    rows, columns = np.flatnonzero((weight > 0.5).any(1)), np.flatnonzero((weight > 0.5).any(0))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return _middle(rows[0], rows[-1] + 1), _middle(columns[0], columns[-1] + 1)


def _middle(first: int, last: int) -> slice:
    spare = max(last - first - WINDOW, 0) // 2
    return slice(first + spare, min(first + spare + WINDOW, last))


def _gain(frequency: Float64, sigma: float) -> Float64:
    """Power of the grain's own blur at frequencies in cycles per pixel."""
    kernel = grain_kernel(sigma)
    reach = len(kernel) // 2
    waves = np.cos(2.0 * np.pi * frequency[..., None] * np.arange(-reach, reach + 1))
    return (waves @ kernel) ** 2
