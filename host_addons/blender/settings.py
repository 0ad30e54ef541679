# SPDX-License-Identifier: GPL-3.0-or-later
"""The recipe as properties of a movie clip, saved with it, and the clip's recipe as plain values.

Names, descriptions, defaults and ranges are the engine's own: they come in `settings.json`, made with the extension.
"""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
from bpy.props import CollectionProperty, EnumProperty, PointerProperty, StringProperty
from bpy_extras import anim_utils

from .frames import plate_path, whole_path
from .preferences import cache_folder

# Folder of a result where none was chosen, beside the frames of the plate.
RESULT = "faceplate"
_PEOPLE = "replace"
# Of a path that may begin with // for the folder of the file, where Blender wants to know that.
RELATIVE: set[Any] = {"PATH_SUPPORTS_BLEND_RELATIVE"} if bpy.app.version >= (4, 5) else set()
_IN_FILES = ("DIR_PATH", "FILE_PATH")
_CURVE = "faceplate."
COMPOSITOR, SEQUENCER, CLIP = "COMPOSITOR", "SEQUENCER", "CLIP"
_PLACES = (
    (COMPOSITOR, "Compositor", "Image nodes of the frames and of their layers, and a node group that lays them", 1),
    (SEQUENCER, "Sequencer", "A strip over the plate, with its start and its offsets", 2),
    (CLIP, "Movie Clip", "A movie clip, to track in the result", 4),
)

# What Blender is told of each setting, by the setting's dotted name.
ENTRIES: dict[str, dict[str, Any]] = {
    entry["name"]: entry for entry in json.loads(Path(__file__).with_name("settings.json").read_text(encoding="utf-8"))
}
_LAYERS = [item[0] for item in ENTRIES["output.layers"]["with"]["items"]]
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


def plain_shot(clip: bpy.types.MovieClip, frame: float | None = None) -> dict[str, Any]:
    """The clip's recipe with whole paths, animated settings as they are at a frame of the scene (the current one)."""
    shot = settings_of(clip)
    at = bpy.context.scene.frame_current if frame is None else frame
    moved = {path.removeprefix(_CURVE): curve.evaluate(at) for path, curve in _curves(clip).items()}
    people = [{"identity": whole_path(clip, person.identity), "face": person.face} for person in shot.replace]
    plain: dict[str, Any] = {_PEOPLE: people}
    for name, entry in ENTRIES.items():
        section, _, key = name.rpartition(".")
        if section == _PEOPLE:
            continue
        table = plain.setdefault(section, {}) if section else plain
        value = _plain(clip, entry, moved.get(name, getattr(getattr(shot, section) if section else shot, key)))
        if "stands_for" not in entry:
            table.setdefault(key, value)
        elif value:
            table[key.removesuffix("_automatic")] = entry["stands_for"]
    path, output = plate_path(clip), plain["output"]
    plain["plate"]["path"], output["path"] = path, output["path"] or str(Path(path).parent / RESULT)
    if COMPOSITOR in shot.result_to:
        output["layers"] = [layer for layer in _LAYERS if layer in {"patch", "matte", *output["layers"]}]
        output["layers_in"] = "file"
    plain["tracks"] = plain["tracks"] or _own_tracks(plain)
    return plain


def solved_part(plain: dict[str, Any]) -> dict[str, Any]:
    """Of a recipe, what a solve depends on, and where its tracks are."""
    return {name: plain[name] for name in ("plate", "solve", "tracks")}


def animated_values(clip: bpy.types.MovieClip, frame: float) -> list[float]:
    """What the clip's animated settings are at a frame of the scene; empty where none has keys."""
    return [curve.evaluate(frame) for curve in _curves(clip).values()]


def _plain(clip: Any, entry: dict[str, Any], value: Any) -> Any:
    """A property's value as a recipe has it."""
    options = entry["with"]
    if entry["property"] == "FloatProperty":
        # Blender has single precision: 0.85 shall be 0.85 in the recipe. A curve may leave the range.
        return min(max(float(f"{value:.6g}"), options["min"]), options["max"])
    if options.get("subtype") in _IN_FILES:
        return whole_path(clip, value)
    return [item[0] for item in options["items"] if item[0] in value] if isinstance(value, set) else value


def _own_tracks(plain: dict[str, Any]) -> str:
    """A file in the cache whose name says of what shot the tracks are, and how it was solved."""
    basis = json.dumps([plain["plate"], plain["solve"]], sort_keys=True)
    name = f"{Path(plain['plate']['path']).stem}.{hashlib.sha256(basis.encode()).hexdigest()[:16]}.tracks"
    return str(cache_folder() / name)


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
    """The curves of the clip's animated settings, by the path of the property."""
    return {curve.data_path: curve for curve in curves_of(clip) if curve.data_path.startswith(_CURVE)}


def changed(group: Any, context: bpy.types.Context) -> None:
    """Called by Blender where a setting was changed."""
    for watcher in watchers:
        watcher()


def _property(entry: dict[str, Any]) -> Any:
    options = dict(entry["with"], update=changed, options=set(entry["with"]["options"]))
    if options.get("subtype") in _IN_FILES:
        options["options"] |= RELATIVE
    if "items" in options:
        options["items"] = [tuple(item) for item in options["items"]]
        options["default"] = set() if options["default"] == [] else options["default"]
    return getattr(bpy.props, entry["property"])(**options)


def _group(section: str, properties: dict[str, Any]) -> type:
    return type(f"Faceplate{section.title()}", (bpy.types.PropertyGroup,), {"__annotations__": properties})


def _make_groups() -> list[type]:
    """A group of properties for each section of the recipe, and last that which holds them."""
    sections: dict[str, dict[str, Any]] = {}
    for name, entry in ENTRIES.items():
        section, _, key = name.rpartition(".")
        sections.setdefault(section, {})[key] = _property(entry)
    shot = sections.pop("")
    groups = {section: _group(section, properties) for section, properties in sections.items()}
    for section, group in groups.items():
        shot[section] = CollectionProperty(type=group) if section == _PEOPLE else PointerProperty(type=group)
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
