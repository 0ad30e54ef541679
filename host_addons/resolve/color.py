"""What Resolve calls a colour space, and what the engine does; what a project says of a clip."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

from engine.wire.sequence import Files

from .api import prop, setting
from .clip import EXR, Clip
from .refusals import Refused
from .tell import say

# The engine's (OpenColorIO's) names, and Resolve's: the first is the one that is set. Made with the scripts.
SPACES: dict[str, list[str]] = json.loads(Path(__file__).with_name("spaces.json").read_text(encoding="utf-8"))
INPUT = "Input Color Space"
_OF_THE_PROJECT = ("", "project", "same as project", "default", "auto", "none")


class Color(NamedTuple):
    """What a plate's numbers mean, by the `engine`'s name; empty for what the file says. `resolve` is the name of that
    space which the result gets as its Input Color Space; empty where the project is not colour managed."""

    engine: str
    resolve: str


def engine_name(name: str) -> str:
    """The engine's name of one of Resolve's colour spaces. Raises Refused, with all that are known."""
    for engine, names in SPACES.items():
        if _plain(name) in map(_plain, (engine, *names)):
            return engine
    raise Refused("unknown-space", name=name, known=", ".join(names[0] for names in SPACES.values()))


def is_managed(project: Any) -> bool:
    """Whether Resolve converts clips from their own colour space."""
    return setting(project, "colorScienceMode") not in ("", "davinciYRGB")


def is_aces(project: Any) -> bool:
    return setting(project, "colorScienceMode").startswith("aces")


def of_clip(clip: Clip, files: Files) -> Color:
    """The colour of a clip's own files. Frames that the engine makes of others than OpenEXR are in linear Rec.709."""
    project = clip.project
    if not is_managed(project):
        say("The project is not colour managed: the file says its own colour space; linear Rec.709 if it does not.")
        return Color("", "")
    name = prop(clip.media, INPUT)
    if name.lower() in _OF_THE_PROJECT:
        name = setting(project, "colorAcesIDT" if is_aces(project) else "colorSpaceInput")
    return Color(engine_name(name), name if files.tail.endswith(EXR) else SPACES["Linear Rec.709 (sRGB)"][0])


def of_render(project: Any) -> Color:
    """The colour that a picture is rendered in: the timeline's own, so that nothing is tone mapped; ACEScg in ACES."""
    name = "ACEScg - CSC" if is_aces(project) else setting(project, "colorSpaceTimeline") or "Rec.709 Gamma 2.4"
    if not is_managed(project):
        say(f"The project is not colour managed: its picture is taken for {name}.")
        return Color(engine_name(name), "")
    return Color(engine_name(name), name)


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower().removesuffix("- csc"))
