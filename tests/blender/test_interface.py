"""The extension in a Blender with a window: what is pressed there, what is drawn, and that nothing ever hangs."""

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
from tests.blender.windowed import DATA, DISPLAY, HANGS, MOST, Told, played
from tests.jobs.place import FRAMES, Record

__all__ = ["originals"]

# Frames of the plate.
COUNT = 24

pytestmark = [pytest.mark.blender, pytest.mark.slow]


@pytest.fixture(scope="module")
def story(originals: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Told, Path]]:
    """What came of the story, and the folder of the work."""
    with played("working", COUNT, originals, tmp_path_factory.mktemp("window")) as told:
        yield told


@pytest.fixture
def notes(story: tuple[Told, Path]) -> dict[str, Any]:
    return story[0].notes


def test_the_story_was_told_to_its_end(story: tuple[Told, Path]) -> None:
    told = story[0]
    assert "trouble" not in told.notes, told.notes["trouble"]
    assert told.status == 0 and "Traceback" not in told.output, told.output[-5000:]
    assert "The extension was unregistered." in told.output


def test_faces_are_found_with_progress_and_esc_cancels(notes: dict[str, Any]) -> None:
    cancelled, found = notes["cancelled"], notes["found"]
    assert cancelled["begun"] == found["begun"] == ["RUNNING_MODAL"]
    assert cancelled["outcome"] == "cancelled" and max(cancelled["shown"]) < 1.0 and not cancelled["code"]
    assert notes["again"] and found["outcome"] == "done"
    assert len(found["shown"]) > 3 and found["shown"] == sorted(found["shown"]) and found["shown"][-1] == 1.0


def test_a_preview_becomes_an_image(notes: dict[str, Any]) -> None:
    assert notes["preview"]["size"] == [DISPLAY.width, DISPLAY.height] and 0.05 < notes["preview"]["mean"] < 1.0


def test_faces_are_replaced_with_progress(story: tuple[Told, Path]) -> None:
    notes, work = story[0].notes, story[1]
    replaced = notes["replaced"]
    assert (replaced["begun"], replaced["outcome"], replaced["frames"]) == (["RUNNING_MODAL"], "done", COUNT)
    assert len(replaced["shown"]) > 3 and replaced["shown"][-1] == 1.0
    assert notes["result"] == str(work / f"plate/faceplate/sh.{FRAMES[0]}.exr")
    assert len(list((work / "plate/faceplate").glob("sh.*.exr"))) == COUNT


def test_an_engine_that_is_killed_is_shown_and_found_again(notes: dict[str, Any]) -> None:
    assert notes["failed"]["outcome"] == "failed" and notes["failed"]["code"] == "engine-gone"
    assert notes["lost"] == "engine-gone" and notes["another"]
    assert notes["finished"]["outcome"] == "done" and notes["finished"]["frames"] == COUNT


def test_nothing_hangs(notes: dict[str, Any]) -> None:
    """The worst of hundreds of calls each; one of them may meet a moment in which others use these cores."""
    late: list[tuple[str, str, float]] = []
    for name in ("cancelled", "found", "replaced", "failed", "finished"):
        stalls = notes[name]["stalls"]
        assert {"poll", "panel", "modal", "overlay"} <= set(stalls)
        assert stalls.pop("blender") < HANGS, name
        if name == "found":
            # The first mesh of all is drawn, and its shader compiled.
            stalls.pop("overlay")
        late += [(name, call, took) for call, took in stalls.items() if took >= MOST]
    assert len(late) <= 1 and all(took < 4 * MOST for _, _, took in late), late


def test_the_overlay_lies_on_the_face(story: tuple[Told, Path], tmp_path: Path) -> None:
    """Its columns and rows on the screen are those of the mesh, in every view and frame."""
    notes, work = story[0].notes, story[1]
    core.solve_shot(Shot(plate=Plate(path=str(work / "plate"))), tmp_path / "sh.tracks", Record())
    (track,) = Tracks.load(tmp_path / "sh.tracks").tracks
    for view in notes["overlay"]:
        (left, bottom), (right, top) = view["corners"]
        mesh = track.mesh[view["frame"] - 1, :SURFACE, :2]
        x = left + (mesh[:, 0] - DATA.x0) / DATA.width * (right - left)
        y = top - (mesh[:, 1] - DATA.y0) / DATA.height * (top - bottom)
        expected = np.array([x.min(), x.max(), y.min(), y.max()])
        assert np.abs(np.array(view["faceplate_mesh"]) + 0.5 - expected).max() < 2.5, (view, expected)
        matte = np.array(view["faceplate_matte"])
        assert (np.abs(matte - expected) < 0.25 * np.ptp(expected[:2])).all(), (view, expected)
