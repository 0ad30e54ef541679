"""What Resolve calls a colour space, and what the engine does; what a project says of a clip."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from engine.wire.sequence import Files

from .api import prop
from .clip import EXR, Clip
from .tell import Refused, say

# The engine's (OpenColorIO's) names, and Resolve's: the first is the one that is set. Made with the scripts.
SPACES: dict[str, list[str]] = json.loads(Path(__file__).with_name("spaces.json").read_text(encoding="utf-8"))
INPUT = "Input Color Space"
_UNSAID = ("", "project", "same as project")


class Color(NamedTuple):
    """What a plate's numbers mean: the `engine`'s name, empty for what the file says; the Input Color Space that the
    result gets, and what the project's `output` is to be, both empty where it is not colour managed."""

    engine: str
    resolve: str
    output: str = ""


def engine_name(name: str) -> str:
    """The engine's name of one of Resolve's colour spaces. Raises Refused, with all that are known."""
    for engine, names in SPACES.items():
        if _plain(name) in map(_plain, (engine, *names)):
            return engine
    raise Refused("unknown-space", name=name, known=", ".join(names[0] for names in SPACES.values()))


def management(project: Any) -> str:
    """Who converts clips from their own colour space: `aces`, `managed`, or nobody, which is empty."""
    science = prop(project, "colorScienceMode", "GetSetting")
    return "aces" if science.startswith("aces") else "managed" if science not in ("", "davinciYRGB") else ""


def check(clip: Clip) -> None:
    """Raise Refused where colour spaces are set in a way that is not looked at."""
    own = prop(clip.timeline, "useCustomSettings", "GetSetting")
    if "1" in (own, prop(clip.project, "separateColorSpaceAndGamma", "GetSetting")):
        raise Refused("other-color")


def name_of(project: Any, media: Any) -> str:
    """What Resolve takes a clip's numbers for: its own Input Color Space, or else the project's."""
    own, key = prop(media, INPUT), "colorAcesIDT" if management(project) == "aces" else "colorSpaceInput"
    return prop(project, key, "GetSetting") if own.lower() in _UNSAID else own


def of_clip(clip: Clip, files: Files) -> Color:
    """The colour of a clip's own files. Frames that the engine makes of others than OpenEXR are in linear Rec.709."""
    if not management(clip.project):
        say("The project is not colour managed: the file says its own colour space; linear Rec.709 if it does not.")
        return Color("", "")
    name = name_of(clip.project, clip.media)
    return Color(engine_name(name), name if files.tail.endswith(EXR) else SPACES["Linear Rec.709 (sRGB)"][0])


def of_render(project: Any) -> Color:
    """The colour to render in: the timeline's own, so that nothing is tone mapped; in ACES what imports are."""
    if management(project) == "aces":
        own = prop(project, "colorAcesIDT", "GetSetting")
        name = own if own.endswith("CSC") or own == "No Input Transform" else "ACEScg - CSC"
        return Color(engine_name(name), name, name.replace("No Input", "No Output"))
    name = prop(project, "colorSpaceTimeline", "GetSetting") or "Rec.709 Gamma 2.4"
    if management(project):
        return Color(engine_name(name), name, name)
    say(f"The project is not colour managed: its picture is taken for {name}.")
    return Color(engine_name(name), "")


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removesuffix("- csc"))
