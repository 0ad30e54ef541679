import numpy as np
import pytest
from scipy import ndimage

from kernels.blend import SEAM_COLOR_LIMIT, SEAM_LIMIT, SEAM_REACH, bent, matching_grain, seam_gain
from kernels.composite import composite
from kernels.view import make_view, unview, view

WIDTH = 60.0
SIZE = (90, 80)
VIEW = make_view(np.array([[1.7, -0.6, -0.1], [-0.1, 1.1, 0.0], [0.0, -0.1, 1.1]]), 1.2)


def face(gain=(1.0, 1.0, 1.0), seed=1):
    """A plate, the same picture in another light as its patch, the hull, and where both are skin: everywhere."""
    rng = np.random.default_rng(seed)
    light = np.clip(ndimage.gaussian_filter(rng.uniform(0.0, 1.0, (*SIZE, 3)), (4, 4, 0)), 0.05, 0.5)
    plate = np.asarray(light, np.float32)
    patch = view(np.asarray(light / np.array(gain), np.float32), VIEW)
    y, x = (np.mgrid[: SIZE[0], : SIZE[1]] + 0.5) - np.array(SIZE)[:, None, None] / 2.0
    hull = np.clip((1.0 - np.hypot(x / 30.0, y / 36.0)) * 8.0, 0.0, 1.0).astype(np.float32)
    return plate, patch, hull, np.ones(SIZE, bool)


def test_the_same_light_needs_no_gain():
    gain = seam_gain(*face(), VIEW, WIDTH)
    assert gain is not None and np.abs(gain).max() < 1e-4


def test_the_gain_joins_the_edge_and_fades_inwards():
    plate, patch, hull, skin = face((1.1, 1.1, 1.1))
    gain = seam_gain(plate, patch, hull, skin, VIEW, WIDTH)
    assert gain is not None and gain.dtype == np.float32
    distance = ndimage.distance_transform_edt(hull > 0.004)
    edge, middle = (distance > 0.5) & (distance < 2.0), distance > SEAM_REACH * WIDTH + 1.0
    np.testing.assert_allclose(gain[edge], np.log(1.1), atol=0.025)
    assert np.count_nonzero(middle) > 50 and not gain[middle].any()


def test_a_difference_of_things_is_bounded():
    gain = seam_gain(*face((6.0, 1.0, 1.0)), VIEW, WIDTH)
    assert gain is not None
    brightness = gain.mean(-1, keepdims=True)
    assert np.abs(brightness).max() <= SEAM_LIMIT + SEAM_COLOR_LIMIT + 1e-6
    assert 0.5 * SEAM_COLOR_LIMIT < np.abs(gain - brightness).max() <= 2.0 * SEAM_COLOR_LIMIT + 1e-6


def test_half_the_amount_is_half_the_gain():
    whole, half = seam_gain(*face((1.2, 1.0, 0.9)), VIEW, WIDTH), seam_gain(*face((1.2, 1.0, 0.9)), VIEW, WIDTH, 0.5)
    assert whole is not None and half is not None
    np.testing.assert_allclose(half, whole / 2.0, atol=1e-6)


def test_nothing_to_join_or_nothing_to_tell_by_is_no_gain():
    plate, patch, hull, skin = face()
    assert seam_gain(plate, patch, np.zeros_like(hull), skin, VIEW, WIDTH) is None
    assert seam_gain(plate, patch, hull, ~skin, VIEW, WIDTH) is None
    assert seam_gain(plate, patch, hull, skin, VIEW, WIDTH, 0.0) is None


@pytest.mark.parametrize("value", [-90.0, -1.0, -1e-3, 0.0, 0.2, 5.0, 1e6])
def test_bending_is_a_hyperbolic_tangent(value):
    ours = bent(np.float32(value), np.float32(0.25))
    assert ours == pytest.approx(0.25 * np.tanh(value / 0.25), abs=1e-6)


@pytest.mark.parametrize("opacity", [0.3, 0.7, 1.0])
def test_the_composite_is_as_grainy_as_the_plate(opacity):
    """Under any matte the grain that shows through and the patch's own add up to the plate's."""
    rng, sigma = np.random.default_rng(2), 0.02
    clean = np.full((200, 220, 3), 0.25, np.float32)
    plate = (clean + sigma * rng.standard_normal(clean.shape)).astype(np.float32)
    patch, matte = view(clean, VIEW), np.full(clean.shape[:2], opacity, np.float32)
    grain = matching_grain(plate, patch, matte, np.ones(clean.shape[:2], bool), VIEW, 1001, 7, (0, 0))
    result = plate.copy()
    composite(result, patch, matte, np.eye(3)[:2], VIEW, grain=grain)
    np.testing.assert_allclose(result.std((0, 1)), plate.std((0, 1)), rtol=0.12)
    np.testing.assert_allclose(result.mean((0, 1)), unview(patch, VIEW).mean((0, 1)), atol=1e-3)


def test_no_grain_where_none_is_asked_for():
    plate, patch, hull, skin = face()
    assert matching_grain(plate, patch, hull, skin, VIEW, 1, 1, (0, 0), 0.0) is None
