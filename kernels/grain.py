"""Grain: a plate's own noise as a model, and more of the same.

A model holds, per channel, the variance as a function of brightness (read-out, photon and gain noise: constant, linear
and quadratic in the linear signal), the width of a Gaussian that gives its spatial correlation, and the correlation
between the channels. `kernels.grain_measure` finds it in a plate.

Synthesised from Philox's counters, keyed by seed and frame and counted by absolute pixel: a pixel's grain does not
depend on the box that is rendered, nor on the order of the frames, nor on the device.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit, prange, uint64
from numpy.typing import ArrayLike, NDArray

from kernels.half import loadable, narrowed, widened
from kernels.launch import FUSED, empty, on_gpu, run
from kernels.philox import white_line, white_noise, word
from kernels.view import flat
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# The grain's blur: reach of its kernel in pixels, and how many taps that is.
REACH = 3
TAPS = 2 * REACH + 1
# Lines that one thread makes at a time: their neighbours above and below are made twice.
BAND = 64
# At a thin matte the patch would need ever more grain to make up for what it covers; nobody sees it beyond this.
MOST_GAIN = 2.0
THINNEST = 1e-3


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


def synthesize_grain(
    model: GrainModel,
    signal: NDArray[Any],
    frame: int,
    seed: int,
    origin: Sequence[int],
    *,
    amount: float = 1.0,
    matte: NDArray[Any] | None = None,
    out: NDArray[Any] | None = None,
    workspace: Workspace | None = None,
) -> NDArray[Any]:
    """Zero-mean linear noise (h, w, 3) of a model at the brightness of a linear `signal` (h, w, 3), times `amount`.

    `origin` is the absolute pixel (x, y) of the first sample; frame and seed may be any integers (taken modulo 2**32).
    A signal that is not finite gets the noise of its clamped value (NaN: of black).

    matte: (h, w) [0, 1] of a patch that is put over a plate with grain of its own, of which 1 - matte shows through.
    Variances add, so the patch is given sqrt((2 - matte) / matte) times the grain, at most MOST_GAIN times.

    signal, matte and out may be float16 or float32, in any layout. The workspace is used on a GPU only.
    """
    result = empty(signal, signal.shape) if out is None else out
    height, width = signal.shape[:2]
    counters = word(seed), word(frame), word(origin[0] - REACH), word(origin[1] - REACH)
    white = _all_white(model, seed, frame, origin, signal, workspace)
    run(
        _synthesize_grain,
        (height, width),
        *counters,
        *(flat(model.mixing), flat(_half_kernels(model.blur))),
        *(flat(model.variance), flat(model.limit), np.float32(amount)),
        loadable(signal),
        empty(signal, (height, 0)) if matte is None else loadable(matte),
        white,
        loadable(result),
    )
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


def _all_white(
    model: GrainModel,
    seed: int,
    frame: int,
    origin: Sequence[int],
    signal: NDArray[Any],
    workspace: Workspace | None,
) -> Float32:
    """The noise of all pixels and of those around them, (3, h + 2 * REACH, w + 2 * REACH), where they lie on a GPU.

    There each is needed by its neighbours' threads. A CPU makes it line by line as it goes, and gets nothing.
    """
    if not on_gpu(signal):
        return empty(signal, (3, 0, 0))
    height, width = signal.shape[:2]
    scratch = Workspace() if workspace is None else workspace
    white = scratch.empty("grain.white", signal, (3, height + 2 * REACH, width + 2 * REACH))
    white_noise(seed, frame, (origin[0] - REACH, origin[1] - REACH), white, model.mixing)
    return white


def _half_kernels(blur: Float64) -> Float64:
    """Of each channel and axis, the kernel's taps from the centre on, (3, 2, REACH + 1)."""
    return np.array([[grain_kernel(sigma)[REACH:] for sigma in channel] for channel in blur])


@njit(cache=True, inline="always")
def filtered(v0, v1, v2, v3, v4, v5, v6, k0, k1, k2, k3):
    """Seven values in a row under a symmetric kernel, given from its centre on."""
    return k0 * v3 + k1 * (v2 + v4) + k2 * (v1 + v5) + k3 * (v0 + v6)


@njit(cache=True, inline="always")
def kernel_at(kernels, c, axis):
    """The half kernel of a channel along x (axis 0) or y."""
    first = 8 * c + 4 * axis
    return kernels[first], kernels[first + 1], kernels[first + 2], kernels[first + 3]


@njit(cache=True, inline="always")
def grain_sigma(signal, constant, linear, quadratic, limit):
    """Standard deviation of the grain at a linear signal."""
    s = min(signal, limit) if signal > float32(0.0) else float32(0.0)
    return math.sqrt(constant + s * (linear + s * quadratic))


@njit(cache=True, inline="always")
def covering_gain(matte):
    """How much more grain a patch needs under this matte than the plate has."""
    share = (float32(2.0) - matte) / max(matte, float32(THINNEST))
    return min(math.sqrt(max(share, float32(0.0))), float32(MOST_GAIN))


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _filter_across(line, kernel, out):
    """A line (n + 2 * REACH,) under a kernel, into (n,)."""
    k0, k1, k2, k3 = kernel
    l0, l1, l2, l3, l4, l5, l6 = line, line[1:], line[2:], line[3:], line[4:], line[5:], line[6:]
    for i in range(out.shape[0]):
        out[i] = filtered(l0[i], l1[i], l2[i], l3[i], l4[i], l5[i], l6[i], k0, k1, k2, k3)


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _filter_down(ring, y, kernel, out):
    """Line y of a ring (TAPS, n) of lines under a kernel, into (n,)."""
    k0, k1, k2, k3 = kernel
    l0, l1, l2, l3 = ring[(y + 0) % TAPS], ring[(y + 1) % TAPS], ring[(y + 2) % TAPS], ring[(y + 3) % TAPS]
    l4, l5, l6 = ring[(y + 4) % TAPS], ring[(y + 5) % TAPS], ring[(y + 6) % TAPS]
    for i in range(out.shape[0]):
        out[i] = filtered(l0[i], l1[i], l2[i], l3[i], l4[i], l5[i], l6[i], k0, k1, k2, k3)


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def _scale(signal, matte, variance, limit, amount, lines, scratch, out):
    """Three lines of unit grain to the strength it has at a row of the signal (n, 3); `scratch` (4, n) is scratch."""
    count, levels, gain = lines.shape[1], scratch[:3], scratch[3]
    gain[:] = amount
    if matte.size > 0:
        for i in range(count):
            gain[i] = amount * covering_gain(widened(matte[i]))
    r, g, b = levels[0], levels[1], levels[2]
    for i in range(count):
        r[i], g[i], b[i] = widened(signal[i, 0]), widened(signal[i, 1]), widened(signal[i, 2])
    for c in range(3):
        line, level, top = lines[c], levels[c], limit[c]
        constant, linear, quadratic = variance[3 * c], variance[3 * c + 1], variance[3 * c + 2]
        for i in range(count):
            line[i] *= gain[i] * grain_sigma(level[i], constant, linear, quadratic, top)
    r, g, b = lines[0], lines[1], lines[2]
    for i in range(count):
        like = out[i, 0]
        out[i, 0], out[i, 1], out[i, 2] = narrowed(r[i], like), narrowed(g[i], like), narrowed(b[i], like)


@njit(cache=True, parallel=True, error_model="numpy")
def _synthesize_grain(key_0, key_1, x0, y0, mixing, kernels, variance, limit, amount, signal, matte, white, out):
    height, width, _ = out.shape
    length = width + TAPS - 1
    for band in prange((height + BAND - 1) // BAND):
        words, noise = np.empty((4, length), np.uint32), np.empty((3, length), np.float32)
        # The last lines, filtered along x: a line of grain needs TAPS of them.
        ring = np.empty((3, TAPS, width), np.float32)
        lines, scratch = np.empty((3, width), np.float32), np.empty((4, width), np.float32)
        first = band * BAND
        for row in range(first, min(first + BAND, height) + TAPS - 1):
            white_line(key_0, key_1, x0, y0 + uint64(row), mixing, words, noise[0], noise[1], noise[2])
            for c in range(3):
                _filter_across(noise[c], kernel_at(kernels, c, 0), ring[c, row % TAPS])
            y = row - (TAPS - 1)
            if y >= first:
                for c in range(3):
                    _filter_down(ring[c], y, kernel_at(kernels, c, 1), lines[c])
                _scale(signal[y], matte[y], variance, limit, amount, lines, scratch, out[y])
