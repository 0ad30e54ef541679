"""Grain: the generator against its published vectors, the measurement against known noise, and both together."""

import tracemalloc
from collections.abc import Callable

import numba
import numpy as np
import pytest
from numba import njit, uint64
from numpy.typing import NDArray
from scipy import ndimage, stats
from skimage import data

from kernels.grain import MOST_GAIN, NO_GRAIN, GrainModel, mean_variance, synthesize_grain
from kernels.grain_blocks import block_table
from kernels.grain_measure import measure_grain
from kernels.philox import philox4x32, white_noise
from kernels.workspace import Workspace
from tests.kernels.tolerances import assert_close

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


def white(seed: int, frame: int, origin: tuple[int, int], size: tuple[int, int]) -> Float32:
    planes = np.empty((3, *size), np.float32)
    white_noise(seed, frame, origin, planes)
    return planes


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
    values = white(5, 1, (-7, 3), (200, 500)).reshape(3, -1)
    for c in range(3):
        assert stats.kstest(values[c], "norm").pvalue > 1e-3
        # Box and Muller's radius ends at 5.77; up to 4 sigma there are as many as there should be.
        assert stats.kurtosis(values[c]) == pytest.approx(0.0, abs=0.04)
        assert np.count_nonzero(np.abs(values[c]) > 3.0) == pytest.approx(2.7e-3 * values[c].size, rel=0.25)
    assert np.abs(np.corrcoef(values) - np.eye(3)).max() < 0.015


def test_a_deviate_is_box_and_muller_s_of_its_words() -> None:
    found = white(11, 12, (-3, 1 << 33), (1, 40))[:, 0]
    for i in range(40):
        w = [int(number) >> 8 for number in words((i - 3) & 0xFFFFFFFF, 0, 0, 0, 11, 12)]
        radius = np.sqrt(-2.0 * np.log([(w[0] + 1) / 2**24, (w[2] + 1) / 2**24]))
        # The angles are counted from the middle of the first quadrant's range.
        angle = 2.0 * np.pi * (np.array([w[1], w[3]]) - 2**21) / 2**24
        expected = [radius[0] * np.cos(angle[0]), radius[0] * np.sin(angle[0]), radius[1] * np.cos(angle[1])]
        np.testing.assert_allclose(found[:, i], expected, rtol=2e-6, atol=2e-6)


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


def reference(model: GrainModel, signal: Float32, frame: int, seed: int, origin: tuple[int, int]) -> Float32:
    """The same grain from the same white noise by SciPy, in float64."""
    height, width = signal.shape[:2]
    size, start = (height + 6, width + 6), (origin[0] - 3, origin[1] - 3)
    planes = np.tensordot(model.mixing, white(seed, frame, start, size).astype(np.float64), 1)
    result = np.empty(signal.shape)
    for c, plane in enumerate(planes):
        for axis, sigma in ((1, model.blur[c, 0]), (0, model.blur[c, 1])):
            kernel = np.exp(-0.5 * (np.arange(-3, 4) / max(sigma, 1e-3)) ** 2)
            plane = ndimage.correlate1d(plane, kernel / np.sqrt(kernel @ kernel), axis)
        s = np.clip(np.nan_to_num(signal[..., c].astype(np.float64)), 0.0, model.limit[c])
        result[..., c] = plane[3:-3, 3:-3] * np.sqrt(np.polyval(model.variance[c, ::-1], s))
    return result.astype(np.float32)


FULL_MODEL = GrainModel(
    np.array([[1e-4, 1e-3, 0.0], [0.0, 2e-3, 1e-3], [1e-5, 0.0, 4e-3]]),
    np.array([0.9, 0.8, 0.7]),
    np.array([[0.6, 0.8], [0.0, 0.5], [1.1, 0.0]]),
    np.linalg.cholesky(np.array([[1.0, 0.4, 0.2], [0.4, 1.0, 0.3], [0.2, 0.3, 1.0]])),
)


def test_synthesis_against_scipy() -> None:
    signal = RANDOM.uniform(-0.2, 1.2, (90, 75, 3)).astype(np.float32)
    expected = reference(FULL_MODEL, signal, 3, -4, (-20, 77))
    grain = synthesize_grain(FULL_MODEL, signal, 3, -4, (-20, 77))
    assert_close(grain, expected, "grain")
    assert_close(synthesize_grain(FULL_MODEL, signal, 3, -4, (-20, 77), amount=0.25), 0.25 * expected, "grain")


def test_half_signals_any_layout_and_results_in_place() -> None:
    signal = RANDOM.uniform(0.0, 1.0, (70, 45, 3)).astype(np.float16)
    expected = synthesize_grain(FULL_MODEL, signal.astype(np.float32), 3, 4, (1, 2))
    grain = synthesize_grain(FULL_MODEL, signal, 3, 4, (1, 2))
    assert grain.dtype == np.float32
    np.testing.assert_array_equal(grain, expected)
    planes = np.ascontiguousarray(np.moveaxis(signal, 2, 0))
    frame = np.zeros((80, 60, 4), np.float16)
    box = frame[5:75, 10:55, :3]
    assert synthesize_grain(FULL_MODEL, np.moveaxis(planes, 0, 2), 3, 4, (1, 2), out=box) is box
    np.testing.assert_array_equal(box, expected.astype(np.float16))
    assert not frame[:5].any() and not frame[..., 3].any()
    np.testing.assert_array_equal(synthesize_grain(FULL_MODEL, signal, 3, 4, (1, 2), out=signal), box)


def test_a_patch_gets_the_grain_that_its_matte_takes_from_the_plate() -> None:
    signal = np.full((30, 200, 3), 0.4, np.float32)
    matte = np.tile(np.linspace(0.0, 1.0, 200, dtype=np.float32), (30, 1))
    grain = synthesize_grain(FULL_MODEL, signal, 3, 4, (1, 2), amount=0.5, matte=matte)
    plain = synthesize_grain(FULL_MODEL, signal, 3, 4, (1, 2))
    # The plate's share and the patch's, of independent grain: their variance is the plate's own, if that is enough.
    gain = np.mean(grain / plain, (0, 2)) / 0.5
    m = matte[0, 1:]
    total = (1.0 - m) ** 2 + (m * gain[1:]) ** 2
    np.testing.assert_allclose(total[gain[1:] < 0.999 * MOST_GAIN], 1.0, atol=1e-4)
    assert gain[0] == pytest.approx(MOST_GAIN)
    assert gain[-1] == pytest.approx(1.0)


def test_the_second_frame_allocates_nothing() -> None:
    signal = RANDOM.random((300, 400, 3), dtype=np.float32)
    matte, out, weight = np.ones((300, 400), np.float32), np.empty_like(signal), np.ones((300, 400), np.float32)
    workspace = Workspace()
    synthesis = peak_of(
        lambda: synthesize_grain(MODEL, signal, 7, 8, (0, 0), matte=matte, out=out, workspace=workspace)
    )
    # A thread's own lines, of which there are not many.
    assert synthesis < 1 << 16
    # A thread's band of blocks, and the fit's arrays with a row for each block.
    assert peak_of(lambda: measure_grain(signal, weight, workspace=workspace)) < signal.nbytes / 2


def peak_of(call: Callable[[], object]) -> int:
    """Bytes that a call on one thread allocates at most, after the first; a thread's scratch in a loop included."""
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        call()
        tracemalloc.start()
        call()
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        numba.set_num_threads(threads)
    return peak


def test_measurement_of_half_planes_and_of_a_box_of_a_frame() -> None:
    frame = (ramp() + 0.02 * noise((256, 320, 3))).astype(np.float16)
    expected = measured(frame[8:200, 16:300].copy())
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(frame, 2, 0)), 0, 2)
    mask = np.ones((192, 284), np.bool_)
    for box in (frame[8:200, 16:300], planes[8:200, 16:300]):
        for ours, reference in zip(measure_grain(box, mask), expected, strict=True):
            np.testing.assert_array_equal(ours, reference)


def test_measurement_does_not_depend_on_the_threads() -> None:
    plate = (ramp() + 0.02 * noise((256, 320, 3), (0.5, 0.7), 0.3)).astype(np.float32)
    expected = measured(plate)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = measured(plate)
    finally:
        numba.set_num_threads(threads)
    for ours, reference in zip(alone, expected, strict=True):
        np.testing.assert_array_equal(ours, reference)


def test_the_table_against_numpy() -> None:
    plate = (ramp(40, 56) + 0.02 * noise((40, 56, 3))).astype(np.float32)
    plate[20, 30] = np.nan
    weight = np.ones((40, 56), np.float32)
    weight[:9, :20] = 0.0
    table = block_table(plate, weight, Workspace())
    usable = ndimage.minimum_filter((weight > 0.5) & np.isfinite(plate).all(2), 3, mode="constant")
    level = ndimage.gaussian_filter(np.where(usable[..., None], plate, 0.0), (1.5, 1.5, 0), mode="constant")
    mask = np.outer([1.0, -2.0, 1.0], [1.0, -2.0, 1.0])
    detail = ndimage.correlate(plate.astype(np.float64), mask[..., None], mode="constant")
    for row, column in np.ndindex(table.shape[:2]):
        block = np.s_[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
        if not usable[block].all():
            assert np.isinf(table[row, column]).all()
            continue
        d, light = detail[block], level[block]
        pairs = (d * d, d[:, 1:] * d[:, :-1], d[1:] * d[:-1], d * d[..., [1, 2, 0]])
        energy, beside, below, product = (values.mean((0, 1)) for values in pairs)
        expected = np.stack([light.mean((0, 1)), energy, light.var((0, 1)), beside, below, product])
        np.testing.assert_allclose(table[row, column], expected, rtol=2e-4, atol=2e-6)
    assert np.isfinite(table).any()


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
