"""What the scripts refuse, and what they do when Resolve does not do what it says: a clear message, and no change."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.resolve.conftest import Menu, state, write_json
from tests.resolve.fake import FakeResolve, Frames, Habits, write_movie
from tests.resolve.test_replace import AGAIN, GRADED, MANAGED, REFRESH

Setup = Callable[[FakeResolve, Path], object]


@pytest.fixture
def plate(work: Path) -> Path:
    return work / "plate/sh.1001.exr"


def clip(fake: FakeResolve, plate: Path, **options) -> object:
    fake.park(fake.timeline.start)
    return fake.add_clip(plate, start=fake.timeline.start, **options)


def unlinked(fake: FakeResolve, plate: Path) -> None:
    clip(fake, plate)
    (plate.parent / "sh.1003.exr").unlink()


def unknown_space(fake: FakeResolve, plate: Path) -> None:
    clip(fake, plate)
    fake.items(1)[0].media.set["Input Color Space"] = "Cineon Film Log"  # pyright: ignore[reportOptionalMemberAccess]


def set_apart(fake: FakeResolve, plate: Path) -> None:
    clip(fake, plate)
    fake.project.settings["separateColorSpaceAndGamma"] = "1"


def closed(fake: FakeResolve, plate: Path) -> None:
    fake.project.current = None


def parked_elsewhere(fake: FakeResolve, plate: Path) -> None:
    clip(fake, plate)
    fake.park(fake.timeline.start + 50)


REFUSED: dict[str, tuple[Setup, str]] = {
    "no timeline": (closed, "no-timeline"),
    "nothing there": (parked_elsewhere, "no-clip"),
    "a title": (lambda fake, plate: fake.add_title(), "no-media"),
    "a compound clip": (lambda fake, plate: fake.add_nested("Compound"), "nested"),
    "a Fusion clip": (lambda fake, plate: fake.add_nested("Fusion"), "nested"),
    "a multicam clip": (lambda fake, plate: fake.add_nested("Multicam"), "nested"),
    "twice the speed": (lambda fake, plate: clip(fake, plate, speed=2.0), "retimed"),
    "half the speed": (lambda fake, plate: clip(fake, plate, speed=0.5), "retimed"),
    "backwards": (lambda fake, plate: clip(fake, plate, speed=-1.0), "retimed"),
    "a mixed rate": (lambda fake, plate: clip(fake, plate, rate=25.0), "mixed-rate"),
    "a missing file": (unlinked, "no-file"),
    "an unknown colour space": (unknown_space, "unknown-space"),
    "colour space and gamma apart": (set_apart, "other-color"),
}


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize("edition", ["free", "studio"])
@pytest.mark.parametrize("case", REFUSED)
def test_refused_without_a_change(
    menu: Menu, plate: Path, home: Path, pages: list[str], case: str, edition: str
) -> None:
    setup, code = REFUSED[case]
    fake = FakeResolve(edition, settings=MANAGED)  # pyright: ignore[reportArgumentType]
    setup(fake, plate)
    fake.park(fake.timeline.playhead)
    before = state(fake)
    told = menu(AGAIN, fake)
    assert told.splitlines()[-1].startswith(f"Faceplate: {code}: "), told
    assert state(fake) == before
    # A sentence and a remedy, in the browser too.
    [page] = pages
    text = Path(page.removeprefix("file://")).read_text(encoding="utf-8")
    assert re.search(r"<p>[A-Z].*\.</p><p><b>.+\.</b></p>", text) and code in text
    assert not (home / "Faceplate").exists()


def test_without_a_recipe(menu: Menu, plate: Path) -> None:
    fake = FakeResolve(settings=MANAGED)
    clip(fake, plate)
    assert "no-recipe" in menu(AGAIN, fake) and "no-result" in menu(REFRESH, fake)
    assert "no-resolve" in menu(AGAIN, None)


def test_a_part_is_no_take(menu: Menu, plate: Path, home: Path, recipe: object) -> None:
    write_json(home / "settings/resolve/settings.json", {"result": "take"})
    fake = FakeResolve(settings=MANAGED)
    clip(fake, plate)
    fake.timeline.set_mark_in_out(fake.timeline.start + 1, fake.timeline.start + 1)
    before = state(fake)
    assert "take-of-part" in menu(AGAIN, fake) and state(fake) == before


def test_the_engine_s_own_refusal(menu: Menu, plate: Path, work: Path, recipe: object) -> None:
    (work / "grace/consent.toml").unlink()
    fake = FakeResolve(settings=MANAGED)
    clip(fake, plate)
    before = state(fake)
    told = menu(AGAIN, fake)
    assert "consent: " in told and state(fake) == before


def test_a_frame_that_cannot_be_made(menu: Menu, plate: Path, work: Path, recipe: object) -> None:
    (plate.parent / "sh.1003.exr").write_bytes(b"no picture")
    fake = FakeResolve(settings=MANAGED)
    clip(fake, plate, duration=2)
    fake.timeline.playhead += 1
    before = state(fake)
    told = menu(AGAIN, fake)
    assert "frame" in told and "done" not in told.splitlines()[-1] and state(fake) == before, told


# Every call that changes something, when it says that it has and has not.
LIES = {
    AGAIN: (
        *("MediaPool.AddSubFolder", "MediaPool.SetCurrentFolder", "MediaPool.ImportMedia", "Timeline.AddTrack"),
        *("MediaPoolItem.SetClipProperty", "MediaPool.AppendToTimeline", "TimelineItem.AddMarker"),
    ),
    GRADED: (
        *("Project.SaveAsNewRenderPreset", "Project.SetCurrentRenderFormatAndCodec", "Project.SetCurrentRenderMode"),
        *("Project.SetRenderSettings", "Project.AddRenderJob", "Project.StartRendering", "Timeline.SetTrackEnable"),
        "Project.SetSetting",
    ),
}


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize("habit", ["lies", "refuses", "missing"])
@pytest.mark.parametrize(("entry", "call"), [(entry, call) for entry, calls in LIES.items() for call in calls])
def test_when_a_call_does_nothing(menu: Menu, plate: Path, entry: str, call: str, habit: str) -> None:
    fake = FakeResolve(settings=MANAGED)
    clip(fake, plate)
    fake.add_clip(plate, start=fake.timeline.start + 50, track=2)
    media = fake.items(1)[0].media
    assert media is not None
    # The result's is another one than what the project gives to imports.
    media.set["Input Color Space"] = "Rec.709 Gamma 2.4"
    if call == "MediaPool.SetCurrentFolder":
        # A new bin would be the current one at once.
        fake.project.pool.add_sub_folder(fake.project.pool.root, "Faceplate")
        fake.project.pool.current = fake.project.pool.root
    getattr(fake.habits, habit).add(call)
    before = state(fake)
    told = menu(entry, fake, person=entry == GRADED, patience=0.2)
    assert told.splitlines()[-1].startswith("Faceplate: ") and "done" not in told.splitlines()[-1], told
    assert "internal" not in told, told
    assert state(fake) == before


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize(("ends", "code"), [("fail", "render-failed"), ("never", "render-silent")])
def test_a_render_that_ends_badly(menu: Menu, plate: Path, ends: str, code: str) -> None:
    movie = plate.parents[1] / "sh.mov"
    write_movie(movie, Frames(str(plate)[: -len("1001.exr")], 4, ".exr", 1001, 1003))
    fake = FakeResolve(habits=Habits(render_ends=ends), settings=MANAGED)  # pyright: ignore[reportArgumentType]
    clip(fake, movie)
    before = state(fake)
    told = menu(AGAIN, fake, patience=0.2)
    assert code in told and state(fake) == before, told


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize(
    ("call", "code"),
    [("MediaPoolItem.ReplaceClip", "not-replaced"), ("TimelineItem.UpdateMarkerCustomData", "no-marker")],
)
@pytest.mark.parametrize("habit", ["lies", "refuses"])
def test_a_result_that_is_not_renewed_is_as_before(
    menu: Menu, plate: Path, home: Path, call: str, code: str, habit: str
) -> None:
    fake = FakeResolve(settings=MANAGED)
    clip(fake, plate)
    menu(AGAIN, fake)
    [folder] = (home / "Faceplate/Feature").iterdir()
    text = (folder / "recipe.json").read_text(encoding="utf-8")
    (folder / "recipe.json").write_text(text.replace('"seed": 7', '"seed": 8'), encoding="utf-8")
    getattr(fake.habits, habit).add(call)
    before = state(fake)
    assert code in menu(REFRESH, fake) and state(fake) == before


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize("call", ["TimelineItem.AddTake", "TimelineItem.SelectTakeByIndex", "TimelineItem.AddMarker"])
@pytest.mark.parametrize("habit", ["lies", "refuses"])
def test_a_take_that_fails_leaves_the_clip_as_it_was(
    menu: Menu, plate: Path, home: Path, call: str, habit: str
) -> None:
    write_json(home / "settings/resolve/settings.json", {"result": "take"})
    fake = FakeResolve(settings=MANAGED)
    clip(fake, plate)
    getattr(fake.habits, habit).add(call)
    before = state(fake)
    assert "done" not in menu(AGAIN, fake).splitlines()[-1] and state(fake) == before


@pytest.mark.usefixtures("recipe")
def test_a_recipe_that_the_marker_does_not_hold(menu: Menu, plate: Path) -> None:
    fake = FakeResolve(habits=Habits(custom_data_kept=200), settings=MANAGED)
    clip(fake, plate)
    before = state(fake)
    assert "no-marker" in menu(AGAIN, fake) and state(fake) == before


@pytest.mark.usefixtures("recipe")
def test_a_rate_that_imports_do_not_have_is_set(menu: Menu, plate: Path) -> None:
    fake = FakeResolve(settings=MANAGED, rate="23.976")
    clip(fake, plate)
    fake.habits.imported_rate = 25.0
    assert "done" in menu(AGAIN, fake)
    [item] = fake.items(2)
    assert item.media is not None and item.media.rate == 23.976 and item.duration == 3


def test_a_disk_that_cannot_be_written(menu: Menu, plate: Path, home: Path, recipe: object) -> None:
    (home / "Faceplate").write_text("a file in the way")
    movie = plate.parents[1] / "sh.mov"
    write_movie(movie, Frames(str(plate)[: -len("1001.exr")], 4, ".exr", 1001, 1003))
    shutil.rmtree(home / "settings/resolve/nothing", ignore_errors=True)
    fake = FakeResolve(settings=MANAGED)
    clip(fake, movie)
    before = state(fake)
    assert "disk: " in menu(AGAIN, fake) and state(fake) == before
