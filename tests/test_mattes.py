"""What is done to an artist's matte before it meets a face's, against SciPy."""

from pathlib import Path

import numpy as np
import OpenEXR
import pytest
from scipy import ndimage

from engine.errors import MatteError
from engine.geometry import Box
from engine.mattes import ArtistMattes, Float32, grown
from engine.plates.frame import Frame
from engine.shot import ArtistMatte, Matte, Shot

SIDE = 96
RNG = np.random.default_rng(5)
_DOTS = np.asarray(ndimage.gaussian_filter((RNG.random((SIDE, SIDE)) > 0.98).astype(np.float64), 2.0))
SOFT: Float32 = np.asarray(_DOTS / _DOTS.max(), np.float32)
BOX, WIDTH = Box(20, 30, 70, 80), 60.0


def disc(radius: int) -> np.ndarray:
    y, x = np.mgrid[-radius : radius + 1, -radius : radius + 1]
    return x * x + y * y <= radius * radius


@pytest.fixture
def drawn(tmp_path: Path) -> Path:
    path = tmp_path / "hand.exr"
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"V": SOFT}).write(str(path))
    return path


def frame() -> Frame:
    return Frame.new(1, {name: np.zeros((SIDE, SIDE), np.float16) for name in "RGB"}, Box(0, 0, SIDE, SIDE))


def read(path: Path, **settings) -> np.ndarray:
    (own,) = ArtistMattes(Shot(mattes=(ArtistMatte(path=str(path), **settings),))).read(frame(), BOX, WIDTH)
    return own.values


@pytest.mark.parametrize("radius", [0, 1, 2, 5, 11, 120])
def test_growing_is_the_grey_dilation_by_a_disc_and_shrinking_the_erosion(radius: int) -> None:
    bigger = ndimage.grey_dilation(SOFT, footprint=disc(radius), mode="constant", cval=-np.inf)
    smaller = ndimage.grey_erosion(SOFT, footprint=disc(radius), mode="constant", cval=np.inf)
    np.testing.assert_array_equal(grown(SOFT, radius), bigger)
    np.testing.assert_array_equal(grown(SOFT, -radius), smaller)


def test_growing_between_whole_radii_goes_evenly() -> None:
    steps = np.array([grown(SOFT, radius).mean() for radius in np.linspace(2.0, 4.0, 9)])
    assert (np.diff(steps) > 0).all()
    np.testing.assert_allclose(np.diff(steps)[:4], np.diff(steps)[0], rtol=1e-3)


def test_it_is_cut_to_the_box(drawn: Path) -> None:
    np.testing.assert_array_equal(read(drawn), SOFT[30:80, 20:70])


def test_polarity(drawn: Path) -> None:
    plain = SOFT[30:80, 20:70]
    np.testing.assert_array_equal(read(drawn, keep="holdout"), 1 - plain)
    np.testing.assert_array_equal(read(drawn, invert=True), 1 - plain)
    np.testing.assert_array_equal(read(drawn, invert=True, keep="holdout"), 1 - (1 - plain))
    np.testing.assert_allclose(read(drawn, strength=0.25), 1 - 0.25 * (1 - plain), atol=1e-6)


def test_white_grows_whatever_it_means(drawn: Path) -> None:
    """As far as the drawn white goes, also where it is the plate that stays."""
    grown_by_scipy = ndimage.grey_dilation(SOFT, footprint=disc(6))[30:80, 20:70]
    np.testing.assert_array_equal(read(drawn, grow=0.1), grown_by_scipy)
    np.testing.assert_array_equal(read(drawn, grow=0.1, keep="holdout"), 1 - grown_by_scipy)


@pytest.mark.parametrize("soften", [0.02, 0.1])
def test_softening_is_a_gaussian_in_parts_of_the_faces_width(drawn: Path, soften: float) -> None:
    whole = ndimage.gaussian_filter(SOFT, soften * WIDTH, mode="nearest")
    np.testing.assert_allclose(read(drawn, soften=soften), whole[30:80, 20:70], atol=5e-3)


def test_what_lies_around_the_box_has_its_say(drawn: Path) -> None:
    """Both together: the box shows the same as the whole picture does."""
    entry = Shot(mattes=(ArtistMatte(path=str(drawn), grow=0.15, soften=0.05),))
    (whole,) = ArtistMattes(entry).read(frame(), Box(0, 0, SIDE, SIDE), WIDTH)
    np.testing.assert_allclose(read(drawn, grow=0.15, soften=0.05), whole.values[30:80, 20:70], atol=1e-5)


def test_they_are_combined_in_their_order(drawn: Path) -> None:
    shot = Shot(
        matte=Matte(holdout=str(drawn)),
        mattes=(ArtistMatte(path=str(drawn), combine="min"), ArtistMatte(path=str(drawn), strength=0.5, name="half")),
    )
    plain = SOFT[30:80, 20:70]
    matte: Float32 = np.full(plain.shape, 0.8, np.float32)
    found = ArtistMattes(shot).read(frame(), BOX, WIDTH)
    for own in found:
        own.onto(matte, 0.8)
    expected = np.minimum(0.8 * (1 - plain), 0.8 * plain) * (0.5 + 0.5 * plain)
    np.testing.assert_allclose(matte, expected, atol=1e-6)
    assert [own.name for own in found] == ["", "own1", "half"]


def test_files_are_named_once_and_not_the_plates_own(drawn: Path) -> None:
    entries = (ArtistMatte(path=str(drawn)), ArtistMatte(channel="mask"), ArtistMatte(path=str(drawn), invert=True))
    assert ArtistMattes(Shot(mattes=entries)).files(1) == [drawn]


def test_a_channel_of_a_picture_from_memory_is_refused() -> None:
    with pytest.raises(MatteError, match="from memory"):
        ArtistMattes(Shot(mattes=(ArtistMatte(channel="mask.R"),))).read(frame(), BOX, WIDTH)
