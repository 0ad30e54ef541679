"""The difference between two pictures along a seam, in the logarithm of light, fit to be stretched over a face.

A highlight on the seam would brighten the whole face, and the plate's grain would streak into it: the difference is
clamped to robust sigmas round its median, and blurred along the seam, over its own pixels alone.
"""

import math
from typing import Any

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

from kernels.elementary import exp, log
from kernels.half import loadable, widened
from kernels.launch import empty, place, run
from kernels.regions import Mask
from kernels.scales import FREE, KNOWN, States
from kernels.workspace import Workspace

# A median absolute deviation times this is a normal distribution's sigma.
MAD_TO_SIGMA = 1.4826
# Sigmas at which the blur along the seam ends.
REACH = 3.0


def hold_at_seam(
    states: States,
    plate: NDArray[Any],
    patch: NDArray[Any],
    anchor: Mask | None,
    epsilon: float,
    smooth: float,
    limit: float,
    workspace: Workspace,
) -> Any:
    """Make KNOWN what is FREE in the states of a whole picture and has a difference; returns those (h, w, 3).

    plate, patch: (h, w, 3), linear. anchor: (h, w) or None. epsilon: what is added to light before the logarithm.
    smooth: pixels, limit: robust sigmas. Pixels where either picture is not finite in all channels stay FREE. What is
    returned lies in the workspace, and means something only where pixels are KNOWN. Waits for a GPU, to know how many
    there are.
    """
    on_ring = workspace.empty("seam.ring", states.array, states.size, np.bool_)
    np.equal(states.array[: states.size[0] * states.size[1]].reshape(states.size), FREE, out=on_ring)
    places = np.flatnonzero(on_ring)
    rows, columns = places // states.pitch - 1, places % states.pitch - 1
    values = empty(plate, (len(places), 3))
    anchors = empty(plate, (len(plate), 0), np.bool_) if anchor is None else anchor
    run(
        _log_ratio,
        len(places),
        *(loadable(plate), loadable(patch), anchors, rows, columns, np.float32(epsilon), values),
    )
    finite = np.isfinite(values[:, 0])
    rows, columns, values = rows[finite], columns[finite], values[finite]
    difference = workspace.empty("seam.difference", plate, plate.shape)
    if len(values):
        values = _clamped(values, limit)
        if smooth > 0.0:
            values = _along_seam(rows, columns, values, smooth, len(plate))
        run(_hold_listed, len(rows), rows, columns, values, np.int64(states.pitch), difference, states.array)
    return difference


def _clamped(values: Any, limit: float) -> Any:
    middle = np.median(values, axis=0)
    spread = np.float32(limit * MAD_TO_SIGMA) * np.median(np.abs(values - middle), axis=0)
    return np.minimum(np.maximum(values, middle - spread), middle + spread)


def _along_seam(rows: Any, columns: Any, values: Any, sigma: float, height: int) -> Any:
    """Gaussian means over the listed pixels alone. They come row by row, so that neighbours are found by row."""
    starts = np.searchsorted(rows, place(rows, np.arange(height + 1), rows.dtype))
    result = empty(values, values.shape)
    factor, reach = np.float32(-0.5 / (sigma * sigma)), np.int64(math.ceil(REACH * sigma))
    run(_smooth_listed, len(rows), rows, columns, values, starts, factor, reach, result)
    return result


@njit(cache=True, inline="always")
def log_ratio(plate, patch, epsilon):
    """The correction in logarithm that takes a patch's channel to the plate's; negatives count as 0."""
    # Not one logarithm of a ratio: that of two extremes would not be finite.
    difference = log(max(plate, float32(0.0)) + epsilon) - log(max(patch, float32(0.0)) + epsilon)
    return difference if math.isfinite(plate) and math.isfinite(patch) else float32(math.nan)


@njit(cache=True, inline="always")
def log_ratio_at(plate, patch, anchor, y, x, epsilon):
    """The three channels' `log_ratio` of a pixel; all NaN where one is, or where there is no anchor."""
    r = log_ratio(widened(plate[y, x, 0]), widened(patch[y, x, 0]), epsilon)
    g = log_ratio(widened(plate[y, x, 1]), widened(patch[y, x, 1]), epsilon)
    b = log_ratio(widened(plate[y, x, 2]), widened(patch[y, x, 2]), epsilon)
    if not math.isfinite(r + g + b) or (anchor.shape[1] > 0 and not anchor[y, x]):
        return float32(math.nan), float32(math.nan), float32(math.nan)
    return r, g, b


@njit(cache=True, inline="always", error_model="numpy")
def mean_near(rows, columns, values, starts, factor, reach, i):
    """A listed pixel's Gaussian mean over the listed pixels within reach."""
    r, g, b, weight = 0.0, 0.0, 0.0, 0.0
    first, last = max(rows[i] - reach, 0), min(rows[i] + reach + 1, len(starts) - 1)
    for j in range(starts[first], starts[last]):
        across, below = columns[j] - columns[i], rows[j] - rows[i]
        square = across * across + below * below
        if square <= reach * reach:
            share = exp(factor * float32(square))
            weight += share
            r += share * values[j, 0]
            g += share * values[j, 1]
            b += share * values[j, 2]
    return float32(r / weight), float32(g / weight), float32(b / weight)


@njit(cache=True, parallel=True)
def _log_ratio(plate, patch, anchor, rows, columns, epsilon, out):
    for i in prange(len(rows)):
        out[i, 0], out[i, 1], out[i, 2] = log_ratio_at(plate, patch, anchor, rows[i], columns[i], epsilon)


@njit(cache=True, parallel=True)
def _smooth_listed(rows, columns, values, starts, factor, reach, out):
    for i in prange(len(rows)):
        out[i, 0], out[i, 1], out[i, 2] = mean_near(rows, columns, values, starts, factor, reach, i)


@njit(cache=True)
def _hold_listed(rows, columns, values, pitch, difference, state):
    for i in range(len(rows)):
        for c in range(3):
            difference[rows[i], columns[i], c] = values[i, c]
        state[(rows[i] + 1) * pitch + columns[i] + 1] = KNOWN
