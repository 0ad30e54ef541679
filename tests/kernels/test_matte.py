"""Mattes against SciPy's distance transform, skimage's polygons and supersampling."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask

from kernels.matte import combine, feather, grow, minimum, polygon_coverage, polygon_distance, signed_distance

RANDOM = np.random.default_rng(5)

# A star with reflex corners that reaches beyond the picture on the left and above.
ANGLES = np.linspace(0.0, 2.0 * np.pi, 37)[:-1]
STAR = np.stack([np.cos(ANGLES), np.sin(ANGLES)], -1) * (40.0 + 25.0 * np.cos(5.0 * ANGLES))[:, None] + [50.3, 44.7]
SIZE = (120, 140)


def supersampled(points: NDArray[np.float64], size: tuple[int, int], factor: int) -> NDArray[np.float64]:
    # skimage's pixel centres lie at integers, its coordinates are (row, column).
    fine = polygon2mask((size[0] * factor, size[1] * factor), points[:, ::-1] * factor - 0.5)
    return np.asarray(fine, np.float64).reshape(size[0], factor, size[1], factor).mean((1, 3))


@pytest.mark.parametrize("density", [0.001, 0.5, 0.999])
@pytest.mark.parametrize("size", [(83, 131), (200, 64), (1, 40), (40, 1)])
def test_signed_distance_against_scipy(density: float, size: tuple[int, int]) -> None:
    inside = RANDOM.random(size) < density
    inside.flat[0], inside.flat[-1] = True, False
    result = signed_distance(inside)
    within = np.asarray(ndimage.distance_transform_edt(inside), np.float64)
    without = np.asarray(ndimage.distance_transform_edt(~inside), np.float64)
    expected = np.where(inside, within - 0.5, 0.5 - without)
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=1e-4)


def test_signed_distance_without_an_edge_is_infinite() -> None:
    assert (signed_distance(np.ones((4, 5), bool)) == np.inf).all()
    assert (signed_distance(np.zeros((4, 5), bool)) == -np.inf).all()


@pytest.mark.parametrize("points", [STAR, STAR[::-1]])
def test_coverage_against_supersampling(points: NDArray[np.float64]) -> None:
    coverage = polygon_coverage(points, SIZE)
    assert coverage.dtype == np.float32
    np.testing.assert_allclose(coverage, supersampled(points, SIZE, 16), atol=0.06)
    assert abs(coverage.sum() - supersampled(points, SIZE, 16).sum()) < 2.0


def test_coverage_is_exact_for_a_box() -> None:
    box = np.array([[2.25, 1.5], [7.75, 1.5], [7.75, 3.0], [2.25, 3.0]])
    expected = np.zeros((5, 10))
    expected[1:3, 2:8] = np.outer([0.5, 1.0], [0.75, 1.0, 1.0, 1.0, 1.0, 0.75])
    np.testing.assert_allclose(polygon_coverage(box, (5, 10)), expected, atol=1e-7)


def test_polygon_distance_against_dense_samples_of_its_outline() -> None:
    share = np.linspace(0.0, 1.0, 3000)[:, None]
    outline = np.concatenate([a + share * (b - a) for a, b in zip(STAR, np.roll(STAR, -1, 0), strict=True)])
    places = RANDOM.integers(0, [SIZE[1], SIZE[0]], (150, 2))
    nearest = np.array([np.hypot(*(outline - place - 0.5).T).min() for place in places])
    result = polygon_distance(STAR, SIZE)
    assert result.dtype == np.float32
    np.testing.assert_allclose(np.abs(result[places[:, 1], places[:, 0]]), nearest, atol=2e-3)
    coverage = polygon_coverage(STAR, SIZE)
    assert (result[coverage > 0.99] > 0.0).all()
    assert (result[coverage < 0.01] < 0.0).all()


def test_a_polygon_needs_three_finite_points() -> None:
    for points in (STAR[:2], STAR.ravel(), np.full((4, 2), np.nan)):
        with pytest.raises(ValueError, match="polygon"):
            polygon_distance(points, SIZE)


def test_feather_and_grow() -> None:
    distance = np.array([[-np.inf, -3.0, 0.0, 2.5, 5.0, 9.0, np.inf]], np.float32)
    np.testing.assert_allclose(feather(distance, 5.0), [[0.0, 0.0, 0.0, 0.5, 1.0, 1.0, 1.0]])
    np.testing.assert_allclose(feather(distance, 0.0), [[0.0, 0.0, 0.5, 1.0, 1.0, 1.0, 1.0]])
    np.testing.assert_allclose(feather(grow(distance, 3.0), 5.0)[0, 1:3], [0.0, 0.648], atol=1e-6)


def test_combine_and_minimum() -> None:
    a, b = RANDOM.random((2, 6, 7), dtype=np.float32)
    np.testing.assert_array_equal(combine(a, b), a * b)
    np.testing.assert_array_equal(minimum(a, b), np.minimum(a, b))
    np.testing.assert_array_equal(combine(a), a)
