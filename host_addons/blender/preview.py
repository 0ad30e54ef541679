# SPDX-License-Identifier: GPL-3.0-or-later
# Blender reads properties from annotations that are calls.
# pyright: reportInvalidTypeForm=false
"""One frame as the recipe makes it, straight from the engine's memory into an image; alone, or with the playhead."""

from collections.abc import Callable
from typing import Any

import bpy
import numpy as np

from engine.wire.contact import failure_of
from engine.wire.errors import EngineError
from engine.wire.frames import attach
from engine.wire.messages import Failure, Preview, Previewed, Release, Reply, Shows

from . import frames, settings
from .connection import engine

_SCRUB = "playhead"
# As the engine and as Blender call the space that Blender works in.
_LINEAR, _BLENDERS = "Linear Rec.709 (sRGB)", "Linear Rec.709"

_MANAGERS: Any = bpy.types.WindowManager

# The last preview that was shown.
latest: list[Previewed] = []


def show(clip: bpy.types.MovieClip, frame: int, shows: Shows = "result", scrub: str = "") -> Callable[[], bool]:
    """Have a frame of the scene made by the clip's recipe and shown in its image; what tells whether that is over."""
    name, answers = image_name(clip), list[Reply]()
    plain, number = settings.plain_shot(clip, frame), frames.clip_number(clip, frame)

    def answered(reply: Reply) -> None:
        match reply:
            case Previewed():
                _take(name, reply)
            case Failure():
                engine.error = reply
        answers.append(reply)

    engine.ask(Preview(plain, number, shows, scrub=scrub, rows="up"), answered)
    return lambda: bool(answers)


def image_name(clip: bpy.types.MovieClip) -> str:
    """The name of the image that previews of a clip are shown in."""
    return f"Faceplate {clip.name}"


def note_of(told: Previewed) -> str:
    """What a person should know of a preview; empty where nothing."""
    if told.channels > 1 and told.colorspace != _LINEAR:
        return f"Shown as {_BLENDERS}; its primaries are those of {told.colorspace}"
    return "" if told.solved == "shot" else "From this frame alone: find faces for the whole shot"


def _take(name: str, told: Previewed) -> None:
    try:
        picture = attach(told, told, writing=False)
    except EngineError as error:
        engine.error = failure_of(error)
        return
    image = _image(name, told.width, told.height)
    if told.channels == 1:
        picture = np.broadcast_to(picture, (told.height, told.width, 4))
    image.pixels.foreach_set(picture.reshape(-1))
    image.update()
    engine.ask(Release(told.lease))
    latest[:] = [told]


def _image(name: str, width: int, height: int) -> Any:
    """The image of that name and size, of linear light."""
    image: Any = bpy.data.images.get(name)
    if image is None:
        image = bpy.data.images.new(name, width, height, alpha=True, float_buffer=True)
        image.colorspace_settings.name = _BLENDERS
        image.alpha_mode = "PREMUL"
    if tuple(image.size) != (width, height):
        image.generated_width, image.generated_height = width, height
    return image


def follow() -> None:
    """Show the frame of the playhead, if that is wanted."""
    # While Blender renders, it goes through the frames in another thread.
    if bpy.app.is_job_running("RENDER") or not bpy.context.window_manager.faceplate_follow:
        return
    clip = settings.clip_of(bpy.context)
    if clip is not None:
        show(clip, bpy.context.scene.frame_current, scrub=_SCRUB)


@bpy.app.handlers.persistent
def _frame_changed(scene: bpy.types.Scene, *_: Any) -> None:
    follow()


def register() -> None:
    _MANAGERS.faceplate_follow = bpy.props.BoolProperty(
        name="Follow",
        description="Show each frame that the playhead comes to, and each change of a setting",
        update=settings.changed,
    )
    bpy.app.handlers.frame_change_post.append(_frame_changed)
    settings.watchers.append(follow)


def unregister() -> None:
    settings.watchers.remove(follow)
    bpy.app.handlers.frame_change_post.remove(_frame_changed)
    del _MANAGERS.faceplate_follow
    latest.clear()
