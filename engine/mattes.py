"""The artist's own mattes as they meet those of a face: read, inverted, grown, softened, and combined.

What they are grown and softened by is a part of the face's width, so they keep their look as the face comes nearer.
"""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.geometry import Box
from engine.plates.frame import Frame
from engine.plates.matte_frames import MatteFrames, Wanted, read_own
from engine.shot import ArtistMatte, Combine, Shot, matte_names
from kernels.blur import gaussian

Float32 = NDArray[np.float32]

# A blur reaches this many sigmas.
_REACH = 4.0


class OwnMatte(NamedTuple):
    """A matte of the artist over a box, (h, w) [0, 1]: white where the face may be replaced. A holdout has no name."""

    name: str
    values: Float32
    combine: Combine

    def onto(self, matte: Float32, opacity: float) -> None:
        """Combine it with a face's matte (h, w), in place, which has been multiplied by the recipe's opacity."""
        if self.combine == "multiply":
            np.multiply(matte, self.values, out=matte)
        else:
            np.minimum(matte, np.float32(opacity) * self.values, out=matte)


class ArtistMattes:
    """The mattes of a recipe; its holdout comes first. Reading is safe from several threads at once."""

    def __init__(self, shot: Shot) -> None:
        """Raises PlateError for one that is not there."""
        held = [("", ArtistMatte(path=shot.matte.holdout, keep="holdout"))] if shot.matte.holdout else []
        self._entries = [
            (name, entry, _frames(name, entry))
            for name, entry in (*held, *zip(matte_names(shot.mattes), shot.mattes, strict=True))
        ]

    def files(self, frame: int) -> list[Path]:
        """The files beside the plate's that a frame is made from, each once."""
        return list(dict.fromkeys(frames.path(frame) for _, _, frames in self._entries if frames is not None))

    def read(self, frame: Frame, box: Box, width: float) -> list[OwnMatte]:
        """Those of a frame over `box`, for a face `width` pixels wide.

        Raises FrameMissing, FrameUnreadable, PlateUnsupported, or MatteError.
        """
        return [
            OwnMatte(name, _values(entry, frames, frame, box, width), entry.combine)
            for name, entry, frames in self._entries
        ]


def grown(matte: Float32, pixels: float) -> Float32:
    """A matte (h, w) whose white is moved outwards by a distance, inwards where it is negative; soft edges stay soft.

    It is the grey dilation (or erosion) by a disc; between whole radii it is mixed, so that it does not jump as the
    radius changes slowly. What lies beyond the border counts for nothing.
    """
    if pixels < 0.0:
        return -grown(-matte, -pixels)
    whole = math.floor(pixels)
    part = np.float32(pixels - whole)
    least = _dilated(matte, whole)
    return least if part == 0.0 else np.asarray(least + part * (_dilated(matte, whole + 1) - least), np.float32)


def _frames(name: str, entry: ArtistMatte) -> MatteFrames | None:
    """None where the matte is in the plate's own file."""
    if not entry.path:
        return None
    called = f"matte {name}" if name else "holdout"
    return MatteFrames(entry.path, Wanted(entry.channel, entry.cryptomatte), called)


def _values(entry: ArtistMatte, frames: MatteFrames | None, frame: Frame, box: Box, width: float) -> Float32:
    grow, sigma = entry.grow * width, entry.soften * width
    # What is farther away than this has no say in the box. Beyond the picture there is nothing to have one.
    reach = math.ceil(abs(grow)) + math.ceil(_REACH * sigma)
    whole = box.grown(reach).intersect(frame.display_window.union(frame.data_window))
    if frames is None:
        values = read_own(frame, Wanted(entry.channel, entry.cryptomatte), whole)
    else:
        values = frames.read(frame.number, whole, frame.display_window, frame.data_window)
    if entry.invert:
        values = np.float32(1.0) - values
    if grow:
        values = grown(values, grow)
    if sigma:
        values = gaussian(values, sigma)
    values = values[box.slices(whole)]
    if entry.keep == "holdout":
        values = np.float32(1.0) - values
    if entry.strength != 1.0:
        values = np.float32(1.0) - np.float32(entry.strength) * (np.float32(1.0) - values)
    return values


def _dilated(matte: Float32, radius: int) -> Float32:
    """The largest value within a whole radius: row by row of the disc, whose half-widths grow from its rim inwards."""
    result, run, half = np.full_like(matte, -np.inf), matte, 0
    for away in range(radius, -1, -1):
        wanted = math.isqrt(radius * radius - away * away)
        while half < wanted:
            run, half = _wider(run), half + 1
        _take_greatest(result, run, away)
        _take_greatest(result, run, -away)
    return result


def _wider(run: Float32) -> Float32:
    """The largest of a row's run around each pixel, one pixel longer to each side."""
    wider = run.copy()
    np.maximum(wider[:, 1:], run[:, :-1], out=wider[:, 1:])
    np.maximum(wider[:, :-1], run[:, 1:], out=wider[:, :-1])
    return wider


def _take_greatest(result: Float32, run: Float32, away: int) -> None:
    """Take in the runs of the rows `away` further down."""
    height = len(run)
    if abs(away) >= height:
        return
    below, above = slice(max(away, 0), height + min(away, 0)), slice(max(-away, 0), height + min(-away, 0))
    np.maximum(result[above], run[below], out=result[above])
