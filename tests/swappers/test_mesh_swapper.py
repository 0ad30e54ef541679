"""The mesh swapper on the two public-domain portraits that come in packages."""

import numpy as np
import pytest

from engine.faces.analyse import analyse_picture
from engine.faces.identity import distance
from engine.faces.mesh import face_width
from engine.faces.tracks import FaceGeometry
from engine.geometry import Box
from engine.models.catalogue import canonical_mesh
from engine.shot import Mesh, Shot
from engine.swappers import atlas
from engine.swappers.base import Seen
from engine.swappers.mesh import MeshSwapper
from engine.swappers.references import Identity
from kernels.view import exposed, make_view, seen_of_exposed, view

DEFAULTS = Shot()


class Plate:
    """A portrait as a plate: its pixels around the face, the mesh in them, and the view that shows its skin well."""

    def __init__(self, light, reference_mesh):
        self.light = light
        self.mesh = reference_mesh
        self.model_view = make_view()

    def swap(self, identity, shot=DEFAULTS, mesh=None):
        mesh = self.mesh if mesh is None else mesh
        swapper = MeshSwapper(identity)
        face = FaceGeometry(mesh=mesh, pose=np.zeros(3, np.float32), confidence=1.0, bridged=False)
        crop = swapper.crop(face, Box(0, 0, self.light.shape[1], self.light.shape[0]))
        rows, columns = (int(-crop.plate_to_crop[axis, 2]) for axis in (1, 0))
        seen = view(self.light[rows : rows + crop.size[0], columns : columns + crop.size[1]], self.model_view)
        points = crop.points(mesh)
        return seen, points, swapper.swap(Seen(seen, points, self.model_view, shot))


def composited(seen, patch):
    model_view = make_view()
    plate, matte = exposed(seen, model_view), patch.matte[..., None]
    return seen_of_exposed(plate + matte * (exposed(patch.pixels, model_view) - plate), model_view)


@pytest.fixture(scope="module")
def astronaut(astronaut_reference):
    return Plate(np.ascontiguousarray(astronaut_reference.light), astronaut_reference.mesh)


@pytest.fixture(scope="module")
def hopper(hopper_reference):
    return Plate(np.ascontiguousarray(hopper_reference.light), hopper_reference.mesh)


def test_a_person_put_onto_herself_is_the_same_picture(astronaut, astronaut_reference):
    seen, _, patch = astronaut.swap(Identity([astronaut_reference], ""))
    assert patch.matte.max() > 0.99
    difference = np.abs(composited(seen, patch) - seen)[patch.matte > 0.0]
    assert difference.mean() < 0.012


@pytest.mark.parametrize("way", ["hopper_onto_astronaut", "astronaut_onto_hopper"])
def test_the_face_becomes_the_persons(way, astronaut, hopper, astronaut_reference, hopper_reference):
    plate, person = (astronaut, hopper_reference) if way == "hopper_onto_astronaut" else (hopper, astronaut_reference)
    seen, _, patch = plate.swap(Identity([person], ""))
    (before,), (after,) = (analyse_picture(picture) for picture in (seen, composited(seen, patch)))
    gain = distance(before.embedding, person.embedding) - distance(after.embedding, person.embedding)
    assert gain > 0.15
    assert distance(after.embedding, person.embedding) < distance(after.embedding, before.embedding)


def test_the_plates_eyes_and_inner_mouth_are_kept(astronaut, hopper_reference):
    _, mesh, patch = astronaut.swap(Identity([hopper_reference], ""))
    for point in (468, 473):
        x, y = mesh[point, :2].astype(int)
        assert patch.matte[y, x] < 0.01
    x, y = ((mesh[13] + mesh[14]) / 2).astype(int)[:2]
    assert patch.matte[y, x] < 0.01


def test_without_keeping_them_they_are_replaced(astronaut, hopper_reference):
    shot = Shot(mesh=Mesh(eyes=0.0, mouth=0.0))
    _, mesh, patch = astronaut.swap(Identity([hopper_reference], ""), shot)
    x, y = mesh[468, :2].astype(int)
    assert patch.matte[y, x] > 0.95


def test_when_the_eyes_close_the_plates_own_lids_return(astronaut, hopper_reference):
    upper, lower = [160, 159, 158, 387, 386, 385], [144, 145, 153, 373, 374, 380]
    closed = astronaut.mesh.copy()
    closed[upper] = closed[lower] - [0.0, 0.3, 0.0]
    identity = Identity([hopper_reference], "")
    _, mesh, open_patch = astronaut.swap(identity)
    _, _, closed_patch = astronaut.swap(identity, mesh=closed)
    lid = ((mesh[223] + mesh[27]) / 2).astype(int)
    assert open_patch.matte[lid[1], lid[0]] > 0.6
    assert closed_patch.matte[lid[1], lid[0]] < 0.5 * open_patch.matte[lid[1], lid[0]]


def test_hair_over_the_forehead_stays_hair(astronaut_reference, hopper_reference):
    """The fringe is painted on: dark, brown, from the left half of the forehead to the temple."""
    light, mesh = astronaut_reference.light.copy(), astronaut_reference.mesh
    regions = atlas.picture_regions(mesh, light.shape[:2])
    fringe = (regions.forehead > 0.12) & (regions.hull > 0.02)
    fringe[:, int(mesh[9, 0]) :] = False
    light[fringe] = light[fringe] * np.float32(0.15) * np.array([1.0, 0.8, 0.6], np.float32)
    plate = Plate(np.ascontiguousarray(light), mesh)
    _, _, clean = Plate(astronaut_reference.light, mesh).swap(Identity([hopper_reference], ""))
    seen, moved, patch = plate.swap(Identity([hopper_reference], ""))
    own = atlas.picture_regions(moved, seen.shape[:2])
    place = (own.forehead > 0.2) & (own.forehead < 0.35) & (own.hull > 0.1)
    place[:, int(moved[9, 0]) - 4 :] = False
    assert patch.matte[place].mean() < 0.35 * clean.matte[place].mean()


def test_a_darker_plate_under_a_stronger_exposure_gives_the_same_patch(astronaut, hopper_reference):
    dark = Plate(astronaut.light / 8.0, astronaut.mesh)
    dark.model_view = make_view(None, 8.0)
    identity = Identity([hopper_reference], "")
    np.testing.assert_allclose(dark.swap(identity)[2].pixels, astronaut.swap(identity)[2].pixels, atol=2e-3)


@pytest.mark.parametrize("stops", [1, 2, 3])
def test_a_frame_that_is_brighter_than_the_shot_gets_a_brighter_patch(stops, astronaut, hopper_reference):
    """A flash or a ramp: the view clips, and the patch must not stay behind."""
    bright = Plate(astronaut.light * 2.0**stops, astronaut.mesh)
    seen, _, patch = bright.swap(Identity([hopper_reference], ""))
    model_view = make_view()
    inside = patch.matte > 0.9
    plate, new = (np.median(exposed(picture, model_view)[inside]) for picture in (seen, patch.pixels))
    assert 0.75 < new / plate < 1.2


@pytest.mark.parametrize("color", [(0.01, 0.01, 0.012), (0.05, 0.4, 0.05)])
def test_a_thing_before_the_mouth_stays_before_it(color, astronaut, hopper_reference):
    light, mesh = astronaut.light.copy(), astronaut.mesh
    left, right = mesh[[50, 280], 0].astype(int)
    top, bottom = mesh[[2, 17], 1].astype(int)
    light[top:bottom, left:right] = color
    _, moved, patch = Plate(light, mesh).swap(Identity([hopper_reference], ""))
    x, y = ((moved[2] + moved[0]) / 2).astype(int)[:2]
    assert patch.matte[y - 1 : y + 2, x - 8 : x + 9].mean() < 0.25


def test_one_half_in_shadow_is_replaced_too(astronaut, hopper_reference):
    light, mesh = astronaut.light.copy(), astronaut.mesh
    columns = np.arange(light.shape[1], dtype=np.float32) - mesh[4, 0]
    light *= (0.3 + 0.7 / (1.0 + np.exp(-columns / 4.0)))[None, :, None].astype(np.float32)
    _, moved, patch = Plate(light, mesh).swap(Identity([hopper_reference], ""))
    x, y = moved[50, :2].astype(int)
    assert patch.matte[y, x] > 0.8


def test_shape_zero_leaves_the_plates_mesh_and_one_moves_the_nose(astronaut, hopper_reference):
    identity = Identity([hopper_reference], "")
    _, mesh, still = astronaut.swap(identity, Shot(mesh=Mesh(shape=0.0)))
    _, _, moved = astronaut.swap(identity, Shot(mesh=Mesh(shape=1.0)))
    canonical = canonical_mesh()
    x, y = mesh[4, :2].astype(int)
    expected = canonical.uv[4]
    assert np.abs(still.texture[y, x] - expected).max() < 0.01
    tip = np.abs(still.texture - moved.texture)[np.isfinite(still.texture) & np.isfinite(moved.texture)]
    assert tip.max() > 0.02
    assert face_width(mesh) > 50.0
