"""For the picture in the README: the demo's plate with its overlay and the panel, and beside it a preview."""

import os
import sys
from pathlib import Path
from typing import Any

import bpy

sys.path += [str(Path(__file__).parent), os.environ["FACEPLATE_TEST_LIBRARIES"]]

from compatibility import module
from driver import Story, area_of, open_clip, run, save_picture, within

DEMO = Path(os.environ["FACEPLATE_TEST_WORK"])
FRAME = 8
# Of the window's width, what the Movie Clip Editor has.
LEFT = 0.56

ops: Any = bpy.ops
manager: Any = bpy.context.window_manager


def story() -> Story:
    yield from open_clip(DEMO / "plate")
    yield lambda: module("connection").engine.state == "connected"
    yield from prepared()
    area = area_of("CLIP_EDITOR")
    clip = area.spaces.active.clip
    with within(area, "UI"):
        ops.faceplate.find_faces("INVOKE_DEFAULT")
    yield lambda: not module("jobs").is_working()
    with within(area, "UI"):
        ops.faceplate.preview("INVOKE_DEFAULT")
    yield lambda: module("preview").latest
    manager.faceplate_matte = True
    viewer = area_of("IMAGE_EDITOR")
    viewer.spaces.active.image = bpy.data.images[module("preview").image_name(clip)]
    yield 0.5
    for shown, view_all, zoom in (
        (area, ops.clip.view_all, ops.clip.view_zoom_ratio),
        (viewer, ops.image.view_all, ops.image.view_zoom_ratio),
    ):
        with within(shown):
            view_all()
            zoom(ratio=0.75)
    yield 0.5
    yield lambda: not module("connection").engine.busy
    yield 1.0
    save_picture(Path(os.environ["FACEPLATE_TEST_PICTURE"]), area)


def prepared() -> Story:
    """Two editors side by side, paths as they are within a file, and the colours of the photo."""
    scene = bpy.context.scene
    scene.view_settings.view_transform = "Standard"
    for kind in ("OUTLINER", "PROPERTIES", "DOPESHEET_EDITOR"):
        with within(area_of(kind)):
            ops.screen.area_close()
        yield 0.3
    area = area_of("CLIP_EDITOR")
    with within(area):
        ops.screen.area_split(direction="VERTICAL", factor=LEFT)
    yield 0.3
    other = max(
        (one for one in bpy.context.window_manager.windows[0].screen.areas if one.type == "CLIP_EDITOR"),
        key=lambda one: one.x,
    )
    other.type = "IMAGE_EDITOR"
    other.spaces.active.show_region_ui = False
    yield 0.3
    ops.wm.save_as_mainfile(filepath=str(DEMO / "shot.blend"))
    with within(area_of("CLIP_EDITOR")):
        ops.screen.frame_offset(delta=FRAME - 1)
        ops.faceplate.assign(directory=str(DEMO / "identity"))
    area_of("CLIP_EDITOR").spaces.active.clip.faceplate.replace[0].identity = "//identity"


run(story)
