"""Nothing keeps Blender's main thread for longer than 5 ms while the engine works."""

import shutil
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import bpy
import numpy as np
from conftest import SIDE, ops

MOST = 0.005
TIMES = 5


class Watch:
    """How long calls took, as time of this thread: what other processes take of two cores is not the extension's."""

    def __init__(self) -> None:
        self.took: list[tuple[float, str]] = []

    def __call__(self, name: str, call: Callable[[], Any]) -> Any:
        began = time.thread_time()
        try:
            return call()
        finally:
            self.took.append((time.thread_time() - began, name))


def test_while_a_job_runs(addon: Any, engine: Any, clip: Any) -> None:
    ops.faceplate.connect()
    ops.faceplate.preview()
    jobs, preview, watch = addon("jobs"), addon("preview"), Watch()
    job = watch("begin", lambda: jobs.begin(jobs.swap(clip, "", True, lambda work: None)))
    calls = 0
    while not job.outcome:
        watch("poll", engine.poll)
        calls += 1
        if calls % 50 == 0:
            watch("follow", lambda at=1 + calls // 50 % 3: preview.show(clip, at, scrub="playhead"))
            watch("recipe", lambda: addon("settings").plain_shot(clip))
        time.sleep(0.001)
    assert calls > 100 and max(watch.took)[0] < MOST, sorted(watch.took)[-5:]


def test_what_a_click_begins(addon: Any, engine: Any, clip: Any, work: Path) -> None:
    """The best of several times: what is first done, and what else these cores do, is not what it takes."""
    ops.faceplate.find_faces()
    begins = {
        "tracks": lambda: addon("handover").tracks(clip, "largest"),
        "mesh": lambda: addon("handover").mesh(clip, "largest"),
        "preview": lambda: addon("preview").show(clip, 1),
        "assign": lambda: addon("people").assign(clip, "largest", str(work / "grace")),
        "replace": lambda: addon("jobs").begin(addon("jobs").swap(clip, "1001", True, lambda one: None)),
        "render": lambda: addon("render")._replace(clip, [work / "plate/sh.1001.exr"]),
    }
    for name, begin in begins.items():
        watch = Watch()
        for _ in range(TIMES):
            watch(name, begin)
            engine.wait(lambda: not engine.busy and not addon("jobs").is_working())
        assert engine.error is None and min(watch.took)[0] < MOST, watch.took


def test_a_result_of_two_hundred_frames_is_put_where_it_belongs(addon: Any, clip: Any, work: Path) -> None:
    """Each of its places on its own, once what it needs is there."""
    folder = work / "long"
    folder.mkdir()
    first = folder / "sh.1001.exr"
    shutil.copy(work / "plate/sh.1001.exr", first)
    for number in range(1002, 1201):
        (folder / f"sh.{number}.exr").hardlink_to(first)
    result = addon("result")
    places = {
        "clip": lambda: result._put_clip(first, clip),
        "strip": lambda: result._put_strip(first, range(1001, 1201), clip),
        "image": lambda: result._read_image("Result", first, clip),
    }
    for name, put in places.items():
        watch = Watch()
        for _ in range(TIMES):
            watch(name, put)
        assert min(watch.took)[0] < MOST, watch.took
    made: Any = bpy.data.movieclips[f"Result {clip.name}"]
    assert made.frame_duration == 200


def test_previews_follow_the_playhead_and_the_settings(addon: Any, engine: Any, clip: Any) -> None:
    manager, scene, preview = bpy.context.window_manager, bpy.context.scene, addon("preview")
    ops.faceplate.find_faces()
    manager.faceplate_follow = True
    image: Any = None

    def pixels() -> np.ndarray:
        engine.wait(lambda: not engine.busy)
        nonlocal image
        image = bpy.data.images[preview.image_name(clip)]
        found = np.zeros(SIDE * SIDE * 4, np.float32)
        image.pixels.foreach_get(found)
        return found

    seen = []
    for frame in (1, 2, 3):
        scene.frame_set(frame)
        seen.append(pixels())
        assert preview.latest[0].frame == 1000 + frame and preview.latest[0].solved == "shot"
    clip.faceplate.composite.opacity = 0.0
    seen.append(pixels())
    assert all(not np.array_equal(one, other) for one, other in pairwise(seen))
    assert ops.faceplate.preview(shows="plate") == {"FINISHED"}
    np.testing.assert_array_equal(pixels(), seen[-1])
    manager.faceplate_follow = False
    scene.frame_set(1)
    assert not engine.busy


def test_of_a_hundred_frames_the_last_is_shown(addon: Any, engine: Any, clip: Any) -> None:
    bpy.context.window_manager.faceplate_follow = True
    for index in range(100):
        bpy.context.scene.frame_set(1 + index % 3)
    engine.wait(lambda: not engine.busy)
    assert addon("preview").latest[0].frame == 1001 and engine.error is None
    bpy.context.window_manager.faceplate_follow = False


def test_the_matte_is_a_picture_too(addon: Any, clip: Any) -> None:
    assert ops.faceplate.preview(shows="matte") == {"FINISHED"}
    image = bpy.data.images[addon("preview").image_name(clip)]
    found = np.zeros((SIDE, SIDE, 4), np.float32)
    image.pixels.foreach_get(found.reshape(-1))
    assert 0.9 < found.max() <= 1.0 and np.array_equal(found[..., 0], found[..., 3])
