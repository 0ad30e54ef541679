"""`faceplate hosts`: brings Faceplate into the programs that it works in."""

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import typer

from engine.cli.display import line
from engine.cli.session import FAILED, session


class _Place(NamedTuple):
    """Where something is installed: its name, why not (or nothing), and what can be done there."""

    name: str
    unfit: str
    is_installed: Callable[[], bool]
    install: Callable[[], None]
    remove: Callable[[], bool]
    then: str


def install(
    host: Annotated[Literal["blender", "resolve"], typer.Argument(metavar="HOST", help="blender or resolve")],
    at: Annotated[
        str,
        typer.Option("--at", metavar="PATH", help="The program, or Resolve's Fusion folder, if it is not found."),
    ] = "",
    check: Annotated[bool, typer.Option("--check", help="Only say where it is installed.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out again.")] = False,
) -> None:
    """Install Faceplate's extension into every Blender of this machine, or its scripts into DaVinci Resolve.

    Ends with status 1 when none of them has it afterwards, or, with --remove, when one of them fails.
    """
    with session(patient=False):
        from engine.errors import UsageError

        if check and remove:
            raise UsageError("--check and --remove do not go together.")
        places = _blenders(at) if host == "blender" else _resolve(at)
        outcomes = [_outcome(place, check, remove) for place in places]
    if not any(outcomes) or (remove and not all(outcomes)):
        raise typer.Exit(FAILED)


def _blenders(at: str) -> list[_Place]:
    from engine.hosts import blender

    def place(one: blender.Blender) -> _Place:
        return _Place(
            one.name,
            "" if one.fits else "it needs Blender 4.2 to 5.0",
            lambda: blender.is_installed(one),
            lambda: blender.install(one),
            lambda: blender.remove(one),
            "In the Movie Clip Editor, look for Faceplate in the sidebar.",
        )

    return [place(one) for one in blender.find_blenders(at)]


def _resolve(at: str) -> list[_Place]:
    from engine.events import shown
    from engine.hosts import resolve

    place = resolve.find_place(at)
    return [
        _Place(
            f"DaVinci Resolve, {shown(place)}",
            "",
            lambda: resolve.is_installed(place),
            lambda: resolve.install(place),
            lambda: resolve.remove(place),
            "In Resolve, look into Workspace, Scripts, Faceplate.",
        )
    ]


def _outcome(place: _Place, check: bool, remove: bool) -> bool:
    """Do what is wanted in one place, and say how it went; whether it went well."""
    from engine.hosts.extension import HostError

    if place.unfit:
        line(f"{place.name}: not for this one; {place.unfit}.")
        return remove
    try:
        if check:
            installed = place.is_installed()
            line(f"{place.name}: {'installed' if installed else 'not installed'}.")
            return installed
        if remove:
            line(f"{place.name}: {'removed' if place.remove() else 'it was not there'}.")
            return True
        place.install()
        line(f"{place.name}: installed. {place.then}")
    except HostError as error:
        line(f"{place.name}: {error}")
        return False
    return True
