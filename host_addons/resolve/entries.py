"""The menu's entries: from the clip under the playhead to the result over it."""

import re
import time
from pathlib import Path
from typing import Any

from engine.wire.folders import keep, read_kept, settings_folder
from engine.wire.recipe import without_frames
from engine.wire.sequence import Files

from . import clip as clips
from . import color, deliver, result, selfcheck
from .api import call
from .clip import Clip
from .tell import Refused, say

ENTRIES = ("Replace Face", "Replace Face Again", "Replace Face on Graded Picture", "Refresh Result", "Self-check")
_, AGAIN, GRADED, REFRESH, CHECK = ENTRIES
FOLDER = settings_folder("resolve")
# `result`: track or take. `handles`: frames of the plate before and after the clip. `folder`: of all that is made,
# empty is `Faceplate` in the user's home. `command`: the faceplate command, empty means that it is looked for.
SETTINGS = {"result": "track", "handles": 12, "folder": "", "command": ""}
_RECIPE, _NOW = "recipe.json", "%Y%m%d-%H%M%S"


def run(entry: str, resolve: Any) -> None:
    """Do what the entry says. Raises Refused, and then nothing in the project has changed."""
    if not resolve:
        raise Refused("no-resolve")
    version = f"{call(resolve, 'GetProductName')} {call(resolve, 'GetVersionString')}"
    say(f"{entry}, in {version}.")
    if entry == CHECK:
        path, known = selfcheck.check(resolve, version)
        keep(FOLDER / "learned.json", known)
        say(f"Send this file, and the log beside it: {path}")
        return
    known = read_kept(FOLDER / "learned.json")
    learned = clips.LEARNED | (known if known.get("version") == version else {})
    clip = clips.read(resolve, learned)
    if entry == REFRESH:
        _refresh(clip)
    else:
        _replace(entry, resolve, clip, learned)


def _replace(entry: str, resolve: Any, clip: Clip, learned: dict[str, Any]) -> None:
    settings, recipe = SETTINGS | read_kept(FOLDER / "settings.json"), read_kept(FOLDER / _RECIPE)
    as_take = settings["result"] == "take"
    if result.job_of(clip.item):
        raise Refused("is-result")
    if entry == AGAIN and not recipe.get("replace"):
        raise Refused("no-recipe")
    if as_take and clip.duration != clip.whole:
        raise Refused("take-of-part")
    folder = _folder(settings["folder"], clip)
    files = None if entry == GRADED else clips.files_of(clip.media)
    color.check(clip)
    # Elsewhere linear light made of other files would look wrong beside them, or has no Input Color Space.
    if files and (files.tail.endswith(clips.EXR) or color.management(clip.project) == "managed"):
        plate, meant, first = clips.plate_of(clip, files, settings["handles"]), color.of_clip(clip, files), clip.source
        first += files.first
    else:
        say("The picture of the clip is rendered, with its grade.")
        meant = color.of_render(clip.project)
        files = deliver.render(resolve, clip, meant, folder, learned)
        plate, first = {"path": files.printf, "frames": ""}, files.first
    shot = without_frames(recipe) | {"plate": plate | {"colorspace": meant.engine}}
    shot["output"] = recipe.get("output", {}) | {"path": str(folder / "result")}
    shot, made = _made(shot, clip, folder, ask=entry != AGAIN)
    if not made.first <= first <= made.last + 1 - clip.duration:
        raise Refused("other-frames", made=f"{made.first}–{made.last}", wanted=f"{first}–{first + clip.duration - 1}")
    job = {"folder": str(folder), "left": first - made.first, "space": meant.resolve, "recipe": shot}
    result.put(resolve, clip, made, job, learned, as_take)


def _refresh(clip: Clip) -> None:
    """Make a result, if it is shown, anew by its recipe's file; if that is as it was, the page is for changing it."""
    job = result.job_of(clip.item)
    if not job:
        raise Refused("no-result")
    folder = Path(job["folder"])
    recipe = read_kept(folder / _RECIPE) or job["recipe"]
    was, made_in = clips.files_of(clip.media), (job["folder"], job["recipe"]["output"]["path"].partition("%")[0])
    if not was or not was.head.startswith(made_in):
        raise Refused("no-result")
    shot = recipe | {"output": recipe["output"] | {"path": str(folder / f"result_{time.strftime(_NOW)}")}}
    shot, made = _made(shot, clip, folder, ask=recipe == job["recipe"])
    if (made.first, made.last) != (was.first, was.last):
        raise Refused("other-frames", made=f"{made.first}–{made.last}", wanted=f"{was.first}–{was.last}")
    result.replace(clip, made, job | {"recipe": shot})


def _made(shot: dict[str, Any], clip: Clip, folder: Path, ask: bool) -> tuple[dict[str, Any], Files]:
    """The recipe that was run, kept for the next time and beside its result, and the frames."""
    from engine.wire.script import Script

    script = Script("DaVinci Resolve", read_kept(FOLDER / "settings.json").get("command", ""), say)
    shot, made = script.review(shot, str(call(clip.item, "GetName"))) if ask else (shot, script.swap(shot))
    keep(FOLDER / _RECIPE, shot)
    keep(folder / _RECIPE, shot)
    return shot, made


def _folder(chosen: str, clip: Clip) -> Path:
    """A new folder for all that is made of a clip."""
    names = str(call(clip.project, "GetName")), f"{Path(str(call(clip.item, 'GetName'))).stem}_{time.strftime(_NOW)}"
    plain = [re.sub(r"[^\w.-]+", "_", name).strip("._") or "untitled" for name in names]
    return Path(chosen or Path.home() / "Faceplate").joinpath(*plain)
