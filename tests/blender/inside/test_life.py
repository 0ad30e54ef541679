"""Enabled, disabled, enabled again and removed: nothing stays behind."""

import sys
from pathlib import Path
from typing import Any

import bpy
from conftest import PACKAGE


def names() -> set[str]:
    return {name for name in dir(bpy.types) if "faceplate" in name.lower()}


def test_disabled_and_enabled_again(addon: Any) -> None:
    preferences: Any = bpy.ops.preferences
    clips: Any = bpy.types.MovieClip
    assert names() and hasattr(clips, "faceplate")
    handlers = len(bpy.app.handlers.frame_change_post)
    preferences.addon_disable(module=PACKAGE)
    assert PACKAGE not in bpy.context.preferences.addons
    assert not names() and not hasattr(clips, "faceplate")
    assert not hasattr(bpy.types.WindowManager, "faceplate_follow")
    assert not hasattr(bpy.types.WindowManager, "faceplate_mesh")
    assert len(bpy.app.handlers.frame_change_post) == handlers - 1
    preferences.addon_enable(module=PACKAGE)
    assert names() and len(bpy.app.handlers.frame_change_post) == handlers


def test_the_name_of_the_engine_is_left_to_others(addon: Any) -> None:
    assert "engine" not in sys.modules and "wire" not in sys.modules
    libraries = {name: Path(sys.modules[name].__file__ or "") for name in ("msgspec", "zmq")}
    assert all("extensions" in path.parts for path in libraries.values()), libraries


def test_its_texts_fit_and_say_something(addon: Any) -> None:
    for group in addon("settings")._GROUPS:
        for prop in group.bl_rna.properties:
            if prop.identifier not in ("rna_type", "name") and prop.type not in ("POINTER", "COLLECTION"):
                assert prop.name and len(prop.description) > 10, prop.identifier


def test_removed(addon: Any) -> None:
    extensions: Any = bpy.ops.extensions
    folder = Path(sys.modules[PACKAGE].__file__ or "").parent
    addon("connection").engine.close()
    extensions.package_uninstall(repo_index=1, pkg_id="faceplate_blender")
    assert PACKAGE not in bpy.context.preferences.addons and not names()
    assert not folder.exists()
