import cv2
import numpy as np
import pytest

from kernels.warp import warp_affine, warp_dense


def picture(height=120, width=150, seed=3):
    noise = np.random.default_rng(seed).uniform(0.0, 4.0, (height, width, 3)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), np.float32)


def half_pixel(matrix):
    """Our matrix, for OpenCV, whose pixel centres lie at integers."""
    corrected = np.array(matrix, np.float64)
    corrected[:, 2] += corrected[:, :2] @ [0.5, 0.5] - 0.5
    return corrected


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_the_identity_is_exact(kind):
    source = picture()
    np.testing.assert_array_equal(warp_affine(source, np.eye(3)[:2], source.shape[:2], kind), source)


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_a_constant_stays_constant(kind):
    source = np.full((40, 50, 2), 3.25, np.float32)
    matrix = [[2.3, 0.4, -9.0], [-0.4, 2.3, 5.0]]
    np.testing.assert_allclose(warp_affine(source, matrix, (60, 60), kind), 3.25, rtol=1e-6)


def test_linear_equals_opencv_when_it_enlarges():
    source = picture()
    matrix = np.array([[0.6, 0.15, 20.0], [-0.15, 0.6, 40.0]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    expected = cv2.warpAffine(source, half_pixel(matrix), (90, 80), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    # OpenCV rounds its weights to 1/32.
    np.testing.assert_allclose(warp_affine(source, matrix, (80, 90)), expected, atol=0.04)


def test_cubic_reproduces_a_quadratic():
    y, x = np.mgrid[:40, :40].astype(np.float32) + 0.5
    source = (0.01 * x * x + 0.02 * x * y - 0.3 * y)[..., None].astype(np.float32)
    matrix = np.array([[0.5, 0.0, 10.25], [0.0, 0.5, 9.5]])
    out = warp_affine(source, matrix, (30, 30), "cubic")[..., 0]
    v, u = (np.mgrid[:30, :30] + 0.5) * 0.5 + np.array([9.5, 10.25])[:, None, None]
    np.testing.assert_allclose(out, 0.01 * u * u + 0.02 * u * v - 0.3 * v, atol=2e-4)


def test_shrinking_does_not_alias():
    """Stripes finer than the output's pixels become their mean, not a beat."""
    stripes = np.zeros((600, 600, 1), np.float32)
    stripes[:, ::2] = 1.0
    out = warp_affine(stripes, [[5.3, 0.0, 0.0], [0.0, 5.3, 0.0]], (100, 100), "linear")
    assert np.abs(out[5:-5, 5:-5] - 0.5).max() < 0.03


def test_a_highlight_keeps_its_energy_when_it_shrinks():
    source = np.zeros((400, 400, 1), np.float32)
    source[201, 187] = 1000.0
    out = warp_affine(source, [[4.0, 0.0, 0.0], [0.0, 4.0, 0.0]], (100, 100), "linear")
    assert out.sum() * 16.0 == pytest.approx(1000.0, rel=0.02)


def test_dense_equals_affine_on_the_same_map():
    source, matrix = picture(), np.array([[0.7, 0.2, 10.0], [-0.2, 0.7, 35.0]])
    y, x = np.mgrid[:70, :80] + 0.5
    coordinates = np.stack([matrix[i, 0] * x + matrix[i, 1] * y + matrix[i, 2] for i in range(2)], axis=2).astype(
        np.float32
    )
    expected = warp_affine(source, matrix, (70, 80), "cubic")
    np.testing.assert_allclose(warp_dense(source, coordinates), expected, atol=2e-3)


def test_the_edge_goes_on_outside_and_nan_coordinates_are_black():
    source = picture(20, 20)
    coordinates = np.array([[[-500.0, 0.5], [1e9, 1e9], [np.nan, 3.0]]], np.float32)
    out = warp_dense(source, coordinates, "linear")
    np.testing.assert_allclose(out[0, 0], source[0, 0], rtol=1e-6)
    np.testing.assert_allclose(out[0, 1], source[-1, -1], rtol=1e-6)
    assert out[0, 2].tolist() == [0.0, 0.0, 0.0] and out.dtype == np.float32
