"""A Blender with a window, on a screen that nobody sees: what it needs, and stories that are told in it."""

import json
import shutil
import subprocess
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from engine.geometry import Box
from engine.hosts.extension import NAME, assemble
from engine.plates.frame import Frame
from engine.plates.write import write_frame
from tests.blender.conftest import VERSIONS, Blender, engine_of, find_blender
from tests.jobs.place import FRAMES, REPOSITORY, read_exr

STORIES = Path(__file__).with_name("window")
# Windows of the plate: Blender shows the second as the whole picture.
DISPLAY, DATA = Box(0, 0, 252, 256), Box(-8, -4, 264, 268)
# Milliseconds that the extension may take at once from Blender's own thread.
MOST = 5.0
# Milliseconds that Blender may hang, which draws without a graphics card here, on cores that others use too.
HANGS = 3000.0


class Told(NamedTuple):
    """What a story noted, what Blender printed, and its exit status."""

    notes: dict[str, Any]
    output: str
    status: int


@contextmanager
def played(story: str, frames: int, originals: Path, folder: Path) -> Iterator[tuple[Told, Path]]:
    """What came of a story that is told of a plate of so many frames, and the folder of the work; its engine lives."""
    command, blender = find_window(), find_blender(VERSIONS[0])
    shutil.copytree(originals, folder / "work", dirs_exist_ok=True)
    with engine_of(folder) as place:
        spread(folder / "work/plate", frames)
        yield tell(command, story, place | put_together(folder, blender), folder), folder / "work"


def find_window(height: int = 1000) -> list[str]:
    """The command line of a Blender with a window, 1600 pixels wide. Skips the test where there is none."""
    blender, xvfb = shutil.which("blender"), shutil.which("xvfb-run")
    if blender is None or xvfb is None:
        pytest.skip("There is no Blender with a window here: it takes the commands blender and xvfb-run")
    screen = [xvfb, "-a", "-s", f"-screen 0 1600x{height}x24"]
    window = ["--enable-event-simulate", "--window-geometry", "0", "0", "1600", str(height)]
    return [*screen, blender, "--factory-startup", *window, "--python-exit-code", "3"]


def put_together(folder: Path, blender: Blender) -> dict[str, str]:
    """The extension as it is built, but as plain folders; what a story must be told of them.

    Blender 3.4 of a Linux distribution may lack NumPy: it has that of `blender`, which is of the same Python.
    """
    addon, libraries = folder / "addon" / NAME, folder / "libraries"
    addon.mkdir(parents=True)
    assemble(addon, REPOSITORY / "build" / "wheels")
    for wheel in addon.glob("wheels/*manylinux*_x86_64.whl"):
        with zipfile.ZipFile(wheel) as packed:
            packed.extractall(libraries)
    packages = blender.python.parents[1] / "lib/python3.11/site-packages"
    for name in ("numpy", "numpy.libs"):
        (libraries / name).symlink_to(packages / name)
    return {"FACEPLATE_TEST_ADDON": str(addon.parent), "FACEPLATE_TEST_LIBRARIES": str(libraries)}


def tell(command: list[str], story: str, place: dict[str, str], folder: Path) -> Told:
    """Tell a story of `window/` in a Blender of its own."""
    told = folder / f"{story}.json"
    done = subprocess.run(
        [*command, "--python", str(STORIES / f"{story}.py")],
        env=place | {"FACEPLATE_TEST_TOLD": str(told)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )
    notes = json.loads(told.read_text(encoding="utf-8")) if told.exists() else {}
    return Told(notes, done.stdout, done.returncode)


def spread(plate: Path, count: int) -> None:
    """Make the plate longer and slower, with overscan on each side."""
    pictures = [read_exr(plate / f"sh.{number}.exr")[0] for number in FRAMES]
    for index in range(count):
        channels = {name: pictures[index * len(FRAMES) // count][name] for name in "RGBA"}
        write_frame(Frame.new(FRAMES[0] + index, channels, DISPLAY, DATA), plate / f"sh.{FRAMES[0] + index}.exr", "zip")
