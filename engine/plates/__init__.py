"""Pixels in and out: sequences of frames, EXR, stills, colour."""

import os

from engine.events import shown
from engine.plates.color import PlateColor
from engine.plates.frame import Frame
from engine.plates.info import PlateInfo
from engine.plates.plate import Plate
from engine.plates.timecode import make_timecode
from engine.plates.write import write_frame

__all__ = ["Frame", "Plate", "PlateColor", "PlateInfo", "describe", "make_timecode", "shown", "write_frame"]


def describe(pattern: str | os.PathLike[str], frames: str = "", colorspace: str = "") -> PlateInfo:
    """What the plate that `pattern` names holds, from names and headers alone. Raises as `Plate.open` does."""
    return Plate.open(pattern, frames, colorspace).info
