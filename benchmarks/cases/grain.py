"""Grain against what one would write with NumPy and SciPy, and its measurement against scikit-image's estimate."""

import numpy as np
from scipy import ndimage
from skimage.restoration import estimate_sigma

from benchmarks.growth import Case
from benchmarks.report import Row
from benchmarks.timing import Call, compare
from kernels.grain import GrainModel, synthesize_grain
from kernels.grain_measure import measure_grain
from kernels.workspace import Workspace

SIDE = 1024
BLUR = 0.7
VARIANCE = (1e-5, 1e-3, 1e-3)
MIXING = np.linalg.cholesky(np.array([[1.0, 0.4, 0.2], [0.4, 1.0, 0.3], [0.2, 0.3, 1.0]]))
MODEL = GrainModel(np.tile(VARIANCE, (3, 1)), np.ones(3), np.full((3, 2), BLUR), MIXING)


def rows() -> list[Row]:
    random = np.random.default_rng(3)
    signal = random.random((SIDE, SIDE, 3), dtype=np.float32)
    smooth = np.asarray(ndimage.gaussian_filter(signal, (20, 20, 0)), np.float32)
    plate = smooth + 0.02 * random.standard_normal(signal.shape, dtype=np.float32)
    weight, workspace = np.ones((SIDE, SIDE), np.float32), Workspace()
    return [
        compare(
            f"grain synthesis, {SIDE}²",
            "NumPy Philox + SciPy blur",
            lambda: by_numpy_and_scipy(signal),
            _synthesis(signal),
            4.0,
        ),
        compare(
            f"grain measurement, {SIDE}² (by brightness, with its correlation)",
            "skimage estimate_sigma (one sigma)",
            lambda: estimate_sigma(plate, channel_axis=-1),
            lambda: measure_grain(plate, weight, workspace=workspace),
            1.0,
        ),
    ]


def by_numpy_and_scipy(signal: np.ndarray) -> np.ndarray:
    """The same grain but for its numbers: white, mixed, blurred, and scaled to the signal, in float32."""
    white = np.random.Generator(np.random.Philox(7)).standard_normal(signal.shape, dtype=np.float32)
    mixed = white @ MIXING.T.astype(np.float32)
    for c in range(3):
        mixed[..., c] = ndimage.gaussian_filter(mixed[..., c], BLUR, truncate=3.0 / BLUR)
    s = np.clip(signal, 0.0, 1.0)
    constant, linear, quadratic = np.array(VARIANCE, np.float32)
    return mixed * np.sqrt(constant + s * (linear + s * quadratic))


def _synthesis(signal: np.ndarray) -> Call:
    out = np.empty_like(signal)
    return lambda: synthesize_grain(MODEL, signal, 3, 4, (0, 0), out=out)


def _growing_synthesis(side: int) -> Call:
    return _synthesis(np.random.default_rng(3).random((side, side, 3), dtype=np.float32))


def _growing_measurement(side: int) -> Call:
    plate = np.random.default_rng(3).random((side, side, 3), dtype=np.float32)
    weight, workspace = np.ones((side, side), np.float32), Workspace()
    return lambda: measure_grain(plate, weight, workspace=workspace)


GROWTH: list[Case] = [("grain synthesis", _growing_synthesis), ("grain measurement", _growing_measurement)]
