"""`faceplate swap`: solve and render in one go."""

from pathlib import Path
from typing import Annotated

import typer

from engine.cli.options import (
    AcceptLicence,
    Colorspace,
    DetectSize,
    Json,
    Local,
    PlateArgument,
    Redo,
    RenderFrames,
    Settings,
    TracksFile,
    assignments,
)
from engine.cli.remote import run_swap
from engine.cli.session import exit_status, session


def swap(
    plate: PlateArgument,
    identity: Annotated[str, typer.Argument(metavar="IDENTITY", help="Folder: pictures of one person, consent.toml.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="Folder, or name.%04d.exr.")],
    frames: RenderFrames = "",
    face: Annotated[str, typer.Option("--face", help="largest, left, right, all, a number, or like:PHOTO.")] = "",
    layers: Annotated[str, typer.Option("--layers", help="Also write layers: patch, matte, stmap.")] = "",
    colorspace: Colorspace = "",
    settings: Settings = None,
    detect_size: DetectSize = None,
    tracks: TracksFile = None,
    save_shot: Annotated[
        Path | None, typer.Option("--save-shot", metavar="SHOT.toml", help="Write the recipe.")
    ] = None,
    accept_licence: AcceptLicence = False,
    redo: Redo = False,
    local: Local = False,
    json: Json = False,
) -> None:
    """Replace a face in PLATE by that of IDENTITY and write OpenEXR frames to OUT.

    A second run continues where the first one ended.
    """
    with session(json) as current:
        from engine import recipe
        from engine.shot import Output, Plate, Replace, Shot

        shot = Shot(
            plate=Plate(path=plate, colorspace=colorspace),
            replace=(Replace(identity=identity),),
            tracks=str(tracks or ""),
            output=Output(path=output),
        )
        options = assignments(settings, replace__face=face, output__layers=layers, solve__detect_size=detect_size)
        shot = recipe.with_settings(shot, options)
        if accept_licence:
            from engine.models.used import with_licences_accepted

            shot = with_licences_accepted(shot)
        if save_shot is not None:
            recipe.save(shot, save_shot)
        run_swap(current, shot, frames, redo, local)
    exit_status(current)
