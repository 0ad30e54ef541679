# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the Movie Clip Editor's sidebar: what the engine says, and what is asked of it."""

import textwrap
from pathlib import Path
from typing import Any

import bpy

from engine.wire.messages import Failure, Footage, Look

from . import jobs, people, preview
from .connection import engine
from .settings import ENTRIES, clip_of, plain_shot, settings_of

_STATES = {"none": "No engine", "starting": "Starting …", "connected": "Ready", "lost": "Lost; trying again …"}
# How the colour space of footage is known.
_KNOWN_BY = {
    "option": "as chosen",
    "attribute": "as the file says",
    "chromaticities": "by its chromaticities",
    "default": "assumed",
}
# What mends an error, by its code: an operator, and what its button says.
_MENDS = {
    "engine-missing": ("faceplate.connect", "Start Engine"),
    "engine-gone": ("faceplate.connect", "Start Engine"),
    "engine-silent": ("faceplate.connect", "Try Again"),
    "command-missing": ("preferences.addon_show", "Preferences"),
    "not-solved": ("faceplate.find_faces", "Find Faces"),
    "consent": ("faceplate.refresh", "Look Again"),
}
# Of the sidebar, in pixels: what no text has, and what a letter takes.
_BESIDE, _LETTER = 90, 6


class _InClipEditor:
    bl_space_type = "CLIP_EDITOR"
    bl_region_type = "UI"
    bl_category = "Faceplate"


class _OnClip(_InClipEditor):
    bl_options = {"DEFAULT_CLOSED"}

    @classmethod
    def poll(cls, context: bpy.types.Context) -> bool:
        return clip_of(context) is not None


class FACEPLATE_PT_main(_InClipEditor, bpy.types.Panel):
    bl_idname = "FACEPLATE_PT_main"
    bl_label = "Faceplate"

    def draw(self, context: bpy.types.Context) -> None:
        engine.want()
        layout: Any = self.layout
        row = layout.row()
        row.label(text=_STATES[engine.state], icon="LINKED" if engine.state == "connected" else "UNLINKED")
        if engine.state == "connected":
            row.operator("faceplate.refresh", text="", icon="FILE_REFRESH")
        elif engine.state == "none":
            row.operator("faceplate.connect")
        if engine.error is not None:
            _draw_error(layout, engine.error)
        clip = clip_of(context)
        if clip is None:
            layout.label(text="Open a movie clip", icon="SEQUENCE")
            return
        _draw_footage(layout, clip)
        if jobs.is_working():
            _draw_progress(layout)


class FACEPLATE_PT_people(_OnClip, bpy.types.Panel):
    bl_label = "Faces"
    bl_parent_id = "FACEPLATE_PT_main"
    bl_options = set()

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        clip: Any = clip_of(context)
        for person in settings_of(clip).replace:
            _draw_person(layout, clip, person)
        found = people.faces_of(clip)
        if not settings_of(clip).replace:
            layout.operator("faceplate.assign", icon="USER")
        for face in found:
            _draw_face(layout, clip, face)
        layout.operator("faceplate.find_faces", text="Find Faces Again" if found else "Find Faces", icon="VIEWZOOM")


class FACEPLATE_PT_replace(_OnClip, bpy.types.Panel):
    bl_label = "Replace"
    bl_parent_id = "FACEPLATE_PT_main"
    bl_options = set()

    def draw(self, context: bpy.types.Context) -> None:
        layout: Any = self.layout
        clip: Any = clip_of(context)
        row = layout.row(align=True)
        row.prop(context.window_manager, "faceplate_mesh", icon="MESH_DATA")
        row.prop(context.window_manager, "faceplate_matte", icon="MOD_MASK")
        row = layout.row(align=True)
        row.operator("faceplate.preview", icon="IMAGE_DATA")
        row.prop(context.window_manager, "faceplate_follow", text="", icon="PLAY")
        layout.operator("faceplate.replace", icon="RENDER_ANIMATION")
        layout.row(align=True).prop(settings_of(clip), "result_to")
        row = layout.row(align=True)
        row.prop(settings_of(clip), "mask", text="")
        row.operator("faceplate.holdout", text="Hold Out")
        column = layout.column(align=True)
        for told in preview.latest:
            column.label(text=f"Frame {told.frame}: {told.faces} replaced")
            if told.solved == "shot" or not people.faces_of(clip):
                for line in _lines(preview.note_of(told)):
                    column.label(text=line)


class FACEPLATE_PT_settings(_OnClip, bpy.types.Panel):
    bl_label = "Settings"
    bl_idname = "FACEPLATE_PT_settings"
    bl_parent_id = "FACEPLATE_PT_main"

    def draw(self, context: bpy.types.Context) -> None:
        _draw_section(self.layout, settings_of(clip_of(context)), "")


def _section_panel(section: str) -> type:
    """The panel of one section of the recipe."""

    def draw(self: Any, context: bpy.types.Context) -> None:
        _draw_section(self.layout, getattr(settings_of(clip_of(context)), section), section)

    members = {"bl_label": section.title(), "bl_parent_id": "FACEPLATE_PT_settings", "draw": draw}
    return type(f"FACEPLATE_PT_{section}", (_OnClip, bpy.types.Panel), members)


def _draw_error(layout: Any, error: Failure) -> None:
    box = layout.box()
    column = box.column(align=True)
    column.alert = True
    for number, line in enumerate(_lines(error.message) + _lines(error.remedy)):
        column.label(text=line, icon="BLANK1" if number else "ERROR")
    if error.code in _MENDS:
        operator, text = _MENDS[error.code]
        button = box.operator(operator, text=text)
        if operator == "preferences.addon_show":
            button.module = __package__


def _draw_footage(layout: Any, clip: bpy.types.MovieClip) -> None:
    match reply := engine.known(Look(plain_shot(clip)["plate"])):
        case Footage():
            column = layout.column(align=True)
            column.label(text=f"{reply.name}, {reply.frames}", icon="SEQUENCE")
            column.label(text=f"{reply.width} × {reply.height}, {reply.kind}", icon="BLANK1")
            column.label(text=reply.colorspace, icon="BLANK1")
            column.label(text=_KNOWN_BY.get(reply.known_by, reply.known_by), icon="BLANK1")
            if reply.missing:
                column.label(text=f"Missing: {reply.missing}", icon="ERROR")
        case Failure():
            _draw_error(layout, reply)
        case _:
            layout.label(text=bpy.path.basename(clip.filepath), icon="SEQUENCE")


def _draw_person(layout: Any, clip: bpy.types.MovieClip, person: Any) -> None:
    box = layout.box()
    row = box.row()
    row.prop(person, "identity", text="")
    button = row.operator("faceplate.assign", text="", icon="X")
    button.face, button.identity = person.face, "nobody"
    box.prop(person, "face")
    known = people.identity_of(clip, person.identity)
    if known is not None:
        row = box.row()
        row.template_icon(icon_value=people.identity_icon(known.folder), scale=3.0)
        column = row.column(align=True)
        column.label(text=known.person or "Unknown")
        column.alert = known.consent != "valid"
        column.label(text=f"Consent: {known.consent}", icon="NONE" if column.alert else "CHECKMARK")
        column = box.column(align=True)
        for line in _lines(known.message):
            column.label(text=line)


def _draw_face(layout: Any, clip: bpy.types.MovieClip, face: Any) -> None:
    row = layout.box().row()
    row.template_icon(icon_value=people.face_icon(face), scale=3.0)
    column = row.column(align=True)
    column.label(text=f"Face {face.number}, {face.first}–{face.last}")
    if face.frames < face.last - face.first + 1:
        column.label(text=f"in {face.frames} of them")
    person = people.person_for(clip, str(face.number))
    known = people.identity_of(clip, person.identity) if person else None
    text = (known.person if known else "") or (Path(person.identity).name if person else "Nobody")
    column.operator_menu_enum("faceplate.assign", "identity", text=text, icon="USER").face = str(face.number)
    row = column.row(align=True)
    row.operator("faceplate.tracks", text="Tracks", icon="TRACKER").face = str(face.number)
    row.operator("faceplate.mesh", text="Mesh", icon="MESH_DATA").face = str(face.number)


def _draw_progress(layout: Any) -> None:
    for work in jobs.latest:
        left = f", {work.seconds_left:.0f} s left" if work.seconds_left >= 0 else ""
        layout.progress(factor=work.fraction, text=f"{work.stage.title()} {work.done} of {work.total}{left}")
    layout.operator("faceplate.cancel", icon="CANCEL")


def _draw_section(layout: Any, group: Any, section: str) -> None:
    layout.use_property_split = True
    for name in ENTRIES:
        owner, _, key = name.rpartition(".")
        if owner == section:
            # In a row, what has several choices at once shows hardly a letter of each.
            column = layout.column()
            column.active = not getattr(group, f"{key}_automatic", False)
            column.prop(group, key)


def _lines(text: str) -> list[str]:
    """A sentence in lines that fit into the sidebar."""
    region, scale = bpy.context.region, bpy.context.preferences.system.ui_scale
    width = region.width / scale if region else 0.0
    return textwrap.wrap(text, max(20, int((width - _BESIDE) / _LETTER)))


_SECTIONS = [
    name for name in dict.fromkeys(entry.rpartition(".")[0] for entry in ENTRIES) if name not in ("", "replace")
]
_CLASSES = (
    FACEPLATE_PT_main,
    FACEPLATE_PT_people,
    FACEPLATE_PT_replace,
    FACEPLATE_PT_settings,
    *map(_section_panel, _SECTIONS),
)

register, unregister = bpy.utils.register_classes_factory(_CLASSES)
