"""Lets the extension run in the Blender that Linux distributions have with a window, which is older than extensions.

For tests alone: a person has a Blender that the extension is made for, and that one gets nothing from here.
"""

import importlib
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import bpy
from bpy.props import FloatProperty

NAME = "faceplate_blender"
# As the linear space of today was called.
LINEAR = "Linear"

_TYPES: Any = bpy.types
_fraction = [0.0]


def module(name: str) -> Any:
    """One of the extension's modules."""
    return importlib.import_module(f"{NAME}.{name}")


def load() -> ModuleType:
    """Import the extension from the folder that it was put together in. It is not registered yet."""
    sys.path += [os.environ["FACEPLATE_TEST_ADDON"], os.environ["FACEPLATE_TEST_LIBRARIES"]]
    addons: Any = bpy.context.preferences.addons
    addons.new().module = NAME
    if not hasattr(bpy.utils, "extension_path_user"):
        setattr(bpy.utils, "extension_path_user", _extension_path)  # noqa: B010
    if not hasattr(_TYPES.ID, "session_uid"):
        _TYPES.ID.session_uid = property(lambda self: self.as_pointer())
    if not hasattr(_TYPES.UILayout, "progress"):
        _TYPES.WindowManager.faceplate_progress = FloatProperty(
            subtype="PERCENTAGE", min=0.0, max=100.0, get=lambda self: 100.0 * _fraction[0]
        )
        _TYPES.UILayout.progress = _progress
    extension = importlib.import_module(NAME)
    if not hasattr(_TYPES.Mesh, "shade_smooth"):
        _TYPES.Mesh.shade_smooth = _shade_smooth
    if not hasattr(_TYPES.NodeTree, "interface"):
        _TYPES.NodeTree.interface = property(_Interface)
    spaces = _TYPES.Image.bl_rna.properties["colorspace_settings"].fixed_type.properties["name"].enum_items
    if LINEAR in spaces:
        module("preview")._BLENDERS = LINEAR
    return extension


def _extension_path(package: str, path: str = "", create: bool = False) -> str:
    folder = Path(os.environ["FACEPLATE_TEST_ADDON"]) / "user" / path
    folder.mkdir(parents=True, exist_ok=True)
    return str(folder)


def _progress(self: Any, factor: float = 0.0, text: str = "") -> None:
    _fraction[0] = factor
    self.prop(bpy.context.window_manager, "faceplate_progress", text=text, slider=True)


def _shade_smooth(self: Any) -> None:
    self.polygons.foreach_set("use_smooth", [True] * len(self.polygons))


class _Interface:
    """What a node group has for its sockets since Blender 4.0."""

    def __init__(self, tree: Any) -> None:
        self._tree = tree

    def new_socket(self, name: str, description: str = "", *, in_out: str, socket_type: str) -> Any:
        sockets = self._tree.inputs if in_out == "INPUT" else self._tree.outputs
        socket = sockets.new(socket_type, name)
        socket.description = description
        return socket
