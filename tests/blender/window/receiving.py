"""A person receives what the engine has made: tracks, a mesh, previews, results, rendered frames, a holdout."""

import os
import sys
import threading
import time
from pathlib import Path
from typing import Any

import bpy

sys.path += [str(Path(__file__).parent), os.environ["FACEPLATE_TEST_LIBRARIES"]]

import numpy as np
from bpy_extras.object_utils import world_to_camera_view
from compatibility import LINEAR, module
from driver import Story, area_of, open_clip, press, run, stalls, told, window, within

WORK = Path(os.environ["FACEPLATE_TEST_WORK"])
FACE = "1"
# How often what is measured is done: the best counts.
TIMES = 3
# Where in the status bar the button is that stops a render: Blender takes a simulated Esc for no reason to do so.
STOPS = range(870, 915, 6)

ops: Any = bpy.ops
manager: Any = bpy.context.window_manager
scene: Any = bpy.context.scene
main = threading.current_thread()


class FACEPLATE_TEST_MT_people(bpy.types.Menu):  # noqa: N801
    """The panel's menu of people, where the mouse is."""

    bl_label = "People"

    def draw(self, context: bpy.types.Context | None) -> None:
        layout: Any = self.layout
        layout.operator_menu_enum("faceplate.assign", "identity").face = FACE


def story() -> Story:
    yield from open_clip(WORK / "plate")
    yield lambda: module("connection").engine.state == "connected"
    prepare()
    yield from assigned()
    yield from finished("found", ops.faceplate.find_faces)
    yield from tracked()
    yield from meshed()
    yield from delivered()
    yield from held_out()
    yield from composited()
    yield from followed()
    yield from rendered()


def clip() -> Any:
    return area_of("CLIP_EDITOR").spaces.active.clip


def prepare() -> None:
    """The scene is as large as the plate, and it is watched which thread asks the engine."""
    contact = module("wire.contact").Contact
    ask = contact.ask
    told["asked_elsewhere"], told["rendered_elsewhere"] = 0, 0

    def asked(self: Any, *arguments: Any) -> None:
        told["asked_elsewhere"] += threading.current_thread() is not main
        ask(self, *arguments)

    def wrote(*_: Any) -> None:
        told["rendered_elsewhere"] += threading.current_thread() is not main

    contact.ask = asked
    bpy.app.handlers.render_write.append(wrote)
    bpy.utils.register_class(FACEPLATE_TEST_MT_people)
    scene.active_clip = clip()
    scene.frame_end = clip().frame_duration
    scene.render.resolution_x, scene.render.resolution_y = clip().size
    scene.render.image_settings.file_format, scene.render.image_settings.color_depth = "OPEN_EXR", "32"
    scene.sequencer_colorspace_settings.name = LINEAR


def clicked(name: str, operator: Any, **options: Any) -> Story:
    """Press an operator's button, wait until the engine has answered it, and note how long calls took."""
    stalls.clear()
    with within(area_of("CLIP_EDITOR"), "UI"):
        operator("INVOKE_DEFAULT", **options)
    yield lambda: not module("connection").engine.busy
    # What was put off is done by now, too.
    yield 0.3
    told.setdefault("stalls", {}).setdefault(name, []).append(dict(stalls))


def finished(name: str, operator: Any, **options: Any) -> Story:
    """The same with a job, until that has ended."""
    yield from clicked(name, operator, **options)
    (work,) = module("jobs").latest
    told[name] = work.outcome


def assigned() -> Story:
    """By a folder as with the file browser, and then another by the menu, with keys."""
    with within(area_of("CLIP_EDITOR")):
        ops.faceplate.assign(directory=str(WORK / "grace"), face=FACE)
    yield lambda: module("people").known_people(clip())
    stalls.clear()
    with within(area_of("CLIP_EDITOR")):
        ops.wm.call_menu(name="FACEPLATE_TEST_MT_people")
    yield 0.3
    # Into the menu, and past Nobody and Grace.
    for key in ("DOWN_ARROW", "RIGHT_ARROW", "DOWN_ARROW", "DOWN_ARROW", "RET"):
        press(key)
        yield 0.2
    told["assigned"] = [(one.face, one.identity) for one in clip().faceplate.replace]
    told["stalls"] = {"assigned": [dict(stalls)]}


def tracked() -> Story:
    for _ in range(TIMES):
        yield from clicked("tracks", ops.faceplate.tracks, face=FACE)
    width, height = clip().size
    told["tracks"] = {
        track.name: [(one.frame, one.co[0] * width, (1.0 - one.co[1]) * height, one.mute) for one in track.markers]
        for track in clip().tracking.objects[0].tracks
    }
    clip().faceplate.mask = bpy.data.masks[f"Faceplate {clip().name}"]


def meshed() -> Story:
    """Its points as the scene's camera sees them, in pixels of the clip, y down."""
    for _ in range(TIMES):
        yield from clicked("mesh", ops.faceplate.mesh, face=FACE)
    width, height = clip().size
    found: Any = bpy.data.objects[f"Faceplate {clip().name} {FACE}"]
    told["mesh"] = {}
    for frame in (scene.frame_start, scene.frame_end):
        with within(area_of("CLIP_EDITOR")):
            scene.frame_set(frame)
        evaluated: Any = found.evaluated_get(bpy.context.evaluated_depsgraph_get())
        surface = evaluated.to_mesh()
        points = (
            world_to_camera_view(scene, scene.camera, evaluated.matrix_world @ one.co) for one in surface.vertices
        )
        told["mesh"][frame] = [(one.x * width, (1.0 - one.y) * height) for one in points]
        evaluated.to_mesh_clear()


def delivered() -> Story:
    """A result arrives in all three places; for what is put there once more, it is renewed."""
    clip().faceplate.result_to = {"CLIP", "SEQUENCER", "COMPOSITOR"}
    for _ in range(TIMES):
        yield from finished("replaced", ops.faceplate.replace)
    made: Any = bpy.data.movieclips[f"Result {clip().name}"]
    (strip,) = scene.sequence_editor.sequences
    told["clip"] = made.filepath, made.frame_duration, module("frames").clip_number(made, 1), list(made.size)
    told["strip"] = strip.frame_final_start, strip.frame_final_end, [one.filename for one in strip.elements]
    told["nodes"] = sorted(node.label or node.bl_idname for node in scene.node_tree.nodes)
    told["result"] = clip().faceplate.result


def group() -> Any:
    return next(node for node in scene.node_tree.nodes if node.bl_idname == "CompositorNodeGroup")


def written(name: str, **options: Any) -> Story:
    """Render as F12 or Ctrl-F12 does, into a file of that name."""
    scene.render.filepath = str(WORK / name)
    with within(area_of("CLIP_EDITOR")):
        ops.render.render("INVOKE_DEFAULT", **options)
    yield lambda: not bpy.app.is_job_running("RENDER")
    yield 0.3


def composited() -> Story:
    """What the compositor and the sequencer make of the result."""
    scene.frame_set(scene.frame_start)
    scene.render.use_sequencer = False
    yield from written("composited.exr", write_still=True)
    scene.render.use_sequencer = True
    yield from written("cut.exr", write_still=True)
    scene.render.use_sequencer = False


def followed() -> Story:
    """The clip is played; the last frame is what is shown in the end."""
    with within(area_of("CLIP_EDITOR")):
        scene.frame_set(scene.frame_start)
    manager.faceplate_follow = True
    stalls.clear()
    with within(area_of("CLIP_EDITOR")):
        ops.screen.animation_play()
    yield 2.0
    with within(area_of("CLIP_EDITOR")):
        ops.screen.animation_cancel(restore_frame=False)
        ops.screen.frame_jump(end=True)
    yield lambda: not module("connection").engine.busy
    yield 0.3
    told["stalls"]["followed"] = [dict(stalls)]
    told["followed"] = module("preview").latest[0].frame
    manager.faceplate_follow = False
    image: Any = bpy.data.images[module("preview").image_name(clip())]
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    np.save(WORK / "followed.npy", pixels.reshape(image.size[1], image.size[0], 4)[::-1])


def rendered() -> Story:
    """Blender renders the plate in frames of its own, and has faces replaced in them."""
    group().inputs["Mix"].default_value = 0.0
    scene.faceplate_replace, scene.frame_end = True, 3
    before = module("jobs").latest[0]
    stalls.clear()
    yield from written("cg/cg.####", animation=True)
    yield lambda: module("jobs").latest[0] is not before and module("jobs").latest[0].outcome
    told["stalls"]["rendered"] = [dict(stalls)]
    told["rendered"] = module("jobs").latest[0].outcome
    scene.faceplate_replace, scene.frame_end = False, clip().frame_duration


def held_out() -> Story:
    """Given up while the mask is rendered, it leaves nothing behind; then the mask is rendered as a whole."""
    told["windows"] = [len(manager.windows)]
    bpy.app.handlers.render_pre.append(dawdle)
    with within(area_of("CLIP_EDITOR"), "UI"):
        ops.faceplate.holdout("INVOKE_DEFAULT")
    yield 0.3
    told["windows"].append(len(manager.windows))
    for x in STOPS:
        for kind, value in (("MOUSEMOVE", "NOTHING"), ("LEFTMOUSE", "PRESS"), ("LEFTMOUSE", "RELEASE")):
            window().event_simulate(type=kind, value=value, x=x, y=10)
        yield 0.05
    yield lambda: len(bpy.data.scenes) == 1
    folder = module("preferences").cache_folder() / "holdouts"
    told["given_up"] = clip().faceplate.matte.holdout, [path.name for path in folder.rglob("*.exr")]
    for _ in range(TIMES):
        clip().faceplate.matte.holdout = ""
        stalls.clear()
        with within(area_of("CLIP_EDITOR"), "UI"):
            ops.faceplate.holdout("INVOKE_DEFAULT")
        yield lambda: clip().faceplate.matte.holdout and len(bpy.data.scenes) == 1
        # What begins a render and what ends it is Blender's own work, and its step of undo.
        told["stalls"].setdefault("held_out", []).append({"poll": stalls["poll"]})
    bpy.app.handlers.render_pre.remove(dawdle)
    told["holdout"], told["masks"] = clip().faceplate.matte.holdout, len(bpy.data.masks)
    clip().faceplate.matte.holdout = ""


def dawdle(*_: Any) -> None:
    """So there is the time to stop it, and for Blender to draw while a frame is rendered, as with a large one."""
    time.sleep(0.1)


run(story)
