# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask of Blender as the recipe's holdout: it is rendered in a scene of its own, in the plate's size."""

import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import bpy

from engine.wire.sequence import number_of, numbered

from . import comp, frames, settings
from .connection import soon
from .preferences import cache_folder

_NAME = "Faceplate Holdout"
# A window is drawn in far less than two seconds.
_TRIES, _PAUSE = 1000, 0.002


def begin_holdout(clip: Any) -> Callable[[], bool]:
    """Have the clip's mask rendered, and kept as the holdout of its recipe; what tells whether that is over."""
    folder = cache_folder() / "holdouts" / Path(settings.plain_shot(clip)["tracks"]).stem.rpartition(".")[2]
    mask, over = settings.settings_of(clip).mask, list[bool]()
    posed = _still(mask)
    scene, names = _scene(clip, posed, folder), (mask.name, posed.name)
    clip_uid, uid = clip.session_uid, scene.session_uid

    def finish() -> None:
        # The thread that renders has the scene until it has ended, which is after its handlers were called.
        if bpy.app.is_job_running("RENDER"):
            soon.append(finish)
            return
        for kind, handler in handlers.items():
            # Another file takes them away.
            if handler in getattr(bpy.app.handlers, kind):
                getattr(bpy.app.handlers, kind).remove(handler)
        _take(settings.clip_with(clip_uid), folder)
        _remove(next((one for one in bpy.data.scenes if one.session_uid == uid), None))
        if names[1] in bpy.data.masks:
            bpy.data.masks.remove(bpy.data.masks[names[1]])
        over.append(True)

    # In the thread that renders.
    def ended(rendered: Any, *_: Any) -> None:
        if rendered.session_uid == uid:
            soon.append(finish)

    def before(rendered: Any, *_: Any) -> None:
        if rendered.session_uid == uid:
            _pose_between_drawings(*names, rendered.frame_current + 1)

    handlers = {"render_pre": before, "render_complete": ended, "render_cancel": ended}
    for kind, handler in handlers.items():
        getattr(bpy.app.handlers, kind).append(handler)
    _pose(*names, scene.frame_start)
    view: Any = bpy.context.preferences.view
    # No window of its own comes up for it, over what a person works with.
    display, view.render_display_type = view.render_display_type, "NONE"
    if bpy.ops.render.render("INVOKE_DEFAULT", animation=True, scene=scene.name) == {"CANCELLED"}:
        soon.append(finish)
    view.render_display_type = display
    return lambda: bool(over)


def _still(mask: Any) -> Any:
    """A mask without its animation: what the window shows would put that back to the playhead's frame at any time."""
    posed = mask.copy()
    posed.animation_data_clear()
    return posed


def _pose_between_drawings(name: str, still: str, frame: int) -> None:
    """The same for the thread that renders: Blender refuses all writing while it draws a window."""
    for _ in range(_TRIES):
        with suppress(AttributeError):
            return _pose(name, still, frame)
        time.sleep(_PAUSE)
    return _pose(name, still, frame)


def _pose(name: str, still: str, frame: int) -> None:
    """Put a still mask where a mask's curves are. Blender renders what it was in the frame before, so it goes ahead."""
    mask: Any = bpy.data.masks.get(name)
    posed: Any = bpy.data.masks.get(still)
    for curve in settings.curves_of(mask) if mask and posed else ():
        path, _, attribute = curve.data_path.rpartition(".")
        owner = posed.path_resolve(path) if path else posed
        if isinstance(getattr(owner, attribute), float):
            setattr(owner, attribute, curve.evaluate(frame))
        else:
            getattr(owner, attribute)[curve.array_index] = curve.evaluate(frame)


def _scene(clip: Any, mask: Any, folder: Path) -> Any:
    scene: Any = bpy.data.scenes.new(_NAME)
    scene.render.resolution_x, scene.render.resolution_y = clip.size
    scene.frame_start, scene.frame_end = clip.frame_start, clip.frame_start + clip.frame_duration - 1
    scene.render.image_settings.file_format, scene.render.image_settings.color_mode = "OPEN_EXR", "BW"
    scene.render.filepath = str(folder / "rendered.####")
    tree = comp.tree_of(scene)
    node = tree.nodes.new("CompositorNodeMask")
    node.mask = mask
    tree.links.new(node.outputs[0], comp.output_of(tree).inputs[0])
    return scene


def _take(clip: Any, folder: Path) -> None:
    """Give the frames their numbers in the plate, and the recipe the frames."""
    done = list(folder.glob("rendered.*"))
    if clip is None or len(done) != clip.frame_duration:
        for path in done:
            path.unlink()
    else:
        for path in done:
            path.replace(numbered(folder / "holdout.0000.exr", frames.clip_number(clip, number_of(path))))
        settings.settings_of(clip).matte.holdout = str(folder / "holdout.####.exr")
        bpy.ops.ed.undo_push(message=_NAME)


def _remove(scene: Any) -> None:
    if scene is not None:
        tree = getattr(scene, "compositing_node_group", None)
        bpy.data.scenes.remove(scene)
        if tree is not None:
            bpy.data.node_groups.remove(tree)
