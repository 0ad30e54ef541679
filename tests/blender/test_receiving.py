"""In a Blender with a window: what becomes of tracks, meshes, results, previews, rendered frames and masks there."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine import core
from engine.faces.mesh import SURFACE
from engine.faces.tracks import Tracks
from engine.shot import Plate, Shot
from tests.blender.conftest import originals
from tests.blender.windowed import DATA, DISPLAY, MOST, Told, played
from tests.jobs.place import FRAMES, Record, read_exr

__all__ = ["originals"]

# Frames of the plate.
COUNT = 12
# Pixels that are the same place.
NEAR = 0.5
# What is the extension's own on Blender's thread, apart from what is drawn.
CALLS = {"invoke", "poll", "turn", "follow", "arrived", "modal"}

pytestmark = [pytest.mark.blender, pytest.mark.slow]


@pytest.fixture(scope="module")
def story(originals: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Told, Path]]:
    """What came of the story, and the folder of the work."""
    folder = tmp_path_factory.mktemp("receiving")
    shutil.copytree(originals / "grace", folder / "work/other")
    with played("receiving", COUNT, originals, folder) as told:
        yield told


@pytest.fixture
def notes(story: tuple[Told, Path]) -> dict[str, Any]:
    return story[0].notes


@pytest.fixture(scope="module")
def mesh(story: tuple[Told, Path], tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The face in each frame as the engine solves it, (COUNT, 478, 2) in pixels of Blender's picture, y down."""
    tracks = tmp_path_factory.mktemp("solved") / "sh.tracks"
    core.solve_shot(Shot(plate=Plate(path=str(story[1] / "plate"))), tracks, Record())
    (track,) = Tracks.load(tracks).tracks
    return track.mesh[:, :, :2] - (DATA.x0, DATA.y0)


def picture(path: Path) -> np.ndarray:
    channels, _ = read_exr(path)
    return np.stack([channels[name] for name in "RGBA"], axis=2).astype(np.float32)


def test_the_story_was_told_to_its_end(story: tuple[Told, Path]) -> None:
    told = story[0]
    assert "trouble" not in told.notes, told.notes["trouble"]
    assert told.status == 0 and "Traceback" not in told.output, told.output[-5000:]
    assert told.notes["found"] == told.notes["replaced"] == "done"


def test_a_person_is_chosen_in_the_menu(story: tuple[Told, Path]) -> None:
    assert story[0].notes["assigned"] == [["1", str(story[1] / "other")]]


def test_tracks_lie_on_the_face(notes: dict[str, Any], mesh: np.ndarray) -> None:
    assert len(notes["tracks"]) == 6
    for name, point in (("nose", 1), ("chin", 152), ("mouth_left", 291), ("right_eye", 468)):
        markers = np.array(notes["tracks"][f"Faceplate 1 {name}"])
        assert markers[:, 0].tolist() == list(range(1, COUNT + 1)) and not markers[:, 3].any()
        assert np.abs(markers[:, 1:3] - mesh[:, point]).max() < NEAR, name


def test_the_mesh_covers_the_face(notes: dict[str, Any], mesh: np.ndarray) -> None:
    for frame, points in notes["mesh"].items():
        assert np.abs(np.array(points) - mesh[int(frame) - 1, :SURFACE]).max() < NEAR, frame


def test_a_result_arrives_where_it_was_asked_for(story: tuple[Told, Path]) -> None:
    notes, folder = story[0].notes, story[1] / "plate/faceplate"
    names = [f"sh.{FRAMES[0] + index}.exr" for index in range(COUNT)]
    assert notes["result"] == str(folder / names[0])
    assert notes["clip"] == [str(folder / names[0]), COUNT, FRAMES[0], [DATA.width, DATA.height]]
    assert notes["strip"] == [1, COUNT + 1, names]
    assert notes["nodes"] == ["CompositorNodeComposite", "Faceplate Comp", "Layers", "Plate", "Result"]


def test_compositor_and_sequencer_show_the_result(story: tuple[Told, Path]) -> None:
    folder = story[1]
    plate, result = (picture(folder / name) for name in ("plate/sh.1001.exr", "plate/faceplate/sh.1001.exr"))
    assert np.abs(plate - result).max() > 0.5
    np.testing.assert_array_equal(picture(folder / "cut.exr"), result)
    np.testing.assert_allclose(picture(folder / "composited.exr"), result, atol=1e-3)


def test_the_preview_follows_the_clip_that_is_played(story: tuple[Told, Path]) -> None:
    last = FRAMES[0] + COUNT - 1
    assert story[0].notes["followed"] == last
    result, shown = picture(story[1] / f"plate/faceplate/sh.{last}.exr"), np.load(story[1] / "followed.npy")
    left, top = -DATA.x0, -DATA.y0
    np.testing.assert_array_equal(shown, result[top : top + DISPLAY.height, left : left + DISPLAY.width])


def test_faces_are_replaced_in_what_blender_renders(story: tuple[Told, Path]) -> None:
    """In another thread than the one that may ask the engine."""
    notes, folder = story[0].notes, story[1]
    assert notes["rendered"] == "done" and notes["rendered_elsewhere"] and not notes["asked_elsewhere"]
    for number in (1, 2, 3):
        before, after = (picture(folder / name / f"cg.{number:04}.exr") for name in ("cg", "cg/faceplate"))
        np.testing.assert_array_equal(before, picture(folder / f"plate/sh.{FRAMES[0] + number - 1}.exr"))
        assert 0.02 < (np.abs(before - after).max(2) > 0.02).mean() < 0.5


def test_a_mask_that_is_stopped_leaves_nothing_and_opens_no_window(notes: dict[str, Any]) -> None:
    assert notes["given_up"] == ["", []] and notes["windows"] == [1, 1]


def test_a_mask_is_rendered_where_the_face_is(notes: dict[str, Any], mesh: np.ndarray) -> None:
    assert notes["masks"] == 1
    for index in range(COUNT):
        held = picture(Path(notes["holdout"].replace("####", str(FRAMES[0] + index))))
        rows, columns = np.nonzero(held[..., 0] > 0.5)
        box = np.array([columns.min(), columns.max() + 1, rows.min(), rows.max() + 1])
        (left, top), (right, bottom) = mesh[index, :SURFACE].min(0), mesh[index, :SURFACE].max(0)
        assert np.abs(box - (left, right, top, bottom)).max() < 2.0, index


def test_nothing_hangs(notes: dict[str, Any]) -> None:
    """The best of several times counts: other work on these cores shall not fail it."""
    assert {name: len(runs) for name, runs in notes["stalls"].items()} == {
        "assigned": 1, "found": 1, "tracks": 3, "mesh": 3, "replaced": 3, "held_out": 3, "followed": 1, "rendered": 1,
    }  # fmt: skip
    for name, runs in notes["stalls"].items():
        best = {call: min(run[call] for run in runs if call in run) for call in CALLS & set().union(*runs)}
        assert max(best.values()) < MOST, (name, best)
