"""Puts the extension into the Blenders of this machine, through their own command line."""

import re
import tempfile
from pathlib import Path
from typing import NamedTuple

from engine.events import shown
from engine.hosts.extension import NAME, HostError, build, own_wheels, run
from engine.programs import find_host

# The first that has extensions, and the first with another Python than the extension's libraries are for.
OLDEST, TOO_NEW = (4, 2), (5, 1)
_FLATPAK = "org.blender.Blender"
_VERSION = re.compile(r"^Blender (\d+)\.(\d+)", re.MULTILINE)
_REPOSITORY = "user_default"


class Blender(NamedTuple):
    """An installed Blender: where it is, how it is called, and its version, (0, 0) where it does not say."""

    place: str
    command: tuple[str, ...]
    version: tuple[int, int]

    @property
    def fits(self) -> bool:
        """Whether the extension is for it."""
        return OLDEST <= self.version < TOO_NEW

    @property
    def name(self) -> str:
        number = ".".join(map(str, self.version)) if any(self.version) else "of an unknown version"
        return f"Blender {number}, {shown(self.place)}"


def find_blenders(place: str = "") -> list[Blender]:
    """The Blenders of this machine, or the one at `place`. Raises HostError where there is none."""
    if place:
        return [_blender(place)]
    places = find_host("Blender")
    if not places:
        raise HostError(
            "No Blender was found.", "Say where it is: faceplate hosts install blender --at PATH, or install Blender."
        )
    return [_found(one) for one in places]


def install(blender: Blender) -> None:
    """Build the extension with this Blender, and install and enable it there. Raises HostError."""
    with tempfile.TemporaryDirectory() as folder:
        built = build([*blender.command, "--command", "extension", "build"], Path(folder), own_wheels())
        _extension(blender, "install-file", "--repo", _REPOSITORY, "--enable", str(built))


def remove(blender: Blender) -> bool:
    """Take the extension out of this Blender; whether it was there. Raises HostError."""
    there = is_installed(blender)
    if there:
        _extension(blender, "remove", NAME)
    return there


def is_installed(blender: Blender) -> bool:
    """Whether this Blender has the extension. Raises HostError."""
    return re.search(rf"^ *{NAME} \[", _extension(blender, "list"), re.MULTILINE) is not None


def _found(place: str) -> Blender:
    """One that was found by its name, and may be anything."""
    try:
        return _blender(place)
    except HostError:
        return Blender(place, (place,), (0, 0))


def _blender(place: str) -> Blender:
    command = _command(Path(place))
    found = _VERSION.search(run([*command, "--version"], "Blender does not say its version"))
    return Blender(place, command, (int(found[1]), int(found[2])) if found else (0, 0))


def _command(place: Path) -> tuple[str, ...]:
    if place.name == _FLATPAK:
        return "flatpak", "run", _FLATPAK
    return (str(place / "Contents/MacOS/Blender"),) if place.suffix == ".app" else (str(place),)


def _extension(blender: Blender, *arguments: str) -> str:
    return run([*blender.command, "--command", "extension", *arguments], f"`extension {arguments[0]}` failed")
