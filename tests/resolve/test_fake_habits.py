"""Each habit of Resolve shows in the fake, and both ways where it is not certain."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.resolve.fake import FakeRefusal, FakeResolve, Frames, Habits, write_exr, write_movie
from tests.resolve.fake.pixels import read
from tests.resolve.test_fake_interface import item, media, pool, project, with_clip

MANAGED = {"colorScienceMode": "davinciYRGBColorManagedv2"}
HOUR = 86400


@pytest.fixture
def fake(tmp_path: Path) -> FakeResolve:
    return with_clip(FakeResolve(settings=MANAGED), tmp_path)


def appended(fake: FakeResolve, track: int, record: int, first: int = 2, end: int = 6) -> Any:
    where = {"mediaType": 1, "trackIndex": track, "recordFrame": record}
    clip = project(fake).GetMediaPool().GetRootFolder().GetClipList()[1]
    return pool(fake).AppendToTimeline([{"mediaPoolItem": clip, "startFrame": first, "endFrame": end} | where])


@pytest.mark.parametrize(("inclusive", "duration"), [(False, 4), (True, 5)])
def test_the_end_of_an_appended_clip(tmp_path: Path, inclusive: bool, duration: int) -> None:
    fake = with_clip(FakeResolve(habits=Habits(end_inclusive=inclusive)), tmp_path)
    project(fake).GetCurrentTimeline().AddTrack("video")
    appended(fake, 2, HOUR + 1)
    (found,) = project(fake).GetCurrentTimeline().GetItemListInTrack("video", 2)
    assert (found.GetStart(), found.GetDuration(), found.GetLeftOffset()) == (HOUR + 1, duration, 2)
    assert found.GetEnd() == HOUR + 1 + duration


def test_the_earlier_clip_wins_and_nobody_says_so(fake: FakeResolve) -> None:
    assert appended(fake, 1, HOUR + 2)[0] and len(fake.items(1)) == 1
    appended(fake, 1, HOUR + 8)
    assert [(one.start, one.duration, one.left) for one in fake.items(1)] == [(HOUR, 10, 0), (HOUR + 10, 2, 4)]


def test_time_begins_at_one_hour_and_the_playhead_says_which_clip(fake: FakeResolve) -> None:
    assert project(fake).GetCurrentTimeline().GetStartFrame() == HOUR
    assert project(fake).GetCurrentTimeline().GetStartTimecode() == "01:00:00:00"
    assert item(fake).GetStart() == HOUR
    fake.park(HOUR + 10)
    assert item(fake) is None
    project(fake).GetCurrentTimeline().SetCurrentTimecode("01:00:00:09")
    assert item(fake).GetStart() == HOUR
    assert fake.resolve.OpenPage("media") and item(fake) is None


def test_a_source_frame_is_off_and_the_offset_is_not(tmp_path: Path) -> None:
    fake = with_clip(FakeResolve(), tmp_path, left_offset=3)
    assert (item(fake).GetSourceStartFrame(), item(fake).GetLeftOffset()) == (1005, 3)


@pytest.mark.parametrize(
    ("how", "duration", "right", "whole"),
    [({}, 10, 0, True), ({"speed": 2.0}, 5, 0, False), ({"speed": 0.5}, 20, 0, False), ({"rate": 12.0}, 20, 0, False)],
)
def test_a_retimed_clip_does_not_add_up(
    tmp_path: Path, how: dict[str, float], duration: int, right: int, whole: bool
) -> None:
    clip = item(with_clip(FakeResolve(), tmp_path, **how))
    assert (clip.GetDuration(), clip.GetRightOffset()) == (duration, right)
    assert (clip.GetLeftOffset() + clip.GetDuration() + clip.GetRightOffset() == 10) is whole


def test_a_reversed_clip_shows_its_end_first(tmp_path: Path) -> None:
    fake = with_clip(FakeResolve(), tmp_path, speed=-1.0)
    assert item(fake).GetSourceEndFrame() < item(fake).GetSourceStartFrame()
    assert fake.picture(HOUR)[0, 0, 0] == np.float16(1010 / 4096)


def test_titles_and_nested_clips_have_no_file() -> None:
    fake = FakeResolve()
    fake.add_title()
    assert item(fake).GetMediaPoolItem() is None
    fake.park(fake.add_nested("Compound").start)
    assert (media(fake).GetClipProperty("Type"), media(fake).GetClipProperty("File Path")) == ("Compound", "")


def test_imports_go_into_the_current_bin(fake: FakeResolve, tmp_path: Path) -> None:
    bins = pool(fake)
    made = bins.AddSubFolder(bins.GetRootFolder(), "Other")
    assert bins.SetCurrentFolder(made)
    (clip,) = bins.ImportMedia([{"FilePath": str(tmp_path / "plate.%04d.exr"), "StartIndex": 1002, "EndIndex": 1004}])
    assert [one.GetUniqueId() for one in made.GetClipList()] == [clip.GetUniqueId()]
    assert clip.GetClipProperty("File Path") == str(tmp_path / "plate.[1002-1004].exr")
    assert (clip.GetClipProperty("Frames"), clip.GetClipProperty("FPS")) == ("3", 24.0)
    assert not bins.ImportMedia([{"FilePath": str(tmp_path / "no.%04d.exr"), "StartIndex": 1, "EndIndex": 2}])


@pytest.mark.parametrize(("by", "good"), [("name", {"EXR"}), ("extension", {"exr"}), ("either", {"EXR", "exr"})])
def test_formats_and_codecs_go_by_their_ids(by: Any, good: set[str]) -> None:
    queue = project(FakeResolve(habits=Habits(formats_by=by)))
    assert queue.GetRenderFormats()["EXR"] == "exr"
    assert {name for name in ("EXR", "exr") if queue.SetCurrentRenderFormatAndCodec(name, "RGBHalf")} == good
    assert not queue.SetCurrentRenderFormatAndCodec("EXR", "RGB half")


def render(fake: FakeResolve, folder: Path, last: int) -> tuple[list[str], list[str]]:
    """The states of a job from its start on, and the names of its files."""
    folder.mkdir()
    queue = project(fake)
    queue.SetCurrentRenderFormatAndCodec("EXR", "RGBHalf")
    queue.SetCurrentRenderMode(1)
    queue.SetRenderSettings({"SelectAllFrames": False, "MarkIn": HOUR + 1, "MarkOut": last})
    assert queue.SetRenderSettings({"TargetDir": str(folder), "CustomName": "a_"})
    job = queue.AddRenderJob()
    assert queue.StartRendering([job])
    states = [queue.GetRenderJobStatus(job)["JobStatus"] for _ in range(5)]
    assert queue.DeleteRenderJob(job)
    return states, sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize(("inclusive", "frames"), [(True, 3), (False, 2)])
def test_a_render_takes_a_while_and_ends_at_its_mark(tmp_path: Path, inclusive: bool, frames: int) -> None:
    fake = with_clip(FakeResolve(habits=Habits(mark_out_inclusive=inclusive)), tmp_path)
    states, names = render(fake, tmp_path / "out", HOUR + 3)
    assert states == ["Rendering"] * 3 + ["Complete"] * 2
    assert names == [f"a_{HOUR + 1 + index:08d}.exr" for index in range(frames)]
    assert fake.resolve.GetCurrentPage() == "deliver"


@pytest.mark.parametrize(("ends", "state"), [("fail", "Failed"), ("never", "Rendering")])
def test_a_render_may_not_end_well(tmp_path: Path, ends: Any, state: str) -> None:
    fake = with_clip(FakeResolve(habits=Habits(render_ends=ends)), tmp_path)
    states, names = render(fake, tmp_path / "out", HOUR + 3)
    assert states[-1] == state and not names


def test_render_settings_stay_until_a_preset_is_loaded(fake: FakeResolve, tmp_path: Path) -> None:
    queue = project(fake)
    assert queue.SaveAsNewRenderPreset("Mine") and not queue.SaveAsNewRenderPreset("Mine")
    render(fake, tmp_path / "out", HOUR + 3)
    assert queue.GetCurrentRenderFormatAndCodec() == {"format": "exr", "codec": "RGBHalf"} and queue.AddRenderJob()
    assert queue.LoadRenderPreset("Mine")
    assert queue.GetCurrentRenderFormatAndCodec()["codec"] == "ProRes422HQ" and queue.AddRenderJob() == ""


def test_input_color_space_is_read_only_in_aces(fake: FakeResolve, tmp_path: Path) -> None:
    assert media(fake).SetClipProperty("Input Color Space", "ARRI LogC4")
    assert media(fake).GetClipProperty("Input Color Space") == "ARRI LogC4"
    assert not media(fake).SetClipProperty("Input Color Space", "ARRI LogC9")
    aces = with_clip(FakeResolve(settings={"colorScienceMode": "acescct"}), tmp_path)
    assert media(aces).SetClipProperty("Input Color Space", "ACEScg - CSC") is False


def test_marks_and_markers_keep_what_they_are_given(fake: FakeResolve) -> None:
    timeline = project(fake).GetCurrentTimeline()
    assert timeline.GetMarkInOut() == {} and timeline.SetMarkInOut(HOUR + 2, HOUR + 5, "video")
    assert timeline.GetMarkInOut() == {"video": {"in": 2, "out": 5}} and timeline.ClearMarkInOut()
    assert timeline.GetMarkInOut() == {}
    clip = item(fake)
    assert clip.AddMarker(3, "Sky", "a", "b", 1, "data") and not clip.AddMarker(3, "Sky", "", "", 1, "")
    assert not clip.AddMarker(99, "Sky", "", "", 1, "")
    marker = {"color": "Sky", "duration": 1.0, "note": "b", "name": "a", "customData": "data"}
    assert item(fake).GetMarkers() == {3.0: marker}
    assert clip.UpdateMarkerCustomData(3, "other") and clip.GetMarkerCustomData(3) == "other"
    assert clip.DeleteMarkerByCustomData("other") and clip.GetMarkers() == {}


def test_takes_are_chosen_and_given_up(fake: FakeResolve) -> None:
    clip = item(fake)
    assert clip.GetTakesCount() == 0 and clip.GetSelectedTakeIndex() == 0
    assert clip.AddTake(media(fake), 2, 5) and clip.GetTakesCount() == 2 and clip.GetSelectedTakeIndex() == 1
    assert clip.SelectTakeByIndex(2) and (clip.GetDuration(), clip.GetLeftOffset()) == (4, 2)
    assert not clip.DeleteTakeByIndex(2) and clip.SelectTakeByIndex(1) and clip.DeleteTakeByIndex(2)
    assert (clip.GetDuration(), clip.GetLeftOffset(), clip.GetTakesCount()) == (10, 0, 1)
    assert clip.FinalizeTake() and clip.GetTakesCount() == 0


@pytest.mark.parametrize("form", ["first", "printf", "range"])
def test_a_clip_is_replaced_in_place(tmp_path: Path, form: Any) -> None:
    fake = with_clip(FakeResolve(habits=Habits(replace_form=form), settings=MANAGED), tmp_path, space="ACEScg")
    for number in (1001, 1002):
        write_exr(tmp_path / f"other.{number}.exr", np.full((4, 6, 3), 0.75, np.float32))
    forms = {"first": "other.1001.exr", "printf": "other.%04d.exr", "range": "other.[1001-1002].exr"}
    was = media(fake).GetUniqueId()
    assert {one for one, name in forms.items() if media(fake).ReplaceClip(str(tmp_path / name))} == {form}
    assert media(fake).GetUniqueId() == was and media(fake).GetClipProperty("Frames") == "2"
    assert media(fake).GetClipProperty("Input Color Space") == "Project"


def test_tracks_come_and_go(fake: FakeResolve) -> None:
    timeline = project(fake).GetCurrentTimeline()
    assert timeline.AddTrack("video") and timeline.SetTrackName("video", 2, "Over")
    appended(fake, 2, HOUR)
    assert timeline.GetTrackName("video", 2) == "Over" and item(fake).GetDuration() == 4
    assert timeline.SetTrackEnable("video", 2, False) and item(fake).GetDuration() == 10
    assert timeline.DeleteTrack("video", 2) and not timeline.DeleteTrack("video", 2)
    assert timeline.SetTrackLock("video", 1, True) and appended(fake, 1, HOUR + 20) == [None]


def test_a_movie_is_seen_by_the_fake_alone(tmp_path: Path) -> None:
    fake = with_clip(FakeResolve(), tmp_path)
    write_movie(tmp_path / "a.mov", Frames(str(tmp_path / "plate."), 4, ".exr", 1003, 1006))
    clip = fake.add_clip(tmp_path / "a.mov")
    fake.park(clip.start)
    assert media(fake).GetClipProperty("File Path") == str(tmp_path / "a.mov") and clip.duration == 4
    assert fake.picture(clip.start)[0, 0, 0] == np.float16(1003 / 4096)


@pytest.mark.parametrize("space", ["ACEScg", "ACEScct", "DaVinci WG/Intermediate", "ARRI LogC4", "Rec.709 Gamma 2.4"])
def test_a_render_is_in_the_output_space_and_graded(tmp_path: Path, space: str) -> None:
    """In the clip's own space its numbers come out as they are; a grade of two stops is one in linear light."""
    settings = MANAGED | {"colorSpaceOutput": space}
    fake = with_clip(FakeResolve(settings=settings), tmp_path, space=space)
    render(fake, tmp_path / "same", HOUR + 1)
    assert np.array_equal(read(tmp_path / "same" / f"a_{HOUR + 1:08d}.exr"), read(tmp_path / "plate.1002.exr"))
    before = fake.picture(HOUR + 1)
    fake.items(1)[0].gain = 4.0
    render(fake, tmp_path / "graded", HOUR + 1)
    fake.add_clip(tmp_path / "graded" / f"a_{HOUR + 1:08d}.exr", space=space, start=HOUR + 1, track=2)
    assert np.allclose(fake.picture(HOUR + 1), before * 4, rtol=4e-3, atol=1e-4)


def test_numbers_pass_where_nothing_is_managed(tmp_path: Path) -> None:
    fake = with_clip(FakeResolve(settings={"colorSpaceOutput": "ARRI LogC4"}), tmp_path)
    render(fake, tmp_path / "out", HOUR + 1)
    assert np.array_equal(read(tmp_path / "out" / f"a_{HOUR + 1:08d}.exr"), read(tmp_path / "plate.1002.exr"))


def test_sound_and_ripple_are_beyond_the_fake(fake: FakeResolve) -> None:
    with pytest.raises(FakeRefusal):
        project(fake).GetCurrentTimeline().DeleteClips([item(fake)], True)
