"""The clip under the playhead: what of it is replaced, where its file is, and why it cannot be done."""

import re
from typing import Any, NamedTuple

from engine.wire.sequence import Files

from .api import call, is_rate, number, prop, same
from .tell import Refused

# What the engine reads.
EXR = (".exr", ".EXR")
_READ = (*EXR, ".dpx", ".DPX", ".tif", ".TIF", ".tiff", ".TIFF")
_RANGE = re.compile(r"(.*)\[(\d+)-(\d+)\](\.\w+)", re.DOTALL)
_NESTED = ("compound", "fusion", "multicam", "timeline", "generator", "adjustment", "stereo")
# What a Resolve is taken to do until Self-check has seen that version do otherwise.
LEARNED = {"version": "", "end_inclusive": False, "mark_out_inclusive": True, "take_end_inclusive": True}
LEARNED |= {"marks_from_zero": None, "slack": 0}


class Clip(NamedTuple):
    """What is replaced: `start` and `duration` on the timeline, in a clip of `whole` frames on a `track`, from 1.
    `source` is the media's frame, from 0, under `start`, and `frames` is how many the media has."""

    project: Any
    timeline: Any
    item: Any
    media: Any
    track: int
    start: int
    duration: int
    source: int
    frames: int
    rate: str
    whole: int


def opened(resolve: Any) -> tuple[Any, Any]:
    """The project and the timeline that are open. Raises Refused."""
    project = call(call(resolve, "GetProjectManager"), "GetCurrentProject")
    timeline = project and call(project, "GetCurrentTimeline")
    if not timeline:
        raise Refused("no-timeline")
    return project, timeline


def read(resolve: Any, learned: dict[str, Any]) -> Clip:
    """The clip under the playhead, or that part of it that is marked. Raises Refused."""
    project, timeline = opened(resolve)
    item = call(timeline, "GetCurrentVideoItem")
    if not item:
        raise Refused("no-clip")
    return of(project, timeline, item, learned)


def of(project: Any, timeline: Any, item: Any, learned: dict[str, Any]) -> Clip:
    """A clip of a timeline, as `read` gives it. Raises Refused."""
    media, rate = call(item, "GetMediaPoolItem"), prop(timeline, "timelineFrameRate", "GetSetting")
    if not media:
        raise Refused("no-media")
    kind, own, frames = prop(media, "Type"), prop(media, "FPS"), int(number(prop(media, "Frames")))
    if any(word in kind.lower() for word in _NESTED) or not prop(media, "File Path"):
        raise Refused("nested", kind=kind or "unknown")
    if not is_rate(own, rate):
        raise Refused("mixed-rate", own=own or "an unknown number of", rate=rate)
    places = ("GetStart", "GetDuration", "GetLeftOffset", "GetRightOffset")
    start, duration, left, right = (int(call(item, name)) for name in places)
    # The source's first frame is off by one at times.
    ends = ("GetSourceStartFrame", "GetSourceEndFrame")
    backwards = ends[1] in dir(item) and call(item, ends[0]) - call(item, ends[1]) > 1
    if left + duration + right + learned["slack"] != frames or backwards:
        raise Refused("retimed")
    first, end = _marked(timeline, start, start + duration, learned["marks_from_zero"])
    source, track = left + first - start, _track(timeline, item)
    return Clip(project, timeline, item, media, track, first, end - first, source, frames, rate, duration)


def files_of(media: Any) -> Files | None:
    """A clip's own image sequence, if it is one that the engine reads."""
    found = _RANGE.fullmatch(prop(media, "File Path"))
    if not found or not found[4].endswith(_READ):
        return None
    return Files(found[1], len(found[2]), found[4], int(found[2]), int(found[3]))


def plate_of(clip: Clip, files: Files, handles: int) -> dict[str, Any]:
    """A recipe's plate of the clip's own files, with so many frames on both sides. Raises Refused if one is missing."""
    first = files.first + max(clip.source - handles, 0)
    last = files.first + min(clip.source + clip.duration + handles, clip.frames) - 1
    for path in map(files.path, range(first, last + 1)):
        if not path.is_file():
            raise Refused("no-file", path=path)
    return {"path": files.printf, "frames": f"{first}-{last}"}


def _marked(timeline: Any, start: int, end: int, from_zero: bool | None) -> tuple[int, int]:
    """The part of the clip, from its first frame to the one after its last, that lies in the marked range, if any."""
    marks = call(timeline, "GetMarkInOut").get("video", {}) if "GetMarkInOut" in dir(timeline) else {}
    zero = int(call(timeline, "GetStartFrame"))
    # Marks count from the timeline's beginning, or as clips do. Where nobody has found out, small ones are the former.
    zero = zero if (max(marks.values(), default=0) < zero if from_zero is None else from_zero) else 0
    first, last = max(start, zero + marks.get("in", 0)), min(end - 1, zero + marks.get("out", end))
    return (first, last + 1) if first <= last else (start, end)


def _track(timeline: Any, item: Any) -> int:
    for track in range(1, int(call(timeline, "GetTrackCount", "video")) + 1):
        if any(same(one, item) for one in call(timeline, "GetItemListInTrack", "video", track) or []):
            return track
    raise Refused("no-track")
