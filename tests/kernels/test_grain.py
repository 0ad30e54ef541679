"""Grain: the generator against its published vectors, the measurement against known noise, and both together."""

import numba
import numpy as np
import pytest
from numba import njit, uint64
from numpy.typing import NDArray
from scipy import ndimage, stats
from skimage import data

from kernels.grain import NO_GRAIN, GrainModel, mean_variance, measure_grain, synthesize_grain
from kernels.philox import normals, philox4x32

RANDOM = np.random.default_rng(3)
Float32 = NDArray[np.float32]
WHITE = np.zeros((3, 2))


def sigma_at(model: GrainModel, level: float) -> NDArray[np.float64]:
    signal = np.minimum(level, model.limit)
    return np.sqrt(np.sum(model.variance * signal[:, None] ** np.arange(3), axis=1))


def ramp(height: int = 256, width: int = 320) -> Float32:
    across = np.linspace(0.02, 0.9, width)[None, :, None] * np.ones((height, 1, 1))
    return (across * [1.0, 0.8, 0.6]).astype(np.float32)


def noise(shape: tuple[int, ...], blur: tuple[float, float] = (0.0, 0.0), shared: float = 0.0) -> Float32:
    """Unit noise by NumPy and SciPy; `shared` is the correlation between the channels."""
    own, common = RANDOM.standard_normal(shape), RANDOM.standard_normal((*shape[:2], 1))
    white = np.sqrt(1.0 - shared) * own + np.sqrt(shared) * common
    blurred = ndimage.gaussian_filter(white, (blur[1], blur[0], 0), mode="wrap")
    return (blurred / blurred.std((0, 1))).astype(np.float32)


def neighbours(sigma: float) -> float:
    """The correlation of neighbouring pixels of white noise after a Gaussian blur."""
    kernel = np.exp(-0.5 * (np.arange(-6, 7) / max(sigma, 1e-3)) ** 2)
    return float(kernel[1:] @ kernel[:-1] / (kernel @ kernel))


def astronaut_skin() -> Float32:
    """The astronaut's face without the picture's own grain, linear."""
    encoded = np.asarray(data.astronaut(), np.float32)[70:200, 170:280] / 255.0
    return np.asarray(ndimage.zoom(encoded**2.2, (3, 3, 1), order=1), np.float32)


def measured(plate: NDArray[np.floating]) -> GrainModel:
    return measure_grain(plate.astype(np.float32), np.ones(plate.shape[:2], np.float32))


@njit
def words(c0, c1, c2, c3, k0, k1):
    return philox4x32(uint64(c0), uint64(c1), uint64(c2), uint64(c3), uint64(k0), uint64(k1))


@njit
def deviates(count, key):
    result = np.empty((count, 3), np.float32)
    for i in range(count):
        result[i, 0], result[i, 1], result[i, 2] = normals(i - 7, 3, uint64(key), uint64(1))
    return result


@pytest.mark.parametrize(
    ("counter_and_key", "expected"),
    [
        ((0,) * 6, (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
        ((0xFFFFFFFF,) * 6, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
        (
            (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344, 0xA4093822, 0x299F31D0),
            (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
        ),
    ],
)
def test_philox_against_the_published_vectors(counter_and_key: tuple[int, ...], expected: tuple[int, ...]) -> None:
    assert tuple(int(word) for word in words(*counter_and_key)) == expected


def test_deviates_are_normal() -> None:
    values = deviates(100_000, 5)
    assert values.dtype == np.float32
    for c in range(3):
        assert stats.kstest(values[:, c], "norm").pvalue > 1e-3
    assert np.abs(np.corrcoef(values.T) - np.eye(3)).max() < 0.015


@pytest.mark.parametrize("variance", [(4e-5, 0.0, 0.0), (1e-6, 4e-4, 0.0), (1e-6, 0.0, 2.5e-3), (1e-5, 2e-4, 1e-3)])
def test_sigma_on_a_ramp(variance: tuple[float, float, float]) -> None:
    signal = ramp()
    truth = GrainModel(np.tile(variance, (3, 1)), np.ones(3), WHITE, np.eye(3))
    sigma = np.sqrt(variance[0] + variance[1] * signal + variance[2] * signal**2)
    model = measured(signal + sigma * noise(signal.shape))
    for level in (0.1, 0.3, 0.5):
        np.testing.assert_allclose(sigma_at(model, level), sigma_at(truth, level), rtol=0.15)


@pytest.mark.parametrize("sigma", [0.01, 0.03])
def test_sigma_on_skin(sigma: float) -> None:
    signal = astronaut_skin()
    weight = np.zeros(signal.shape[:2], np.float32)
    weight[60:330, 60:280] = 1.0
    model = measure_grain((signal + sigma * noise(signal.shape)).astype(np.float32), weight)
    level = float(np.median(signal[weight > 0]))
    np.testing.assert_allclose(sigma_at(model, level), sigma, rtol=0.15)


@pytest.mark.parametrize("blur", [(0.0, 0.0), (0.5, 0.7), (0.9, 0.6)])
def test_correlation_is_measured(blur: tuple[float, float]) -> None:
    signal = ramp()
    model = measured(signal + 0.02 * noise(signal.shape, blur, 0.5))
    np.testing.assert_allclose(sigma_at(model, 0.4), 0.02, rtol=0.15)
    for axis in range(2):
        found = [neighbours(sigma) for sigma in model.blur[:, axis]]
        np.testing.assert_allclose(found, neighbours(blur[axis]), atol=0.06)
    correlation = model.mixing @ model.mixing.T
    np.testing.assert_allclose(correlation[~np.eye(3, dtype=bool)], 0.5, atol=0.08)


def test_synthesis_has_the_model_s_statistics() -> None:
    root = np.linalg.cholesky(np.array([[1.0, 0.4, 0.2], [0.4, 1.0, 0.3], [0.2, 0.3, 1.0]]))
    blur = np.array([[0.6, 0.8], [0.6, 0.8], [0.6, 0.8]])
    model = GrainModel(np.array([[1e-4, 0, 0], [0, 2e-3, 0], [0, 0, 4e-3]]), np.full(3, 0.5), blur, root)
    grain = synthesize_grain(model, np.full((400, 500, 3), 0.3, np.float32), 1001, 9, (-40, 12))
    assert grain.dtype == np.float32
    expected = sigma_at(model, 0.3)
    np.testing.assert_allclose(grain.std((0, 1)), expected, rtol=0.02)
    assert (np.abs(grain.mean((0, 1))) < 0.01 * expected).all()
    assert np.abs(np.corrcoef(grain.reshape(-1, 3).T) - root @ root.T).max() < 0.02
    for axis, sigma in ((1, 0.6), (0, 0.8)):
        lag = np.sum(grain * np.roll(grain, 1, axis), (0, 1)) / np.sum(grain**2, (0, 1))
        np.testing.assert_allclose(lag, neighbours(sigma), atol=0.02)


def test_measuring_what_was_synthesised_gives_the_model_back() -> None:
    signal = ramp()
    plate = signal + 0.02 * noise(signal.shape, (0.7, 0.5), 0.3)
    model = measured(plate)
    again = measured(signal + synthesize_grain(model, signal, 1, 2, (0, 0)))
    for level in (0.15, 0.45):
        np.testing.assert_allclose(sigma_at(again, level), sigma_at(model, level), rtol=0.1)
    np.testing.assert_allclose(again.blur, model.blur, atol=0.1)


MODEL = GrainModel(np.tile([1e-5, 1e-3, 0.0], (3, 1)), np.ones(3), np.full((3, 2), 0.7), np.eye(3))


def test_a_pixel_s_grain_does_not_depend_on_the_box_or_the_threads() -> None:
    signal = RANDOM.random((90, 133, 3), dtype=np.float32)
    whole = synthesize_grain(MODEL, signal, 7, 8, (-20, 1000))
    part = synthesize_grain(MODEL, signal[13:60, 31:100].copy(), 7, 8, (11, 1013))
    np.testing.assert_array_equal(part, whole[13:60, 31:100])
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        np.testing.assert_array_equal(synthesize_grain(MODEL, signal, 7, 8, (-20, 1000)), whole)
    finally:
        numba.set_num_threads(threads)


def test_frames_and_seeds_are_independent() -> None:
    signal = np.full((200, 200, 3), 0.4, np.float32)
    first = synthesize_grain(MODEL, signal, 1, 5, (0, 0))
    for frame, seed in ((2, 5), (1, 6), (5, 1), (-1, 5)):
        other = synthesize_grain(MODEL, signal, frame, seed, (0, 0))
        assert abs(np.corrcoef(first.ravel(), other.ravel())[0, 1]) < 0.02


def test_bad_pixels_and_empty_weights() -> None:
    plate = (ramp() + 0.02 * noise((256, 320, 3))).astype(np.float32)
    plate[100, 100], plate[50, 60], plate[10, 10] = np.nan, np.inf, 1e6
    model = measured(plate)
    np.testing.assert_allclose(sigma_at(model, 0.4), 0.02, rtol=0.15)
    assert measure_grain(plate, np.zeros(plate.shape[:2], np.float32)) is NO_GRAIN
    signal = np.full((20, 20, 3), [np.nan, np.inf, -3.0], np.float32)
    assert np.isfinite(synthesize_grain(model, signal, 1, 1, (0, 0))).all()
    assert not synthesize_grain(NO_GRAIN, signal, 1, 1, (0, 0)).any()


def test_a_clean_plate_has_no_grain() -> None:
    model = measured(np.full((80, 80, 3), 0.25))
    assert (sigma_at(model, 0.25) < 1e-6).all()


def test_variance_of_the_channels_mean() -> None:
    model = measured(ramp() + 0.02 * noise((256, 320, 3), shared=0.5))
    assert mean_variance(model, (0.4, 0.4, 0.4)) == pytest.approx(0.02**2 * (3 + 6 * 0.5) / 9.0, rel=0.2)
