import tracemalloc

import numba
import numpy as np
import pytest
from scipy import ndimage

from kernels.composite import Counts, composite
from kernels.membrane import EPSILON
from kernels.view import exposed, make_view, unview, view
from tests.kernels.tolerances import assert_close

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
    counts = Counts.of(composite(plate, patch, np.ones_like(matte), IDENTITY, make_view()))
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
    counts = Counts.of(composite(plate, patch, matte, IDENTITY, make_view()))
    assert counts.written == np.count_nonzero(matte) and counts.clipped == 1 and counts.not_finite == 0


TURNED = np.array([[0.55, -0.12, 9.0], [0.12, 0.55, 1.5]])
MATRIX = np.array([[1.7, -0.6, -0.1], [-0.1, 1.1, 0.0], [0.0, -0.1, 1.1]])


def sampled(source, matrix, size):
    """SciPy's bilinear samples of a picture under a matrix of ours; its pixel centres lie at integers."""
    y, x = np.mgrid[: size[0], : size[1]] + 0.5
    places = [matrix[i][0] * x + matrix[i][1] * y + matrix[i][2] - 0.5 for i in (1, 0)]
    return np.stack([ndimage.map_coordinates(source[..., c], places, order=1, mode="nearest") for c in range(3)], -1)


def reference(plate, patch, matte, matrix, model_view, correction, correction_matrix, grain, alpha):
    """The formula of the module in float64, by NumPy and SciPy; only the view's curve is ours."""
    coverage = np.where(alpha > 0, alpha, 1.0)[..., None]
    own = plate / coverage
    light = exposed(sampled(patch, matrix, matte.shape).astype(np.float32), model_view).astype(np.float64)
    gain = np.exp(sampled(correction, correction_matrix, matte.shape))
    light = (light + EPSILON) * gain - EPSILON
    kept = np.clip(own @ model_view.to_view.T, 0.0, model_view.white)
    change = (light - kept) @ model_view.from_view.T + grain
    return plate + (alpha * matte)[..., None] * change


def whole_scene(seed=5):
    """A turned patch, a coarse correction, grain, alpha, and a view with primaries of its own."""
    plate, patch, matte = scene(seed)
    rng = np.random.default_rng(seed)
    alpha = rng.uniform(0.1, 1.0, matte.shape).astype(np.float32)
    alpha[12:14, 15:30] = 0.0
    correction = rng.uniform(-0.3, 0.3, (12, 14, 3)).astype(np.float32)
    grain = (0.05 * rng.standard_normal(plate.shape)).astype(np.float32)
    plate[15:20, 15:20] *= 6.0
    return plate * alpha[..., None], patch, matte, correction, grain, alpha


COARSE = np.array([[0.25, 0.0, 0.0], [0.0, 0.25, 0.0]])


def test_the_whole_formula_against_numpy_and_scipy():
    plate, patch, matte, correction, grain, alpha = whole_scene()
    model_view = make_view(MATRIX, 1.3)
    expected = reference(plate, patch, matte, TURNED, model_view, correction, COARSE, grain, alpha)
    composite(plate, patch, matte, TURNED, model_view, correction, grain, alpha, plate_to_correction=COARSE)
    assert_close(plate, expected, "composite")


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
@pytest.mark.parametrize("planar", [False, True])
def test_a_box_of_a_frame_in_its_own_type(dtype, planar):
    plate, patch, matte, correction, grain, alpha = whole_scene()
    half_arguments = [array.astype(dtype) for array in (patch, matte, correction, grain, alpha)]
    patch, matte, correction, grain, alpha = half_arguments
    frame = np.full((3, 70, 80) if planar else (70, 80, 3), 0.25, dtype)
    box = frame[:, 11:59, 17:73] if planar else np.moveaxis(frame[11:59, 17:73], 2, 0)
    box[...] = np.moveaxis(plate, 2, 0)
    outside = frame.copy()
    wide_patch, wide_matte, *layers = [array.astype(np.float32) for array in half_arguments]
    expected = np.moveaxis(box, 0, 2).astype(np.float32)
    model_view = make_view(MATRIX, 1.3)
    composite(expected, wide_patch, wide_matte, TURNED, model_view, *layers, plate_to_correction=COARSE)
    composite(tuple(box), patch, matte, TURNED, model_view, correction, grain, alpha, plate_to_correction=COARSE)
    np.testing.assert_array_equal(box, np.moveaxis(expected, 2, 0).astype(dtype))
    box[...] = 0
    (outside[:, 11:59, 17:73] if planar else outside[11:59, 17:73])[...] = 0
    np.testing.assert_array_equal(frame, outside)


def test_every_half_outside_the_matte_keeps_its_bits():
    plate = np.arange(1 << 16, dtype=np.uint16).view(np.float16).reshape(256, 256)
    planes = tuple(plate.copy() for _ in range(3))
    matte = np.zeros((256, 256), np.float32)
    matte[::2, 1::3] = 0.5
    composite(planes, np.full((4, 4, 3), 0.5, np.float32), matte, [[0, 0, 1], [0, 0, 1]], make_view())
    kept = (matte == 0.0) | ~np.isfinite(plate)
    for plane in planes:
        np.testing.assert_array_equal(plane.view(np.uint16)[kept], plate.view(np.uint16)[kept])
        assert np.isfinite(plane[~kept]).all()


def test_what_is_too_large_for_a_half_becomes_the_largest_half():
    plate = np.full((4, 4, 3), 65504.0, np.float16)
    composite(plate, np.ones((4, 4, 3), np.float32), np.ones((4, 4), np.float32), IDENTITY, make_view(None, 1e-3))
    assert (plate == 65504.0).all()


def test_the_same_bits_on_one_thread_and_on_several():
    plate, patch, matte, correction, grain, alpha = whole_scene()
    several, one = plate.copy(), plate.copy()
    arguments = patch, matte, TURNED, make_view(MATRIX, 1.3), correction, grain, alpha
    counts = composite(several, *arguments, plate_to_correction=COARSE)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        np.testing.assert_array_equal(composite(one, *arguments, plate_to_correction=COARSE), counts)
    finally:
        numba.set_num_threads(threads)
    np.testing.assert_array_equal(one, several)


def test_counts_add_up_over_faces():
    plate, patch, matte = scene()
    counts = composite(plate, patch, matte, IDENTITY, make_view())
    once = Counts.of(counts)
    assert composite(plate, patch, matte, IDENTITY, make_view(), counts=counts) is counts
    assert Counts.of(counts).written == 2 * once.written


def test_a_second_call_allocates_nothing_of_the_size_of_a_picture():
    plate, patch, matte = np.ones((600, 700, 3), np.float32), np.ones((64, 64, 3), np.float32), np.ones((600, 700), "f")
    composite(plate, patch, matte, TURNED, make_view())
    tracemalloc.start()
    composite(plate, patch, matte, TURNED, make_view())
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 16
