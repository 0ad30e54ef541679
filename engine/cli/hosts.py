"""`faceplate hosts`: brings Faceplate into the programs that it works in."""

from typing import TYPE_CHECKING, Annotated, Literal

import typer

from engine.cli.display import line
from engine.cli.session import FAILED, session

if TYPE_CHECKING:
    from engine.hosts.blender import Blender


def install(
    host: Annotated[Literal["blender"], typer.Argument(metavar="HOST", help="blender")],
    at: Annotated[str, typer.Option("--at", metavar="PATH", help="The program, where it is not found by itself.")] = "",
    check: Annotated[bool, typer.Option("--check", help="Only say where it is installed.")] = False,
    remove: Annotated[bool, typer.Option("--remove", help="Take it out again.")] = False,
) -> None:
    """Install Faceplate's extension into every Blender of this machine, and enable it there.

    Ends with status 1 when none of them has it afterwards, or, with --remove, when one of them fails.
    """
    del host
    with session(patient=False):
        from engine.errors import UsageError
        from engine.hosts.blender import find_blenders

        if check and remove:
            raise UsageError("--check and --remove do not go together.")
        outcomes = [_outcome(blender, check, remove) for blender in find_blenders(at)]
    if not any(outcomes) or (remove and not all(outcomes)):
        raise typer.Exit(FAILED)


def _outcome(blender: "Blender", check: bool, remove: bool) -> bool:
    """Do what is wanted with one Blender, and say how it went; whether it went well."""
    from engine.hosts import blender as blenders
    from engine.hosts.extension import HostError

    if not blender.fits:
        line(f"{blender.name}: not for this one; it needs Blender 4.2 to 5.0.")
        return remove
    try:
        if check:
            installed = blenders.is_installed(blender)
            line(f"{blender.name}: {'installed' if installed else 'not installed'}.")
            return installed
        if remove:
            line(f"{blender.name}: {'removed' if blenders.remove(blender) else 'it was not there'}.")
            return True
        blenders.install(blender)
        line(f"{blender.name}: installed. In the Movie Clip Editor, look for Faceplate in the sidebar.")
    except HostError as error:
        line(f"{blender.name}: {error}")
        return False
    return True
