"""What a plate holds, as data and as lines for a person: what `faceplate info` prints."""

import os
from fractions import Fraction
from typing import Any

import msgspec

from engine.events import shown
from engine.geometry import Box
from engine.plates.color import PlateColor
from engine.plates.frame import Header
from engine.plates.sequence import FrameSequence, range_text
from engine.plates.timecode import timecode_text


class PlateInfo(msgspec.Struct, frozen=True):
    """What a plate holds. Windows are from the top left of the display window; empty text: the file does not say.

    `path` is printable text, `color_known_by` is option, attribute, chromaticities or default, `rate` frames a second.
    """

    path: str
    kind: str
    frames: str
    frame_count: int
    missing: str
    display_window: Box
    data_window: Box
    channels: dict[str, str]
    picture: tuple[str, str, str]
    alpha: str
    compression: str
    color: str
    color_known_by: str
    timecode: str
    rate: str
    pixel_aspect: float
    tiles: str
    parts: tuple[str, ...]

    def lines(self) -> list[str]:
        """Plain text, one fact a line."""
        facts = {
            "plate": f"{self.path} ({self.kind})",
            "frames": f"{self.frames} ({self.frame_count})",
            "missing": self.missing,
            "display": box_text(self.display_window),
            "data": box_text(self.data_window),
            "channels": ", ".join(f"{name} {kind}" for name, kind in self.channels.items()),
            "picture": ", ".join(self.picture) + (f", alpha {self.alpha}" if self.alpha else ", no alpha"),
            "storage": f"{self.compression} compression" + (f", tiles of {self.tiles}" if self.tiles else ""),
            "colour": f"{self.color} (from {_KNOWN_BY[self.color_known_by]})",
            "timecode": self.timecode,
            "rate": self.rate,
            "pixels": "" if self.pixel_aspect == 1.0 else f"aspect ratio {self.pixel_aspect:g}",
            "parts": ", ".join(self.parts),
        }
        return [f"{name:<10}{text}" for name, text in facts.items() if text]


_KNOWN_BY = {
    "option": "the option given",
    "attribute": "the file's own attribute",
    "chromaticities": "the file's chromaticities",
    "default": "the default: the file does not say",
}


def plate_info(sequence: FrameSequence, header: Header, color: PlateColor) -> PlateInfo:
    """Gather what the names, the header of one frame and the colour rules say about a plate."""
    attributes = header.attributes
    return PlateInfo(
        path=shown(sequence.folder / sequence.path(sequence.frames[0]).name),
        kind=header.kind,
        frames=range_text(sequence.frames),
        frame_count=len(sequence.frames),
        missing=range_text(sequence.missing) if sequence.missing else "",
        display_window=header.display_window,
        data_window=header.data_window,
        channels={_text(name): kind for name, kind in header.channels.items()},
        picture=header.picture,
        alpha=header.alpha or "",
        compression=header.compression,
        color=color.name,
        color_known_by=color.known_by,
        timecode=timecode_text(attributes.get("timeCode")),
        rate=_rate_text(attributes.get("framesPerSecond")),
        pixel_aspect=float(attributes.get("pixelAspectRatio", 1.0)),
        tiles="" if header.tiles is None else "{}×{}".format(*header.tiles),
        parts=tuple(_text(name) or "unnamed" for name in header.parts),
    )


def _rate_text(rate: Any) -> str:
    if isinstance(rate, Fraction) and rate > 0:
        return f"{rate.numerator}" if rate.denominator == 1 else f"{rate} ({float(rate):.3f})"
    return f"{rate:g}" if isinstance(rate, int | float) and rate > 0 else ""


def _text(name: str) -> str:
    return shown(os.fspath(name))


def box_text(box: Box) -> str:
    """A box for a person: its size, and its top left corner where that is not the origin."""
    return f"{box.width}×{box.height}" + (f" from {box.x0}, {box.y0}" if box.x0 or box.y0 else "")
