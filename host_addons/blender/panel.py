# SPDX-License-Identifier: GPL-3.0-or-later
"""The panel in the Movie Clip Editor's sidebar: what the engine says, and what is asked of it."""

import textwrap
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bpy

from engine.wire import captions
from engine.wire.messages import Failure, Footage, Look

from . import jobs, people, preview
from .connection import engine
from .settings import PEOPLE, SECTIONS, clip_of, plain_shot, settings_of

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
_MAIN, _SETTINGS = "FACEPLATE_PT_main", "FACEPLATE_PT_settings"
_classes: list[type] = []


def _panel(name: str, label: str, parent: str = "", closed: bool = False, **members: Any) -> Callable[..., None]:
    """Make a panel of what draws it: a function of its layout and of the clip, without which it is not shown."""

    def made(draws: Callable[[Any, Any], None]) -> None:
        about = {
            "bl_space_type": "CLIP_EDITOR",
            "bl_region_type": "UI",
            "bl_category": "Faceplate",
            "bl_idname": name,
            "bl_label": label,
            "bl_parent_id": parent,
            "bl_options": {"DEFAULT_CLOSED"} if closed else set(),
            "draw": lambda self, context: draws(self.layout, clip_of(context)),
            "poll": classmethod(lambda cls, context: name == _MAIN or clip_of(context) is not None),
        }
        _classes.append(type(name, (bpy.types.Panel,), about | members))

    return made


@_panel(_MAIN, "Faceplate")
def _draw_main(layout: Any, clip: Any) -> None:
    engine.want()
    row = layout.row()
    row.label(text=captions.STATES[engine.state], icon="LINKED" if engine.state == "connected" else "UNLINKED")
    if engine.state == "connected":
        row.operator("faceplate.refresh", text="", icon="FILE_REFRESH")
    elif engine.state == "none":
        row.operator("faceplate.connect")
    if engine.error is not None:
        _draw_error(layout, engine.error)
    if clip is None:
        layout.label(text="Open a movie clip", icon="SEQUENCE")
        return
    _draw_footage(layout, clip)
    for work in jobs.latest if jobs.is_working() else ():
        layout.progress(factor=work.fraction, text=captions.of_work(work))
        layout.operator("faceplate.cancel", icon="CANCEL")


@_panel("FACEPLATE_PT_people", "Faces", _MAIN)
def _draw_people(layout: Any, clip: Any) -> None:
    for person in settings_of(clip).replace:
        _draw_person(layout, clip, person)
    found = people.faces_of(clip)
    if not settings_of(clip).replace:
        layout.operator("faceplate.assign", icon="USER")
    for face in found:
        _draw_face(layout, clip, face)
    layout.operator("faceplate.find_faces", text="Find Faces Again" if found else "Find Faces", icon="VIEWZOOM")


@_panel("FACEPLATE_PT_replace", "Replace", _MAIN)
def _draw_replace(layout: Any, clip: Any) -> None:
    shot, manager = settings_of(clip), bpy.context.window_manager
    row = layout.row(align=True)
    row.prop(manager, "faceplate_mesh", icon="MESH_DATA")
    row.prop(manager, "faceplate_matte", icon="MOD_MASK")
    row = layout.row(align=True)
    row.operator("faceplate.preview", icon="IMAGE_DATA")
    row.prop(manager, "faceplate_follow", text="", icon="PLAY")
    layout.operator("faceplate.replace", icon="RENDER_ANIMATION")
    column = layout.column(align=True)
    column.label(text="Result To")
    # In a row, what has several choices at once shows hardly a letter of each.
    column.prop(shot, "result_to")
    row = layout.row(align=True)
    row.prop(shot, "mask", text="")
    row.operator("faceplate.holdout", text="Hold Out")
    if shot.result:
        layout.prop(shot, "result")
    for told in preview.latest:
        _draw_lines(layout, captions.of_preview(told, bool(people.faces_of(clip))))


@_panel(_SETTINGS, "Settings", _MAIN, closed=True)
def _draw_settings(layout: Any, clip: Any) -> None:
    _draw_section("", layout, clip)


@_panel("FACEPLATE_PT_image", "Faceplate", bl_space_type="IMAGE_EDITOR")
def _draw_image(layout: Any, clip: Any) -> None:
    """For an image that may be in Blender's memory alone."""
    engine.want()
    if engine.error is not None:
        _draw_error(layout, engine.error)
    image = getattr(bpy.context, "edit_image", None)
    if image is not None:
        layout.operator("faceplate.preview_image", icon="IMAGE_DATA").image = image.name


def _draw_section(section: str, layout: Any, clip: Any) -> None:
    """The settings of one section of the recipe; ``""`` are those at its top."""
    group = getattr(settings_of(clip), section) if section else settings_of(clip)
    layout.use_property_split = True
    for key in SECTIONS[section]:
        column = layout.column()
        column.active = not getattr(group, f"{key}_automatic", False)
        column.prop(group, key)


def _draw_error(layout: Any, error: Failure) -> None:
    box = layout.box()
    _draw_lines(box, [error.message, error.remedy], "ERROR").alert = True
    if error.code in _MENDS:
        operator, text = _MENDS[error.code]
        button = box.operator(operator, text=text)
        if operator == "preferences.addon_show":
            button.module = __package__


def _draw_footage(layout: Any, clip: Any) -> None:
    match reply := engine.known(Look(plain_shot(clip)["plate"])):
        case Footage():
            column = _draw_lines(layout, captions.of_footage(reply), "SEQUENCE")
            if reply.missing:
                column.label(text=f"Missing: {reply.missing}", icon="ERROR")
        case Failure():
            _draw_error(layout, reply)
        case _:
            layout.label(text=bpy.path.basename(clip.filepath), icon="SEQUENCE")


def _draw_person(layout: Any, clip: Any, person: Any) -> None:
    box = layout.box()
    row = box.row()
    row.prop(person, "identity", text="")
    button = row.operator("faceplate.assign", text="", icon="X")
    button.face, button.identity = person.face, "nobody"
    box.prop(person, "face")
    box.prop(person, "swapper")
    known = people.identity_of(clip, person.identity)
    if known is not None:
        row = box.row()
        row.template_icon(icon_value=people.identity_icon(known), scale=3.0)
        column = row.column(align=True)
        column.label(text=known.person or "Unknown")
        column.alert = known.consent != "valid"
        column.label(text=f"Consent: {known.consent}", icon="NONE" if column.alert else "CHECKMARK")
        _draw_lines(box, [known.message])


def _draw_face(layout: Any, clip: Any, face: Any) -> None:
    row = layout.box().row()
    row.template_icon(icon_value=people.face_icon(face), scale=3.0)
    column = _draw_lines(row, captions.of_face(face))
    person = people.person_for(clip, str(face.number))
    known = people.identity_of(clip, person.identity) if person else None
    text = (known.person if known else "") or (Path(person.identity).name if person else "Nobody")
    column.operator_menu_enum("faceplate.assign", "identity", text=text, icon="USER").face = str(face.number)
    row = column.row(align=True)
    row.operator("faceplate.tracks", text="Tracks").face = str(face.number)
    row.operator("faceplate.mesh", text="Mesh").face = str(face.number)


def _draw_lines(layout: Any, texts: list[str], icon: str = "") -> Any:
    """Sentences, in lines that fit into the sidebar, the first with the icon; the column that they are in."""
    region, scale = bpy.context.region, bpy.context.preferences.system.ui_scale
    letters = max(20, int(((region.width / scale if region else 0.0) - _BESIDE) / _LETTER))
    column = layout.column(align=True)
    for number, line in enumerate(line for text in texts for line in textwrap.wrap(text, letters)):
        column.label(text=line, icon="NONE" if not icon else "BLANK1" if number else icon)
    return column


for _section in SECTIONS:
    if _section not in ("", PEOPLE):
        _panel(f"FACEPLATE_PT_{_section}", _section.title(), _SETTINGS, True)(partial(_draw_section, _section))

register, unregister = bpy.utils.register_classes_factory(_classes)
