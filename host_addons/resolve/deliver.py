"""Renders the picture of a clip through Resolve's own render queue, and leaves the queue's settings as they were."""

import time
import uuid
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from engine.wire.sequence import Files, files_of

from . import color
from .api import call, must, place_kept, set_to, undo
from .clip import Clip
from .refusals import Refused

# Seconds without progress after which a render is given up, and between two looks at it.
PATIENCE, PAUSE = 600.0, 0.5


def render(resolve: Any, clip: Clip, folder: Path, learned: dict[str, Any]) -> Files:
    """Render what the clip shows, graded, as half-float EXR into a folder below `folder`. Raises Refused."""
    with prepared(resolve, clip):
        # Whether MarkOut is rendered too is not documented: the frames on disk say it.
        for beyond in (0, 1) if learned["mark_out_inclusive"] else (1, 0):
            place = folder / f"plate{beyond or ''}"
            files = rendered(clip.project, clip.start, clip.start + clip.duration - 1 + beyond, place)
            if files.length == clip.duration:
                return files
    raise Refused("render-range", first=clip.start, last=clip.start + clip.duration - 1)


@contextmanager
def prepared(resolve: Any, clip: Clip) -> Iterator[None]:
    """Resolve is set to render the clip alone, in the timeline's own colour space; as it was, afterwards."""
    project, timeline = clip.project, clip.timeline
    with place_kept(resolve, call(project, "GetMediaPool")), ExitStack() as back:
        _keep_settings(project, back)
        # A result from before may lie over the clip.
        for track in range(1, int(call(timeline, "GetTrackCount", "video")) + 1):
            set_to(back, timeline, "GetIsTrackEnabled", "SetTrackEnable", ("video", track), track == clip.track)
        space = color.of_render(project).resolve
        if space:
            key = "colorAcesODT" if color.is_aces(project) else "colorSpaceOutput"
            set_to(back, project, "GetSetting", "SetSetting", (key,), space)
        must(project, "SetCurrentRenderFormatAndCodec", *exr_codec(project))
        must(project, "SetCurrentRenderMode", 1)
        yield


def exr_codec(project: Any) -> tuple[str, str]:
    """What this Resolve calls OpenEXR and half floats, compressed without loss if at all. Raises Refused."""
    formats = call(project, "GetRenderFormats") or {}
    exr = next((name for name, ending in formats.items() if "exr" in (name.lower(), str(ending).lower())), "")
    codecs = (call(project, "GetRenderCodecs", exr) or {}) if exr else {}
    half = [codec for label, codec in codecs.items() if "half" in f"{label} {codec}".lower()]
    if not half:
        raise Refused("no-exr")
    return exr, min(half, key=lambda codec: (any(word in codec.lower() for word in ("dwa", "b44")), len(codec)))


def rendered(project: Any, first: int, mark_out: int, folder: Path) -> Files:
    """What comes of rendering from one frame of the timeline to a mark, into a new folder. Raises Refused."""
    folder.mkdir(parents=True)
    settings = {"SelectAllFrames": False, "MarkIn": first, "MarkOut": mark_out, "TargetDir": str(folder)}
    must(project, "SetRenderSettings", settings | {"CustomName": "plate_", "ExportVideo": True, "ExportAudio": False})
    job = must(project, "AddRenderJob")
    try:
        must(project, "StartRendering", [job])
        _wait(project, job)
    finally:
        undo(project, "DeleteRenderJob", job)
    files = files_of(folder.glob("*.exr"))
    if files is None:
        raise Refused("render-range", first=first, last=mark_out)
    return files


def _wait(project: Any, job: str) -> None:
    seen, since = -1.0, time.monotonic()
    while True:
        status = call(project, "GetRenderJobStatus", job) or {}
        if status.get("JobStatus") == "Complete":
            return
        if status.get("JobStatus") in ("Failed", "Cancelled"):
            raise Refused("render-failed", why=status.get("Error") or status["JobStatus"])
        done = float(status.get("CompletionPercentage") or 0)
        if done != seen:
            seen, since = done, time.monotonic()
        elif time.monotonic() - since > PATIENCE:
            call(project, "StopRendering")
            raise Refused("render-silent", done=done, seconds=PATIENCE)
        time.sleep(PAUSE)


def _keep_settings(project: Any, back: ExitStack) -> None:
    """Keep what is set for rendering as a preset of its own: not all of it can be read."""
    was, mode = call(project, "GetCurrentRenderFormatAndCodec") or {}, call(project, "GetCurrentRenderMode")
    preset = f"Faceplate {uuid.uuid4().hex[:8]}"
    must(project, "SaveAsNewRenderPreset", preset)

    def restore() -> None:
        undo(project, "LoadRenderPreset", preset)
        if was and call(project, "GetCurrentRenderFormatAndCodec") != was:
            undo(project, "SetCurrentRenderFormatAndCodec", was.get("format"), was.get("codec"))
        if call(project, "GetCurrentRenderMode") != mode:
            undo(project, "SetCurrentRenderMode", mode)
        undo(project, "DeleteRenderPreset", preset)

    back.callback(restore)
