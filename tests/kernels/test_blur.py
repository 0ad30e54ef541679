"""Blurs against SciPy's, on noise, steps and borders."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage

from kernels.blur import gaussian, masked_gaussian, pull_push

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
