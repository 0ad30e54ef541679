import numpy as np
import pytest
from scipy import ndimage

from kernels.blur import masked_gaussian
from kernels.match import channel_mean, log_light, log_statistics, match_light
from kernels.workspace import Workspace
from tests.kernels.conditions import allocated, on_one_thread
from tests.kernels.tolerances import assert_close


def skin(seed=0, shape=(160, 140)):
    """A smooth field with texture, brightness near 0.25."""
    rng = np.random.default_rng(seed)
    broad = ndimage.gaussian_filter(rng.standard_normal(shape), 30) * 8.0
    fine = ndimage.gaussian_filter(rng.standard_normal(shape), 1.5) * 0.15
    return (0.25 * np.exp(0.3 * broad + fine)[..., None] * [1.2, 0.95, 0.8]).astype(np.float32)


EVERYWHERE = np.ones((160, 140), bool)


def measured(light):
    statistics = log_statistics(light, EVERYWHERE)
    assert statistics is not None
    return statistics


def test_a_tinted_and_dimmed_patch_gets_the_plates_medians():
    plate, patch = skin(1), skin(2) * np.array([0.3, 0.5, 0.9], np.float32)
    matched = match_light(patch, plate, EVERYWHERE, radius=30.0, low_frequency=0.0)
    got, wanted = (measured(light).median for light in (matched, plate))
    np.testing.assert_allclose(got, wanted, atol=2e-3)


def test_one_highlight_and_a_strand_of_hair_do_not_move_it():
    plate, patch = skin(1), skin(2)
    clean = match_light(patch, plate, EVERYWHERE, radius=30.0, low_frequency=0.0)
    dirty = plate.copy()
    dirty[10:20, 10:20] = 400.0
    dirty[100:104] = 0.0
    np.testing.assert_allclose(match_light(patch, dirty, EVERYWHERE, radius=30.0, low_frequency=0.0), clean, rtol=0.03)


def test_the_low_frequency_difference_follows_a_shadow():
    patch = skin(2)
    shade = np.linspace(0.5, 1.5, 140, dtype=np.float32)[None, :, None]
    matched = match_light(patch, patch * shade, EVERYWHERE, radius=20.0, contrast=0.0, low_frequency=1.0)
    ratio = ndimage.gaussian_filter(matched[..., 1] / (patch * shade)[..., 1], 8)[:, 20:-20]
    np.testing.assert_allclose(ratio, 1.0, atol=0.08)


def test_amount_zero_changes_nothing_and_the_type_stays():
    patch = skin(2)
    same = match_light(patch, skin(1), EVERYWHERE, radius=20.0, amount=0.0)
    np.testing.assert_allclose(same, patch, rtol=1e-4)
    assert same.dtype == np.float32


@pytest.mark.parametrize("factor", [0.1, 10.0])
def test_contrast_is_bounded(factor):
    plate = skin(1)
    median = np.median(plate, axis=(0, 1))
    patch = (median * (plate / median) ** factor).astype(np.float32)
    matched = match_light(patch, plate, EVERYWHERE, radius=20.0, low_frequency=0.0)
    ratio = measured(matched).spread / measured(patch).spread
    assert 0.49 < ratio < 1.16


def in_numpy(patch, plate, mask, radius, amount, contrast, low_frequency):
    """The match as its docstring has it, in float64."""
    logs = [np.log(np.maximum(light.astype(np.float64), 0.0) + 5e-3) for light in (patch, plate)]
    medians, spreads, color_spreads = [], [], []
    for log in logs:
        samples = log[mask]
        mean = samples.mean(1)
        color = samples - mean[:, None]
        medians.append(np.median(samples, axis=0))
        spreads.append(np.median(np.abs(mean - np.median(mean))))
        color_spreads.append(np.median(np.abs(color - np.median(color, axis=0))))
    ratio, color_ratio = (
        1.0 + contrast * amount * (np.clip(theirs / ours, 0.5, 1.15) - 1.0) for ours, theirs in (spreads, color_spreads)
    )
    offset = logs[0] - medians[0]
    mean = offset.mean(2, keepdims=True)
    matched = ratio * mean + color_ratio * (offset - mean) + medians[0] + amount * (medians[1] - medians[0])
    difference = masked_gaussian((logs[1] - matched).astype(np.float32), mask, radius)
    matched += low_frequency * amount * np.clip(difference, -0.7, 0.7)
    return np.maximum(np.exp(matched) - 5e-3, 0.0)


@pytest.mark.parametrize("options", [(15.0, 1.0, 1.0, 0.5), (4.0, 0.6, 0.3, 1.0)])
def test_against_numpy(options):
    patch, plate = skin(2) * np.array([0.3, 0.5, 0.9], np.float32) - np.float32(0.02), skin(1)
    mask = np.random.default_rng(5).random(EVERYWHERE.shape) < 0.6
    radius, amount, contrast, low_frequency = options
    settings = {"radius": radius, "amount": amount, "contrast": contrast, "low_frequency": low_frequency}
    assert_close(match_light(patch, plate, mask, **settings), in_numpy(patch, plate, mask, *options), "match")


def test_many_pixels_are_sampled_evenly():
    light = skin(3, (500, 400))
    mask = np.random.default_rng(5).random((500, 400)) < 0.9
    chosen = log_light(light)[mask][:: np.count_nonzero(mask) // 40_000]
    statistics = log_statistics(light, mask)
    assert statistics is not None
    np.testing.assert_array_equal(statistics.median, np.median(chosen, axis=0))


def test_what_is_not_finite_stays_and_moves_nothing():
    patch, plate = skin(2), skin(1)
    holes = np.random.default_rng(4).random(EVERYWHERE.shape) < 0.01
    expected = match_light(patch, plate, EVERYWHERE & ~holes, radius=20.0)
    patch[holes] = [np.nan, 1.0, np.inf]
    plate[holes] = -np.inf
    matched = match_light(patch, plate, EVERYWHERE, radius=20.0)
    np.testing.assert_array_equal(matched[~holes], expected[~holes])
    np.testing.assert_array_equal(matched[holes], patch[holes])


def test_nothing_to_measure_leaves_the_patch():
    patch, nowhere = skin(2), np.zeros_like(EVERYWHERE)
    assert log_statistics(patch, nowhere) is None
    np.testing.assert_array_equal(match_light(patch, skin(1), nowhere, radius=9.0), patch)


def test_log_light_and_channel_mean():
    light = skin(2)
    light[0, :5, 0] = [-3.0, 0.0, np.nan, np.inf, 1e5]
    expected = np.log(np.maximum(light.astype(np.float64), 0.0) + 5e-3)
    assert_close(log_light(light), expected, "match")
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(light, 2, 0)), 0, 2)
    np.testing.assert_array_equal(log_light(planes), log_light(light))
    np.testing.assert_allclose(channel_mean(light), light.mean(2), rtol=1e-6)
    half = np.minimum(light, np.float32(6e4)).astype(np.float16)
    np.testing.assert_array_equal(log_light(half), log_light(half.astype(np.float32)))
    frame = np.zeros((170, 150, 3), np.float16)
    log_light(light, out=frame[5:165, 5:145])
    assert_close(frame[5:165, 5:145], log_light(light), "half")


def test_halves_and_in_place():
    patch, plate = skin(2).astype(np.float16), skin(1).astype(np.float16)
    expected = match_light(patch.astype(np.float32), plate.astype(np.float32), EVERYWHERE, radius=9.0)
    np.testing.assert_array_equal(match_light(patch, plate, EVERYWHERE, radius=9.0), expected)
    assert match_light(patch, plate, EVERYWHERE, radius=9.0, out=patch) is patch
    assert_close(patch, expected, "half")


def test_a_second_call_allocates_nothing_and_threads_do_not_matter():
    patch, plate, mask = skin(2, (600, 500)), skin(1, (600, 500)), np.ones((600, 500), bool)
    out, workspace = np.empty_like(patch), Workspace()

    def call():
        return match_light(patch, plate, mask, radius=60.0, out=out, workspace=workspace)

    # NumPy's medians of 40 000 samples look for NaN with arrays of their own size at most.
    assert allocated(call) < 1_000_000 < patch.nbytes / 3
    np.testing.assert_array_equal(on_one_thread(call).copy(), call())
