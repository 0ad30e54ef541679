import tracemalloc
from typing import Any

import cv2
import numba
import numpy as np
import pytest
from scipy import ndimage

from kernels.launch import MixedArrays
from kernels.view import make_view, unview, view
from kernels.warp import invert, pixels_of_st, st_of_pixels, warp_affine, warp_dense
from tests.kernels.tolerances import assert_close

KINDS = ["linear", "cubic", "lanczos"]
TURNED = np.array([[0.8, 0.3, 12.0], [-0.3, 0.8, 40.0]])
SHRUNK = np.array([[2.6, 0.7, 3.0], [-0.7, 2.6, 40.0]])


def picture(height=120, width=150, seed=3):
    noise = np.random.default_rng(seed).uniform(0.0, 4.0, (height, width, 3)).astype(np.float32)
    return np.asarray(cv2.GaussianBlur(noise, (0, 0), 1.5), np.float32)


def half_pixel(matrix):
    """Our matrix, for OpenCV, whose pixel centres lie at integers."""
    corrected = np.array(matrix, np.float64)
    corrected[:, 2] += corrected[:, :2] @ [0.5, 0.5] - 0.5
    return corrected


@pytest.mark.parametrize("kind", KINDS)
def test_the_identity_is_exact(kind):
    source = picture()
    np.testing.assert_array_equal(warp_affine(source, np.eye(3)[:2], source.shape[:2], kind), source)


@pytest.mark.parametrize("kind", KINDS)
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


def kernel(kind, d):
    """The kernels as their books have them, in float64."""
    d = np.abs(d)
    if kind == "linear":
        return np.maximum(1.0 - d, 0.0)
    if kind == "cubic":
        inner, outer = 1.5 * d**3 - 2.5 * d**2 + 1.0, -0.5 * d**3 + 2.5 * d**2 - 4.0 * d + 2.0
        return np.where(d < 1.0, inner, np.where(d < 2.0, outer, 0.0))
    return np.where(d < 3.0, np.sinc(d) * np.sinc(d / 3.0), 0.0)


def by_hand(source, matrix, size, kind, scale):
    """Every output pixel as a weighted mean over the whole source, continued with its edge pixels."""
    margin = int(np.ceil(3 * max(scale))) + 1
    wide = np.pad(source.astype(np.float64), [(margin, margin), (margin, margin), (0, 0)], mode="edge")
    centre_y, centre_x = (np.arange(length) + 0.5 - margin for length in wide.shape[:2])
    out = np.empty((*size, source.shape[2]))
    for y, x in np.ndindex(*size):
        u, v = matrix[:, :2] @ [x + 0.5, y + 0.5] + matrix[:, 2]
        across, down = kernel(kind, (centre_x - u) / scale[0]), kernel(kind, (centre_y - v) / scale[1])
        out[y, x] = np.einsum("i,j,ijc", down, across, wide) / (down.sum() * across.sum())
    return out


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "matrix, scale",
    [
        (TURNED, (1.0, 1.0)),
        (SHRUNK, (np.hypot(2.6, 0.7),) * 2),
        (np.array([[1.5, 0.0, 9.0], [0.0, 4.25, 2.0]]), (1.5, 4.25)),
    ],
)
def test_every_pixel_is_the_mean_that_its_kernel_takes(kind, matrix, scale):
    source = picture()
    ours = warp_affine(source, matrix, (20, 30), kind, limit=False)
    assert_close(ours, by_hand(source, matrix, (20, 30), kind, scale), "warp")


@pytest.mark.parametrize("edge, mode", [("continue", "nearest"), ("zero", "constant"), ("mirror", "reflect")])
def test_edges_equal_scipys(edge, mode):
    source = picture(17, 23)[..., :1]
    matrix = np.array([[1.0, 0.0, -30.3], [0.0, 1.0, -20.6]])
    ours = warp_affine(source, matrix, (60, 80), edge=edge)
    # SciPy's "constant" jumps to 0 at the last centre: a border of zeros lets it fade as a tent does.
    padded, border = (np.pad(source[..., 0], 1), 1.0) if edge == "zero" else (source[..., 0], 0.0)
    offset: Any = (border - 20.6, border - 30.3)
    reference = ndimage.affine_transform(padded.astype(np.float64), np.eye(2), offset, (60, 80), order=1, mode=mode)
    assert_close(ours[..., 0], reference, "warp")


def zone_plate(side, turn):
    """Rings that are finer and finer to the border, where they reach Nyquist's limit, off centre by `turn`."""
    y, x = np.mgrid[:side, :side] - side / 2 + turn
    return (0.5 + 0.5 * np.cos(np.pi / 2 * (x * x + y * y) / (side / 2)))[..., None].astype(np.float32)


@pytest.mark.parametrize("kind", ["linear", "cubic"])
def test_a_zone_plate_does_not_alias(kind):
    """What is finer than an output pixel is gone: far from the centre only the mean is left."""
    source = zone_plate(1500, 0.3)
    scale = 1500 / 128
    turn = np.radians(12)
    linear = scale * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    matrix = np.column_stack([linear, [750.0, 750.0] - linear @ [64.0, 64.0]])
    out = warp_affine(source, matrix, (128, 128), kind)[..., 0]
    y, x = np.mgrid[:128, :128] - 63.5
    # A ring's frequency is its radius over the side, in cycles a source pixel; the kernel's first zero is at 1 / scale.
    beyond = (np.hypot(x, y) * scale > 1500 * 1.6 / scale) & (np.hypot(x, y) < 60)
    assert np.abs(out[beyond] - 0.5).max() < 0.03


@pytest.mark.parametrize("angle", [0, 7, 30, 45, 83])
@pytest.mark.parametrize("period", [2.0, 2.7, 4.3, 6.1])
def test_fine_stripes_leave_no_beat(angle, period):
    y, x = np.mgrid[:1500, :1500]
    across = x * np.cos(np.radians(angle)) + y * np.sin(np.radians(angle))
    stripes = (0.5 + 0.5 * np.cos(2 * np.pi * across / period + 0.4))[..., None].astype(np.float32)
    scale = 1500 / 128
    out = warp_affine(stripes, [[scale, 0.0, 0.0], [0.0, scale, 0.0]], (128, 128))
    assert np.abs(out[2:-2, 2:-2] - 0.5).max() < 0.03


@pytest.mark.parametrize("kind", ["cubic", "lanczos"])
@pytest.mark.parametrize("matrix", [TURNED, SHRUNK])
def test_a_highlight_does_not_ring(kind, matrix):
    source = np.full((120, 150, 3), 0.2, np.float32)
    source[60:63, 70:74] = 1e4
    out = warp_affine(source, matrix, (60, 70), kind)
    assert out.min() >= np.float32(0.2) and out.max() <= 1e4
    assert warp_affine(source, matrix, (60, 70), kind, limit=False).min() < 0.0


def test_the_limit_hardly_changes_a_soft_picture():
    source = picture()
    change = warp_affine(source, TURNED, (70, 80), "cubic") - warp_affine(
        source, TURNED, (70, 80), "cubic", limit=False
    )
    assert np.abs(change).max() < 0.05 and np.mean(change != 0) < 0.05


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_what_is_not_finite_spoils_only_what_its_kernel_touches(kind, bad):
    source = picture()
    source[50, 60] = bad
    np.testing.assert_array_equal(warp_affine(source, np.eye(3), source.shape[:2], kind), source)
    shift = np.array([[1.0, 0.0, 0.25], [0.0, 1.0, 0.0]])
    spoilt = np.any(~np.isfinite(warp_affine(source, shift, source.shape[:2], kind)), axis=2)
    radius = {"linear": 1, "cubic": 2, "lanczos": 3}[kind]
    expected = np.zeros_like(spoilt)
    expected[50, 60 - radius : 60 + radius] = True
    np.testing.assert_array_equal(spoilt & ~expected, False)
    assert spoilt[50, 60]


def test_straight_alpha_lets_no_hidden_colour_out():
    source = np.zeros((40, 40, 4), np.float32)
    source[..., :3] = [0.0, 0.0, 1e3]
    source[10:30, 10:30] = [0.5, 0.25, 0.125, 1.0]
    source[0, 0] = [np.nan, np.nan, np.nan, 0.0]
    out = warp_affine(source, [[1.7, 0.3, -4.0], [-0.3, 1.7, 5.0]], (30, 30), alpha="straight")
    seen = out[..., 3] > 0.0
    assert 20 < seen.sum() < 400
    np.testing.assert_allclose(out[seen][:, :3], np.broadcast_to([0.5, 0.25, 0.125], (seen.sum(), 3)), rtol=1e-5)
    assert not out[~seen].any()


def test_straight_and_premultiplied_agree():
    premultiplied = picture(40, 40)[..., [0, 1, 2, 0]] / 4
    premultiplied[..., 3] = premultiplied[..., 3] * 0.9 + 0.1
    straight = premultiplied.copy()
    straight[..., :3] /= straight[..., 3:]
    matrix = [[1.4, 0.2, 2.0], [-0.2, 1.4, 6.0]]
    ours = warp_affine(straight, matrix, (20, 20), alpha="straight")
    ours[..., :3] *= ours[..., 3:]
    assert_close(ours, warp_affine(premultiplied, matrix, (20, 20), alpha="premultiplied"), "warp")


def test_a_view_is_taken_after_filtering():
    model_view = make_view([[1.2, -0.1, -0.1], [0.0, 1.1, -0.1], [0.0, -0.1, 1.1]], 1.5)
    source, size = picture(), (30, 40)
    light = warp_affine(source, SHRUNK, size)
    assert_close(warp_affine(source, SHRUNK, size, to_view=model_view), view(light, model_view), "warp")
    assert_close(
        warp_affine(source / 5, SHRUNK, size, from_view=model_view),
        unview(warp_affine(source / 5, SHRUNK, size), model_view),
        "warp",
    )
    matrix = np.array([[0.5, 0.2, 0.1], [0.0, 2.0, 0.0], [-0.1, 0.3, 1.0]])
    assert_close(warp_affine(source, SHRUNK, size, colour=matrix), light @ matrix.T.astype(np.float32), "warp")


def test_a_view_of_premultiplied_pixels_is_that_of_their_colours():
    model_view = make_view()
    source = np.full((10, 10, 4), 0.5, np.float32)
    source[..., :3] = [0.3, 0.2, 0.1]
    out = warp_affine(source, np.eye(3), (10, 10), alpha="premultiplied", to_view=model_view)
    expected = view(np.array([[[0.6, 0.4, 0.2]]], np.float32), model_view)[0, 0] * 0.5
    np.testing.assert_allclose(out[5, 5], [*expected, 0.5], rtol=1e-5)


def test_the_inverse_goes_the_other_way():
    source = picture()
    np.testing.assert_array_equal(
        warp_affine(source, SHRUNK, (40, 40), inverse=True), warp_affine(source, invert(SHRUNK), (40, 40))
    )
    both = np.vstack([SHRUNK, [0, 0, 1]]) @ np.vstack([invert(SHRUNK), [0, 0, 1]])
    np.testing.assert_allclose(both, np.eye(3), atol=1e-12)
    with pytest.raises(ValueError, match="inverse"):
        invert([[1.0, 2.0, 0.0], [2.0, 4.0, 0.0]])


def test_an_st_map_has_t_upwards():
    source = picture(20, 30)
    y, x = np.mgrid[:20, :30] + 0.5
    st = np.stack([x / 30, 1.0 - y / 20], axis=2).astype(np.float32)
    np.testing.assert_allclose(warp_dense(source, pixels_of_st(st, (20, 30))), source, atol=1e-4)
    np.testing.assert_allclose(st_of_pixels(pixels_of_st(st, (20, 30)), (20, 30)), st, atol=1e-6)


def test_a_map_may_measure_its_own_scale():
    source = picture(400, 400)
    y, x = np.mgrid[:90, :90] + 0.5
    coordinates = np.stack([4.0 * x + 9.0, 4.0 * y + 7.0], axis=2).astype(np.float32)
    coordinates[:, :3] = np.nan
    ours = warp_dense(source, coordinates, "linear", None)
    expected = warp_dense(source, coordinates, "linear", 4.0)
    np.testing.assert_allclose(ours, expected, atol=1e-4)
    assert not ours[:, :3].any()


def test_a_map_that_leaps_equals_one_pixel_at_a_time():
    source = picture(700, 900)
    coordinates = np.random.default_rng(1).uniform(-20, 920, (40, 50, 2)).astype(np.float32)
    whole = warp_dense(source, coordinates, "cubic", 1.5)
    single = np.array([warp_dense(source, one[None, None], "cubic", 1.5)[0, 0] for one in coordinates.reshape(-1, 2)])
    assert_close(whole, single.reshape(whole.shape), "warp")


@pytest.mark.parametrize("layout", ["box", "planes", "half", "one channel", "five channels"])
def test_any_layout_gives_the_same(layout):
    source = picture(120, 150)[..., :3].astype(np.float16).astype(np.float32)
    expected = warp_affine(source, SHRUNK, (30, 40), "cubic")
    if layout == "box":
        frame = np.zeros((200, 220, 3), np.float32)
        frame[30:150, 40:190] = source
        source = frame[30:150, 40:190]
    elif layout == "planes":
        source = np.moveaxis(np.ascontiguousarray(np.moveaxis(source, 2, 0)), 0, 2)
    elif layout == "half":
        source = source.astype(np.float16)
    elif layout == "one channel":
        source, expected = source[..., 1:2], expected[..., 1:2]
    else:
        source, expected = np.tile(source, 2)[..., :5], np.tile(expected, 2)[..., :5]
    assert_close(warp_affine(source, SHRUNK, (30, 40), "cubic"), expected, "warp")


def test_out_may_be_half_and_a_view():
    out = np.zeros((50, 60, 3), np.float16)
    given = warp_affine(picture(), SHRUNK, (30, 40), out=out[10:40, 10:50])
    assert given.base is not None and given.dtype == np.float16
    assert_close(out[10:40, 10:50], warp_affine(picture(), SHRUNK, (30, 40)), "half")
    assert not out[:10].any() and not out[:, 50:].any()


@pytest.mark.parametrize("matrix", [TURNED, SHRUNK])
def test_threads_do_not_matter(matrix):
    before = numba.get_num_threads()
    many = warp_affine(picture(), matrix, (90, 80), "cubic")
    numba.set_num_threads(1)
    try:
        np.testing.assert_array_equal(warp_affine(picture(), matrix, (90, 80), "cubic"), many)
    finally:
        numba.set_num_threads(before)


def test_the_next_frame_allocates_nothing_but_each_threads_tiles():
    source, out = picture(400, 400).astype(np.float16), np.empty((2000, 2000, 3), np.float32)
    coordinates, places = np.full((2000, 2000, 2), 50.0, np.float32), np.empty((2000, 2000, 2), np.float32)
    calls = [
        lambda: warp_affine(source, SHRUNK, (2000, 2000), "cubic", out),
        lambda: warp_dense(source, coordinates, out=out),
        lambda: pixels_of_st(coordinates, (9, 9), places),
    ]
    for call in calls:
        call()
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < numba.get_num_threads() << 21


def test_what_does_not_fit_is_said():
    source = picture(9, 9)
    with pytest.raises(ValueError, match="'best' is none of linear, cubic, lanczos"):
        warp_affine(source, np.eye(3), (9, 9), "best")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="one finish"):
        warp_affine(source, np.eye(3), (9, 9), colour=np.eye(3), to_view=make_view())
    with pytest.raises(ValueError, match="three colours"):
        warp_affine(source[..., :2], np.eye(3), (9, 9), to_view=make_view())
    with pytest.raises(ValueError, match="alpha"):
        warp_affine(source, np.eye(3), (9, 9), alpha="straight")
    elsewhere = type("Elsewhere", (np.ndarray,), {"__cuda_array_interface__": {}})
    with pytest.raises(MixedArrays):
        warp_dense(source, np.zeros((4, 4, 2), np.float32).view(elsewhere))
