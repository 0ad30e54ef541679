import shutil

import cv2
import numpy as np
import pytest
import skimage.data
import skimage.io

from engine.errors import IdentityError, PlateError
from engine.faces.course import moment
from engine.faces.exposure import REC709_LUMINANCE, SKIN_LIGHT
from engine.faces.mesh import face_width
from engine.swappers import atlas
from engine.swappers.inspection import obstructions
from engine.swappers.references import Identity, find_pictures, inspect, load_identity


@pytest.fixture
def folder(tmp_path, astronaut_path):
    shutil.copy(astronaut_path, tmp_path / "one.png")
    return tmp_path


def test_a_reference_is_exposed_to_the_same_skin(astronaut_reference, hopper_reference):
    for reference in (astronaut_reference, hopper_reference):
        regions = atlas.picture_regions(reference.mesh, reference.light.shape[:2])
        cheek = (regions.hull > 0.15) & (regions.inner_face > 0.05) & (regions.eyes < -0.06) & (regions.lips < -0.05)
        luminance = reference.light[cheek] @ REC709_LUMINANCE
        assert 0.6 * SKIN_LIGHT < np.median(luminance) < 1.7 * SKIN_LIGHT


def test_levels_halve_and_are_mixed_without_a_step(hopper_reference):
    width = face_width(hopper_reference.mesh)
    (full,), (half,) = hopper_reference.levels(width), hopper_reference.levels(width / 2.2)
    assert full.scale == pytest.approx(1.0) and half.scale == pytest.approx(1.1, rel=0.02)
    assert half.picture.shape[0] == full.picture.shape[0] // 2
    np.testing.assert_allclose(half.shrink, 0.5, rtol=0.01)
    for ratio in (1.75, 1.999, 2.001, 3.5):
        levels = hopper_reference.levels(width / ratio)
        assert sum(level.weight for level in levels) == pytest.approx(1.0)
    before, after = (hopper_reference.levels(width / ratio) for ratio in (1.9999, 2.0001))
    assert before[-1].picture is after[0].picture and before[-1].weight > 0.999


def test_the_nearest_reference_comes_in_without_a_jump(astronaut_reference, hopper_reference):
    """Between the mesh of one and of the other, the shares change by little from step to step."""
    identity = Identity([astronaut_reference, hopper_reference], "")
    start, end = astronaut_reference.mesh, hopper_reference.mesh
    shares = []
    for step in np.linspace(0.0, 1.0, 101):
        likeness = identity.nearest(moment(start + step * (end - start)))
        share = dict(zip((r.name for r in likeness.references), likeness.weights, strict=True))
        shares.append(share.get(hopper_reference.name, 0.0))
        assert likeness.weights.sum() == pytest.approx(1.0)
    assert np.abs(np.diff(shares)).max() < 0.2
    assert shares[0] < 0.01


def test_glasses_are_seen_and_bare_faces_are_not_accused(astronaut_reference, hopper_reference):
    assert hopper_reference.obstructions == ("glasses",)
    assert astronaut_reference.obstructions == ()


def test_facial_hair_is_seen(astronaut_reference):
    light, mesh = astronaut_reference.light.copy(), astronaut_reference.mesh
    regions = atlas.picture_regions(mesh, light.shape[:2])
    y = np.arange(light.shape[0])[:, None]
    beard = (regions.hull > 0.0) & (y > mesh[0, 1]) & (regions.lips < 0.0)
    light[beard] *= 0.35
    assert "facial hair" in obstructions(light, mesh, 1.0)


def test_an_identity_is_read_whole(folder):
    identity = load_identity(folder)
    assert [reference.name for reference in identity.references] == ["one.png"]
    assert len(identity.digest) == 64


def test_a_folder_without_pictures_is_refused(tmp_path):
    with pytest.raises(IdentityError, match="no picture"):
        find_pictures(tmp_path)
    with pytest.raises(IdentityError, match="no identity folder"):
        find_pictures(tmp_path / "missing")


def test_a_picture_without_a_face_is_refused(tmp_path):
    cv2.imwrite(str(tmp_path / "coffee.png"), skimage.data.coffee()[..., ::-1])
    with pytest.raises(IdentityError, match="no face"):
        load_identity(tmp_path)


def test_a_picture_of_two_people_is_refused(tmp_path, hopper_path):
    pair = np.concatenate([skimage.io.imread(hopper_path)[:512, :, ::-1], skimage.data.astronaut()[..., ::-1]], axis=1)
    cv2.imwrite(str(tmp_path / "pair.png"), pair)
    with pytest.raises(IdentityError, match="two people"):
        load_identity(tmp_path)


def test_pictures_of_two_people_are_refused(folder, hopper_path):
    shutil.copy(hopper_path, folder / "two.jpg")
    with pytest.raises(IdentityError, match="more than one person"):
        load_identity(folder)


def test_a_picture_that_cannot_be_read_is_a_clear_error(tmp_path):
    (tmp_path / "broken.jpg").write_bytes(b"this is not a picture")
    with pytest.raises(PlateError):
        load_identity(tmp_path)


def test_inspect_warns_of_glasses(tmp_path, hopper_path):
    shutil.copy(hopper_path, tmp_path)
    assert any("glasses" in notice.message for notice in inspect(tmp_path))
