"""For hosts that keep a recipe as properties of their own: the recipe as plain values, as messages carry it.

What is known of each setting comes with the add-on, as `engine.hosts.extension.properties` makes it: by its dotted
name, the kind of property and its options.
"""

import hashlib
import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import Any

# The section of who replaces whom; folder of a result where none was chosen, beside the frames of the plate.
PEOPLE, _RESULT = "replace", "faceplate"
IN_FILES = ("DIR_PATH", "FILE_PATH")

Entries = dict[str, dict[str, Any]]


def read_entries(path: Path) -> Entries:
    """The settings in the add-on's file, by their dotted names."""
    return {entry["name"]: entry for entry in json.loads(path.read_text(encoding="utf-8"))}


def sections(entries: Entries) -> dict[str, list[str]]:
    """The names of the settings of each section, without its own; those at the top are of section ``""``."""
    found: dict[str, list[str]] = {}
    for entry in entries:
        section, _, name = entry.rpartition(".")
        found.setdefault(section, []).append(name)
    return found


def plain_recipe(
    entries: Entries,
    value: Callable[[str], Any],
    whole: Callable[[str], str],
    people: Iterable[dict[str, str]],
    layers: tuple[str, ...] = (),
) -> dict[str, Any]:
    """A recipe, short of its plate. `value` gives the property of a name, and `whole` makes a path a whole one.

    `people` has the properties of each; `layers` are those that the host needs, in a file beside each frame.
    """
    plain: dict[str, Any] = {
        PEOPLE: [person | {"identity": whole(person["identity"])} for person in people],
    }
    for name, entry in entries.items():
        section, _, key = name.rpartition(".")
        if section == PEOPLE:
            continue
        table = plain.setdefault(section, {}) if section else plain
        found = _plain(entry, value(name), whole)
        if "stands_for" not in entry:
            table.setdefault(key, found)
        elif found:
            table[key.removesuffix("_automatic")] = entry["stands_for"]
    if layers:
        every = [item[0] for item in entries["output.layers"]["with"]["items"]]
        output = plain["output"]
        output["layers"] = [layer for layer in every if layer in {*layers, *output["layers"]}]
        output["layers_in"] = "file"
    return plain


def can_have_keys(entries: Entries, name: str) -> bool:
    """Whether there is a setting of that name that may differ from frame to frame."""
    return name in entries and "ANIMATABLE" in entries[name]["with"]["options"]


def keys_of(entries: Entries, values: dict[str, list[tuple[int, float]]]) -> list[dict[str, Any]]:
    """The keys of a recipe, from what settings that can have keys are in each frame: one wherever that changes."""
    made = []
    for name, frames in values.items():
        found = ((frame, _plain(entries[name], value, str)) for frame, value in frames)
        for value, same in groupby(found, lambda one: one[1]):
            made.append({"setting": name, "frame": next(same)[0], "value": value, "interpolation": "hold"})
    return made


def with_plate(plain: dict[str, Any], path: str, cache: Path) -> dict[str, Any]:
    """The recipe with its plate; where nothing else was chosen, with a result beside it, and tracks in `cache`.

    The name of those says of what shot they are, and how it was solved.
    """
    plain["plate"]["path"] = path
    plain["output"]["path"] = plain["output"]["path"] or result_beside(path)
    basis = hashlib.sha256(json.dumps([plain["plate"], plain["solve"]], sort_keys=True).encode()).hexdigest()
    plain["tracks"] = plain["tracks"] or str(cache / f"{Path(path).stem}.{basis[:16]}.tracks")
    return plain


def result_beside(plate: str) -> str:
    """The folder of a result where none was chosen."""
    return str(Path(plate).parent / _RESULT)


def without_frames(plain: dict[str, Any]) -> dict[str, Any]:
    """A recipe for another plate: without what is of its own frames, the tracks, the keys and the artist's mattes."""
    return plain | {"tracks": "", "key": [], "mattes": [], "matte": plain.get("matte", {}) | {"holdout": ""}}


def solved_part(plain: dict[str, Any]) -> dict[str, Any]:
    """Of a recipe, what a solve depends on, and where its tracks are."""
    return {name: plain[name] for name in ("plate", "solve", "tracks")}


def _plain(entry: dict[str, Any], value: Any, whole: Callable[[str], str]) -> Any:
    options = entry["with"]
    if entry["property"] == "FloatProperty":
        # A host has single precision: 0.85 shall be 0.85 in the recipe. A curve may leave the range.
        return min(max(float(f"{value:.6g}"), options["min"]), options["max"])
    if options.get("subtype") in IN_FILES:
        return whole(value)
    return [item[0] for item in options["items"] if item[0] in value] if isinstance(value, set) else value
