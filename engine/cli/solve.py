"""`faceplate solve`: the first pass alone."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Colorspace, DetectSize, Json, Local, PlateArgument, Settings, assignments
from engine.cli.remote import run_solve
from engine.cli.session import session


def solve(
    plate: PlateArgument,
    output: Annotated[Path, typer.Option("--output", "-o", metavar="FILE", help="The tracks file, name.tracks.")],
    frames: Annotated[str, typer.Option("--frames", metavar="RANGE", help="Frames of the shot, as 1001-1100.")] = "",
    colorspace: Colorspace = "",
    settings: Settings = None,
    detect_size: DetectSize = None,
    local: Local = False,
    json: Json = False,
) -> None:
    """Find and follow the faces in PLATE, and keep their tracks in a file."""
    with session(json) as current:
        from engine import recipe
        from engine.shot import Plate, Shot

        shot = Shot(plate=Plate(path=plate, frames=frames, colorspace=colorspace))
        shot = recipe.with_settings(shot, assignments(settings, solve__detect_size=detect_size))
        run_solve(current, shot, output, local)
