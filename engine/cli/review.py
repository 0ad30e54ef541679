"""`faceplate review`: a page in the browser, in which a person chooses and has it done."""

import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from engine.cli.display import line
from engine.cli.options import Json, Redo, RenderFrames, Settings, assignments
from engine.cli.remote import run_review
from engine.cli.session import exit_status, session

if TYPE_CHECKING:
    from engine.shot import Shot


def review(
    shot_or_plate: Annotated[str, typer.Argument(metavar="SHOT.toml|PLATE", help="The recipe, or a plate.")],
    output: Annotated[str, typer.Option("--output", "-o", metavar="OUT", help="Folder, or name.%04d.exr.")] = "",
    frames: RenderFrames = "",
    settings: Settings = None,
    save_shot: Annotated[
        Path | None, typer.Option("--save-shot", metavar="SHOT.toml", help="Write the recipe that was chosen.")
    ] = None,
    redo: Redo = False,
    json: Json = False,
) -> None:
    """Choose in the browser how the faces of a shot are replaced, and have the engine do it.

    The page is served by the engine, which must run, to this machine only. Ctrl-C ends the command, and no job.
    """
    with session(json, patient=False) as current:
        from engine import recipe
        from engine.shot import Plate, Shot

        is_recipe = Path(shot_or_plate).suffix == recipe.SUFFIX
        shot = recipe.load(Path(shot_or_plate)) if is_recipe else Shot(plate=Plate(path=shot_or_plate))
        shot = recipe.with_settings(shot, assignments(settings, output__path=output))

        def opened(url: str) -> None:
            if not json:
                line(f"The page is {url}")
            webbrowser.open(url)

        def chosen(shot: "Shot") -> None:
            if save_shot is not None:
                recipe.save(shot, save_shot)

        run_review(current, shot, Path(shot_or_plate).name, frames, redo, opened, chosen)
    exit_status(current)
