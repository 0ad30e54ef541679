"""What goes wrong is shown with its remedy, and nothing that was done is lost."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import bpy
import pytest
from conftest import ops


def until(engine: Any, done: Callable[[], bool], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < end, (engine.state, engine.error)
        engine.poll()
        time.sleep(0.005)


def engine_pid(engine: Any) -> int:
    from bl_ext.user_default.faceplate_blender.wire.messages import (  # pyright: ignore[reportMissingImports]
        Status,
    )

    told: list[Any] = []
    engine.ask(Status(), told.append)
    until(engine, lambda: bool(told))
    return told[0].pid


def result_of(work: Path) -> list[str]:
    return sorted(path.name for path in (work / "plate/faceplate").glob("*.exr"))


def test_a_command_that_is_not_there(addon: Any, engine: Any) -> None:
    chosen = addon("preferences").preferences()
    chosen.command = "/nowhere/faceplate"
    with pytest.raises(RuntimeError, match=r"There is no command /nowhere/faceplate\. Correct it in the preferences"):
        ops.faceplate.connect()
    assert engine.state == "none" and engine.error.code == "command-missing"
    chosen.command = ""


def test_an_engine_that_is_not_to_be_started(addon: Any, engine: Any) -> None:
    chosen = addon("preferences").preferences()
    chosen.start = False
    ops.faceplate.refresh()
    engine.want()
    engine.poll()
    assert engine.state == "none" and engine.error.code == "engine-missing" and engine.error.remedy
    chosen.start = True


def test_an_error_of_the_engine_is_the_operator_s(engine: Any, clip: Any, work: Path) -> None:
    consent = (work / "grace/consent.toml").read_text()
    (work / "grace/consent.toml").unlink()
    for operator in (ops.faceplate.preview, ops.faceplate.replace):
        with pytest.raises(RuntimeError, match=r"There is no consent record .* Make the record with"):
            operator()
        assert engine.error.code == "consent" and engine.state == "connected"
    (work / "grace/consent.toml").write_text(consent)
    ops.faceplate.refresh()
    assert engine.error is None


def test_a_cancelled_job_leaves_whole_frames(addon: Any, engine: Any, clip: Any, work: Path) -> None:
    jobs, result = addon("jobs"), addon("result")
    uid = clip.session_uid
    running = jobs.begin(jobs.swap(clip, "", False, lambda work: result.arrived(uid, work)))
    assert not ops.faceplate.replace.poll() and ops.faceplate.cancel.poll()
    until(engine, lambda: bool(running.paths))
    assert ops.faceplate.cancel() == {"FINISHED"}
    until(engine, lambda: bool(running.outcome))
    done = result_of(work)
    assert running.outcome == "cancelled" and 1 <= len(done) == len(running.paths)
    assert engine.error is None and clip.faceplate.result == str(work / "plate/faceplate" / done[0])
    assert ops.faceplate.replace() == {"FINISHED"} and len(result_of(work)) == 3


def test_an_engine_that_is_killed_is_lost_and_found_again(addon: Any, engine: Any, clip: Any, work: Path) -> None:
    jobs = addon("jobs")
    pid = engine_pid(engine)
    running = jobs.begin(jobs.swap(clip, "", True, lambda work: None))
    until(engine, lambda: bool(running.total))
    os.kill(pid, signal.SIGKILL)
    until(engine, lambda: bool(running.outcome))
    assert running.outcome == "failed" and running.failure.code == "engine-gone"
    assert engine.state == "lost" and engine.error.code == "engine-gone"
    until(engine, lambda: engine.state == "connected")
    assert engine.error is None and engine_pid(engine) != pid
    assert ops.faceplate.replace() == {"FINISHED"} and len(result_of(work)) == 3


def test_a_clip_that_is_removed_meanwhile(addon: Any, engine: Any, work: Path) -> None:
    clip = bpy.data.movieclips.load(str(work / "plate/sh.1001.exr"))
    bpy.context.scene.active_clip = clip
    ops.faceplate.assign(directory=str(work / "grace"))
    over = addon("preview").show(clip, 1)
    bpy.data.movieclips.remove(clip)
    until(engine, over)
    assert not ops.faceplate.find_faces.poll() and not ops.faceplate.preview.poll()
    assert addon("preview").latest[0].faces == 1
