"""Blurs against SciPy's, on noise, steps and borders."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from kernels.blur import gaussian, masked_gaussian
from kernels.fill import pull_push
from kernels.workspace import Workspace
from tests.kernels.conditions import allocated, on_one_thread
from tests.kernels.tolerances import assert_close

RANDOM = np.random.default_rng(7)


def picture(height: int, width: int) -> NDArray[np.float32]:
    """Noise, a step, and a bright first column and row, which show an edge that is not continued."""
    image = RANDOM.random((height, width, 3), dtype=np.float32)
    image[:, width // 2 :] += 1.0
    image[:, 0] = 2.0
    image[0] = 2.0
    return image / 2.0


@pytest.mark.parametrize(
    ("sigma", "tolerance"), [(0.5, 1e-5), (2.0, 1e-5), (7.9, 1e-4), (8.0, 1e-2), (23.0, 1e-2), (90.0, 1e-2)]
)
@pytest.mark.parametrize("size", [(96, 131), (40, 17)])
def test_gaussian_against_scipy(sigma: float, tolerance: float, size: tuple[int, int]) -> None:
    image = picture(*size)
    expected = ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode="nearest", truncate=4.0)
    result = gaussian(image, sigma)
    assert result.dtype == np.float32
    assert np.abs(result - expected).max() < tolerance


def test_gaussian_of_one_channel_and_in_place() -> None:
    image = picture(50, 60)
    expected = gaussian(image, 1.7)
    np.testing.assert_array_equal(gaussian(image[..., 0], 1.7), expected[..., 0])
    assert gaussian(image, 1.7, out=image) is image
    np.testing.assert_array_equal(image, expected)


def test_no_blur_is_the_picture() -> None:
    image = picture(20, 30)
    np.testing.assert_array_equal(gaussian(image, 0.0), image)
    with pytest.raises(ValueError, match="sigma"):
        gaussian(image, -1.0)


@pytest.mark.parametrize("sigma", [1.0, 6.0, 30.0])
def test_masked_gaussian_ignores_what_has_no_weight(sigma: float) -> None:
    image = picture(120, 150)
    weight = np.zeros((120, 150), np.float32)
    weight[30:90, 40:100] = RANDOM.random((60, 60), dtype=np.float32)
    share = np.maximum(ndimage.gaussian_filter(weight.astype(np.float64), sigma, mode="nearest"), 1e-12)
    expected = ndimage.gaussian_filter(image * weight[..., None].astype(np.float64), (sigma, sigma, 0), mode="nearest")
    expected /= share[..., None]
    image[weight == 0] = np.nan
    result = masked_gaussian(image, weight, sigma)
    assert np.isfinite(result).all()
    assert np.abs(result - expected)[30:90, 40:100].max() < 1e-2


def test_masked_gaussian_far_from_any_weight() -> None:
    weight = np.zeros((200, 300), np.float32)
    weight[10:12, 20:22] = 1.0
    image = np.full((200, 300, 2), [3.0, -1.0], np.float32)
    np.testing.assert_allclose(masked_gaussian(image, weight, 2.0), image, rtol=1e-5)
    assert not masked_gaussian(image, np.zeros_like(weight), 2.0).any()


def test_pull_push_keeps_the_known_and_stays_between_its_values() -> None:
    known = RANDOM.random((90, 70)) < 0.01
    image = RANDOM.random((90, 70, 3), dtype=np.float32)
    result = pull_push(np.where(known[..., None], image, np.nan).astype(np.float32), known.astype(np.float32))
    np.testing.assert_array_equal(result[known], image[known])
    assert (result >= image[known].min(0) - 1e-6).all()
    assert (result <= image[known].max(0) + 1e-6).all()


@pytest.mark.parametrize("sigma", [0.0, 2.5, 11.0])
def test_halves_planes_and_boxes(sigma: float) -> None:
    image = picture(60, 70)
    half = image.astype(np.float16)
    expected = gaussian(half.astype(np.float32), sigma)
    assert expected.dtype == np.float32
    np.testing.assert_array_equal(gaussian(half, sigma), expected)
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(half, 2, 0)), 0, 2)
    np.testing.assert_array_equal(gaussian(planes, sigma), expected)
    frame = np.full((64, 80, 3), 7.0, np.float16)
    assert gaussian(half, sigma, out=frame[2:62, 4:74]).base is frame
    assert_close(frame[2:62, 4:74], expected, "half")
    frame[2:62, 4:74] = 7.0
    assert (frame == 7.0).all()


@pytest.mark.parametrize("sigma", [3.0, 15.0])
def test_blurs_in_place(sigma: float) -> None:
    image, weight = picture(50, 60), RANDOM.random((50, 60), dtype=np.float32)
    whole, masked, filled = gaussian(image, sigma), masked_gaussian(image, weight, sigma), pull_push(image, weight)
    for result, blur in (
        (whole, lambda own: gaussian(own, sigma, out=own)),
        (masked, lambda own: masked_gaussian(own, weight, sigma, out=own)),
        (filled, lambda own: pull_push(own, weight, out=own)),
    ):
        np.testing.assert_array_equal(blur(image.copy()), result)


@pytest.mark.parametrize("sigma", [1.3, 7.0, 60.0])
def test_a_constant_stays_constant(sigma: float) -> None:
    flat = np.full((70, 90, 3), [0.3, -2.0, 5000.0], np.float32)
    weight = RANDOM.random((70, 90), dtype=np.float32)
    np.testing.assert_allclose(gaussian(flat, sigma), flat, rtol=2e-6)
    np.testing.assert_allclose(masked_gaussian(flat, weight, sigma), flat, rtol=5e-6)
    np.testing.assert_allclose(pull_push(flat, weight), flat, rtol=2e-6)


@pytest.mark.parametrize(("sigma", "tolerance"), [(2.0, 1e-5), (20.0, 0.06)])
def test_a_highlight(sigma: float, tolerance: float) -> None:
    """A lamp of 1e5 leaves the pixels beyond its reach as they are, and nothing turns negative.

    A wide blur knows a single pixel's place to a block only: its halo is off by that.
    """
    image = picture(200, 260)
    image[20, 30] = 1e5
    expected = ndimage.gaussian_filter(image.astype(np.float64), (sigma, sigma, 0), mode="nearest", truncate=4.0)
    result = gaussian(image, sigma)
    assert (result >= 0.0).all()
    assert np.abs(result - expected).max() < tolerance * expected.max()
    far = np.s_[150:, 200:]
    assert np.abs(result - expected)[far].max() < 1e-2


@pytest.mark.parametrize("sigma", [2.0, 10.0])
def test_what_is_not_finite_spreads_over_the_reach_and_no_further(sigma: float) -> None:
    image = picture(120, 150)
    clean = gaussian(image, sigma)
    image[60, 70] = np.nan
    result = gaussian(image, sigma)
    # A wide blur's blocks add their own size on both sides.
    reach = int(4.0 * sigma) + (8 if sigma > 8.0 else 1)
    away = np.ones((120, 150), bool)
    away[60 - reach : 61 + reach, 70 - reach : 71 + reach] = False
    assert np.isnan(result[60, 70]).all()
    np.testing.assert_array_equal(result[away], clean[away])


@pytest.mark.parametrize("weighted", [np.float16, np.bool_])
def test_weights_of_other_types(weighted: type) -> None:
    image = picture(40, 50)
    weight = (RANDOM.random((40, 50)) < 0.3).astype(weighted)
    for blur in (lambda weight: masked_gaussian(image, weight, 3.0), lambda weight: pull_push(image, weight)):
        np.testing.assert_array_equal(blur(weight), blur(weight.astype(np.float32)))


@pytest.mark.parametrize("sigma", [3.0, 25.0])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_a_second_call_allocates_nothing_and_threads_do_not_matter(sigma: float, dtype: type) -> None:
    image, weight = picture(300, 400).astype(dtype), RANDOM.random((300, 400), dtype=np.float32)
    out, workspace = np.empty_like(image), Workspace()
    for call in (
        lambda: gaussian(image, sigma, out=out, workspace=workspace),
        lambda: masked_gaussian(image, weight, sigma, out=out, workspace=workspace),
        lambda: pull_push(image, weight, out=out, workspace=workspace),
    ):
        assert allocated(call) < 100_000
        np.testing.assert_array_equal(on_one_thread(call).copy(), call())
