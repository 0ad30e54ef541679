"""Blenders to run tests in, the extension as `make addons` makes it, and a place with a plate for each of them."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

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
