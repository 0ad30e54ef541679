"""Sharpness: how much of a picture's detail there is in each band of frequencies, without its grain; and its match.

The spectrum of the mean of the channels is taken in a tapered window over the weighted region, less its surroundings'
slow changes, and averaged round rings (bands) of equal ratio. Two faces have different detail but spectra of similar
shape, so what lies between them is what remains once their contrast is let go: the response of the greatest likelihood
(Whittle, 1953) of the plate's bands given the patch's, a free contrast, and the grain.

A patch that is sharper than its plate is blurred. One that is softer lacks detail, which no filter knows: an unsharp
mask can raise what little there is, within bounds and only when asked to. What is missing is better taken from the
plate (`kernels.frequency.carry_texture`).
"""

from typing import Any, NamedTuple

import numpy as np
from numba import njit, prange
from numpy.typing import NDArray
from scipy import fft

from kernels.blur import gaussian, masked_gaussian
from kernels.frequency import Light, emphasise
from kernels.grain import grain_kernel
from kernels.launch import empty, fetch, on_gpu, place, run
from kernels.matte import feather, signed_distance
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

BANDS = 20
# Cycles per pixel at the bands' edges: from waves of 24 pixels to the diagonal's limit.
EDGES = np.geomspace(1.0 / 24.0, np.sqrt(0.5), BANDS + 1)
# Squared, with an end that no frequency reaches, for the walk along a row.
SQUARED_EDGES = np.append(EDGES**2, np.inf)
# Slower changes than this sigma, in pixels, are light and not detail.
LIGHT = 8.0
TAPER = 8.0
# Pixels of the larger side of the window; a larger region is measured in its middle.
WINDOW = 1024
# Fully weighted pixels below which a spectrum says nothing.
FEWEST_PIXELS = 400.0
# Columns of a spectrum that one thread adds up.
STRIP = 64

WIDEST = 4.0
# Less blur than this is not worth a pass.
NARROWEST = 0.1
# Added to both sides, relative to the strongest band: what leaks through the window, and what nobody sees.
FLOOR = 2e-4
SIGMAS = np.linspace(0.0, WIDEST, 161)
CONTRASTS = np.geomspace(0.25, 4.0, 33)
# The unsharp mask: sigma of its blur in pixels, the gains that are tried, and the most it changes a pixel by, in log
# light: 10 %, so that an edge's halo is no brighter than that.
MASK_SIGMA = 1.0
GAINS = np.linspace(0.0, 2.0, 41)
MOST_CHANGE = 0.1


class Adjustment(NamedTuple):
    """What makes a patch as sharp as a plate: the sigma in pixels of a blur, or the gain of an unsharp mask."""

    blur: float
    gain: float


def sharpness(
    image: NDArray[Any],
    weight: NDArray[Any],
    noise_variance: float = 0.0,
    noise_blur: tuple[float, float] = (0.0, 0.0),
    *,
    workspace: Workspace | None = None,
) -> Float64:
    """Energy (BANDS,) of an image's detail per band, where weight (h, w) is over 0.5; at least 0.

    The image is (h, w) or (h, w, 3), float16 or float32, linear or encoded; the energies are in its unit squared, and
    white noise of variance v has v in every band. `noise_variance` of the channels' mean (`grain.mean_variance`) and
    its blur along x and y are taken off. NaN in every band where there is too little to measure.

    Of an image on a GPU the sums of the bands are fetched, and waited for; the spectrum is made by CuPy there, and by
    SciPy on a CPU, in memory of its own.
    """
    total, noise = _spectrum(image, weight, noise_variance, noise_blur, workspace)
    return np.maximum(total - noise, 0.0)


def match_sharpness(
    patch: NDArray[Any],
    plate: NDArray[Any],
    weight: NDArray[Any],
    plate_noise: float = 0.0,
    patch_noise: float = 0.0,
    noise_blur: tuple[float, float] = (0.0, 0.0),
    *,
    workspace: Workspace | None = None,
) -> float:
    """Sigma in pixels [0, 4] of the Gaussian blur that makes `patch` as soft as `plate` where weight is over 0.5.

    Both are (h, w) or (h, w, 3) in the same encoding. The noise is given as in `sharpness`; the patch's counts as
    white. 0 where the patch is as soft already, or where there is too little to measure.
    """
    return find_adjustment(patch, plate, weight, plate_noise, patch_noise, noise_blur, workspace=workspace).blur


def find_adjustment(
    patch: NDArray[Any],
    plate: NDArray[Any],
    weight: NDArray[Any],
    plate_noise: float = 0.0,
    patch_noise: float = 0.0,
    noise_blur: tuple[float, float] = (0.0, 0.0),
    *,
    most_gain: float = 0.0,
    workspace: Workspace | None = None,
) -> Adjustment:
    """As `match_sharpness`; and for a patch that is softer than the plate the gain, up to `most_gain` (at most 2)."""
    total, noise = _spectrum(plate, weight, plate_noise, noise_blur, workspace)
    detail = sharpness(patch, weight, patch_noise, workspace=workspace)
    if not (np.isfinite(total).all() and np.isfinite(detail).all()) or not detail.any():
        return Adjustment(0.0, 0.0)
    gains = GAINS[(GAINS > 0.0) & (most_gain >= GAINS)]
    responses = np.concatenate([_passed(SIGMAS), 1.0 + gains[:, None] * (1.0 - _passed([MASK_SIGMA]))])
    floor = FLOOR * total.max()
    expected = CONTRASTS[:, None, None] * (detail * responses**2) + noise + floor
    cost = np.min(np.sum(np.log(expected) + (total + floor) / expected, axis=-1), axis=0)
    best = int(np.argmin(cost))
    if best >= len(SIGMAS):
        return Adjustment(0.0, float(gains[best - len(SIGMAS)]))
    return Adjustment(float(SIGMAS[best]) if SIGMAS[best] >= NARROWEST else 0.0, 0.0)


def adjust(
    picture: NDArray[Any],
    adjustment: Adjustment,
    *,
    light: Light = "log",
    out: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> NDArray[Any]:
    """A picture (h, w, c), blurred or sharpened. The blur is of linear light, the mask (`frequency.emphasise`) of
    `light`; it changes no pixel by more than MOST_CHANGE. `out` may be `picture`.
    """
    result = empty(picture, picture.shape) if out is None else out
    if adjustment.gain > 0.0:
        gain = adjustment.gain
        return emphasise(picture, MASK_SIGMA, gain, MOST_CHANGE, light=light, out=result, workspace=workspace)
    if adjustment.blur >= NARROWEST:
        return gaussian(picture, adjustment.blur, out=result, workspace=workspace)
    if result is not picture:
        result[...] = picture
    return result


def match_detail(
    patch: NDArray[Any],
    plate: NDArray[Any],
    weight: NDArray[Any],
    plate_noise: float = 0.0,
    patch_noise: float = 0.0,
    noise_blur: tuple[float, float] = (0.0, 0.0),
    *,
    amount: float = 1.0,
    most_gain: float = 0.0,
    out: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> NDArray[Any]:
    """The linear patch (h, w, 3) with the plate's sharpness where weight is over 0.5, by `amount` [0, 1].

    The rest is as in `find_adjustment`. Without `most_gain` a patch is made softer only.
    """
    noises = plate_noise, patch_noise, noise_blur
    found = find_adjustment(patch, plate, weight, *noises, most_gain=most_gain, workspace=workspace)
    part = Adjustment(amount * found.blur, amount * found.gain)
    return adjust(patch, part, out=out, workspace=workspace)


def _passed(sigmas: Any) -> Float64:
    """What a Gaussian of each sigma leaves of a wave, (n, BANDS)."""
    centres = np.sqrt(EDGES[1:] * EDGES[:-1])
    return np.exp(-0.5 * (2.0 * np.pi * centres * np.asarray(sigmas)[:, None]) ** 2)


def _spectrum(
    image: NDArray[Any],
    weight: NDArray[Any],
    noise_variance: float,
    noise_blur: tuple[float, float],
    workspace: Workspace | None,
) -> tuple[Float64, Float64]:
    """Mean power (BANDS,) per band of an image in its window, and of noise of this variance."""
    scratch = Workspace() if workspace is None else workspace
    rows, columns = _window(weight)
    grey = _grey(image[rows, columns])
    chosen = (weight[rows, columns] > 0.5) & np.isfinite(grey)
    taper = feather(signed_distance(np.pad(chosen, 1), workspace=scratch), TAPER)[1:-1, 1:-1]
    if float(np.sum(taper, dtype=np.float64)) < FEWEST_PIXELS:
        return np.full(BANDS, np.nan), np.full(BANDS, np.nan)
    light = masked_gaussian(grey, chosen, LIGHT, workspace=scratch)
    detail = np.where(chosen, (grey - light) * taper, np.float32(0.0))
    size = [int(fft.next_fast_len(length, real=True) or length) for length in detail.shape]
    # The same transform; SciPy's takes a quarter of NumPy's time, and only NumPy's is CuPy's on a GPU.
    transform: Any = np.fft.rfft2 if on_gpu(detail) else fft.rfft2
    sums = _ring_sums(transform(detail, size), size, noise_blur, scratch)
    power = float(np.sum(taper * taper, dtype=np.float64))
    power_mean, noise_mean = sums[:2, 1:-1] / np.maximum(sums[2, 1:-1], 1.0)
    return power_mean / power, noise_mean * noise_variance


def _window(weight: NDArray[Any]) -> tuple[slice, slice]:
    inside = weight > 0.5
    rows, columns = np.flatnonzero(fetch(inside.any(1))), np.flatnonzero(fetch(inside.any(0)))
    if not len(rows):
        return slice(0, 1), slice(0, 1)
    return _middle(rows[0], rows[-1] + 1), _middle(columns[0], columns[-1] + 1)


def _middle(first: int, last: int) -> slice:
    spare = max(last - first - WINDOW, 0) // 2
    return slice(first + spare, min(first + spare + WINDOW, last))


def _grey(part: NDArray[Any]) -> Float32:
    """The mean of the channels, (h, w)."""
    if part.ndim == 2:
        return np.ascontiguousarray(part.astype(np.float32))
    # Several times faster than NumPy's mean over so short an axis.
    return (part[..., 0].astype(np.float32) + part[..., 1] + part[..., 2]) * np.float32(1.0 / 3.0)


def _ring_sums(spectrum: NDArray[Any], size: list[int], noise_blur: tuple[float, float], scratch: Workspace) -> Float64:
    """Over the rings round a half spectrum: its power, that of noise of variance 1, and their number, (3, BANDS + 2).

    The first and the last ring are what lies inside and outside the bands.
    """
    down, across = np.fft.fftfreq(size[0]), np.fft.rfftfreq(size[1])
    gains = _gain(down, noise_blur[1]), _gain(across, noise_blur[0])
    tables = (place(spectrum, table, np.float64) for table in (down, across, *gains, SQUARED_EDGES))
    rows, strips = spectrum.shape[0], -(-spectrum.shape[1] // STRIP)
    partial = scratch.empty("detail.rings", spectrum, (rows, strips, 3, BANDS + 2), np.float64)
    run(_sum_rings, (rows, strips), spectrum, *tables, partial)
    return fetch(np.sum(partial, axis=(0, 1)))


def _gain(frequency: NDArray[np.floating[Any]], sigma: float) -> Float64:
    """Power of the grain's own blur at frequencies (n,) in cycles per pixel."""
    kernel = grain_kernel(sigma)
    reach = len(kernel) // 2
    waves = np.cos(2.0 * np.pi * frequency[..., None] * np.arange(-reach, reach + 1))
    return (waves @ kernel) ** 2


@njit(cache=True, inline="always")
def sum_strip(row, down, across, noise_down, noise_across, edges, first, sums):
    """Add up the rings (3, BANDS + 2) along a strip of a row of a half spectrum, from a column on.

    From there on the frequency rises, so a walk through the bands' edges finds each ring.
    """
    sums[:] = 0.0
    band = 0
    for x in range(first, min(first + STRIP, row.shape[0])):
        squared = down * down + across[x] * across[x]
        while squared > edges[band]:
            band += 1
        real, imaginary = row[x].real, row[x].imag
        sums[0, band] += real * real + imaginary * imaginary
        sums[1, band] += noise_down * noise_across[x]
        sums[2, band] += 1.0


@njit(cache=True, parallel=True)
def _sum_rings(spectrum, down, across, noise_down, noise_across, edges, partial):
    for y in prange(spectrum.shape[0]):
        for strip in range(partial.shape[1]):
            sums = partial[y, strip]
            sum_strip(spectrum[y], down[y], across, noise_down[y], noise_across, edges, strip * STRIP, sums)
