"""`faceplate info`: what a plate holds."""

import sys

from engine.cli.display import line
from engine.cli.options import Json, PlateArgument
from engine.cli.session import session


def info(plate: PlateArgument, json: Json = False) -> None:
    """Say what PLATE holds: windows, channels, compression, colour space, frames and gaps, timecode."""
    with session(json):
        import msgspec

        from engine.plates import describe

        found = describe(plate)
        if not json:
            for text in found.lines():
                line(text)
        elif sys.stdout is not None:
            sys.stdout.buffer.write(msgspec.json.encode(found) + b"\n")
