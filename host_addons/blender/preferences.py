# SPDX-License-Identifier: GPL-3.0-or-later
# Blender reads properties from annotations that are calls.
# pyright: reportInvalidTypeForm=false
"""Where the engine is, whether it is started by itself, and where what is found out about footage is kept."""

from pathlib import Path
from typing import Any

import bpy
from bpy.props import BoolProperty, StringProperty

from engine.wire.command import find_command
from engine.wire.errors import CommandMissing


class FaceplatePreferences(bpy.types.AddonPreferences):
    bl_idname = __package__ or ""

    command: StringProperty(
        name="Command", subtype="FILE_PATH", description="The faceplate command; empty means that it is looked for"
    )
    start: BoolProperty(
        name="Start the Engine", default=True, description="Start the engine when the panel is first looked at"
    )
    cache: StringProperty(
        name="Cache", subtype="DIR_PATH", description="Folder for the faces that were found; empty means Blender's own"
    )

    def draw(self, context: bpy.types.Context) -> None:
        layout = self.layout
        layout.use_property_split = True
        layout.prop(self, "command")
        try:
            layout.label(text=find_command(self.command or None), icon="CHECKMARK")
        except CommandMissing as error:
            layout.label(text=error.message, icon="ERROR")
            layout.label(text=error.remedy)
        layout.prop(self, "start")
        layout.prop(self, "cache")


def preferences() -> Any:
    """What was chosen in Blender's preferences."""
    return bpy.context.preferences.addons[__package__ or ""].preferences


def cache_folder() -> Path:
    """The folder for what is found out about footage, made where it is missing."""
    chosen = preferences().cache
    if not chosen:
        return Path(bpy.utils.extension_path_user(__package__ or "", path="tracks", create=True))
    folder = Path(bpy.path.abspath(chosen))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


register, unregister = bpy.utils.register_classes_factory((FaceplatePreferences,))
