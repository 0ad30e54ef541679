"""The layers of a frame: patch, matte and ST map, such that plate + matte · (patch − plate) is the picture.

The patch holds everything that the composite adds (highlights, seam, grain), linear and unpremultiplied, in the
plate's pixels; its alpha says where it is. Where faces overlap, the layers do as the picture does: each lies over the
ones before it. The parts of the matte are those of the nearest face at each place, inside its hull.
"""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from engine.geometry import Box
from engine.plates.frame import Frame
from engine.shot import PARTS
from engine.swappers.parts import MATTES

Float32 = NDArray[np.float32]

PATCH = ("patch.R", "patch.G", "patch.B", "patch.A")
MATTE = ("matte.V",)
STMAP = ("stmap.R", "stmap.G")
CHANNELS = {"patch": PATCH, "matte": MATTE, "stmap": STMAP, MATTES: tuple(f"matte.{part}" for part in PARTS)}
# An ST map addresses pixels of a texture: half floats have too few steps for it.
TYPES = {"patch": np.float16, "matte": np.float16, "stmap": np.float32, MATTES: np.float16}


class Layers:
    """The layers of one frame, filled face by face."""

    def __init__(self, frame: Frame, names: tuple[str, ...], own: tuple[str, ...] = ()) -> None:
        """Add every layer, empty: the frames of a sequence have the same channels, with a face or without.

        own: the names of the artist's mattes.
        """
        self._frame = frame
        self.names = names
        self._matte = np.zeros((frame.loaded.height, frame.loaded.width), np.float16)
        nothing, empty = Box(0, 0, 0, 0), np.zeros((0, 0), np.float32)
        for name in names:
            more = tuple(f"matte.{matte}" for matte in own) if name == MATTES else ()
            for channel in CHANNELS[name] + more:
                frame.add_layer(channel, nothing, empty, TYPES[name])

    def put(self, box: Box, matte: Float32, patch: Float32 | None, texture: Float32) -> None:
        """Lay a face over what is there.

        matte: (h, w) of the box. patch: (h, w, 3) plate-linear, unpremultiplied, needed for the layer of that name.
        texture: (h, w, 2) as in `engine.swappers.base.Patch`; the ST map has t upwards.
        """
        before = self._matte[box.slices(self._frame.loaded)].astype(np.float32)
        under = (1.0 - matte) * before
        both = np.asarray(matte + under, np.float32)
        if patch is not None and "patch" in self.names:
            self._put_patch(box, matte, under, patch)
        if "matte" in self.names:
            self._write(MATTE[0], box, both)
        if "stmap" in self.names:
            found = np.isfinite(texture[..., 0])
            for channel, values in zip(STMAP, (texture[..., 0], 1.0 - texture[..., 1]), strict=True):
                self._write(channel, box, np.where(found, values, self._read(channel, box)))
        self._matte[box.slices(self._frame.loaded)] = both

    def put_parts(self, box: Box, parts: Mapping[str, Float32], inside: NDArray[np.bool_]) -> None:
        """Lay what a face's matte is made of, (h, w) each by its name, over what is there, `inside` its hull (h, w)."""
        for name, values in parts.items():
            channel = f"matte.{name}"
            self._write(channel, box, np.where(inside, values, self._read(channel, box)))

    def _put_patch(self, box: Box, matte: Float32, under: Float32, patch: Float32) -> None:
        both = matte + under
        share = np.where(both > 0.0, matte / np.maximum(both, 1e-6), 0.0)
        for index, channel in enumerate(PATCH[:3]):
            before = self._read(channel, box)
            # Where there is no matte the plate's own values, which may be NaN, must not come in by a product.
            mixed = np.where(matte > 0.0, before + share * (patch[..., index] - before), before)
            self._write(channel, box, mixed)
        self._write(PATCH[3], box, both > 0.0)

    def _read(self, channel: str, box: Box) -> Float32:
        return self._frame.added[channel][box.slices(self._frame.loaded)].astype(np.float32)

    def _write(self, channel: str, box: Box, values: NDArray[np.generic]) -> None:
        self._frame.add_layer(channel, box, values.astype(np.float32), self._frame.added[channel].dtype)
