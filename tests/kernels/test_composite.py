import numpy as np
import pytest

from kernels.composite import composite
from kernels.view import exposed, make_view, unview, view

IDENTITY = np.eye(3)[:2]


def scene(seed=0, size=(48, 56)):
    rng = np.random.default_rng(seed)
    plate = rng.uniform(0.0, 1.0, (*size, 3)).astype(np.float32)
    patch = rng.uniform(0.0, 1.0, (*size, 3)).astype(np.float32)
    matte = np.zeros(size, np.float32)
    matte[10:40, 10:40] = rng.uniform(0.2, 1.0, (30, 30))
    return plate, patch, matte


def bits(array):
    return array.view(np.uint32)


def test_outside_the_matte_not_one_bit_changes():
    plate, patch, matte = scene()
    plate[0, :5, 0] = [np.nan, np.inf, -np.inf, -0.0, 1e-42]
    bits(plate)[0, 0, 1] = 0x7FA12345
    before = plate.copy()
    composite(plate, patch, matte, IDENTITY, make_view())
    outside = matte == 0.0
    np.testing.assert_array_equal(bits(plate)[outside], bits(before)[outside])
    assert (bits(plate)[~outside] != bits(before)[~outside]).any(axis=1).all()


def test_a_full_matte_gives_the_patch_and_half_a_matte_the_mean_in_linear_light():
    plate, patch, matte = scene()
    model_view = make_view(None, 1.7)
    plate /= 1.7
    full, half = plate.copy(), plate.copy()
    composite(full, patch, np.ones_like(matte), IDENTITY, model_view)
    composite(half, patch, np.full_like(matte, 0.5), IDENTITY, model_view)
    wanted = unview(patch, model_view)
    np.testing.assert_allclose(full, wanted, atol=5e-6)
    np.testing.assert_allclose(half, (wanted + plate) / 2, atol=5e-6)


def test_a_highlight_and_a_negative_survive():
    plate, patch, matte = scene()
    plate[20, 20], plate[21, 21] = 20.0, -0.5
    composite(plate, patch, np.ones_like(matte), IDENTITY, make_view())
    assert (plate[20, 20] > 10.0).all()
    assert (plate[21, 21] < unview(patch, make_view())[21, 21]).all()


def test_nan_and_infinity_inside_stay_and_no_new_ones_come():
    plate, patch, matte = scene()
    plate[20, 20, 1], plate[22, 22, 2] = np.nan, np.inf
    before = plate.copy()
    counts = composite(plate, patch, np.ones_like(matte), IDENTITY, make_view())
    for pixel in ((20, 20), (22, 22)):
        np.testing.assert_array_equal(plate[pixel], before[pixel])
    finite = np.isfinite(plate).all(2)
    assert np.count_nonzero(~finite) == 2 == counts.not_finite


def test_premultiplied_alpha_scales_the_change():
    plate, patch, matte = scene()
    alpha = np.random.default_rng(4).uniform(0.2, 1.0, matte.shape).astype(np.float32)
    alpha[:5] = 0.0
    premultiplied = plate * alpha[..., None]
    result = premultiplied.copy()
    composite(result, patch, matte, IDENTITY, make_view(), alpha=alpha)
    composite(plate, patch, matte, IDENTITY, make_view())
    np.testing.assert_allclose(result, plate * alpha[..., None], atol=1e-5)
    np.testing.assert_array_equal(result[:5], premultiplied[:5])


def test_the_correction_is_a_gain_and_the_grain_is_added():
    plate, patch, matte = scene()
    model_view = make_view()
    gain = np.full((*matte.shape, 3), np.log(1.25), np.float32)
    grain = np.random.default_rng(5).normal(0.0, 0.01, plate.shape).astype(np.float32)
    composite(plate, patch, np.ones_like(matte), IDENTITY, model_view, correction=gain, grain=grain)
    wanted = (exposed(patch, model_view) + 1e-3) * 1.25 - 1e-3 + grain
    np.testing.assert_allclose(plate, wanted, atol=1e-5)


def test_a_patch_on_its_own_grid_is_sampled_there():
    plate, _, matte = scene()
    coarse = np.repeat(np.repeat(np.full((1, 1, 3), 0.5, np.float32), 12, 0), 14, 1)
    result = plate.copy()
    composite(result, coarse, np.ones_like(matte), [[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]], make_view())
    np.testing.assert_allclose(result, unview(np.full_like(plate, 0.5), make_view()), atol=1e-5)


@pytest.mark.parametrize("exposure", [0.25, 4.0])
def test_the_plate_in_its_own_view_as_patch_leaves_it_unchanged(exposure):
    plate, _, matte = scene()
    plate[:8] *= 40.0
    model_view = make_view(None, exposure)
    result = plate.copy()
    composite(result, view(plate, model_view), matte, IDENTITY, model_view)
    np.testing.assert_allclose(result, plate, rtol=1e-5, atol=1e-5)


def test_counts():
    plate, patch, matte = scene()
    plate[20, 20] = 9.0
    matte[20, 20] = 1.0
    counts = composite(plate, patch, matte, IDENTITY, make_view())
    assert counts.written == np.count_nonzero(matte) and counts.clipped == 1 and counts.not_finite == 0
