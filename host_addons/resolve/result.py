"""What comes back: imported into the bin Faceplate, put on the timeline, and marked; or nothing of it."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from engine.wire.sequence import Files

from . import clip as clips
from . import color
from .api import call, is_rate, must, number, place_kept, prop, same, set_to, undo, whole
from .clip import Clip
from .refusals import Refused

BIN = "Faceplate"
_COLOR = "Sky"
_WHERE = ("GetStart", "GetDuration", "GetLeftOffset")


def put(resolve: Any, clip: Clip, files: Files, job: dict[str, Any], learned: dict[str, Any], as_take: bool) -> None:
    """Import the frames, and put them over the clip, as `job` says: `left` of them come before its first, and `space`
    is their Input Color Space. On any failure all that was made is taken back. Raises Refused."""
    pool, inclusive = call(clip.project, "GetMediaPool"), learned["take_end_inclusive" if as_take else "end_inclusive"]
    with ExitStack() as made, place_kept(resolve, pool):
        must(pool, "SetCurrentFolder", _bin(pool, made))
        media = imported(pool, files, made)
        _describe(media, clip.rate, job["space"], made)
        _mark(_placed(pool, clip, media, job["left"], made, inclusive, as_take), job, made)
        made.pop_all()


def job_of(item: Any) -> dict[str, Any]:
    """The job that made a clip of the timeline, as its marker has it; empty where it is no result."""
    markers = filter(_is_job, (call(item, "GetMarkers") or {}).values())
    return next((json.loads(marker["customData"])["faceplate"] for marker in markers), {})


def replace(clip: Clip, files: Files, job: dict[str, Any]) -> None:
    """Have a result show other frames of the same range; the old ones again where that fails. Raises Refused."""
    was = clips.files_of(clip.media)
    with ExitStack() as made:
        made.callback(lambda: was and any(_show(clip, was, form) for form in forms(was)))
        if not any(_show(clip, files, form) for form in forms(files)):
            raise Refused("not-replaced")
        _describe(clip.media, clip.rate, job["space"], made)
        _mark(clip.item, job, made)
        made.pop_all()


def forms(files: Files) -> list[str]:
    """How a sequence may be named to ReplaceClip, which is not documented."""
    first, last = f"{files.first:0{files.digits}d}", f"{files.last:0{files.digits}d}"
    return [str(files.path(files.first)), files.printf, f"{files.head}[{first}-{last}]{files.tail}"]


def _show(clip: Clip, files: Files, form: str) -> bool:
    """Whether the clip shows these frames, if need be by having them named in this form."""
    if clips.files_of(clip.media) != files:
        call(clip.media, "ReplaceClip", form)
    return clips.files_of(clip.media) == files


def imported(pool: Any, files: Files, made: ExitStack) -> Any:
    """A sequence in the current bin, until `made` is undone. Raises Refused."""
    folder = call(pool, "GetCurrentFolder")
    before = {call(one, "GetUniqueId") for one in call(folder, "GetClipList") or []}
    call(pool, "ImportMedia", [{"FilePath": files.printf, "StartIndex": files.first, "EndIndex": files.last}])
    new = [one for one in call(folder, "GetClipList") or [] if call(one, "GetUniqueId") not in before]
    if new:
        made.callback(undo, pool, "DeleteClips", new)
    if len(new) != 1 or int(number(prop(new[0], "Frames"))) != files.length:
        raise Refused("import-failed", files=files.printf)
    return new[0]


def _describe(media: Any, rate: str, space: str, made: ExitStack) -> None:
    """Say of frames how many there are a second, and what their numbers mean. Raises Refused."""
    if not is_rate(prop(media, "FPS"), rate):
        set_to(made, media, "GetClipProperty", "SetClipProperty", ("FPS",), rate.split()[0])
    if space:
        set_to(made, media, "GetClipProperty", "SetClipProperty", (color.INPUT,), space)


def _bin(pool: Any, made: ExitStack) -> Any:
    root = call(pool, "GetRootFolder")
    for folder in call(root, "GetSubFolderList") or []:
        if call(folder, "GetName") == BIN:
            return folder
    folder = must(pool, "AddSubFolder", root, BIN)
    made.callback(undo, pool, "DeleteFolders", [folder])
    return folder


def _placed(pool: Any, clip: Clip, media: Any, left: int, made: ExitStack, inclusive: bool, as_take: bool) -> Any:
    """The clip of the timeline that the frames become, looked at again. Raises Refused."""
    track = 0 if as_take else _new_track(clip.timeline, made)
    # Whether the end that is named is used too is not documented: the timeline says it.
    for last in (inclusive, not inclusive):
        with ExitStack() as back:
            ends = left, left + clip.duration - last
            item = _take(clip, media, ends, back) if as_take else _append(pool, clip, media, ends, track, back)
            found = item and (*whole(item, *_WHERE), same(call(item, "GetMediaPoolItem"), media))
            if found == (clip.start, clip.duration, left, True):
                made.push(back.pop_all())
                return item
    raise Refused("not-placed")


def _new_track(timeline: Any, made: ExitStack) -> int:
    """One on top: on another one an earlier clip would win."""
    track = int(call(timeline, "GetTrackCount", "video")) + 1
    must(timeline, "AddTrack", "video")
    made.callback(undo, timeline, "DeleteTrack", "video", track)
    call(timeline, "SetTrackName", "video", track, BIN)
    return track


def _append(pool: Any, clip: Clip, media: Any, ends: tuple[int, int], track: int, back: ExitStack) -> Any:
    info = {"mediaPoolItem": media, "startFrame": ends[0], "endFrame": ends[1], "mediaType": 1}
    call(pool, "AppendToTimeline", [info | {"trackIndex": track, "recordFrame": clip.start}])
    items = call(clip.timeline, "GetItemListInTrack", "video", track) or []
    if items:
        back.callback(undo, clip.timeline, "DeleteClips", items, False)
    return items[0] if len(items) == 1 else None


def _take(clip: Clip, media: Any, ends: tuple[int, int], back: ExitStack) -> Any:
    selected = int(call(clip.item, "GetSelectedTakeIndex") or 1)
    must(clip.item, "AddTake", media, *ends)
    take = int(call(clip.item, "GetTakesCount"))
    back.callback(undo, clip.item, "DeleteTakeByIndex", take)
    back.callback(undo, clip.item, "SelectTakeByIndex", selected)
    must(clip.item, "SelectTakeByIndex", take)
    return clip.item


def _mark(item: Any, job: dict[str, Any], made: ExitStack) -> None:
    """Keep the job with the clip, in the marker that is there. Raises Refused."""
    data = json.dumps({"faceplate": job}, separators=(",", ":"))
    there = {at: one["customData"] for at, one in (call(item, "GetMarkers") or {}).items() if _is_job(one)}
    for at, was in there.items():
        made.callback(undo, item, "UpdateMarkerCustomData", at, was)
        call(item, "UpdateMarkerCustomData", at, data)
    if not there:
        made.callback(undo, item, "DeleteMarkerByCustomData", data)
        call(item, "AddMarker", job["left"], _COLOR, BIN, f"Job {Path(job['folder']).name}", 1, data)
    if job_of(item) != job:
        raise Refused("no-marker")


def _is_job(marker: dict[str, Any]) -> bool:
    return str(marker.get("customData")).startswith('{"faceplate":')
