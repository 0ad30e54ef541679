import tracemalloc

import cv2
import numba
import numpy as np
import pytest
from scipy.spatial import Delaunay

from kernels.mesh import Drawn, Raster, draw, rasterize, vertex_facing
from kernels.view import make_view, view
from kernels.warp import warp_dense
from kernels.workspace import Workspace
from tests.kernels.tolerances import assert_close

SQUARE = np.array([[2.0, 3.0, 1.0], [32.0, 3.0, 1.0], [32.0, 23.0, 1.0], [2.0, 23.0, 1.0]])
# Wound so that the square faces the camera: z grows away from it.
HALVES = np.array([[0, 2, 1], [0, 3, 2]], np.int32)


def test_a_square_covers_just_its_pixels_without_a_crack():
    raster = rasterize(SQUARE, HALVES, SQUARE[:, :2], (30, 40))
    expected = np.zeros((30, 40), bool)
    expected[3:23, 2:32] = True
    np.testing.assert_array_equal(raster.covered, expected)
    np.testing.assert_allclose(raster.facing[expected], 1.0, atol=1e-6)


def test_attributes_are_interpolated_at_pixel_centres():
    raster = rasterize(SQUARE, HALVES, SQUARE[:, :2], (30, 40))
    y, x = np.nonzero(raster.covered)
    np.testing.assert_allclose(raster.attributes[y, x], np.stack([x + 0.5, y + 0.5], axis=1), atol=1e-4)


def test_the_nearer_of_two_wins_whatever_the_order():
    far = SQUARE + [0.0, 0.0, 5.0]
    vertices = np.concatenate([SQUARE, far])
    values = np.repeat([[1.0], [2.0]], 4, axis=0)
    for triangles in (np.concatenate([HALVES, HALVES + 4]), np.concatenate([HALVES + 4, HALVES])):
        raster = rasterize(vertices, triangles, values, (30, 40))
        np.testing.assert_allclose(raster.attributes[raster.covered], 1.0, rtol=1e-6)


def test_coverage_of_random_triangles_equals_opencv_but_for_the_edges():
    rng = np.random.default_rng(5)
    for _ in range(20):
        corners = rng.uniform(0, 100, (3, 2))
        raster = rasterize(np.column_stack([corners, np.ones(3)]), np.array([[0, 1, 2]], np.int32), corners, (100, 100))
        mask = np.zeros((100, 100), np.uint8)
        cv2.fillPoly(mask, [np.round((corners - 0.5) * 256).astype(np.int32)], 1, shift=8)
        edge = cv2.dilate(mask, np.ones((3, 3))) != cv2.erode(mask, np.ones((3, 3)))
        assert not ((raster.covered != mask.astype(bool)) & ~edge).any()


def test_triangles_outside_the_picture_are_cut_at_its_border():
    raster = rasterize(SQUARE + [-20.0, -10.0, 0.0], HALVES, SQUARE[:, :2], (30, 40))
    assert raster.covered[:13, :12].all() and raster.covered.sum() == 13 * 12


def test_facing_is_the_cosine_to_the_camera():
    tilted = SQUARE.copy()
    tilted[[1, 2], 2] += 30.0
    np.testing.assert_allclose(vertex_facing(tilted, HALVES), np.cos(np.pi / 4), atol=1e-6)
    raster = rasterize(tilted, HALVES, SQUARE[:, :2], (30, 40))
    np.testing.assert_allclose(raster.facing[raster.covered], np.cos(np.pi / 4), atol=1e-5)


def sheet(seed=4, count=60):
    """A triangulated sheet of points over (90, 100), some at pixel centres, others on pixel borders."""
    rng = np.random.default_rng(seed)
    points = rng.uniform([-5.0, -5.0], [105.0, 95.0], (count, 2))
    points[:30] = np.round(points[:30] * 2) / 2
    return np.column_stack([points, rng.uniform(0.0, 9.0, count)]), Delaunay(points).simplices.astype(np.int32)


@pytest.mark.parametrize("seed", range(5))
def test_a_pixel_on_a_shared_edge_belongs_to_one_triangle(seed):
    vertices, triangles = sheet(seed)
    owners = np.sum([rasterize(vertices, one[None], vertices, (90, 100)).covered for one in triangles], axis=0)
    assert owners.max() == 1
    hull = cv2.convexHull(vertices[:, :2].astype(np.float32))[:, 0]
    inside = np.array(
        [[cv2.pointPolygonTest(hull, (x + 0.5, y + 0.5), True) > 0.01 for x in range(100)] for y in range(90)]
    )
    assert owners[inside].min() == 1


def test_of_equally_near_triangles_the_first_is_drawn():
    values = np.repeat([[1.0], [2.0]], 4, axis=0)
    twice = np.concatenate([SQUARE, SQUARE])
    first = rasterize(twice, np.concatenate([HALVES, HALVES + 4]), values, (30, 40))
    second = rasterize(twice, np.concatenate([HALVES + 4, HALVES]), values, (30, 40))
    assert (first.attributes[first.covered] == 1.0).all() and (second.attributes[second.covered] == 2.0).all()


def test_the_order_of_the_list_does_not_change_the_depth():
    rng = np.random.default_rng(8)
    vertices, triangles = rng.uniform([0, 0, 0], [100, 90, 50], (40, 3)), rng.integers(0, 40, (60, 3)).astype(np.int32)
    raster = rasterize(vertices, triangles, vertices, (90, 100))
    shuffled = rasterize(vertices, rng.permutation(triangles), vertices, (90, 100))
    np.testing.assert_array_equal(raster.depth, shuffled.depth)
    # The z that it carries as an attribute is its depth.
    np.testing.assert_allclose(raster.attributes[..., 2][raster.covered], raster.depth[raster.covered], atol=2e-3)


def test_slivers_stay_within_the_range_of_their_corners():
    rng = np.random.default_rng(3)
    for _ in range(200):
        start, way = rng.uniform(0, 60, 2), rng.uniform(-40, 40, 2)
        corners = np.array([start, start + way, start + 0.5 * way + rng.uniform(-1e-3, 1e-3, 2)])
        raster = rasterize(np.column_stack([corners, [1, 2, 3]]), np.array([[0, 1, 2]], np.int32), corners, (60, 60))
        y, x = np.nonzero(raster.covered)
        assert np.abs(raster.attributes[y, x] - np.stack([x, y], axis=1) - 0.5).max(initial=0.0) < 2e-3


def test_corners_that_are_no_place_are_not_drawn():
    for bad in (np.nan, np.inf, -2e5):
        vertices = SQUARE.copy()
        vertices[1, 0] = bad
        raster = rasterize(vertices, HALVES, SQUARE[:, :2], (30, 40))
        assert 0 < raster.covered.sum() < 400
    assert not rasterize(SQUARE, HALVES[:0], SQUARE, (30, 40)).covered.any()
    assert rasterize(SQUARE, HALVES, SQUARE, (0, 40)).depth.shape == (0, 40)


@pytest.mark.parametrize("kind, scale", [("linear", 1.0), ("cubic", 1.6)])
def test_drawing_equals_a_raster_and_a_warp(kind, scale):
    vertices, triangles = sheet()
    vertices[:, :2] = (vertices[:, :2] - 50) * 0.8 + 50
    source = np.random.default_rng(1).uniform(0.0, 2.0, (64, 64, 3)).astype(np.float16)
    places = np.random.default_rng(2).uniform(0.0, 64.0, (60, 2))
    drawn = draw(vertices, triangles, places, source, (90, 100), kind, scale, to_view=make_view())
    raster = rasterize(vertices, triangles, places, (90, 100))
    raster.attributes[~raster.covered] = np.nan
    expected = view(warp_dense(source, raster.attributes, kind, scale), make_view())
    assert_close(drawn.picture, expected, "mesh")
    np.testing.assert_array_equal(drawn.depth, raster.depth)
    np.testing.assert_array_equal(drawn.facing, raster.facing)
    assert (~drawn.covered).any() and not drawn.picture[~drawn.covered].any()


def test_half_planes_may_be_given():
    vertices, triangles = sheet()
    out = Raster(np.zeros((3, 90, 100), np.float16).transpose(1, 2, 0), *np.zeros((2, 90, 100), np.float16))
    assert rasterize(vertices, triangles, vertices, (90, 100), out) is out
    for ours, reference in zip(out, rasterize(vertices, triangles, vertices, (90, 100)), strict=True):
        assert_close(ours, reference, "half")


def test_threads_do_not_matter():
    vertices, triangles = sheet()
    many, before = rasterize(vertices, triangles, vertices, (90, 100)), numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        for one, other in zip(rasterize(vertices, triangles, vertices, (90, 100)), many, strict=True):
            np.testing.assert_array_equal(one, other)
    finally:
        numba.set_num_threads(before)


def test_the_next_frame_allocates_nothing():
    vertices, triangles = sheet()
    workspace, size, source = Workspace(), (1000, 1000), np.ones((64, 64, 3), np.float32)
    planes = np.empty((2, *size), np.float32)
    raster, drawn = Raster(np.empty((*size, 3), np.float32), *planes), Drawn(np.empty((*size, 3), np.float32), *planes)
    rasterize(vertices, triangles, vertices, size, raster, workspace=workspace)
    draw(vertices, triangles, vertices[:, :2], source, size, out=drawn, workspace=workspace)
    tracemalloc.start()
    rasterize(vertices, triangles, vertices, size, raster, workspace=workspace)
    assert tracemalloc.get_traced_memory()[1] < 1 << 16
    draw(vertices, triangles, vertices[:, :2], source, size, out=drawn, workspace=workspace)
    # Each thread's tiles, of a size of their own.
    assert tracemalloc.get_traced_memory()[1] < numba.get_num_threads() << 21
    tracemalloc.stop()
