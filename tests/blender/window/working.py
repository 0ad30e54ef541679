"""A person at work: faces are found, cancelled and found again, looked at, replaced, and the engine dies meanwhile."""

import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import bpy

sys.path += [str(Path(__file__).parent), os.environ["FACEPLATE_TEST_LIBRARIES"]]

import numpy as np
from compatibility import module
from driver import Story, area_of, look, open_clip, press, region_of, run, stalls, told, within

WORK = Path(os.environ["FACEPLATE_TEST_WORK"])

ops: Any = bpy.ops
manager: Any = bpy.context.window_manager


def story() -> Story:
    yield from open_clip(WORK / "plate")
    yield lambda: module("connection").engine.state == "connected"
    area = area_of("CLIP_EDITOR")
    with within(area):
        ops.clip.view_all()
        ops.faceplate.assign(directory=str(WORK / "grace"))
    yield from found()
    yield from previewed()
    yield from drawn_over()
    yield from replaced()
    yield from killed()


def worked(name: str, operator: Any, **options: Any) -> Story:
    """Press an operator's button, and note what came of it, once it is over."""
    stalls.clear()
    with within(area_of("CLIP_EDITOR"), "UI"):
        begun = operator("INVOKE_DEFAULT", **options)
    (work,) = module("jobs").latest
    shown: list[float] = []
    note = told[name] = {"begun": list(begun), "shown": shown}

    def over() -> bool:
        if work.fraction not in shown:
            shown.append(work.fraction)
        return bool(work.outcome)

    yield over
    # The operator itself hears of it with its next tick.
    yield 0.3
    note |= {"outcome": work.outcome, "frames": len(work.paths), "stalls": dict(stalls)}
    note["code"] = work.failure.code if work.failure else ""


def found() -> Story:
    jobs = module("jobs")
    cancelled = worked("cancelled", ops.faceplate.find_faces)
    over: Any = next(cancelled)
    yield lambda: jobs.latest[0].done or over()
    press("ESC")
    yield over
    yield from cancelled
    told["again"] = not jobs.is_working()
    yield from worked("found", ops.faceplate.find_faces)
    yield lambda: module("people").faces_of(area_of("CLIP_EDITOR").spaces.active.clip)


def previewed() -> Story:
    with within(area_of("CLIP_EDITOR"), "UI"):
        ops.faceplate.preview("INVOKE_DEFAULT")
    yield lambda: module("preview").latest
    clip = area_of("CLIP_EDITOR").spaces.active.clip
    image: Any = bpy.data.images[module("preview").image_name(clip)]
    pixels = np.empty(image.size[0] * image.size[1] * 4, np.float32)
    image.pixels.foreach_get(pixels)
    told["preview"] = {"size": tuple(image.size), "mean": float(pixels.mean())}


def drawn_over() -> Story:
    """Where the overlay is in the picture, in three views of the clip."""
    told["overlay"] = []
    area = area_of("CLIP_EDITOR")
    yield from compared(area)
    with within(area):
        ops.clip.view_zoom_ratio(ratio=2.0)
        ops.clip.view_pan(offset=(30.0, -20.0))
    yield from compared(area)
    with within(area):
        # Unlike `frame_set`, it takes the editors along, as a person does.
        ops.screen.frame_offset(delta=23)
    yield from compared(area)


def compared(area: Any) -> Story:
    """Note the columns and rows that the mesh changes, and the matte, and where the clip is."""
    view = region_of(area).view2d
    without: list[Any] = []
    manager.faceplate_mesh = manager.faceplate_matte = False
    yield 0.3
    yield from look(area, without)
    changed = {}
    for name in ("faceplate_mesh", "faceplate_matte"):
        setattr(manager, name, True)
        yield 0.3
        yield lambda: not module("connection").engine.busy
        yield 0.3
        with_it: list[Any] = []
        yield from look(area, with_it)
        setattr(manager, name, False)
        differs = np.abs(with_it[0] - without[0]).max(2) > 0.02
        columns, rows = np.flatnonzero(differs.any(0)), np.flatnonzero(differs.any(1))
        changed[name] = [int(end) for ends in (columns, rows) for end in (ends[:1], ends[-1:])] if differs.any() else []
    corners = [view.view_to_region(*place, clip=False) for place in ((0.0, 0.0), (1.0, 1.0))]
    told["overlay"].append({"frame": bpy.context.scene.frame_current, "corners": corners, **changed})
    manager.faceplate_mesh = True


def replaced() -> Story:
    area = area_of("CLIP_EDITOR")
    stalls.clear()
    end = time.monotonic() + 2.0
    while time.monotonic() < end:
        area.tag_redraw()
        yield 0.02
    told["idle"] = dict(stalls)
    yield from worked("replaced", ops.faceplate.replace)
    told["result"] = area.spaces.active.clip.faceplate.result


def killed() -> Story:
    """The engine is killed in the middle; what was done stays, and an engine is there again."""
    engine = module("connection").engine
    pids: list[int] = []

    def ask() -> None:
        engine.ask(module("wire.messages").Status(), lambda reply: pids.append(reply.pid))

    ask()
    yield lambda: pids
    failed = worked("failed", ops.faceplate.replace, redo=True)
    over: Any = next(failed)
    yield lambda: module("jobs").latest[0].paths or over()
    os.kill(pids[0], signal.SIGKILL)
    stalls.clear()
    yield lambda: engine.state == "lost" and "panel" in stalls
    told["lost"] = engine.error.code
    yield lambda: engine.state == "connected"
    ask()
    yield lambda: len(pids) > 1
    told["another"] = pids[0] != pids[1]
    yield over
    yield from failed
    yield from worked("finished", ops.faceplate.replace)


run(story)
