"""`faceplate verify`: that a result is its plate, outside of the face."""

from typing import Annotated

import typer

from engine.cli.display import line
from engine.cli.options import Json, PlateArgument
from engine.cli.session import FAILED, session


def verify(
    plate: PlateArgument,
    out: Annotated[str, typer.Argument(metavar="OUT", help="The result: a folder, a pattern, or a frame.")],
    json: Json = False,
) -> None:
    """Prove that OUT is PLATE, byte by byte, everywhere but in the window that each frame declares to have changed.

    Ends with status 1 where anything else changed.
    """
    frames = failed = anew = 0
    with session(json, patient=False) as current:
        from engine.events import FrameFailed
        from engine.plates.verified import FrameVerified
        from engine.plates.verify import verify_frames

        for event in verify_frames(plate, out):
            match event:
                case FrameVerified():
                    frames, failed = frames + 1, failed + (not event.same)
                    anew += event.same and event.written_anew
                case FrameFailed():
                    frames, failed = frames + 1, failed + 1
            if json:
                current.report(event)
                continue
            match event:
                case FrameVerified():
                    for text in event.lines():
                        line(text)
                case FrameFailed():
                    typer.echo(f"frame {event.frame}: {event.message} {event.remedy}".rstrip(), err=True)
                case _:
                    current.report(event)
        if not json:
            only = f", {anew} of them by their samples alone" if anew else ""
            line(f"{frames - failed} of {frames} frames are the plate outside of their windows{only}")
    if failed:
        raise typer.Exit(FAILED)
