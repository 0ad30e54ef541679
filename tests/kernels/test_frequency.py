"""The frequency split: against SciPy, what it must give back, and what it must leave alone."""

import tracemalloc
from typing import Any, get_args

import numba
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from numpy.typing import NDArray
from scipy import ndimage

from kernels.frequency import BLACK, Light, carry_texture, emphasise, merge, split
from kernels.workspace import Workspace
from tests.kernels.tolerances import assert_close

RANDOM = np.random.default_rng(5)
Float32 = NDArray[np.float32]
LIGHTS = get_args(Light)
SIGMA = 2.0
REACH = 8


def encode(x: NDArray[Any]) -> NDArray[np.float64]:
    return np.sign(x) * np.log1p(np.abs(x.astype(np.float64)) / BLACK)


def decode(y: NDArray[Any]) -> NDArray[np.float64]:
    return np.sign(y) * BLACK * np.expm1(np.abs(y))


def hdr(size: tuple[int, ...] = (40, 50, 3)) -> Float32:
    """Four decades of light, a few negatives."""
    return (np.exp(RANDOM.normal(-1.0, 2.0, size)) - 0.01).astype(np.float32)


def blur(picture: NDArray[Any]) -> NDArray[np.float64]:
    axes = (SIGMA, SIGMA) + (0,) * (picture.ndim - 2)
    return ndimage.gaussian_filter(picture.astype(np.float64), axes, mode="nearest")


def test_the_bands_against_scipy() -> None:
    picture = hdr()
    linear, logarithmic = split(picture, SIGMA, light="linear"), split(picture, SIGMA)
    assert_close(linear.low, blur(picture), "bands")
    assert_close(linear.high, picture - blur(picture), "bands")
    assert_close(logarithmic.low, decode(blur(encode(picture))), "bands")
    assert_close(logarithmic.high, encode(picture) - blur(encode(picture)), "bands")


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("value", [0.0, 0.18, -0.02, 3e4])
def test_a_constant_has_no_texture(light: Light, value: float) -> None:
    picture = np.full((30, 30, 3), value, np.float32)
    low, high = split(picture, SIGMA, light=light)
    np.testing.assert_allclose(low, value, rtol=1e-5, atol=1e-9)
    np.testing.assert_allclose(high, 0.0, atol=1e-5 * max(abs(value), 1.0))


PICTURES = arrays.arrays(np.float32, (9, 11), elements=st.floats(-(2.0**15), 2.0**15, width=32))


@settings(deadline=None)
@given(PICTURES)
def test_merge_gives_linear_light_back(picture: Float32) -> None:
    low, high = split(picture, SIGMA, light="linear")
    again = merge(low, high, light="linear")
    small = np.abs(low) <= np.where(low * picture > 0.0, 2.0 * np.abs(picture), np.abs(picture))
    np.testing.assert_array_equal(again[small], picture[small])
    assert (np.abs(again - picture) <= np.abs(low) * np.float32(2.0**-24)).all()


@settings(deadline=None)
@given(PICTURES)
def test_merge_gives_logarithmic_light_back(picture: Float32) -> None:
    low, high = split(picture, SIGMA)
    bound = np.maximum(np.maximum(np.abs(low), np.abs(picture)), np.float32(BLACK))
    assert (np.abs(merge(low, high) - picture) <= 1e-5 * bound).all()


def test_half_bands_belong_together() -> None:
    picture = np.abs(hdr()).astype(np.float16)
    for light in LIGHTS:
        low, high = np.empty_like(picture), np.empty(picture.shape, np.float32)
        bands = split(picture, SIGMA, light=light, low=low, high=high)
        assert bands.low is low
        assert bands.high is high
        assert_close(merge(low, high, light=light, out=np.empty_like(picture)), picture, "half")


@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("value", [1e4, np.nan, np.inf])
def test_a_highlight_changes_nothing_beyond_the_kernel_s_reach(light: Light, value: float) -> None:
    picture = hdr((41, 43, 3))
    bright = picture.copy()
    bright[20, 21] = value
    far = np.hypot(*np.ogrid[-20:21, -21:22]) > np.sqrt(2.0) * REACH
    for ours, reference in zip(split(bright, SIGMA, light=light), split(picture, SIGMA, light=light), strict=True):
        np.testing.assert_array_equal(ours[far], reference[far])


def test_a_highlight_does_not_ring_in_logarithmic_light() -> None:
    picture = np.full((41, 41, 3), 0.2, np.float32)
    picture[20, 20] = 1e4
    low, high = split(picture, SIGMA)
    assert low.min() > 0.199
    # The most that a neighbour's texture takes away, as a gain; in linear light it is hundreds of times its light.
    assert high[20, 21].min() > np.log(0.5)
    assert split(picture, SIGMA, light="linear").high[20, 21].min() < -100.0 * 0.2


@pytest.mark.parametrize("light", LIGHTS)
def test_nothing_outside_the_weight_is_pulled_in(light: Light) -> None:
    picture, weight = hdr((40, 50, 3)), np.zeros((40, 50), np.float32)
    weight[10:30, 10:40] = 1.0
    inside = weight > 0.0
    expected = split(picture, SIGMA, light=light, weight=weight)
    picture[~inside] = RANDOM.choice(np.array([np.nan, np.inf, 1e4, -7.0], np.float32), (np.count_nonzero(~inside), 3))
    for ours, reference in zip(split(picture, SIGMA, light=light, weight=weight), expected, strict=True):
        np.testing.assert_array_equal(ours[inside], reference[inside])
    flat = split(np.where(inside[..., None], np.float32(0.3), picture), SIGMA, light=light, weight=weight)
    np.testing.assert_allclose(flat.high[inside], 0.0, atol=1e-5)


@pytest.mark.parametrize("light", LIGHTS)
def test_texture_is_carried_by_its_share(light: Light) -> None:
    patch, plate = np.abs(hdr()), np.abs(hdr())
    share = RANDOM.uniform(0.0, 1.0, patch.shape[:2]).astype(np.float32)
    share[:10] = 0.0
    ours = carry_texture(patch, plate, SIGMA, share, light=light)
    soft, texture = split(patch, SIGMA, light=light), split(plate, SIGMA, light=light).high
    high = soft.high + share[..., None] * (texture - soft.high)
    assert_close(ours, merge(soft.low, high.astype(np.float32), light=light), "bands")
    np.testing.assert_array_equal(ours[:10], patch[:10])


def test_texture_that_is_not_finite_is_not_carried() -> None:
    patch, plate = np.abs(hdr()), np.abs(hdr())
    share, weight = np.ones(patch.shape[:2], np.float32), np.ones(patch.shape[:2], np.float32)
    good = carry_texture(patch, plate, SIGMA, share, weight=np.where(share > 2, 0, weight))
    plate[20, 20] = np.nan
    ours = carry_texture(patch, plate, SIGMA, share, weight=weight)
    assert np.isfinite(ours).all()
    np.testing.assert_array_equal(ours[20, 20], patch[20, 20])
    np.testing.assert_array_equal(ours[:10], good[:10])
    # Without a weight its whole neighbourhood stays the patch's.
    ours = carry_texture(patch, plate, SIGMA, share)
    np.testing.assert_array_equal(ours[14:27, 14:27], patch[14:27, 14:27])
    assert np.isfinite(ours).all()


def test_what_is_changed_is_bounded() -> None:
    patch, plate = np.full((40, 40, 3), 0.2, np.float32), np.abs(hdr((40, 40, 3)))
    ours = carry_texture(patch, plate, SIGMA, np.ones((40, 40), np.float32), most=0.1)
    low, high = encode(np.array([0.2]))[0] + np.array([-0.1, 0.1])
    assert encode(ours).min() > low - 1e-5
    assert encode(ours).max() < high + 1e-5
    edge = np.where(np.arange(40)[None, :, None] < 20, np.float32(0.05), np.float32(5e3)) * np.ones((40, 1, 3))
    sharp = emphasise(edge.astype(np.float32), SIGMA, 1.0, 0.1)
    change = encode(sharp) - encode(edge)
    assert np.abs(change).max() == pytest.approx(0.1, abs=1e-5)
    assert sharp.min() > 0.0


def test_emphasis_against_scipy() -> None:
    picture = hdr()
    expected = decode(encode(picture) + 0.4 * (encode(picture) - blur(encode(picture))))
    assert_close(emphasise(picture, SIGMA, 0.4, np.inf), expected, "bands")
    np.testing.assert_array_equal(emphasise(picture, SIGMA, 0.0, np.inf), picture)


@pytest.mark.parametrize("light", LIGHTS)
def test_layouts_results_and_threads(light: Light) -> None:
    frame = np.abs(hdr((40, 50, 4)))
    picture = np.ascontiguousarray(frame[3:33, 5:45, :3])
    expected = split(picture, SIGMA, light=light)
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(picture, 2, 0)), 0, 2)
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        for box in (frame[3:33, 5:45, :3], planes):
            low, high = np.zeros_like(frame)[:30, :40, :3], np.empty_like(planes)
            split(box, SIGMA, light=light, low=low, high=high)
            np.testing.assert_array_equal(low, expected.low)
            np.testing.assert_array_equal(high, expected.high)
    finally:
        numba.set_num_threads(threads)
    grey = split(picture[..., 0], SIGMA, light=light)
    np.testing.assert_array_equal(grey.high, expected.high[..., 0])
    whole = merge(*expected, light=light)
    assert whole.dtype == np.float32
    np.testing.assert_array_equal(merge(*expected, light=light, out=expected.low), whole)


@pytest.mark.parametrize("light", LIGHTS)
def test_the_second_frame_keeps_its_memory(light: Light) -> None:
    picture, workspace = hdr((200, 300, 3)), Workspace()
    low, high = np.empty_like(picture), np.empty_like(picture)
    out, share = np.empty_like(picture), np.ones((200, 300), np.float32)

    def frame() -> None:
        split(picture, SIGMA, light=light, low=low, high=high, workspace=workspace)
        merge(low, high, light=light, out=out)
        carry_texture(picture, low, SIGMA, share, light=light, out=out, workspace=workspace)
        carry_texture(picture, low, SIGMA, share, light=light, weight=share, out=out, workspace=workspace)
        emphasise(picture, SIGMA, 0.5, 0.1, light=light, out=out, workspace=workspace)

    frame()
    held, peaks = workspace.nbytes, []
    for _ in range(3):
        tracemalloc.start()
        frame()
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert workspace.nbytes == held
    assert min(peaks) < 1 << 16


def test_an_unknown_light() -> None:
    with pytest.raises(ValueError, match="linear or log"):
        split(hdr(), SIGMA, light="gamma")  # pyright: ignore[reportArgumentType]
