"""`faceplate render`: the second pass, from a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import Json, Redo, RenderFrames, Settings, TracksFile, assignments
from engine.cli.session import exit_status, session


def render(
    shot_file: Annotated[Path, typer.Argument(metavar="SHOT.toml", help="The recipe.")],
    frames: RenderFrames = "",
    settings: Settings = None,
    tracks: TracksFile = None,
    redo: Redo = False,
    json: Json = False,
) -> None:
    """Render frames from a recipe. The shot is solved first when it has no tracks yet."""
    with session(json) as current:
        from engine import recipe

        shot = recipe.with_settings(recipe.load(shot_file), assignments(settings, tracks=tracks))
        from engine import core

        finished = core.run(shot, current.report, cancelled=current.cancelled, redo=redo, frames=frames)
    exit_status(finished)
