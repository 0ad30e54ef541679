"""Several people in one pass: each face gets its own person, made by that person's own swapper."""

from types import SimpleNamespace

import numpy as np
import pytest

from engine.errors import RecipeError
from engine.faces.tracks import Track, Tracks
from engine.geometry import Box
from engine.models.manifest import known
from engine.plates.frame import Frame
from engine.plates.plate import Plate
from engine.plates.write import write_frame
from engine.recipe import with_settings
from engine.render import Renderer
from engine.shot import Output, Replace, Shot
from engine.swappers.references import Identity
from kernels.view import make_view, view

pytest.importorskip("onnx", reason="needs onnx to write a model")
from test_network_swappers import BARE, DFM, SIZE, STEP, expected, face_mesh, told

from tests.swappers import tiny_networks as tiny

GHOST, UNIFACE, PERSON, MESH = "ghost_1_256", "uniface_256", "person", "mesh"
MIDDLE = SIZE[1] // 2


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in (GHOST, UNIFACE, "arcface_w600k_r50", known()[GHOST].converter):
        tiny.install(folder, name)
    tiny.install(folder, PERSON, manifest=DFM)
    return folder


@pytest.fixture(autouse=True)
def installed(folder, monkeypatch):
    monkeypatch.setenv("FACEPLATE_MODELS", str(folder))


@pytest.fixture(scope="module")
def plate(tmp_path_factory):
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32) / 400.0
    light = np.stack([0.3 + 0.2 * np.sin(5 * x), 0.2 + 0.1 * y, 0.15 + 0.1 * np.cos(4 * (x + y))], axis=2)
    window = Box(0, 0, SIZE[1], SIZE[0])
    frame = Frame.new(1, {n: light[..., i].astype(np.float16) for i, n in enumerate("RGB")}, window, window)
    path = tmp_path_factory.mktemp("plate") / "plate.0001.exr"
    write_frame(frame, path)
    return Plate.open(path)


def placed(scale, x):
    """The turned canonical face, so much smaller, around a column of the plate."""
    return (face_mesh() - [205.0, 200.0, 0.0]) * scale + [x, 200.0, 0.0]


LEFT, RIGHT = placed(0.4, 100.0), placed(0.45, 300.0)


def _track(number, mesh):
    """A face that is seen in frame 1 only."""
    return Track(
        id=number,
        person=number,
        frames=np.array([1], np.int32),
        mesh=mesh[None].astype(np.float32),
        pose=np.zeros((1, 3), np.float32),
        confidence=np.ones(1, np.float32),
        identity=np.zeros(128, np.float32),
        bridged=np.zeros(1, bool),
    )


def render(plate, meshes, entries, *settings, swapper=GHOST):
    """The frame before and after in the model view, and the matte; entries: (face, swapper, reference) each."""
    tracks = tuple(_track(place, mesh) for place, mesh in enumerate(meshes))
    people = tuple(Replace(identity="person", face=face, swapper=own) for face, own, _ in entries)
    shot = Shot(swapper=swapper, replace=people, output=Output(path="out", layers=("matte",)))
    shot = with_settings(shot, [*BARE, *settings])
    identities = [Identity([reference], f"digest {reference.name}") for *_, reference in entries]
    solved = Tracks(plate="plate", frames=(1, 1), size=SIZE, exposure=1.0, cuts=(), tracks=tracks)
    before, after = plate.read(1), plate.read(1)
    Renderer(shot, solved, plate.color, identities).render(after)
    shown = [view(frame.rgb(frame.data_window), make_view()) for frame in (before, after)]
    return *shown, after.added["matte.V"].astype(np.float32)


def test_two_people_are_made_by_two_networks_each_in_its_place(plate, hopper_reference, astronaut_reference):
    """The left face by its own DFM, the right one by the recipe's network, which is told who that is."""
    entries = [("right", "", astronaut_reference), ("left", PERSON, hopper_reference)]
    before, after, matte = render(plate, (LEFT, RIGHT), entries, "network.morph=0.75")
    left = np.arange(SIZE[1]) < MIDDLE
    ghost = tiny.SOURCE * told(known()[GHOST], astronaut_reference)
    for mesh, manifest, more, side in ((LEFT, DFM, 0.75 * tiny.MORPH, left), (RIGHT, known()[GHOST], ghost, ~left)):
        answer, _ = expected(SimpleNamespace(mesh=mesh), manifest, before, more)
        whole = (matte > 0.999) & side
        assert whole.sum() > 500
        assert np.abs(after - answer)[whole].max() < STEP
    np.testing.assert_array_equal(after[matte == 0.0], before[matte == 0.0])


def test_one_network_makes_two_people(plate, hopper_reference, astronaut_reference):
    people = {"left": (LEFT, hopper_reference), "right": (RIGHT, astronaut_reference)}
    entries = [(face, "", reference) for face, (_, reference) in people.items()]
    before, after, matte = render(plate, (LEFT, RIGHT), entries)
    for face, (mesh, reference) in people.items():
        more = tiny.SOURCE * told(known()[GHOST], reference)
        answer, _ = expected(SimpleNamespace(mesh=mesh), known()[GHOST], before, more)
        whole = (matte > 0.999) & ((np.arange(SIZE[1]) < MIDDLE) == (face == "left"))
        assert whole.sum() > 500
        assert np.abs(after - answer)[whole].max() < STEP


@pytest.mark.parametrize(
    ("left", "right"), [(MESH, GHOST), (GHOST, MESH), (MESH, MESH), (UNIFACE, PERSON), (MESH, UNIFACE)]
)
def test_faces_apart_are_what_each_is_alone(plate, hopper_reference, astronaut_reference, left, right):
    entries = [("left", left, hopper_reference), ("right", right, astronaut_reference)]
    _, both, _ = render(plate, (LEFT, RIGHT), entries)
    alone = [render(plate, (LEFT, RIGHT), [entry])[:2] for entry in entries]
    for before, after in alone:
        assert (after != before).any()
    expected = np.concatenate([alone[0][1][:, :MIDDLE], alone[1][1][:, MIDDLE:]], axis=1)
    np.testing.assert_array_equal(both, expected)


def test_one_person_on_every_face(plate, hopper_reference):
    entries = [(face, "", hopper_reference) for face in ("left", "right")]
    _, each, _ = render(plate, (LEFT, RIGHT), entries)
    _, every, _ = render(plate, (LEFT, RIGHT), [("all", "", hopper_reference)])
    np.testing.assert_array_equal(every, each)


def test_of_two_faces_that_overlap_the_nearer_lies_over_the_other(plate, hopper_reference, astronaut_reference):
    far, near = placed(0.4, 185.0), placed(0.6, 215.0)
    entries = [("1", "", hopper_reference), ("2", MESH, astronaut_reference)]
    _, both, _ = render(plate, (far, near), entries)
    _, first, over = render(plate, (far, near), entries[:1])
    _, second, under = render(plate, (far, near), entries[1:])
    assert ((over > 0.999) & (under > 0.5)).sum() > 500 and (under[over == 0.0] > 0.5).any()
    assert np.abs(both - first)[over > 0.999].max() < STEP
    np.testing.assert_array_equal(both[over == 0.0], second[over == 0.0])


@pytest.mark.parametrize("faces", [("left", "left"), ("largest", "all"), ("1", "right")])
def test_a_face_that_is_named_twice_is_refused(plate, hopper_reference, faces):
    with pytest.raises(RecipeError, match=f"`{faces[0]}` and `{faces[1]}` are the same one") as caught:
        render(plate, (LEFT, RIGHT), [(face, MESH, hopper_reference) for face in faces])
    assert "one [[replace]] only" in caught.value.remedy
