"""`faceplate demo`: makes a real plate, and replaces the face in it."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json
from engine.cli.session import session


def demo(
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where everything goes.")] = Path(
        "faceplate-demo"
    ),
    frames: Annotated[int, typer.Option("--frames", min=1, max=1000, help="Length of the plate.")] = 24,
    json: Json = False,
) -> None:
    """Make a plate from public-domain pictures, replace the face in it, and measure the result."""
    with session(json) as current:
        from rich.console import Console

        from engine.demo.run import main

        # With --json, standard output is for events alone.
        console = Console(file=sys.stderr if json else sys.__stdout__)
        status = main(output, frames, current.report, cancelled=current.cancelled, console=console)
    if status:
        raise typer.Exit(status)
