# SPDX-License-Identifier: GPL-3.0-or-later
"""One frame as the recipe makes it, straight from the engine's memory into an image; alone, or with the playhead."""

from collections.abc import Callable
from functools import partial
from typing import Any

import bpy
import numpy as np

from engine.wire.errors import HostChanged
from engine.wire.messages import Failure, Preview, Previewed, Shows
from engine.wire.pictures import ask_picture, ask_picture_of
from engine.wire.recipe import without_frames

from . import comp, frames, settings
from .connection import engine

_SCRUB = "playhead"
# As the engine and as Blender call the space that Blender works in, and that of pictures of 8 bits.
_LINEAR, _BLENDERS, _ENCODED = "Linear Rec.709 (sRGB)", "Linear Rec.709", "sRGB Encoded Rec.709 (sRGB)"
_MANAGERS: Any = bpy.types.WindowManager
_NO_PIXELS = Failure(
    "no-pixels",
    "Blender gives out no colour pixels of this image.",
    "Renders and files of several layers have none: use a Viewer node or Replace in Render; 8 bits must be sRGB.",
)

# The last preview that was shown.
latest: list[Previewed] = []


def show(clip: bpy.types.MovieClip, frame: int, shows: Shows = "result", scrub: str = "") -> Callable[[], bool]:
    """Have a frame of the scene made by the clip's recipe and shown in its image; what tells whether that is over."""
    request = _request(settings.plain_shot(clip, frame), frames.clip_number(clip, frame), shows, scrub)
    return ask_picture(engine, request, partial(_take, image_name(clip)))


def show_image(clip: bpy.types.MovieClip, name: str, frame: int) -> Callable[[], bool]:
    """The same for an image of that name, which may be in Blender's memory alone; where empty, for the one shown."""
    image: Any = bpy.data.images.get(name) if name else getattr(bpy.context, "edit_image", None)
    if image is None or not (space := _space_of(image)):
        engine.error = _NO_PIXELS
        return lambda: True
    width, height = image.size
    name, is_float = image.name, image.is_float
    shot = without_frames(settings.plain_shot(clip, frame))

    def fill(memory: Any) -> None:
        found: Any = bpy.data.images.get(name)
        if found is None or (*found.size, found.channels, found.is_float) != (width, height, 4, is_float):
            raise HostChanged("The image has changed meanwhile.", "Try again.")
        pixels = memory if is_float else np.empty((height, width, 4), np.float32)
        found.pixels.foreach_get(pixels.reshape(-1))
        # Pictures of 8 bits are not premultiplied: their alpha is left away.
        memory[...] = pixels[..., : memory.shape[2]]

    request = _request(shot, frames.clip_number(clip, frame), "result", "")
    shape = height, width, 4 if is_float else 3
    return ask_picture_of(engine, request, shape, space, fill, partial(_take, image_name(image)))


def image_name(shown: Any) -> str:
    """The name of the image that previews of a clip, or of another image, are shown in."""
    return f"Faceplate {shown.name}"


def _space_of(image: Any) -> str:
    """What the engine calls the space of an image's pixels; empty where there are none of colour."""
    if min(image.size) < 1 or image.channels != 4:
        return ""
    return _LINEAR if image.is_float else _ENCODED if image.colorspace_settings.name == "sRGB" else ""


def _request(shot: dict[str, Any], number: int, shows: Shows, scrub: str) -> Preview:
    return Preview(shot, number, shows, scrub=scrub, rows="up", colorspace=_LINEAR, rgba=True)


def _take(name: str, told: Previewed, picture: Any) -> None:
    size, images = (told.width, told.height), bpy.data.images
    image: Any = comp.own(images, name)
    if image is None:
        image = images.new(name, *size, alpha=True, float_buffer=True)
        image[comp.OWN] = name
        image.colorspace_settings.name = _BLENDERS
        image.alpha_mode = "PREMUL"
    if tuple(image.size) != size:
        image.generated_width, image.generated_height = size
    image.pixels.foreach_set(np.reshape(picture, -1))
    image.update()
    latest[:] = [told]


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
