import cv2
import numpy as np

from kernels.mesh import rasterize, vertex_facing

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
