import numpy as np
import pytest
from scipy import ndimage

from kernels.match import log_statistics, match_light


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
