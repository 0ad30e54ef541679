"""One frame of a plate in memory: every channel in its own type, and the few ways in which it may be changed."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from engine.geometry import Box
from engine.plates.channels import NoPictureError, pick_picture
from engine.plates.color import LINEAR_REC709, PlateColor
from engine.plates.rows import Pixels
from engine.plates.splice import ExrFile, Window

_HALF_MAX = 65504.0
_NOWHERE = Box(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Header:
    """What a frame's file says before its pixels are read.

    `channels` maps the names of the picture's part to `half`, `float`, `uint`, `uint8` or `uint16`; `attributes` are
    the file's own, as the library gives them; `parts` are the names of all parts of a multi-part file.
    """

    kind: str
    data_window: Box
    display_window: Box
    channels: dict[str, str]
    picture: tuple[str, str, str]
    alpha: str | None
    compression: str
    attributes: dict[str, Any]
    parts: tuple[str, ...] = ()
    tiles: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class Source:
    """The EXR file that a frame was read from, and the window of it that was."""

    file: ExrFile
    window: Window


@dataclass(slots=True)
class Frame:
    """One frame, or the part of it that was read.

    `channels` are (height, width) arrays over `loaded`, a box inside `data_window`, in the file's own type: float16,
    float32 or uint32; all that is not the picture must stay as it is. `picture` are the names of red, green and blue.
    `changed` is the box that holds every change; None says that anything in `loaded` may have changed. `added` are new
    layers over `loaded`, `attributes` additions to the header. `color` says how the picture is encoded. `source` gives
    the writer everything else; a frame without one, made from arrays or a still, has a `header` of its own.
    """

    number: int
    path: Path
    data_window: Box
    display_window: Box
    channels: dict[str, Pixels]
    picture: tuple[str, str, str]
    loaded: Box
    alpha: str | None = None
    color: PlateColor = LINEAR_REC709
    added: dict[str, Pixels] = field(default_factory=dict)
    attributes: dict[str, object] = field(default_factory=dict)
    header: dict[str, Any] = field(default_factory=dict)
    source: Source | None = None
    changed: Box | None = None
    whole: bool = True

    @classmethod
    def new(
        cls,
        number: int,
        channels: Mapping[str, Pixels],
        display_window: Box,
        data_window: Box | None = None,
        header: Mapping[str, Any] | None = None,
    ) -> "Frame":
        """A frame made from arrays of float16, float32 or uint32, each (height, width) of the data window.

        `header` holds EXR attributes in the OpenEXR module's types: `chromaticities` is a tuple of eight numbers,
        `timeCode` comes from `make_timecode`, `framesPerSecond` is a Fraction.
        """
        window = display_window if data_window is None else data_window
        for name, pixels in channels.items():
            if pixels.shape != (window.height, window.width) or pixels.dtype not in (np.float16, np.float32, np.uint32):
                raise ValueError(f"channel {name} is {pixels.dtype} {pixels.shape}, the data window is {window}")
        try:
            picture = pick_picture([("", [name for name, pixels in channels.items() if pixels.dtype.kind == "f"])])
        except NoPictureError as error:
            raise ValueError(f"the frame {error}") from error
        own = {name: np.ascontiguousarray(pixels) for name, pixels in channels.items()}
        return cls(
            *(number, Path(), window, display_window, own, picture.names, window, picture.alpha),
            header=dict(header or {}),
        )

    def rgb(self, box: Box) -> NDArray[np.float32]:
        """The picture inside `box`: (height, width, 3) float32, scene-linear in the plate's primaries, premultiplied.

        Raises ValueError where the box leaves what is loaded.
        """
        rows, columns = self._inside(box)
        pixels = np.empty((box.height, box.width, 3), np.float32)
        for index, name in enumerate(self.picture):
            pixels[..., index] = self.channels[name][rows, columns]
        return pixels if self.color.is_linear else self.color.to_linear(pixels)

    def planes(self, box: Box) -> tuple[Pixels, Pixels, Pixels] | None:
        """The picture's own red, green and blue inside `box`, to be edited in place, each (height, width).

        None where they are not linear, or not of one type of float: then `rgb` and `replace` are the way. Raises
        ValueError as `rgb` does.
        """
        red, green, blue = (self.channels[name][self._inside(box)] for name in self.picture)
        same = red.dtype == green.dtype == blue.dtype
        return (red, green, blue) if self.color.is_linear and same and red.dtype in (np.float16, np.float32) else None

    def alpha_of(self, box: Box) -> NDArray[np.float32] | None:
        """The alpha inside `box`: (height, width) float32, or None. Raises ValueError as `rgb` does."""
        rows, columns = self._inside(box)
        return None if self.alpha is None else self.channels[self.alpha][rows, columns].astype(np.float32)

    def replace(self, box: Box, rgb: NDArray[np.float32], changed: NDArray[np.bool_]) -> None:
        """Write `rgb`, as `rgb(box)` gives it, into the picture where `changed` (height, width); no other bit moves.

        A finite value too large for a half becomes the largest half, so that no infinity is made.
        """
        rows, columns = self._inside(box)
        if rgb.shape != (box.height, box.width, 3) or changed.shape != rgb.shape[:2]:
            raise ValueError(f"rgb {rgb.shape} and changed {changed.shape} do not fit {box}")
        values = rgb if self.color.is_linear else self.color.from_linear(rgb)
        for index, name in enumerate(self.picture):
            target = self.channels[name][rows, columns]
            np.copyto(target, _as_type(values[..., index], target.dtype), where=changed)

    def add_layer(self, name: str, box: Box, values: NDArray[np.float32], dtype: DTypeLike = np.float16) -> None:
        """Add (or write further into) the layer `name`, such as `patch.R`: `values` inside `box`, zero elsewhere.

        `values` are (height, width) of the box; what lies outside `loaded` is left out.
        """
        if values.shape != (box.height, box.width):
            raise ValueError(f"values {values.shape} do not fit {box}")
        layer = self.added.get(name)
        if layer is None:
            layer = np.zeros((self.loaded.height, self.loaded.width), dtype)
            self.added[name] = layer
        visible = box.intersect(self.loaded)
        if not visible.empty:
            layer[visible.slices(self.loaded)] = _as_type(values[visible.slices(box)], layer.dtype)

    def changes_in(self, box: Box) -> None:
        """Say that what was changed, or is going to be, lies in `box` and in the boxes that were named before."""
        before = _NOWHERE if self.changed is None else self.changed
        self.changed = before.union(box)

    def _inside(self, box: Box) -> tuple[slice, slice]:
        if box.empty or box.intersect(self.loaded) != box:
            raise ValueError(f"{box} is empty or leaves {self.loaded}, the part of the data window that is loaded")
        return box.slices(self.loaded)


def _as_type(values: NDArray[np.float32], dtype: np.dtype[Any]) -> Pixels:
    if dtype != np.float16:
        return values.astype(dtype)
    limited = np.clip(values, -_HALF_MAX, _HALF_MAX)
    infinite = np.isinf(values)
    if infinite.any():
        limited[infinite] = values[infinite]
    return limited.astype(np.float16)
