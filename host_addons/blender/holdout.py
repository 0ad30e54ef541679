# SPDX-License-Identifier: GPL-3.0-or-later
"""A mask of Blender as the recipe's holdout: it is rendered in a scene of its own, in the plate's size."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy

from engine.wire.sequence import number_of, numbered

from . import comp, frames, settings
from .connection import soon
from .preferences import cache_folder

_NAME = "Faceplate Holdout"


def begin_holdout(clip: Any) -> Callable[[], bool]:
    """Have the clip's mask rendered, and kept as the holdout of its recipe; what tells whether that is over."""
    folder = cache_folder() / "holdouts" / Path(settings.plain_shot(clip)["tracks"]).stem.rpartition(".")[2]
    mask, over = settings.settings_of(clip).mask, list[bool]()
    scene, name = _scene(clip, mask, folder), mask.name
    clip_uid, uid = clip.session_uid, scene.session_uid

    def finish() -> None:
        for kind, handler in handlers.items():
            getattr(bpy.app.handlers, kind).remove(handler)
        _pose(name, bpy.context.scene.frame_current)
        _take(settings.clip_with(clip_uid), folder)
        _remove(next((one for one in bpy.data.scenes if one.session_uid == uid), None))
        over.append(True)

    # In the thread that renders.
    def ended(rendered: Any, *_: Any) -> None:
        if rendered.session_uid == uid:
            soon.append(finish)

    def before(rendered: Any, *_: Any) -> None:
        if rendered.session_uid == uid:
            _pose(name, rendered.frame_current + 1)

    handlers = {"render_pre": before, "render_complete": ended, "render_cancel": ended}
    for kind, handler in handlers.items():
        getattr(bpy.app.handlers, kind).append(handler)
    _pose(name, scene.frame_start)
    if bpy.ops.render.render("INVOKE_DEFAULT", animation=True, scene=scene.name) == {"CANCELLED"}:
        soon.append(finish)
    return lambda: bool(over)


def _pose(name: str, frame: int) -> None:
    """Put a mask where its curves have it. Blender renders what they were in the frame before, so it goes ahead."""
    mask: Any = bpy.data.masks.get(name)
    for curve in settings.curves_of(mask) if mask else ():
        path, _, attribute = curve.data_path.rpartition(".")
        owner = mask.path_resolve(path) if path else mask
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
