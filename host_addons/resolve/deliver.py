"""Renders the picture of a clip through Resolve's own render queue, and leaves the queue's settings as they were."""

import time
import uuid
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from engine.wire.sequence import Files, files_of

from . import color
from .api import call, keep_place, must, number, prop, set_to, undo
from .clip import Clip
from .tell import Refused

# Seconds without progress after which a render is given up, and between two looks at it.
PATIENCE, PAUSE = 600.0, 0.5


def render(resolve: Any, clip: Clip, meant: color.Color, folder: Path, learned: dict[str, Any]) -> Files:
    """Render what the clip shows, graded, as half-float EXR into a folder below `folder`. Raises Refused."""
    with ExitStack() as back:
        prepare(resolve, clip, meant, back)
        # Whether MarkOut is rendered too is not documented: the frames on disk say it.
        for beyond in (0, 1) if learned["mark_out_inclusive"] else (1, 0):
            place = folder / f"plate{beyond or ''}"
            files = rendered(clip.project, clip.start, clip.start + clip.duration - 1 + beyond, place)
            if files.length == clip.duration:
                return files
    raise Refused("render-range", first=clip.start, last=clip.start + clip.duration - 1)


def prepare(resolve: Any, clip: Clip, meant: color.Color, back: ExitStack) -> None:
    """Set Resolve to render the clip alone, in a colour space, until `back` ends. Raises Refused."""
    project, timeline = clip.project, clip.timeline
    keep_place(resolve, call(project, "GetMediaPool"), back)
    # What is set for rendering is kept as a preset of its own: not all of it can be read.
    was, preset = call(project, "GetCurrentRenderFormatAndCodec"), f"Faceplate {uuid.uuid4().hex[:8]}"
    back.callback(undo, project, "DeleteRenderPreset", preset)
    must(project, "SaveAsNewRenderPreset", preset)
    if preset not in str(call(project, "GetRenderPresetList")):
        raise Refused("resolve-refused", call="SaveAsNewRenderPreset")
    back.callback(undo, project, "SetCurrentRenderFormatAndCodec", was["format"], was["codec"])
    back.callback(undo, project, "LoadRenderPreset", preset)
    # A result from before may lie over the clip.
    for track in range(1, int(call(timeline, "GetTrackCount", "video")) + 1):
        set_to(back, timeline, "GetIsTrackEnabled", "SetTrackEnable", ("video", track), track == clip.track)
    if meant.output:
        key = "colorAcesODT" if color.management(project) == "aces" else "colorSpaceOutput"
        set_to(back, project, "GetSetting", "SetSetting", (key,), meant.output)
    must(project, "SetCurrentRenderFormatAndCodec", *exr_codec(project))
    set_to(back, project, "GetCurrentRenderMode", "SetCurrentRenderMode", (), 1)


def exr_codec(project: Any) -> tuple[str, str]:
    """What this Resolve calls OpenEXR, and half floats, compressed without loss if at all. Raises Refused."""
    for names in (call(project, "GetRenderFormats") or {}).items():
        # Formats go by their name, or by their ending.
        for form in names if "exr" in str(names).lower() else ():
            codecs = (call(project, "GetRenderCodecs", form) or {}).items()
            half = [codec for label, codec in codecs if "half" in f"{label} {codec}".lower()]
            if half:
                return form, min(half, key=lambda codec: ("DWA" in codec or "B44" in codec, len(codec)))
    raise Refused("no-exr")


def rendered(project: Any, first: int, mark_out: int, folder: Path) -> Files:
    """What comes of rendering from one frame of the timeline to a mark, in its size, into a folder. Raises Refused."""
    folder.mkdir(parents=True)
    settings = {"SelectAllFrames": False, "MarkIn": first, "MarkOut": mark_out, "TargetDir": str(folder)}
    for key in ("Width", "Height"):
        settings[f"Format{key}"] = int(number(prop(project, f"timelineResolution{key}", "GetSetting")))
    must(project, "SetRenderSettings", settings | {"CustomName": "plate_", "ExportVideo": True, "ExportAudio": False})
    job = str(must(project, "AddRenderJob"))
    try:
        must(project, "StartRendering", [job])
        _wait(project, job)
    except BaseException:
        undo(project, "StopRendering")
        raise
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
            raise Refused("render-silent", done=done, seconds=PATIENCE)
        time.sleep(PAUSE)
