"""`faceplate render`: the second pass, from a recipe."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import AcceptLicence, Json, Local, Redo, RenderFrames, Settings, TracksFile, assignments
from engine.cli.remote import run_swap
from engine.cli.session import exit_status, session


def render(
    shot_file: Annotated[Path, typer.Argument(metavar="SHOT.toml", help="The recipe.")],
    frames: RenderFrames = "",
    settings: Settings = None,
    tracks: TracksFile = None,
    accept_licence: AcceptLicence = False,
    redo: Redo = False,
    local: Local = False,
    json: Json = False,
) -> None:
    """Render frames from a recipe. The shot is solved first when it has no tracks yet."""
    with session(json) as current:
        from engine import recipe

        shot = recipe.with_settings(recipe.load(shot_file), assignments(settings, tracks=tracks))
        if accept_licence:
            from engine.models.used import with_licences_accepted

            shot = with_licences_accepted(shot)
        run_swap(current, shot, frames, redo, local)
    exit_status(current)
