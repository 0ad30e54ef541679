"""A chart comes back as it went out: through the fake's render, the engine, and the import, in every colour space."""

import shutil
from pathlib import Path

import numpy as np
import OpenEXR
import OpenImageIO
import pytest

from engine.hosts.resolve_spaces import SPACES
from engine.plates.color import named_color
from tests.resolve.conftest import Menu, state
from tests.resolve.fake import FakeResolve, write_exr
from tests.resolve.fake.color import ACES_SPACES, LINEAR, converted
from tests.resolve.fake.color import SPACES as MENU
from tests.resolve.test_replace import AGAIN, GRADED

CHART = ("ACEScg", "ACEScct", "DaVinci WG/Intermediate", "ARRI LogC4", "Rec.709 Gamma 2.4", "Rec.709 (Scene)")
RCM = {"colorScienceMode": "davinciYRGBColorManagedv2"}


def read_bits(path: Path) -> np.ndarray:
    """(height, width, 3) halves of an EXR as whole numbers."""
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return np.stack([file.channels()[name].pixels.view(np.uint16) for name in "RGB"], axis=-1)


def chart(space: str) -> np.ndarray:
    """Patches from black to bright, of every hue, in a colour space; linear spaces also have negatives."""
    values = np.random.default_rng(4).uniform(0.02, 0.95, (34, 34, 3)).astype(np.float32)
    if space == "ACEScg":
        values[:8] = values[:8] * 40 - 0.5
    return values.repeat(8, axis=0).repeat(8, axis=1)


def sequence(work: Path, space: str) -> Path:
    """Two frames with a face, for the engine to follow, and the chart as a third; all of them in the colour space."""
    folder = work / "charts"
    folder.mkdir()
    for number in (1001, 1002):
        with OpenEXR.File(str(work / f"plate/sh.{number}.exr"), separate_channels=True) as file:
            linear = np.stack([file.channels()[name].pixels.astype(np.float32) for name in "RGB"], axis=-1)
        write_exr(folder / f"ch.{number}.exr", converted(linear, "Linear Rec.709 (sRGB)", MENU[space]))
    write_exr(folder / "ch.1003.exr", chart(space))
    return folder / "ch.1001.exr"


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize("space", CHART)
def test_through_the_render_the_engine_and_the_import(menu: Menu, work: Path, space: str) -> None:
    """The project works in the space, and the chart is in it: what is seen before and after is the same, to the bit."""
    fake = FakeResolve(settings=RCM | {"colorSpaceTimeline": space})
    clip = fake.add_clip(sequence(work, space), space=space)
    fake.park(clip.start)
    before, source = fake.picture(clip.start + 2), read_bits(work / "charts/ch.1003.exr")
    settings = state(fake)["settings"]
    told = menu(GRADED, fake, person=True)
    assert "done" in told, told
    [item] = fake.items(2)
    assert item.media is not None and item.media.frames is not None
    assert item.media.space() == MENU[space]
    np.testing.assert_array_equal(read_bits(item.media.frames.path(item.media.frames.last)), source)
    np.testing.assert_array_equal(fake.picture(clip.start + 2), before)
    assert not np.array_equal(fake.picture(clip.start), fake.pictures([clip.start + 1])[0])
    assert state(fake)["settings"] == settings


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize("space", CHART)
def test_by_its_own_files(menu: Menu, work: Path, space: str) -> None:
    fake = FakeResolve(settings=RCM | {"colorSpaceTimeline": "DaVinci WG/Intermediate"})
    clip = fake.add_clip(sequence(work, space), space=space)
    fake.park(clip.start)
    before, source = fake.picture(clip.start + 2), read_bits(work / "charts/ch.1003.exr")
    assert "done" in menu(AGAIN, fake)
    [item] = fake.items(2)
    assert item.media is not None and item.media.frames is not None
    np.testing.assert_array_equal(read_bits(item.media.frames.path(1003)), source)
    np.testing.assert_array_equal(fake.picture(clip.start + 2), before)


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize(("source", "timeline"), [("ACEScg", "ARRI LogC4"), ("ARRI LogC4", "ACEScg")])
def test_from_one_space_to_the_timeline_s(menu: Menu, work: Path, source: str, timeline: str) -> None:
    """The render is the only step that rounds: to the halves that the timeline's encoding has for it."""
    fake = FakeResolve(settings=RCM | {"colorSpaceTimeline": timeline})
    clip = fake.add_clip(sequence(work, source), space=source)
    fake.park(clip.start)
    held = chart(source).astype(np.float16).astype(np.float32)
    halves = converted(held, MENU[source], MENU[timeline]).astype(np.float16).astype(np.float32)
    assert "done" in menu(GRADED, fake, person=True)
    np.testing.assert_allclose(
        fake.picture(clip.start + 2), converted(halves, MENU[timeline], LINEAR), rtol=1e-6, atol=1e-7
    )


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize("locked", [True, False])
@pytest.mark.parametrize("own", ["No Input Transform", "ACEScg - CSC", "ACEScct - CSC"])
def test_in_an_aces_project(menu: Menu, work: Path, own: str, locked: bool) -> None:
    """Where imports keep the project's input transform, that is what is rendered."""
    settings = {"colorScienceMode": "acescct", "colorAcesIDT": own, "colorAcesODT": "Rec.709"}
    fake = FakeResolve(settings=settings)
    fake.habits.aces_input_locked = locked
    clip = fake.add_clip(sequence(work, "ACEScg"), space="ACEScg - CSC")
    fake.park(clip.start)
    before = fake.picture(clip.start + 2)
    assert "done" in menu(GRADED, fake, person=True)
    [item] = fake.items(2)
    assert item.media is not None and item.media.space() == ACES_SPACES[own]
    np.testing.assert_allclose(fake.picture(clip.start + 2), before, rtol=4e-3, atol=2e-3)
    assert fake.project.settings["colorAcesODT"] == "Rec.709"


@pytest.mark.usefixtures("recipe")
def test_in_a_project_that_is_not_managed(menu: Menu, work: Path) -> None:
    fake = FakeResolve()
    shutil.rmtree(work / "charts", ignore_errors=True)
    clip = fake.add_clip(sequence(work, "Rec.709 Gamma 2.4"))
    fake.park(clip.start)
    before, source = fake.picture(clip.start + 2), read_bits(work / "charts/ch.1003.exr")
    told = menu(GRADED, fake, person=True)
    assert "not colour managed: its picture is taken for Rec.709 Gamma 2.4" in told and "done" in told, told
    [item] = fake.items(2)
    assert item.media is not None and item.media.frames is not None
    np.testing.assert_array_equal(read_bits(item.media.frames.path(item.media.frames.last)), source)
    np.testing.assert_array_equal(fake.picture(clip.start + 2), before)


def pictures(work: Path, suffix: str) -> Path:
    """The plate as 16-bit pictures in sRGB."""
    (work / "pictures").mkdir()
    for number in (1001, 1002, 1003):
        with OpenEXR.File(str(work / f"plate/sh.{number}.exr"), separate_channels=True) as file:
            linear = np.stack([file.channels()[name].pixels.astype(np.float32) for name in "RGB"], axis=-1)
        encoded = converted(np.clip(linear, 0, 1), "Linear Rec.709 (sRGB)", MENU["sRGB"])
        image = OpenImageIO.ImageBuf(np.ascontiguousarray(encoded))
        assert image.write(str(work / f"pictures/sh.{number}.{suffix}"), "uint16"), image.geterror()
    return work / f"pictures/sh.1001.{suffix}"


@pytest.mark.usefixtures("recipe")
@pytest.mark.parametrize("suffix", ["tif", "dpx"])
def test_pictures_come_back_in_linear_light(menu: Menu, work: Path, suffix: str) -> None:
    fake = FakeResolve(settings=RCM | {"colorSpaceTimeline": "DaVinci WG/Intermediate"})
    clip = fake.add_clip(pictures(work, suffix), space="sRGB", left_offset=1, duration=1)
    fake.park(clip.start)
    before = fake.picture(clip.start)
    told = menu(AGAIN, fake)
    assert "done" in told and "rendered" not in told, told
    [item] = fake.items(2)
    assert item.media is not None and item.media.space() == "Linear Rec.709 (sRGB)" and item.left == 1
    # Away from the face it is the same picture, but for the rounding to halves.
    np.testing.assert_allclose(fake.picture(clip.start)[:20, :20], before[:20, :20], rtol=1e-3, atol=1e-5)


@pytest.mark.usefixtures("recipe")
def test_pictures_in_a_project_that_is_not_managed_are_rendered(menu: Menu, work: Path) -> None:
    fake = FakeResolve()
    clip = fake.add_clip(pictures(work, "tif"))
    fake.park(clip.start)
    before = fake.picture(clip.start)
    told = menu(AGAIN, fake)
    assert "rendered, with its grade" in told and "done" in told, told
    np.testing.assert_allclose(fake.picture(clip.start)[:20, :20], before[:20, :20], rtol=1e-3, atol=1e-4)


@pytest.mark.usefixtures("recipe")
def test_an_exr_in_a_project_that_is_not_managed_is_what_it_says(menu: Menu, work: Path) -> None:
    fake = FakeResolve()
    clip = fake.add_clip(work / "plate/sh.1001.exr")
    fake.park(clip.start)
    told = menu(AGAIN, fake)
    assert "the file says its own colour space" in told and "rendered" not in told and "done" in told, told


def test_every_name_in_the_table_is_one_that_the_engine_knows() -> None:
    for engine, names in SPACES.items():
        assert named_color(engine).name == engine and len(set(names)) == len(names)
    # And every one of the menu is in the table, under the name that a colour library has for it.
    spelled = {name: engine for engine, names in SPACES.items() for name in names}
    assert {name: spelled.get(name) for name in MENU} == MENU
