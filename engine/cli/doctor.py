"""`faceplate doctor`: whether this machine has what Faceplate needs."""

import typer

from engine.cli.display import json_line, line
from engine.cli.options import Json
from engine.cli.session import FAILED, session


def doctor(json: Json = False) -> None:
    """Look whether everything that Faceplate needs works here, and say what to do where it does not.

    Ends with status 1 when something that is needed does not work.
    """
    faults = 0
    with session(json, patient=False):
        import msgspec

        from engine.doctor import examine

        for found in examine():
            faults += found.verdict == "fault"
            if json:
                json_line(msgspec.json.encode(found))
            else:
                line(f"{found.verdict:<6}{found.name}: {found.message} {found.remedy}".rstrip())
    if faults:
        raise typer.Exit(FAILED)
