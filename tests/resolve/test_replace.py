"""A face is replaced in a clip of a fake Resolve, by a real engine: from its own files, and as a graded picture."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.jobs.place import bytes_of
from tests.resolve.conftest import Menu, read_json, state, write_json
from tests.resolve.fake import FakeResolve, Frames, Habits, write_movie

AGAIN, GRADED, REFRESH = "Replace Face Again", "Replace Face on Graded Picture", "Refresh Result"
MANAGED = {
    "colorScienceMode": "davinciYRGBColorManagedv2",
    "colorSpaceInput": "Rec.709 Linear",
    "colorSpaceTimeline": "DaVinci WG/Intermediate",
    "colorSpaceOutput": "Rec.709 Gamma 2.4",
}
pytestmark = pytest.mark.usefixtures("recipe")


@pytest.fixture
def plate(work: Path) -> Path:
    """The first of nine frames, from 1001."""
    for number in range(1004, 1010):
        shutil.copy(work / f"plate/sh.{1001 + number % 3}.exr", work / f"plate/sh.{number}.exr")
    return work / "plate/sh.1001.exr"


def fake_with(plate: Path, habits: Habits | None = None, edition: Any = "studio", **settings: str) -> FakeResolve:
    """A managed project with one clip, of the plate's frames 1004 to 1006, at frame 100 of the timeline."""
    fake = FakeResolve(edition, habits=habits, settings=MANAGED | settings)
    clip = fake.add_clip(plate, left_offset=3, duration=3, start=fake.timeline.start + 100)
    fake.park(clip.start + 1)
    return fake


def only_result(fake: FakeResolve, track: int = 2) -> Any:
    [item] = fake.items(track)
    return item


def differs(fake: FakeResolve, frame: int) -> bool:
    """Whether the topmost track shows something else than the ones below."""
    top = fake.timeline.tracks["video"][-1]
    shown = fake.picture(frame)
    top.enabled = False
    below = fake.picture(frame)
    top.enabled = True
    return not np.array_equal(shown, below)


@pytest.mark.parametrize("edition", ["free", "studio"])
@pytest.mark.parametrize("inclusive", [False, True])
def test_by_its_own_files(menu: Menu, plate: Path, home: Path, pages: list[str], edition: str, inclusive: bool) -> None:
    before = bytes_of(plate.parent)
    fake = fake_with(plate, Habits(end_inclusive=inclusive), edition)
    clip, [original] = state(fake)["timeline Reel 1"][0][0], fake.items(1)
    told = menu(AGAIN, fake)
    assert "done" in told and not pages, told
    item = only_result(fake)
    assert (item.start, item.duration, item.left) == (original.start, 3, 3)
    frames = item.media.frames
    assert (frames.first, frames.last, item.media.rate) == (1001, 1009, 24.0)
    assert (
        original.media is not None
        and item.media.space() == original.media.space()
        and fake.project.pool.current is fake.project.pool.root
    )
    [folder] = fake.project.pool.root.folders
    assert folder.name == "Faceplate" and folder.clips == [item.media]
    assert fake.timeline.tracks["video"][1].name == "Faceplate"
    # The original is as it was, on the timeline and on disk, and the result shows another face over it.
    assert state(fake)["timeline Reel 1"][0][0] == clip and bytes_of(plate.parent) == before
    assert all(differs(fake, frame) for frame in range(item.start, item.start + 3)) and fake.world.page == "edit"
    log = (home / "log/resolve.log").read_text()
    assert "AppendToTimeline" in log and "Traceback" not in log


def test_the_marker_holds_job_and_recipe(menu: Menu, plate: Path, home: Path, recipe: dict[str, Any]) -> None:
    fake = fake_with(plate)
    menu(AGAIN, fake)
    [marker] = only_result(fake).markers.values()
    job = json.loads(marker["customData"])["faceplate"]
    shot = job["recipe"]
    assert shot["replace"] == recipe["replace"] and shot["seed"] == 7
    assert shot["plate"] == {
        "path": str(plate).replace("1001", "%04d"),
        "frames": "1001-1009",
        "colorspace": "Linear Rec.709 (sRGB)",
    }
    folder = Path(job["folder"])
    assert folder.is_relative_to(home / "Faceplate/Feature") and read_json(folder / "recipe.json") == shot
    assert read_json(home / "settings/resolve/recipe.json") == shot


def test_handles_are_as_many_as_are_wanted_and_there(menu: Menu, plate: Path, home: Path) -> None:
    write_json(home / "settings/resolve/settings.json", {"handles": 1, "folder": str(home / "elsewhere")})
    fake = fake_with(plate)
    menu(AGAIN, fake)
    item = only_result(fake)
    assert (item.media.frames.first, item.media.frames.last, item.left) == (1003, 1007, 1)
    assert Path(item.media.frames.head).is_relative_to(home / "elsewhere/Feature")


@pytest.mark.parametrize("from_zero", [False, True])
@pytest.mark.parametrize(("marks", "wanted"), [((1, 1), (1, 1)), ((-50, 0), (0, 1)), ((50, 60), (0, 3))])
def test_only_what_is_marked(
    menu: Menu, plate: Path, from_zero: bool, marks: tuple[int, int], wanted: tuple[int, int]
) -> None:
    """Marks that lie elsewhere than on the clip are not for it."""
    fake = fake_with(plate, Habits(marks_from_zero=from_zero))
    [clip] = fake.items(1)
    fake.timeline.set_mark_in_out(clip.start + marks[0], clip.start + marks[1])
    menu(AGAIN, fake)
    item = only_result(fake)
    assert (item.start - clip.start, item.duration) == wanted and item.left == 3 + wanted[0]


@pytest.mark.parametrize("inclusive", [True, False])
def test_as_a_take(menu: Menu, plate: Path, home: Path, inclusive: bool) -> None:
    write_json(home / "settings/resolve/settings.json", {"result": "take"})
    fake = fake_with(plate, Habits(take_end_inclusive=inclusive))
    [clip] = fake.items(1)
    original = clip.media
    menu(AGAIN, fake)
    assert len(fake.timeline.tracks["video"]) == 1 and len(clip.takes) == 2 and clip.selected == 2
    assert (clip.start - fake.timeline.start, clip.duration, clip.left) == (100, 3, 3) and clip.media is not original
    assert clip.takes[0].media is original and "is-result" in menu(AGAIN, fake)


def test_the_original_of_a_take_is_never_renewed(menu: Menu, plate: Path, home: Path) -> None:
    """The marker is on its clip; but what is selected is not the result."""
    write_json(home / "settings/resolve/settings.json", {"result": "take"})
    fake = fake_with(plate)
    menu(AGAIN, fake)
    fake.resolve.GetProjectManager().GetCurrentProject().GetCurrentTimeline().GetCurrentVideoItem().SelectTakeByIndex(1)
    before = state(fake)
    assert "no-result" in menu(REFRESH, fake) and state(fake) == before


def test_as_a_graded_picture(menu: Menu, plate: Path) -> None:
    """Over a result from before, which must not get into the picture; then in the place of a person at the page."""
    fake = fake_with(plate)
    [clip] = fake.items(1)
    clip.gain = 0.5
    wanted = fake.picture(clip.start)
    menu(AGAIN, fake)
    fake.timeline.tracks["video"][1].enabled = False
    before = state(fake)
    assert "done" in menu(GRADED, fake, person=True)
    after = state(fake)
    assert all(after[key] == before[key] for key in ("page", "settings", "render", "presets", "jobs", "bin"))
    assert after["timeline Reel 1"][0][:2] == before["timeline Reel 1"][0]
    item = only_result(fake, 3)
    assert item.media.space() == "DaVinci Intermediate WideGamut" and item.left == 0
    np.testing.assert_allclose(fake.picture(clip.start)[:20, :20], wanted[:20, :20], rtol=5e-3, atol=1e-4)


@pytest.mark.parametrize("formats_by", ["name", "extension", "either"])
@pytest.mark.parametrize("inclusive", [True, False])
def test_a_movie_is_rendered_and_the_queue_is_as_it_was(
    menu: Menu, plate: Path, formats_by: Any, inclusive: bool
) -> None:
    movie = plate.parents[1] / "sh.mov"
    write_movie(movie, Frames(str(plate)[: -len("1001.exr")], 4, ".exr", 1001, 1009))
    fake = FakeResolve(habits=Habits(formats_by=formats_by, mark_out_inclusive=inclusive), settings=MANAGED)
    clip = fake.add_clip(movie, left_offset=3, duration=3, start=fake.timeline.start + 100, space="ARRI LogC4")
    clip.gain = 0.5
    # What lies over the clip must not get into its picture, and what is off is off afterwards.
    fake.add_clip(plate, start=clip.start, duration=3, track=2).gain = 0.0
    fake.add_clip(plate, start=clip.start, duration=3, track=3)
    fake.timeline.tracks["video"][1].enabled = fake.timeline.tracks["video"][2].enabled = False
    fake.project.render_settings |= {"TargetDir": "mine", "FormatWidth": 100}
    fake.park(clip.start)
    wanted = fake.pictures(range(clip.start, clip.start + 3))
    before = state(fake)
    told = menu(AGAIN, fake)
    assert "rendered, with its grade" in told and "done" in told, told
    after = state(fake)
    for key in ("page", "settings", "render", "presets", "jobs", "bin"):
        assert after[key] == before[key], key
    assert after["timeline Reel 1"][0][:3] == before["timeline Reel 1"][0]
    item = only_result(fake, 4)
    assert (item.start, item.duration, item.left) == (clip.start, 3, 0)
    assert item.media.space() == "DaVinci Intermediate WideGamut"
    # Away from the face it is the graded picture, as halves of the timeline's encoding hold it.
    for frame, picture in enumerate(wanted, clip.start):
        shown = fake.picture(frame)[:20, :20]
        np.testing.assert_allclose(shown, picture[:20, :20], rtol=5e-3, atol=1e-4)
        assert differs(fake, frame)


@pytest.mark.parametrize("form", ["first", "printf", "range"])
def test_a_changed_recipe_renews_the_result(menu: Menu, plate: Path, form: Any) -> None:
    fake = fake_with(plate, Habits(replace_form=form), colorSpaceInput="Rec.709 Gamma 2.4")
    [clip] = fake.items(1)
    assert clip.media is not None
    clip.media.set["Input Color Space"] = "Rec.709 Linear"
    menu(AGAIN, fake)
    item = only_result(fake)
    first, media = fake.picture(item.start), item.media
    [data] = [one["customData"] for one in item.markers.values()]
    folder = Path(json.loads(data)["faceplate"]["folder"])
    shot = read_json(folder / "recipe.json")
    write_json(folder / "recipe.json", shot | {"composite": {"opacity": 0.5}})
    assert "done" in menu(REFRESH, fake)
    assert only_result(fake) is item and item.media is media and (item.duration, item.left) == (3, 3)
    assert media.space() == "Linear Rec.709 (sRGB)" and media.rate == 24.0
    assert not np.array_equal(fake.picture(item.start), first)
    [data] = [one["customData"] for one in item.markers.values()]
    again = json.loads(data)["faceplate"]["recipe"]
    assert again["composite"] == {"opacity": 0.5} and again == read_json(folder / "recipe.json")
