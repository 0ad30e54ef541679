"""Blenders to run tests in, the extension as `make addons` makes it, and a place with a plate for each of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
import OpenEXR
import pytest

from engine.hosts.extension import build
from tests.jobs.conftest import originals
from tests.jobs.place import REPOSITORY

__all__ = ["originals"]

# Those run in Blender: test_in_blender.py begins it.
collect_ignore = ["inside"]
VERSIONS = ("5.0", "4.5")


class Blender(NamedTuple):
    """An environment with the bpy module: its Python, and Blender's own builder of extensions."""

    version: str
    python: Path

    @property
    def builder(self) -> list[str]:
        libraries = self.python.parents[1] / "lib/python3.11/site-packages"
        tool = f"bpy/{self.version}/scripts/addons_core/bl_pkg/cli/blender_ext.py"
        return [str(self.python), str(libraries / tool)]


def find_blender(version: str) -> Blender:
    """The environment that `make bpy` makes. Skips the test where there is none."""
    folder = REPOSITORY / ".bpy" / version
    if not (folder / ".installed").exists():
        pytest.skip(f"Blender {version} is not there as a Python module; `make bpy` installs it, with Python 3.11")
    return Blender(version, folder / "bin/python")


@pytest.fixture(scope="session", params=VERSIONS)
def blender(request: pytest.FixtureRequest) -> Blender:
    return find_blender(request.param)


@pytest.fixture(scope="session")
def builder() -> list[str]:
    """Blender's own builder of extensions."""
    return find_blender(VERSIONS[0]).builder


@pytest.fixture(scope="session")
def extension(builder: list[str], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The extension's zip."""
    return build([*builder, "build"], tmp_path_factory.mktemp("dist"), REPOSITORY / "build" / "wheels")


@pytest.fixture
def place(originals: Path, extension: Path, tmp_path: Path) -> Iterator[dict[str, str]]:
    """The environment of a Blender of its own, with a plate and a person; its engine is ended afterwards."""
    shutil.copytree(originals, tmp_path / "work")
    write_windowed(originals / "plate", tmp_path / "work" / "windowed")
    with engine_of(tmp_path) as environment:
        yield environment | {"FACEPLATE_TEST_ZIP": str(extension)}


@contextmanager
def engine_of(folder: Path) -> Iterator[dict[str, str]]:
    """The environment of a Blender that has the work, its settings and its engine in a folder."""
    command = folder / "faceplate"
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{REPOSITORY}" exec "{sys.executable}" -m engine.cli "$@"\n')
    command.chmod(0o755)
    # XDG_RUNTIME_DIR would be another user's where tests run as root.
    environment = os.environ | {
        "FACEPLATE_COMMAND": str(command),
        "FACEPLATE_RUNTIME": str(folder / "run"),
        "FACEPLATE_LOGS": str(folder / "log"),
        "FACEPLATE_TEST_WORK": str(folder / "work"),
        "BLENDER_USER_RESOURCES": str(folder / "blender"),
    }
    yield environment
    subprocess.run([command, "engine", "stop"], env=environment, check=False, timeout=120, capture_output=True)


def write_windowed(plate: Path, folder: Path) -> None:
    """The plate's frames as the data windows of larger ones."""
    folder.mkdir()
    for path in sorted(plate.glob("*.exr")):
        with OpenEXR.File(str(path), separate_channels=True) as file:
            channels = {name: channel.pixels.copy() for name, channel in file.channels().items()}
        height, width = channels["R"].shape
        low, high = np.array([40, 10], np.int32), np.array([40 + width - 1, 10 + height - 1], np.int32)
        header = {
            "compression": OpenEXR.ZIP_COMPRESSION,
            "type": OpenEXR.scanlineimage,
            "dataWindow": (low, high),
            "displayWindow": (np.zeros(2, np.int32), np.array([399, 299], np.int32)),
        }
        OpenEXR.File(header, channels).write(str(folder / path.name))
