"""A plate: where its frames are, what they hold, and how to read one."""

import os
from pathlib import Path

from engine.errors import FrameMissing, FrameUnreadable, PlateError, PlateUnsupported
from engine.events import shown
from engine.geometry import Box
from engine.plates.color import PlateColor, plate_color
from engine.plates.exr import Reach, read_exr, read_exr_header
from engine.plates.frame import Frame, Header
from engine.plates.info import PlateInfo, plate_info
from engine.plates.naming import EXR_SUFFIX
from engine.plates.sequence import FrameSequence, find_sequence
from engine.plates.still import read_still, read_still_header

_HEADERS_TRIED = 16


class Plate:
    """The frames of one shot. `frames` exist and are in range, `missing` are the gaps in the range.

    Reading is safe from several threads at once: the plate itself never changes.
    """

    def __init__(self, sequence: FrameSequence, header: Header, color: PlateColor) -> None:
        self._sequence = sequence
        self.name = sequence.name
        self.folder = sequence.folder
        self.frames = sequence.frames
        self.missing = sequence.missing
        self.color = color
        self.info: PlateInfo = plate_info(sequence, header, color)

    @classmethod
    def open(cls, pattern: str | os.PathLike[str], frames: str = "", colorspace: str = "") -> "Plate":
        """Find a plate and learn what it holds from the first of its frames whose header can be read.

        `pattern` is `sh010.%04d.exr`, `sh010.####.exr`, `sh010.1001-1100#.exr`, a folder, or one file; `frames` is a
        range such as `1001-1024x2`; `colorspace` overrides what the file says. Raises PlateError, ColorError or
        UsageError.
        """
        sequence = find_sequence(pattern, frames)
        header = _first_header(sequence)
        pixel_type = header.channels[header.picture[0]]
        return cls(sequence, header, plate_color(header.kind, pixel_type, header.attributes, colorspace))

    @property
    def display_window(self) -> Box:
        return self.info.display_window

    def path(self, frame: int) -> Path:
        """The file of a frame, or the name that a missing one would have."""
        return self._sequence.path(frame)

    def read(self, frame: int, picture_only: bool = False, reach: Reach | None = None) -> Frame:
        """Read a frame; with `picture_only` just its picture and alpha, which cannot be written again.

        Of an EXR frame, only the part is read that `reach` makes of its data window, widened to whole blocks.
        Raises FrameMissing, FrameUnreadable (cut off, damaged, not what its name says), or PlateUnsupported, also for
        a frame of another size than the rest.
        """
        path = self.path(frame)
        if not path.exists():
            raise FrameMissing(
                f"Frame {frame} does not exist: {shown(path)}.", "Render it, or leave it out of the range."
            )
        exr = path.suffix.lower() == EXR_SUFFIX
        read = read_exr(path, frame, self.color, picture_only, reach) if exr else read_still(path, frame, self.color)
        own, shot = read.display_window, self.display_window
        if own != shot:
            raise PlateUnsupported(
                f"{shown(path)} is {own.width}×{own.height}, and the plate is {shot.width}×{shot.height}.",
                "Render the frame again in the plate's size.",
            )
        return read


def _read_header(path: Path) -> Header:
    return read_exr_header(path) if path.suffix.lower() == EXR_SUFFIX else read_still_header(path)


def _first_header(sequence: FrameSequence) -> Header:
    failure: PlateError | None = None
    for frame in sequence.frames[:_HEADERS_TRIED]:
        try:
            return _read_header(sequence.path(frame))
        except FrameUnreadable as error:
            failure = failure or error
    raise failure or PlateError("The plate has no frames.")
