"""What is kept between runs, as JSON: a user's settings, the last recipe, and what Self-check has learned."""

from pathlib import Path
from typing import Any

from engine.wire.folders import read_kept, settings_folder

# `result`: track or take. `handles`: frames of the plate before and after the clip. `folder`: of all that is made,
# empty is `Faceplate` in the user's home. `command`: the faceplate command, empty means that it is looked for.
SETTINGS = {"result": "track", "handles": 12, "folder": "", "command": ""}
# What a Resolve is taken to do until Self-check has seen that version do otherwise.
LEARNED = {"version": "", "end_inclusive": False, "mark_out_inclusive": True, "take_end_inclusive": True}
LEARNED |= {"marks_from_zero": None, "slack": 0}


def file(name: str) -> Path:
    """The file of `settings`, `recipe` or `learned`."""
    return settings_folder("resolve") / f"{name}.json"


def settings() -> dict[str, Any]:
    """The user's settings, from a file that may be there."""
    return SETTINGS | read_kept(file("settings"))


def learned(version: str) -> dict[str, Any]:
    """What this version of Resolve does."""
    known = read_kept(file("learned"))
    return LEARNED | (known if known.get("version") == version else {})
