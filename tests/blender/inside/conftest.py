"""Within Blender: the extension, installed and enabled as a person does it, and a clip of the plate."""

import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
import pytest

PACKAGE = "bl_ext.user_default.faceplate_blender"
FIRST = 1001
SIDE = 272
# What the extension adds to it is known only while it is enabled.
ops: Any = bpy.ops


@pytest.fixture(scope="session")
def zip_file() -> str:
    return os.environ["FACEPLATE_TEST_ZIP"]


@pytest.fixture(scope="session")
def addon(zip_file: str) -> Iterator[Callable[[str], Any]]:
    """The extension's modules by name; it is enabled meanwhile."""
    bpy.ops.extensions.package_install_files(filepath=zip_file, repo="user_default", enable_on_install=True)
    assert PACKAGE in bpy.context.preferences.addons

    def module(name: str) -> ModuleType:
        return sys.modules[f"{PACKAGE}.{name}"]

    yield module
    if PACKAGE in bpy.context.preferences.addons:
        module("connection").engine.close()


@pytest.fixture
def work() -> Path:
    """The folder of the plate and the person."""
    return Path(os.environ["FACEPLATE_TEST_WORK"])


@pytest.fixture
def engine(addon: Callable[[str], Any]) -> Any:
    return addon("connection").engine


@pytest.fixture
def clip(addon: Callable[[str], Any], work: Path) -> Iterator[Any]:
    """The plate as the scene's movie clip, with the person in place of its largest face."""
    clip = bpy.data.movieclips.load(str(work / f"plate/sh.{FIRST}.exr"))
    scene = bpy.context.scene
    scene.active_clip = clip
    scene.frame_set(1)
    ops.faceplate.assign(directory=str(work / "grace"))
    yield clip
    # Undo, and another file, put others in its place.
    for left in list(bpy.data.movieclips):
        bpy.data.movieclips.remove(left)
