"""Options and arguments that several commands have."""

from pathlib import Path
from typing import Annotated

import typer

PlateArgument = Annotated[
    str,
    typer.Argument(metavar="PLATE", help="sh010.%04d.exr, sh010.####.exr, sh010.1001-1100#.exr, a folder, or a frame."),
]
Colorspace = Annotated[
    str, typer.Option("--colorspace", metavar="NAME", help="Colour space of the plate, by its OpenColorIO name.")
]
Settings = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a setting; `faceplate settings` lists them. Repeatable."),
]
DetectSize = Annotated[
    int | None,
    typer.Option("--detect-size", metavar="PIXELS", help="Size of the picture that is searched; more for small faces."),
]
RenderFrames = Annotated[
    str,
    typer.Option("--frames", metavar="RANGE", help="Frames to render, as 1001-1024x2; the shot is solved whole."),
]
TracksFile = Annotated[
    Path | None,
    typer.Option("--tracks", metavar="FILE", help="Tracks of the shot; solved and kept there if it does not exist."),
]
Local = Annotated[bool, typer.Option("--local", help="Do it in this process, even where an engine runs.")]
Redo = Annotated[bool, typer.Option("--redo", help="Render frames again that are done already.")]
AcceptLicence = Annotated[
    bool,
    typer.Option(
        "--accept-licence", help="You have read the licences of the models and may use them; the recipe says so."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="One event a line, as JSON, on standard output.")]


def assignments(settings: list[str] | None, **options: object) -> list[str]:
    """Options as settings, in the form of --set, before those of --set itself: the latter win.

    A keyword is a setting's name with two underscores for its dot; None and empty text are left out.
    """
    given = [f"{name.replace('__', '.')}={value}" for name, value in options.items() if value not in (None, "")]
    return given + list(settings or [])
