"""Mattes against SciPy's distance transform, skimage's polygons and supersampling."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage.draw import polygon2mask

from kernels.distance import polygon_distance, signed_distance
from kernels.matte import combine, feather, grow, maximum, minimum, polygon_coverage, subtract
from kernels.workspace import Workspace
from tests.kernels.conditions import allocated, on_one_thread
from tests.kernels.tolerances import assert_close

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


def test_union_and_holdout() -> None:
    a, b, c = RANDOM.random((3, 6, 7), dtype=np.float32)
    np.testing.assert_array_equal(maximum(a, b, c), np.maximum(np.maximum(a, b), c))
    np.testing.assert_allclose(subtract(a, b, c), a * (1.0 - b) * (1.0 - c), atol=1e-7)
    nothing, everything = np.zeros_like(a), np.ones_like(a)
    for way, neutral in ((combine, everything), (minimum, everything), (maximum, nothing), (subtract, nothing)):
        np.testing.assert_array_equal(way(a, neutral), a)
    for way, absorbing in ((combine, nothing), (minimum, nothing), (maximum, everything)):
        np.testing.assert_array_equal(way(a, absorbing), absorbing)
    np.testing.assert_array_equal(subtract(a, everything), nothing)


@pytest.mark.parametrize("way", [combine, minimum, maximum, subtract])
def test_a_matte_that_is_not_a_number_stays(way) -> None:
    a, b = RANDOM.random((2, 6, 7), dtype=np.float32)
    a[1, 2] = b[3, 4] = np.nan
    np.testing.assert_array_equal(np.isnan(way(a, b)), np.isnan(a) | np.isnan(b))
    kept = way(a, b)
    assert way(a, b, out=a) is a
    np.testing.assert_array_equal(a, kept)


def test_mattes_and_distances_in_half() -> None:
    distance, other = (RANDOM.uniform(-5.0, 9.0, (2, 20, 30))).astype(np.float16)
    single = distance.astype(np.float32)
    for call in (lambda d, **out: feather(d, 4.0, **out), lambda d, **out: grow(d, 1.5, **out)):
        np.testing.assert_array_equal(call(distance), call(single))
        frame = np.zeros((24, 40), np.float16)
        call(distance, out=frame[2:22, 5:35])
        assert_close(frame[2:22, 5:35], call(single), "half")
    assert combine(distance, other).dtype == np.float32
    np.testing.assert_array_equal(combine(distance, other), single * other.astype(np.float32))
    half = np.empty(SIZE, np.float16)
    assert_close(polygon_coverage(STAR, out=half), polygon_coverage(STAR, SIZE), "half")
    assert_close(polygon_distance(STAR, out=half), polygon_distance(STAR, SIZE), "half")


def test_feather_rises_with_the_distance() -> None:
    distance = np.linspace(-8.0, 20.0, 400, dtype=np.float32)[None]
    for width in (0.0, 0.3, 6.0):
        matte = feather(distance, width)
        assert (np.diff(matte) >= 0.0).all()
        assert matte.min() == 0.0
        assert matte.max() == 1.0


def test_growing_a_disc_makes_a_larger_disc() -> None:
    y, x = np.mgrid[:101, :121] + 0.5
    away = np.hypot(x - 60.0, y - 50.0)
    distance = signed_distance(away < 25.0)
    for pixels in (-7.0, 9.0):
        grown = feather(grow(distance, pixels), 0.0)
        radius = np.sqrt(grown.sum() / np.pi)
        assert abs(radius - (25.0 + pixels)) < 0.4


def test_the_sum_of_a_coverage_is_the_polygons_area() -> None:
    for _ in range(5):
        angles = np.sort(RANDOM.uniform(0.0, 2.0 * np.pi, 12))
        radii = RANDOM.uniform(8.0, 40.0, 12)
        points = np.stack([60.0 + radii * np.cos(angles), 50.0 + radii * np.sin(angles)], -1)
        x, y = points.T
        area = 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
        coverage = polygon_coverage(points, (101, 121))
        np.testing.assert_allclose(coverage.sum(dtype=np.float64), area, rtol=1e-6)
        # Nothing at all outside, and all of it inside: a matte changes what it does not touch by not one bit.
        distance = polygon_distance(points, (101, 121))
        assert not coverage[distance < -0.8].any()
        np.testing.assert_allclose(coverage[distance > 0.8], 1.0, atol=1e-6)


@pytest.mark.parametrize("scale", [0.3, 1.0, 30.0])
def test_polygon_distance_against_every_edge_in_double(scale: float) -> None:
    """A polygon inside a tile, across tiles, and far larger than the picture; one edge has no length."""
    points = np.concatenate([STAR, STAR[-1:]]) * scale
    y, x = np.mgrid[: SIZE[0], : SIZE[1]] + 0.5
    a, b = points, np.roll(points, -1, 0)
    edge, away = b - a, np.stack([x, y], -1)[:, :, None] - a
    share = np.clip((away * edge).sum(-1) / np.maximum((edge * edge).sum(-1), 1e-30), 0.0, 1.0)
    nearest = np.hypot(*np.moveaxis(away - share[..., None] * edge, -1, 0)).min(-1)
    np.testing.assert_allclose(np.abs(polygon_distance(points, SIZE)), nearest, atol=1e-3)


@pytest.mark.parametrize("kind", ["disc", "stripes", "one pixel", "noise"])
def test_signed_distance_of_larger_masks(kind: str) -> None:
    y, x = np.mgrid[:300, :410]
    inside = {
        "disc": np.hypot(x - 200, y - 140) < 90,
        "stripes": (x // 3 + y // 50) % 2 == 0,
        "one pixel": (x == 7) & (y == 290),
        "noise": RANDOM.random((300, 410)) < 0.02,
    }[kind]
    within = np.asarray(ndimage.distance_transform_edt(inside), np.float64)
    without = np.asarray(ndimage.distance_transform_edt(~inside), np.float64)
    expected = np.where(inside, within - 0.5, 0.5 - without)
    np.testing.assert_allclose(signed_distance(inside), expected, atol=1e-4)
    frame = np.zeros((310, 420), bool)
    frame[4:304, 3:413] = inside
    np.testing.assert_array_equal(signed_distance(frame[4:304, 3:413]), signed_distance(inside))


def test_a_second_call_allocates_nothing_and_threads_do_not_matter() -> None:
    inside, workspace = RANDOM.random((400, 500)) < 0.3, Workspace()
    out, other = np.empty((2, 400, 500), np.float32)
    for call in (
        lambda: signed_distance(inside, out=out, workspace=workspace),
        lambda: polygon_distance(STAR * 3.0, out=out),
        lambda: polygon_coverage(STAR * 3.0, out=out),
        lambda: feather(out, 3.0, out=other),
        lambda: grow(out, 3.0, out=other),
        lambda: combine(out, out, out=other),
    ):
        assert allocated(call) < 100_000
        np.testing.assert_array_equal(on_one_thread(call).copy(), call())
