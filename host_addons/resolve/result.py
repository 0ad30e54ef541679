"""What comes back: imported into the bin Faceplate, put on the timeline, and marked; or nothing of it."""

import json
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from engine.wire.sequence import Files

from . import clip as clips
from . import color
from .api import call, is_rate, keep_place, number, prop, same, undo
from .clip import Clip
from .tell import Refused

BIN = "Faceplate"
_COLOR = "Sky"
_WHERE = ("GetStart", "GetDuration", "GetLeftOffset")


def put(resolve: Any, clip: Clip, files: Files, job: dict[str, Any], learned: dict[str, Any], as_take: bool) -> None:
    """Import the frames, and put them over the clip, as `job` says: `left` of them come before its first, and `space`
    is their Input Color Space. On any failure, or if it has moved, all that was made is taken back. Raises Refused."""
    now = call(clip.project, "GetCurrentTimeline")
    if not same(now, clip.timeline) or clips.of(clip.project, now, clip.item, learned)[4:8] != clip[4:8]:
        raise Refused("moved")
    pool, inclusive = call(clip.project, "GetMediaPool"), learned["take_end_inclusive" if as_take else "end_inclusive"]
    with ExitStack() as made, ExitStack() as place:
        keep_place(resolve, pool, place)
        _open_bin(pool, made)
        media = imported(pool, files, made)
        _describe(clip, media, job["space"])
        _mark(_placed(pool, clip, media, job["left"], made, inclusive, as_take), job, made)
        made.pop_all()


def replace(clip: Clip, files: Files, job: dict[str, Any]) -> None:
    """Have a result show other frames of the same range; the old ones again where that fails. Raises Refused."""
    was = clips.files_of(clip.media)
    with ExitStack() as made:
        if was:
            made.callback(_show, clip, was, job["space"])
        _show(clip, files, job["space"])
        _mark(clip.item, job, made)
        made.pop_all()


def job_of(item: Any) -> dict[str, Any]:
    """The job that made a clip of the timeline, as its marker has it; empty where it is no result."""
    try:
        return json.loads(next(iter(_jobs(item).values()), "{}")).get("faceplate", {})
    except ValueError:
        return {}


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


def _show(clip: Clip, files: Files, space: str) -> None:
    for form in files.spellings:
        if clips.files_of(clip.media) != files:
            call(clip.media, "ReplaceClip", form)
    if clips.files_of(clip.media) != files:
        raise Refused("not-replaced")
    _describe(clip, clip.media, space)


def _describe(clip: Clip, media: Any, space: str) -> None:
    """Say of frames how many there are a second, and what their numbers mean. Raises Refused."""
    wanted = {"FPS": lambda: is_rate(prop(media, "FPS"), clip.rate)}
    wanted[color.INPUT] = lambda: not space or color.name_of(clip.project, media) == space
    for (key, is_so), value in zip(wanted.items(), (clip.rate.split()[0], space), strict=True):
        if not is_so():
            call(media, "SetClipProperty", key, value)
            if not is_so():
                raise Refused("not-set", what=key, value=value)


def _open_bin(pool: Any, made: ExitStack) -> None:
    """Make the bin the current one, and make it where it is missing. Raises Refused."""
    root = call(pool, "GetRootFolder")
    folder = _bin(root)
    if not folder:
        call(pool, "AddSubFolder", root, BIN)
        folder = _bin(root)
        made.callback(lambda: folder and undo(pool, "DeleteFolders", [folder]))
    if not (folder and call(pool, "SetCurrentFolder", folder) and same(call(pool, "GetCurrentFolder"), folder)):
        raise Refused("resolve-refused", call="SetCurrentFolder")


def _bin(root: Any) -> Any:
    return next((one for one in call(root, "GetSubFolderList") or [] if call(one, "GetName") == BIN), None)


def _placed(pool: Any, clip: Clip, media: Any, left: int, made: ExitStack, inclusive: bool, as_take: bool) -> Any:
    """The clip of the timeline that the frames become, looked at again. Raises Refused."""
    track = 0 if as_take else _new_track(clip.timeline, made)
    # Whether the end that is named is used too is not documented: the timeline says it.
    for last in (inclusive, not inclusive):
        with ExitStack() as back:
            ends = left, left + clip.duration - last
            item = _take(clip, media, ends, back) if as_take else _append(pool, clip, media, ends, track, back)
            found = item and (*(int(call(item, name)) for name in _WHERE), same(call(item, "GetMediaPoolItem"), media))
            if found == (clip.start, clip.duration, left, True):
                made.push(back.pop_all())
                return item
    raise Refused("not-placed")


def _new_track(timeline: Any, made: ExitStack) -> int:
    """One on top: on another one an earlier clip would win."""
    track = int(call(timeline, "GetTrackCount", "video")) + 1
    call(timeline, "AddTrack", "video")
    if call(timeline, "GetTrackCount", "video") != track:
        raise Refused("resolve-refused", call="AddTrack")
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
    takes, selected = call(clip.item, "GetTakesCount"), call(clip.item, "GetSelectedTakeIndex")
    call(clip.item, "AddTake", media, *ends)
    # The first take that is added makes one of the clip itself too.
    if call(clip.item, "GetTakesCount") != max(takes, 1) + 1:
        return None
    if not takes:
        back.callback(undo, clip.item, "FinalizeTake")
    back.callback(undo, clip.item, "DeleteTakeByIndex", max(takes, 1) + 1)
    back.callback(undo, clip.item, "SelectTakeByIndex", selected or 1)
    call(clip.item, "SelectTakeByIndex", max(takes, 1) + 1)
    return clip.item


def _mark(item: Any, job: dict[str, Any], made: ExitStack) -> None:
    """Keep the job with the clip, in the marker that is there. Raises Refused."""
    data = json.dumps({"faceplate": job}, separators=(",", ":"))
    for at, was in _jobs(item).items():
        made.callback(undo, item, "UpdateMarkerCustomData", at, was)
        call(item, "UpdateMarkerCustomData", at, data)
    if not _jobs(item):
        taken = call(item, "GetMarkers") or {}
        at = next(frame for frame in range(job["left"], job["left"] + len(taken) + 1) if frame not in taken)
        made.callback(undo, item, "DeleteMarkerByCustomData", data)
        call(item, "AddMarker", at, _COLOR, BIN, f"Job {Path(job['folder']).name}", 1, data)
    if job_of(item) != job:
        raise Refused("no-marker")


def _jobs(item: Any) -> dict[float, str]:
    data = {at: str(one.get("customData")) for at, one in (call(item, "GetMarkers") or {}).items()}
    return {at: one for at, one in data.items() if one.startswith('{"faceplate":')}
