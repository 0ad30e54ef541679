"""Sharpness of real photos that were blurred and grained by a known amount."""

import numba
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import ndimage
from skimage import data

from kernels.detail import (
    BANDS,
    EDGES,
    MOST_CHANGE,
    Adjustment,
    _ring_sums,
    adjust,
    find_adjustment,
    match_detail,
    match_sharpness,
    sharpness,
)
from kernels.frequency import BLACK
from kernels.matte import polygon_coverage
from kernels.workspace import Workspace
from tests.kernels.tolerances import assert_close

RANDOM = np.random.default_rng(17)
Float32 = NDArray[np.float32]


def photo(name: str) -> Float32:
    """Linear; the astronaut's face, the cat's, or a text-free part of a coffee cup's table."""
    box = {"astronaut": np.s_[20:260, 120:340], "chelsea": np.s_[40:260, 90:330], "coffee": np.s_[80:340, 150:430]}
    return (getattr(data, name)()[box[name]].astype(np.float32) / 255.0) ** np.float32(2.2)


def oval(size: tuple[int, int]) -> Float32:
    angle = np.linspace(0.0, 2.0 * np.pi, 40, endpoint=False)
    points = np.stack([size[1] * (0.5 + 0.42 * np.cos(angle)), size[0] * (0.5 + 0.45 * np.sin(angle))], -1)
    return polygon_coverage(points, size)


def blurred(image: Float32, sigma: float) -> Float32:
    return np.asarray(ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest"), np.float32)


def grain(image: NDArray[np.floating], sigma: float) -> Float32:
    return (sigma * RANDOM.standard_normal(image.shape)).astype(np.float32)


@pytest.mark.parametrize("name", ["astronaut", "chelsea", "coffee"])
@pytest.mark.parametrize("sigma", [0.7, 1.0, 1.5, 2.0, 3.0])
@pytest.mark.parametrize("noise", [0.0, 0.01])
def test_a_known_blur_is_found(name: str, sigma: float, noise: float) -> None:
    patch = photo(name)
    plate = blurred(patch, sigma) * np.float32(1.3) + grain(patch, noise)
    # What lies outside the weight is not the patch's.
    weight = oval(patch.shape[:2])
    outside = np.where(weight[..., None] > 0.0, patch, np.float32(np.nan))
    found = match_sharpness(outside, plate, weight, plate_noise=noise**2 / 3.0)
    assert found == pytest.approx(sigma, rel=0.2)


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_a_soft_patch_stays_as_it_is(name: str) -> None:
    plate = photo(name)
    weight = oval(plate.shape[:2])
    assert match_sharpness(plate, plate, weight) == 0.0
    noisy = plate + grain(plate, 0.01)
    assert match_sharpness(blurred(plate, 1.5), noisy, weight, plate_noise=0.01**2 / 3.0) == 0.0


def test_the_patch_s_own_noise_does_not_count_as_sharpness() -> None:
    plate = photo("astronaut")
    weight = oval(plate.shape[:2])
    noisy = plate + grain(plate, 0.02)
    assert match_sharpness(noisy, plate, weight, patch_noise=0.02**2 / 3.0) < 0.4


def test_the_blur_is_bounded() -> None:
    patch = photo("chelsea")
    assert match_sharpness(patch, blurred(patch, 12.0), oval(patch.shape[:2])) <= 4.0


def test_white_noise_has_its_variance_in_every_band() -> None:
    image = grain(np.zeros((300, 280)), 0.5)
    weight = oval(image.shape)
    np.testing.assert_allclose(sharpness(image, weight)[4:], 0.25, rtol=0.15)
    assert (sharpness(image, weight, 0.25) < 0.04).all()


def test_correlated_noise_is_taken_off() -> None:
    noise = ndimage.gaussian_filter(RANDOM.standard_normal((300, 280)), (0.5, 0.9), mode="wrap")
    image = (0.5 * noise / noise.std()).astype(np.float32)
    weight = oval(image.shape)
    left = sharpness(image, weight, 0.25, (0.9, 0.5))
    assert left.sum() < 0.1 * sharpness(image, weight).sum()


def test_too_little_to_measure() -> None:
    image = photo("astronaut")
    nothing = np.zeros(image.shape[:2], np.float32)
    energies = sharpness(image, nothing)
    assert energies.shape == (BANDS,)
    assert np.isnan(energies).all()
    assert match_sharpness(image, image, nothing) == 0.0
    assert match_sharpness(np.full_like(image, np.nan), image, oval(image.shape[:2])) == 0.0


def test_the_sums_round_the_rings_against_numpy() -> None:
    detail = grain(np.zeros((60, 90)), 0.5)
    spectrum = np.fft.rfft2(detail)
    down, across = np.fft.fftfreq(60)[:, None], np.fft.rfftfreq(90)[None]
    band = np.searchsorted(EDGES, np.hypot(down, across)).ravel()
    expected = [np.bincount(band, values, BANDS + 2) for values in (np.abs(spectrum.ravel()) ** 2, np.ones(band.size))]
    threads = numba.get_num_threads()
    try:
        numba.set_num_threads(1)
        alone = _ring_sums(spectrum, [60, 90], (0.0, 0.0), Workspace())
    finally:
        numba.set_num_threads(threads)
    sums = _ring_sums(spectrum, [60, 90], (0.0, 0.0), Workspace())
    np.testing.assert_array_equal(sums, alone)
    np.testing.assert_array_equal(sums[2], expected[1])
    assert_close(sums[0], expected[0], "devices")
    # White noise has the same power everywhere.
    assert_close(sums[1], expected[1], "devices")


def test_half_and_any_layout() -> None:
    image = photo("chelsea").astype(np.float16)
    weight = oval(image.shape[:2])
    expected = sharpness(image.astype(np.float32), weight)
    planes = np.moveaxis(np.ascontiguousarray(np.moveaxis(image, 2, 0)), 0, 2)
    np.testing.assert_array_equal(sharpness(planes, weight, workspace=Workspace()), expected)


@pytest.mark.parametrize("name", ["astronaut", "chelsea"])
def test_a_sharp_patch_gets_the_plate_s_spectrum(name: str) -> None:
    patch = photo(name)
    plate = blurred(patch, 1.5)
    weight = oval(patch.shape[:2])
    before, wanted = sharpness(patch, weight), sharpness(plate, weight)
    seen = wanted > 1e-3 * wanted.max()
    matched = match_detail(patch, plate, weight)
    after = sharpness(matched, weight)
    assert np.abs(np.log(after / wanted)[seen]).max() < 0.5 * np.abs(np.log(before / wanted)[seen]).max()
    half = match_detail(patch, plate, weight, amount=0.5, out=np.empty_like(patch))
    assert (after <= sharpness(half, weight) + 1e-9).all()
    np.testing.assert_array_equal(match_detail(patch, plate, weight, amount=0.0), patch)


def test_a_soft_patch_is_sharpened_only_when_asked_to_and_within_bounds() -> None:
    plate = photo("astronaut")
    patch = blurred(plate, 0.8)
    weight = oval(plate.shape[:2])
    np.testing.assert_array_equal(match_detail(patch, plate, weight), patch)
    found = find_adjustment(patch, plate, weight, most_gain=1.0)
    assert found.blur == 0.0
    assert 0.3 < found.gain <= 1.0
    matched = match_detail(patch, plate, weight, most_gain=1.0)
    before, after, wanted = (sharpness(picture, weight) for picture in (patch, matched, plate))
    fine = slice(10, 18)
    assert (np.abs(np.log(after / wanted))[fine] < np.abs(np.log(before / wanted))[fine]).all()
    logs = [np.sign(picture) * np.log1p(np.abs(picture) / BLACK) for picture in (matched, patch)]
    assert np.abs(logs[0] - logs[1]).max() < MOST_CHANGE + 1e-5
    # The other way round nothing is sharpened.
    assert find_adjustment(plate, patch, weight, most_gain=1.0).gain == 0.0


def test_adjustment_in_place() -> None:
    for adjustment in (Adjustment(0.0, 0.0), Adjustment(1.2, 0.0), Adjustment(0.0, 0.5)):
        picture = photo("chelsea")
        expected = adjust(picture.copy(), adjustment, out=np.empty_like(picture))
        assert adjust(picture, adjustment, out=picture) is picture
        np.testing.assert_array_equal(picture, expected)
