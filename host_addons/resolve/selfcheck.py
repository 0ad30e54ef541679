"""What this Resolve really does where its documentation says nothing: tried out, written down, and cleaned up.

In a bin and a timeline of its own, with frames of its own, which are gone afterwards.
"""

import platform
import shutil
import sys
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from engine.wire.folders import keep, log_folder
from engine.wire.sequence import Files

from . import clip as clips
from . import color, deliver, memory
from .api import call, must, place_kept, prop, setting, undo
from .refusals import Refused
from .result import forms, imported
from .tell import log

# A grey frame, made with the scripts.
FRAME = Path(__file__).with_name("grey.exr")
_NAME, _COUNT, _DATA = "Faceplate Self-check", 8, "x" * 8192
_PROPERTIES = ("Type", "File Path", "FPS", "Frames", "Start", "End", "Start TC", color.INPUT, "Input Gamma")
_OFFSETS = ("GetStart", "GetEnd", "GetDuration", "GetLeftOffset", "GetRightOffset")
_SOURCE = ("GetSourceStartFrame", "GetSourceEndFrame")
_SETTINGS = ("colorScienceMode", "separateColorSpaceAndGamma", "colorAcesIDT", "colorAcesODT", "timelineFrameRate")
_SPACES = ("colorSpaceInput", "colorSpaceTimeline", "colorSpaceOutput")


def check(resolve: Any, version: str) -> Path:
    """Find out what there is to know; the file that it is written to. Raises Refused where no timeline is open."""
    project = call(call(resolve, "GetProjectManager"), "GetCurrentProject")
    timeline = project and call(project, "GetCurrentTimeline")
    if not timeline:
        raise Refused("no-timeline")
    item, pool = call(timeline, "GetCurrentVideoItem"), call(project, "GetMediaPool")
    things = (resolve, project, pool, call(pool, "GetRootFolder"), timeline, item)
    report: dict[str, Any] = {"version": version, "python": sys.version, "system": platform.platform()}
    report["calls"] = [sorted(dir(thing)) for thing in things if thing]
    report["settings"] = {key: setting(project, key) for key in (*_SETTINGS, *_SPACES)}
    before = _state(resolve, project, pool)
    with place_kept(resolve, pool), ExitStack() as made:
        _try(report, "formats", lambda: [call(project, "GetRenderFormats"), call(project, "GetRenderCodecs", "EXR")])
        _try(report, "clip", lambda: item and _described(item))
        made.callback(undo, project, "SetCurrentTimeline", timeline)
        _try(report, "trial", lambda: _trial(resolve, project, pool, made, report))
    after = _state(resolve, project, pool)
    report["changed"] = {name: [was, after[name]] for name, was in before.items() if was != after[name]}
    keep(memory.file("learned"), {name: report[name] for name in memory.LEARNED if name in report})
    return keep(log_folder() / "resolve-self-check.json", report)


def _try(report: dict[str, Any], name: str, find: Callable[[], Any]) -> None:
    try:
        report[name] = find()
    except Exception as error:  # noqa: BLE001
        log.exception("%s", name)
        report[name] = f"{type(error).__name__}: {error}"


def _described(item: Any) -> dict[str, Any]:
    media = call(item, "GetMediaPoolItem")
    found = {name: call(item, name) for name in (*_OFFSETS, *_SOURCE) if name in dir(item)}
    return found | ({key: prop(media, key) for key in _PROPERTIES} if media else {})


def _state(resolve: Any, project: Any, pool: Any) -> dict[str, Any]:
    """What must be the same afterwards."""
    root, names = call(pool, "GetRootFolder"), ("GetRenderJobList", "GetRenderPresetList", "GetTimelineCount")
    names += ("GetCurrentRenderFormatAndCodec", "GetCurrentRenderMode")
    found = {name: call(project, name) for name in names} | {"page": call(resolve, "GetCurrentPage")}
    found["bins"] = [call(one, "GetName") for one in call(root, "GetSubFolderList") or []]
    return found | {"timeline": call(call(project, "GetCurrentTimeline"), "GetName")}


def _trial(resolve: Any, project: Any, pool: Any, made: ExitStack, report: dict[str, Any]) -> dict[str, Any]:
    folder = Path(tempfile.mkdtemp(prefix="faceplate-"))
    made.callback(shutil.rmtree, folder, True)
    files = Files(str(folder / "check."), 4, ".exr", 1001, 1000 + _COUNT)
    for number in range(files.first, files.last + 1):
        shutil.copy(FRAME, files.path(number))
    home = must(pool, "AddSubFolder", call(pool, "GetRootFolder"), _NAME)
    made.callback(undo, pool, "DeleteFolders", [home])
    must(pool, "SetCurrentFolder", home)
    timeline = must(pool, "CreateEmptyTimeline", _NAME)
    made.callback(undo, pool, "DeleteTimelines", [timeline])
    must(project, "SetCurrentTimeline", timeline)
    media = imported(pool, files, made)
    start = int(call(timeline, "GetStartFrame"))
    info = {"mediaPoolItem": media, "startFrame": 2, "endFrame": 6, "mediaType": 1, "trackIndex": 1}
    call(pool, "AppendToTimeline", [info | {"recordFrame": start}])
    item = call(timeline, "GetItemListInTrack", "video", 1)[0]
    found: dict[str, Any] = {"item": _described(item), "start": start}
    report["end_inclusive"] = found["item"]["GetDuration"] == 5
    report["slack"] = _COUNT - sum(found["item"][name] for name in _OFFSETS[2:])
    _try(found, "marks", lambda: [call(timeline, "SetMarkInOut", start, start + 1), call(timeline, "GetMarkInOut")])
    _try(found, "unmarked", lambda: call(timeline, "ClearMarkInOut"))
    _try(found, "marker", lambda: [call(item, "AddMarker", 2, "Sky", "", "", 1, _DATA), call(item, "GetMarkers")])
    _try(found, "spaces", lambda: [name for (name, *_) in color.SPACES.values() if _takes(media, name)])
    _try(
        found, "replaced", lambda: [[call(media, "ReplaceClip", form), clips.files_of(media)] for form in forms(files)]
    )
    clip = clips.of(project, timeline, item, report["slack"])
    _try(found, "render", lambda: _render(resolve, clip, folder / "render", report))
    _try(found, "take", lambda: _take(item, media, report))
    return found


def _takes(media: Any, name: str) -> bool:
    return call(media, "SetClipProperty", color.INPUT, name) and prop(media, color.INPUT) == name


def _render(resolve: Any, clip: clips.Clip, folder: Path, report: dict[str, Any]) -> list[str]:
    with deliver.prepared(resolve, clip):
        report["mark_out_inclusive"] = deliver.rendered(clip.project, clip.start, clip.start + 2, folder).length == 3
    return sorted(path.name for path in folder.iterdir())


def _take(item: Any, media: Any, report: dict[str, Any]) -> list[Any]:
    added, takes = call(item, "AddTake", media, 2, 5), call(item, "GetTakesCount")
    selected = call(item, "SelectTakeByIndex", takes)
    report["take_end_inclusive"] = call(item, "GetDuration") == 4
    return [added, takes, repr(call(item, "GetTakeByIndex", takes)), selected, _described(item)]
