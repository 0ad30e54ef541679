# SPDX-License-Identifier: GPL-3.0-or-later
"""Blender's own frames: where a scene asks for it, what was rendered becomes a plate of the clip's recipe."""

from functools import partial
from pathlib import Path
from typing import Any

import bpy

from engine.wire.messages import Failure, Swap
from engine.wire.recipe import result_beside, without_frames
from engine.wire.sequence import number_of, pattern
from engine.wire.work import Work

from . import jobs, settings
from .connection import engine, soon

_SCENES: Any = bpy.types.Scene
_PANEL: Any = bpy.types.RENDER_PT_output
_NO_RECIPE = Failure(
    "no-recipe", "The scene has no recipe for what it renders.", "Choose an Active Clip in the scene's properties."
)
_written: list[Path] = []


@bpy.app.handlers.persistent
def _begun(*_: Any) -> None:
    _written.clear()


@bpy.app.handlers.persistent
def _wrote(scene: Any, *_: Any) -> None:
    if scene.faceplate_replace:
        # A single frame has the name as it stands, one of an animation its number.
        names = scene.render.frame_path(frame=scene.frame_current), bpy.path.abspath(scene.render.filepath)
        there = [path for path in map(Path, names) if path.is_file()]
        _written.extend(path for path in there[:1] if path.suffix.lower() == ".exr")


@bpy.app.handlers.persistent
def _complete(scene: Any, *_: Any) -> None:
    """Called in the thread that renders, which must not ask the engine; in the background there is no other."""
    files, clip = list(_written), scene.active_clip
    _written.clear()
    if not files:
        return
    if bpy.app.background:
        work = _replace(clip, files)
        engine.wait(lambda: work is None or bool(work.outcome))
    else:
        soon.append(partial(_replace, clip, files))


def _replace(clip: Any, files: list[Path]) -> Work | None:
    if clip is None:
        engine.error = _NO_RECIPE
        return None
    plain = without_frames(settings.plain_shot(clip))
    numbers = [number_of(path) for path in files]
    plain["plate"] = {"path": str(pattern(files[0])), "frames": ",".join(map(str, numbers))}
    plain["key"] = settings.keys(clip, zip(numbers, numbers, strict=True))
    plain["output"]["path"] = result_beside(plain["plate"]["path"])
    return jobs.begin(Work(engine, Swap(plain), lambda work: None))


def _draw(self: Any, context: bpy.types.Context) -> None:
    self.layout.prop(context.scene, "faceplate_replace")


_HANDLERS = {"render_init": _begun, "render_write": _wrote, "render_complete": _complete, "render_cancel": _begun}


def register() -> None:
    _SCENES.faceplate_replace = bpy.props.BoolProperty(
        name="Replace in Render",
        description="Replace faces in rendered OpenEXR frames, in a folder beside them, by the Active Clip's recipe",
    )
    for name, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, name).append(handler)
    _PANEL.append(_draw)


def unregister() -> None:
    _PANEL.remove(_draw)
    for name, handler in _HANDLERS.items():
        getattr(bpy.app.handlers, name).remove(handler)
    del _SCENES.faceplate_replace
