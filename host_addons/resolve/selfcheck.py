"""What this Resolve really does where its documentation says nothing: tried in a bin and a timeline that go again."""

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
from . import color, deliver
from .api import call, keep_place, must, prop, undo
from .result import imported
from .tell import log

# A grey frame, made with the scripts.
FRAME = Path(__file__).with_name("grey.exr")
_NAME, _COUNT, _DATA = "Faceplate Self-check", 8, "x" * 8192
_PROPERTIES = ("Type", "File Path", "FPS", "Frames", "Start", "End", "Start TC", color.INPUT, "Input Gamma")
_OFFSETS = ("GetDuration", "GetLeftOffset", "GetRightOffset")
_PLACE = (*_OFFSETS, "GetStart", "GetEnd", "GetSourceStartFrame", "GetSourceEndFrame")
_RENDER = ("GetCurrentRenderFormatAndCodec", "GetCurrentRenderMode", "GetRenderPresetList", "GetRenderJobList")
_RENDER += ("GetTimelineCount",)


def check(resolve: Any, version: str) -> tuple[Path, dict[str, Any]]:
    """Find out what there is to know: the file that it is written to, and what the scripts learn. Raises Refused."""
    project, timeline = clips.opened(resolve)
    pool, item = call(project, "GetMediaPool"), call(timeline, "GetCurrentVideoItem")
    report: dict[str, Any] = {"version": version, "python": sys.version, "system": platform.platform()}
    things = (resolve, project, pool, call(pool, "GetRootFolder"), timeline, item)
    report["calls"] = [sorted(dir(thing)) for thing in things if thing]
    every = call(project, "GetSetting", "").items()
    report["settings"] = {key: value for key, value in every if "color" in key.lower() or "FrameRate" in key}
    report["clip"] = _described(item) if item else {}
    before = _state(resolve, project, pool)
    with ExitStack() as made, ExitStack() as place:
        keep_place(resolve, pool, place)
        _try(report, "trial", lambda: _trial(resolve, project, timeline, pool, made, report))
    after = _state(resolve, project, pool)
    report["changed"] = {name: [was, after[name]] for name, was in before.items() if was != after[name]}
    known = {name: report[name] for name in clips.LEARNED if isinstance(report.get(name), int)}
    return keep(log_folder() / "resolve-self-check.json", report), known | {"version": version}


def _try(report: dict[str, Any], name: str, find: Callable[[], Any]) -> None:
    try:
        report[name] = find()
    except Exception as error:  # noqa: BLE001
        log.exception("%s", name)
        report[name] = f"{type(error).__name__}: {error}"


def _described(item: Any) -> dict[str, Any]:
    media = call(item, "GetMediaPoolItem")
    found = {name: call(item, name) for name in _PLACE if name in dir(item)}
    return found | ({key: prop(media, key) for key in _PROPERTIES} if media else {})


def _state(resolve: Any, project: Any, pool: Any) -> dict[str, Any]:
    """What must be the same afterwards."""
    found = {name: call(project, name) for name in _RENDER} | {"page": call(resolve, "GetCurrentPage")}
    found["bins"] = [call(one, "GetName") for one in call(call(pool, "GetRootFolder"), "GetSubFolderList") or []]
    return found | {"timeline": call(call(project, "GetCurrentTimeline"), "GetName")}


def _trial(resolve: Any, project: Any, before: Any, pool: Any, made: ExitStack, report: dict[str, Any]) -> str:
    folder = Path(tempfile.mkdtemp(prefix="faceplate-"))
    made.callback(shutil.rmtree, folder, True)
    home = must(pool, "AddSubFolder", call(pool, "GetRootFolder"), _NAME)
    made.callback(undo, pool, "DeleteFolders", [home])
    must(pool, "SetCurrentFolder", home)
    media = imported(pool, _frames(folder, "check"), made)
    timeline = must(pool, "CreateEmptyTimeline", _NAME)
    made.callback(undo, pool, "DeleteTimelines", [timeline])
    made.callback(undo, project, "SetCurrentTimeline", before)
    must(project, "SetCurrentTimeline", timeline)
    start = report["start"] = int(call(timeline, "GetStartFrame"))
    info = {"mediaPoolItem": media, "startFrame": 2, "endFrame": 6, "mediaType": 1, "trackIndex": 1}
    call(pool, "AppendToTimeline", [info | {"recordFrame": start}])
    item = call(timeline, "GetItemListInTrack", "video", 1)[0]
    report["placed"] = _described(item)
    report["end_inclusive"] = call(item, "GetDuration") == 5
    report["slack"] = _COUNT - sum(int(call(item, name)) for name in _OFFSETS)
    _try(report, "marked", lambda: call(timeline, "SetMarkInOut", start, start + 1))
    _try(report, "marks_from_zero", lambda: call(timeline, "GetMarkInOut")["video"]["in"] < start)
    _try(report, "marker", lambda: [call(item, "AddMarker", 2, "Sky", "", "", 1, _DATA), call(item, "GetMarkers")])
    _try(report, "spaces", lambda: [names[0] for names in color.SPACES.values() if _takes(media, names[0])])
    codecs = [call(project, "GetRenderCodecs", name) for name in ("EXR", "exr")]
    report["formats"] = [call(project, "GetRenderFormats"), *codecs]
    clip = clips.of(project, timeline, item, clips.LEARNED | report)
    _try(report, "render", lambda: _render(resolve, clip, folder / "render", report))
    _try(report, "take", lambda: _take(item, media, report))
    for number in range(3):
        files = _frames(folder, f"form{number}")
        call(media, "ReplaceClip", files.spellings[number])
        report[f"replace by {files.spellings[number]}"] = clips.files_of(media) == files
    return "complete"


def _frames(folder: Path, name: str) -> Files:
    files = Files(str(folder / f"{name}."), 4, ".exr", 1001, 1000 + _COUNT)
    for number in range(files.first, files.last + 1):
        shutil.copy(FRAME, files.path(number))
    return files


def _takes(media: Any, name: str) -> bool:
    return call(media, "SetClipProperty", color.INPUT, name) and prop(media, color.INPUT) == name


def _render(resolve: Any, clip: clips.Clip, folder: Path, report: dict[str, Any]) -> list[str]:
    with ExitStack() as back:
        deliver.prepare(resolve, clip, color.of_render(clip.project), back)
        report["mark_out_inclusive"] = deliver.rendered(clip.project, clip.start, clip.start + 2, folder).length == 3
    return sorted(path.name for path in folder.iterdir())


def _take(item: Any, media: Any, report: dict[str, Any]) -> list[Any]:
    must(item, "AddTake", media, 2, 5)
    must(item, "SelectTakeByIndex", 2)
    report["take_end_inclusive"] = call(item, "GetDuration") == 4
    return [repr(call(item, "GetTakeByIndex", 2)), _described(item)]
