"""The fake refuses what is not documented, and says nothing that Resolve would not."""

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.resolve.fake import FakeRefusal, FakeResolve, Habits, write_exr


@pytest.fixture
def fake(tmp_path: Path) -> FakeResolve:
    """A clip of ten frames, 1001 to 1010, on a timeline of 24 frames a second."""
    return with_clip(FakeResolve(), tmp_path)


def with_clip(fake: FakeResolve, folder: Path, **how: Any) -> FakeResolve:
    for number in range(1001, 1011):
        write_exr(folder / f"plate.{number}.exr", np.full((4, 6, 3), number / 4096, np.float32))
    fake.add_clip(folder / "plate.1001.exr", **how)
    return fake


def project(fake: FakeResolve) -> Any:
    return fake.resolve.GetProjectManager().GetCurrentProject()


def item(fake: FakeResolve) -> Any:
    return project(fake).GetCurrentTimeline().GetCurrentVideoItem()


def media(fake: FakeResolve) -> Any:
    return item(fake).GetMediaPoolItem()


WRONG = {
    "a call that there is not": lambda fake: fake.resolve.GetEverything(),
    "a call with a named argument": lambda fake: fake.resolve.OpenPage(pageName="edit"),
    "a page that there is not": lambda fake: fake.resolve.OpenPage("export"),
    "too few arguments": lambda fake: project(fake).SetSetting("timelineFrameRate"),
    "too many arguments": lambda fake: fake.resolve.GetCurrentPage("edit"),
    "a number for a text": lambda fake: project(fake).SetSetting("timelineFrameRate", 24),
    "a path for a text": lambda fake: media(fake).ReplaceClip(Path("a.exr")),
    "a setting that there is not": lambda fake: project(fake).GetSetting("colourScience"),
    "a property that there is not": lambda fake: media(fake).GetClipProperty("Colour"),
    "a key of a render": lambda fake: project(fake).SetRenderSettings({"Folder": "/"}),
    "a value of a render": lambda fake: project(fake).SetRenderSettings({"MarkIn": 1.5}),
    "a key of an import": lambda fake: pool(fake).ImportMedia([{"FilePath": "a", "StartIndex": 1, "End": 2}]),
    "an import without its end": lambda fake: pool(fake).ImportMedia([{"FilePath": "a", "StartIndex": 1}]),
    "a key of a place": lambda fake: pool(fake).AppendToTimeline([{"mediaPoolItem": media(fake), "track": 1}]),
    "another object": lambda fake: pool(fake).SetCurrentFolder(media(fake)),
    "a colour of a marker": lambda fake: item(fake).AddMarker(0, "Grey", "", "", 1, ""),
    "a call that the fake lacks": lambda fake: item(fake).SetCDL({"NodeIndex": 1}),
}


def pool(fake: FakeResolve) -> Any:
    return project(fake).GetMediaPool()


@pytest.mark.parametrize("wrong", WRONG)
def test_what_is_not_documented_is_refused(fake: FakeResolve, wrong: str) -> None:
    with pytest.raises(FakeRefusal):
        WRONG[wrong](fake)
    with pytest.raises(FakeRefusal):
        fake.verify()


def test_a_refusal_is_kept_if_a_script_hides_it() -> None:
    fake = FakeResolve()
    with suppress(Exception):
        fake.resolve.GetEverything()
    with pytest.raises(FakeRefusal), fake:
        pass


def test_objects_seem_to_have_every_name(fake: FakeResolve) -> None:
    assert hasattr(fake.resolve, "GetEverything") and "GetEverything" not in dir(fake.resolve)
    assert "GetProjectManager" in dir(fake.resolve)
    fake.verify()


def test_each_call_makes_a_new_object_for_the_same_thing(fake: FakeResolve) -> None:
    assert item(fake) != item(fake)
    assert item(fake).GetUniqueId() == item(fake).GetUniqueId()


def test_a_version_may_lack_a_call(tmp_path: Path) -> None:
    fake = with_clip(FakeResolve(habits=Habits(missing={"TimelineItem.GetSourceEndFrame"})), tmp_path)
    assert "GetSourceEndFrame" not in dir(item(fake))
    with pytest.raises(FakeRefusal):
        item(fake).GetSourceEndFrame()


def test_calls_may_lie_or_refuse(tmp_path: Path) -> None:
    habits = Habits(lies={"Timeline.AddTrack"}, refuses={"Project.SetCurrentRenderMode"})
    timeline = project(with_clip(FakeResolve(habits=habits), tmp_path)).GetCurrentTimeline()
    assert timeline.AddTrack("video") is True and timeline.GetTrackCount("video") == 1
    assert project(FakeResolve(habits=habits)).SetCurrentRenderMode(1) is False


def test_the_free_edition_answers_only_its_menu(tmp_path: Path) -> None:
    free, studio = FakeResolve("free"), FakeResolve("studio")
    assert (
        free.scriptapp("Resolve") is None and studio.scriptapp("Resolve").GetProductName() == "DaVinci Resolve Studio"
    )
    assert free.resolve.GetProductName() == "DaVinci Resolve"


def test_a_studio_call_blocks_the_free_edition(tmp_path: Path) -> None:
    fake = with_clip(FakeResolve("free"), tmp_path)
    clip, resolve = item(fake), fake.resolve
    assert clip.SmartReframe() is False and fake.world.modal
    assert resolve.GetProjectManager() is None and clip.GetStart() is None


def test_an_untitled_project_is_never_saved() -> None:
    fake = FakeResolve(name="Untitled Project")
    with pytest.raises(FakeRefusal):
        fake.resolve.GetProjectManager().SaveProject()
    assert FakeResolve().resolve.GetProjectManager().SaveProject() is True
