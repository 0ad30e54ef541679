"""`faceplate info`: what a plate holds."""

from engine.cli.display import json_line, line
from engine.cli.options import Json, PlateArgument
from engine.cli.session import session


def info(plate: PlateArgument, json: Json = False) -> None:
    """Say what PLATE holds: windows, channels, compression, colour space, frames and gaps, timecode."""
    with session(json, patient=False):
        import msgspec

        from engine.plates import describe

        found = describe(plate)
        if json:
            json_line(msgspec.json.encode(found))
        else:
            for text in found.lines():
                line(text)
