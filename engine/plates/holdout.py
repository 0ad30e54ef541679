"""A holdout: frames beside the plate's that say where the plate must stay, drawn or rendered by an artist.

They are data, not pictures: no colour space applies to them.
"""

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import FrameMissing, PlateUnsupported
from engine.events import shown
from engine.geometry import Box
from engine.plates.naming import split_number
from engine.plates.sequence import find_sequence
from engine.plates.still import open_still, reason_of, unreadable


class Holdout:
    """The frames of a holdout. Reading is safe from several threads at once."""

    def __init__(self, pattern: str) -> None:
        """`pattern` as a plate's; one file that has no number in its name holds for every frame. Raises PlateError."""
        self._sequence = find_sequence(pattern)
        numbered = split_number(Path(pattern).name) is not None
        self._alone = Path(pattern) if Path(pattern).is_file() and not numbered else None

    def path(self, frame: int) -> Path:
        """The file of a frame, or the name that a missing one would have; of one frame of a sequence, its neighbour."""
        return self._alone or self._sequence.path(frame)

    def read(self, frame: int, box: Box, display: Box, plate: Box) -> NDArray[np.float32]:
        """How far the plate must stay, [0, 1], (height, width) of `box` in a plate of this display window.

        It is the first channel of the file, 0 where that has no pixels. A file of the size of the plate's data window,
        `plate`, lies there: some hosts take that for the whole picture. Raises FrameMissing, FrameUnreadable, or
        PlateUnsupported for a file of another size.
        """
        path = self.path(frame)
        if not path.exists():
            raise FrameMissing(f"The holdout has no frame {frame}: {shown(path)}.", "Render it, or leave it away.")
        source = open_still(path)
        with contextlib.closing(source):
            spec = source.spec()
            size = spec.full_width, spec.full_height
            whole = next((one for one in (display, plate) if (one.width, one.height) == size), None)
            if whole is None:
                raise PlateUnsupported(
                    f"The holdout {shown(path)} is {spec.full_width}×{spec.full_height}, "
                    f"and the plate is {display.width}×{display.height}.",
                    "Render it in the plate's size.",
                )
            stored = source.read_image(0, 0, 0, 1, "float")
            if stored is None or source.has_error:
                raise unreadable(path, reason_of(source.geterror) or "its pixels are damaged")
            data = Box(0, 0, spec.width, spec.height).moved(
                whole.x0 + spec.x - spec.full_x, whole.y0 + spec.y - spec.full_y
            )
        held = np.zeros((box.height, box.width), np.float32)
        both = data.intersect(box)
        if not both.empty:
            values = np.asarray(stored, np.float32).reshape(spec.height, spec.width)
            held[both.slices(box)] = np.clip(np.nan_to_num(values[both.slices(data)]), 0.0, 1.0)
        return held
