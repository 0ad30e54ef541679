# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe as properties of a movie clip, saved with it, and the clip's recipe as plain values.

Names, descriptions, defaults and ranges are the engine's own: they come in `settings.json`, made with the extension.
"""

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import bpy
from bpy.props import CollectionProperty, EnumProperty, PointerProperty, StringProperty
from bpy_extras import anim_utils

from engine.wire.recipe import (
    IN_FILES,
    PEOPLE,
    can_have_keys,
    keys_of,
    plain_recipe,
    read_entries,
    sections,
    with_plate,
)

from .connection import pieces
from .frames import plate_path, whole_path
from .preferences import cache_folder

# Of a path that may begin with // for the folder of the file, where Blender wants to know that.
RELATIVE: set[Any] = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5) else set()
_CURVE = "faceplate."
COMPOSITOR, SEQUENCER, CLIP = "COMPOSITOR", "SEQUENCER", "CLIP"
_PLACES = (
    (COMPOSITOR, "Compositor", "Image nodes of the frames and of their layers, and a node group that lays them", 1),
    (SEQUENCER, "Sequencer", "A strip over the plate, with its start and its offsets", 2),
    (CLIP, "Movie Clip", "A movie clip, to track in the result", 4),
)
# What the compositor needs.
_LAYERS = ("patch", "matte")

# What Blender is told of each setting, by the setting's dotted name, and their names by the section they are in.
ENTRIES = read_entries(Path(__file__).with_name("settings.json"))
SECTIONS = sections(ENTRIES)
# Called when a setting was changed.
watchers: list[Callable[[], None]] = []


def settings_of(clip: Any) -> Any:
    """The recipe of a movie clip, as properties."""
    return clip.faceplate


def clip_of(context: bpy.types.Context) -> bpy.types.MovieClip | None:
    """The movie clip that is shown; elsewhere the scene's own."""
    return getattr(context, "edit_movieclip", None) or context.scene.active_clip


def clip_with(uid: int) -> Any:
    """The clip of that number in this session; None once it is removed. Undo makes clips anew."""
    return next((clip for clip in bpy.data.movieclips if clip.session_uid == uid), None)


def later(uid: int, piece: Callable[[Any], object]) -> None:
    """Have a piece done of what would take too long at once; it is given the clip, if that is still there."""

    def do() -> None:
        found = clip_with(uid)
        if found is not None:
            piece(found)

    pieces.append(do)


def plain_shot(clip: bpy.types.MovieClip, frame: float | None = None) -> dict[str, Any]:
    """The clip's recipe with whole paths, animated settings as they are at a frame of the scene (the current one)."""
    shot = settings_of(clip)
    at = bpy.context.scene.frame_current if frame is None else frame
    curves = _curves(clip)

    def value(name: str) -> Any:
        section, _, key = name.rpartition(".")
        curve = curves.get(name)
        return curve.evaluate(at) if curve else getattr(getattr(shot, section) if section else shot, key)

    people = [{key: getattr(person, key) for key in SECTIONS[PEOPLE]} for person in shot.replace]
    layers = _LAYERS if COMPOSITOR in shot.result_to else ()
    plain = plain_recipe(ENTRIES, value, lambda path: whole_path(clip, path), people, layers)
    return with_plate(plain, plate_path(clip), cache_folder())


def keys(clip: bpy.types.MovieClip, shown: Iterable[tuple[int, float]]) -> list[dict[str, Any]]:
    """The clip's animated settings as keys of a recipe; `shown` are numbers of files with their frames of the scene."""
    curves, places = _curves(clip), list(shown)
    every = {name: [(number, curve.evaluate(frame)) for number, frame in places] for name, curve in curves.items()}
    return keys_of(ENTRIES, every)


def curves_of(animated: Any) -> list[Any]:
    """The curves of a data-block's animation."""
    animation = animated.animation_data
    if animation is None or animation.action is None:
        return []
    holder = animation.action
    if not hasattr(holder, "fcurves"):
        holder = anim_utils.action_get_channelbag_for_slot(holder, animation.action_slot)
    return list(holder.fcurves) if holder else []


def _curves(clip: bpy.types.MovieClip) -> dict[str, Any]:
    """The curves of the clip's animated settings, by their dotted names; not of what the engine finds by itself."""
    curves = {curve.data_path.removeprefix(_CURVE): curve for curve in curves_of(clip)}
    return {name: curve for name, curve in curves.items() if can_have_keys(ENTRIES, name) and not _is_found(clip, name)}


def _is_found(clip: bpy.types.MovieClip, name: str) -> bool:
    section, _, key = name.rpartition(".")
    return getattr(getattr(settings_of(clip), section), f"{key}_automatic", False)


def changed(group: Any, context: bpy.types.Context) -> None:
    """Called by Blender where a setting was changed."""
    for watcher in watchers:
        watcher()


def _property(entry: dict[str, Any]) -> Any:
    options = dict(entry["with"], update=changed, options=set(entry["with"]["options"]))
    if options.get("subtype") in IN_FILES:
        options["options"] |= RELATIVE
    if "items" in options:
        options["items"] = [tuple(item) for item in options["items"]]
        options["default"] = set() if options["default"] == [] else options["default"]
    return getattr(bpy.props, entry["property"])(**options)


def _group(section: str, properties: dict[str, Any]) -> type:
    return type(f"Faceplate{section.title()}", (bpy.types.PropertyGroup,), {"__annotations__": properties})


def _make_groups() -> list[type]:
    """A group of properties for each section of the recipe, and last that which holds them."""
    made = {
        section: {key: _property(ENTRIES[f"{section}.{key}" if section else key]) for key in keys}
        for section, keys in SECTIONS.items()
    }
    shot = made.pop("")
    groups = {section: _group(section, properties) for section, properties in made.items()}
    for section, group in groups.items():
        shot[section] = CollectionProperty(type=group) if section == PEOPLE else PointerProperty(type=group)
    shot["result"] = StringProperty(
        name="Result", subtype="FILE_PATH", description="A frame of the last result", options=RELATIVE
    )
    shot["mask"] = PointerProperty(type=bpy.types.Mask, name="Mask", description="Where it is white, the plate stays")
    shot["result_to"] = EnumProperty(
        name="Result To", description="Where the frames go once they are written", items=_PLACES, options={"ENUM_FLAG"}
    )
    return [*groups.values(), _group("shot", shot)]


_GROUPS = _make_groups()
_CLIPS: Any = bpy.types.MovieClip


def register() -> None:
    for group in _GROUPS:
        bpy.utils.register_class(group)
    _CLIPS.faceplate = PointerProperty(type=_GROUPS[-1])


def unregister() -> None:
    del _CLIPS.faceplate
    for group in reversed(_GROUPS):
        bpy.utils.unregister_class(group)
