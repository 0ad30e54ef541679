"""The self-check finds out what a Resolve really does, changes nothing, and the scripts use what it has learned."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.resolve.conftest import Menu, read_json, state
from tests.resolve.fake import FakeResolve, Habits
from tests.resolve.test_replace import AGAIN, MANAGED

CHECK = "Self-check"
OTHERWISE = Habits(
    end_inclusive=True,
    take_end_inclusive=False,
    mark_out_inclusive=False,
    marks_from_zero=False,
    right_offset_off=-1,
    replace_form="range",
    formats_by="extension",
    custom_data_kept=1000,
)


@pytest.fixture
def plate(work: Path) -> Path:
    return work / "plate/sh.1001.exr"


def checked(menu: Menu, fake: FakeResolve, home: Path) -> dict[str, Any]:
    before = state(fake)
    told = menu(CHECK, fake)
    assert "done" in told and "resolve-self-check.json" in told, told
    assert state(fake) == before
    return read_json(home / "log/resolve-self-check.json")


@pytest.mark.parametrize("edition", ["free", "studio"])
@pytest.mark.parametrize(
    ("habits", "wanted"),
    [
        (Habits(), (False, True, True, True, 0, 0)),
        (OTHERWISE, (True, False, False, False, 1, 2)),
        (Habits(replace_form="printf"), (False, True, True, True, 0, 1)),
    ],
)
def test_what_it_finds_out(
    menu: Menu, plate: Path, home: Path, edition: Any, habits: Habits, wanted: tuple[Any, ...]
) -> None:
    fake = FakeResolve(edition, habits=habits, settings=MANAGED)
    fake.add_clip(plate)
    fake.park(fake.timeline.start)
    report = checked(menu, fake, home)
    assert report["trial"] == "complete" and report["changed"] == {}
    names = ("end_inclusive", "take_end_inclusive", "mark_out_inclusive", "marks_from_zero", "slack")
    assert tuple(report[name] for name in names) == wanted[:-1]
    replaced = [value for name, value in report.items() if name.startswith("replace by ")]
    assert replaced == [index == wanted[-1] for index in range(3)]
    assert report["settings"]["colorSpaceTimeline"] == "DaVinci WG/Intermediate"
    assert report["clip"]["File Path"].endswith("sh.[1001-1003].exr") and report["clip"]["FPS"] == "24.0"
    assert "GetMarkInOut" in report["calls"][4] and "RGBHalf" in json.dumps(report["formats"])
    assert all(name.startswith("plate_") for name in report["render"])
    assert "ACEScct" in report["spaces"] and "ARRI LogC4" in report["spaces"]
    learned = read_json(home / "settings/resolve/learned.json")
    assert learned["version"].endswith("21.0.0.48") and learned["slack"] == wanted[4]


@pytest.mark.usefixtures("recipe")
def test_the_scripts_are_right_the_first_time_with_it(menu: Menu, plate: Path, home: Path) -> None:
    """Without it a Resolve whose offsets do not add up has nothing but retimed clips."""
    fake = FakeResolve(habits=Habits(end_inclusive=True, right_offset_off=-1), settings=MANAGED)
    clip = fake.add_clip(plate, duration=2)
    fake.park(clip.start)
    assert "retimed" in menu(AGAIN, fake)
    checked(menu, fake, home)
    fake.world.calls.clear()
    assert "done" in menu(AGAIN, fake)
    assert [name for name, _ in fake.world.calls].count("MediaPool.AppendToTimeline") == 1
    # What was learned of one version is not held against the next one.
    fake.world.version = (22, 0, 0, 1, "")
    fake.timeline.tracks["video"][1].enabled = False
    assert "retimed" in menu(AGAIN, fake)


@pytest.mark.parametrize(
    "call",
    [
        *(
            "MediaPool.CreateEmptyTimeline",
            "MediaPool.ImportMedia",
            "MediaPool.AppendToTimeline",
            "Project.AddRenderJob",
        ),
        *("Project.SaveAsNewRenderPreset", "TimelineItem.AddTake", "Timeline.SetMarkInOut", "MediaPool.AddSubFolder"),
    ],
)
@pytest.mark.parametrize("habit", ["refuses", "missing"])
def test_what_does_not_work_is_in_the_report(menu: Menu, plate: Path, home: Path, call: str, habit: str) -> None:
    fake = FakeResolve(settings=MANAGED)
    fake.add_clip(plate)
    fake.park(fake.timeline.start)
    getattr(fake.habits, habit).add(call)
    report = checked(menu, fake, home)
    wrong = [value for value in report.values() if isinstance(value, str) and re.match(r"\w*(Refused|Error): ", value)]
    assert wrong and len(read_json(home / "settings/resolve/learned.json")) < 6
    assert report["changed"] == {}


def test_without_a_timeline(menu: Menu) -> None:
    fake = FakeResolve()
    fake.project.current = None
    assert "no-timeline" in menu(CHECK, fake)


def test_nothing_is_saved(menu: Menu, plate: Path, home: Path) -> None:
    fake = FakeResolve(name="Untitled Project", settings=MANAGED)
    fake.add_clip(plate)
    checked(menu, fake, home)
    assert "ProjectManager.SaveProject" not in [name for name, _ in fake.world.calls]
