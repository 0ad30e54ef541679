"""Boxes on the pixel grid of a plate.

Convention of the whole project: pixel centres lie at half-integers, x to the right, y down, and the origin is the top
left corner of the display window. Matrices are named by direction (`plate_to_crop`) and act on column vectors.
"""

from typing import Any

import msgspec
import numpy as np
from numpy.typing import NDArray


class Box(msgspec.Struct, frozen=True):
    """A half-open box of pixels: columns x0 ≤ x < x1, rows y0 ≤ y < y1."""

    x0: int
    y0: int
    x1: int
    y1: int

    @property
    def width(self) -> int:
        return max(0, self.x1 - self.x0)

    @property
    def height(self) -> int:
        return max(0, self.y1 - self.y0)

    @property
    def empty(self) -> bool:
        return self.width == 0 or self.height == 0

    def intersect(self, other: "Box") -> "Box":
        return Box(max(self.x0, other.x0), max(self.y0, other.y0), min(self.x1, other.x1), min(self.y1, other.y1))

    def union(self, other: "Box") -> "Box":
        """The smallest box that holds both; an empty one adds nothing."""
        if self.empty or other.empty:
            return other if self.empty else self
        return Box(min(self.x0, other.x0), min(self.y0, other.y0), max(self.x1, other.x1), max(self.y1, other.y1))

    def grown(self, pixels: int) -> "Box":
        return Box(self.x0 - pixels, self.y0 - pixels, self.x1 + pixels, self.y1 + pixels)

    def moved(self, dx: int, dy: int) -> "Box":
        return Box(self.x0 + dx, self.y0 + dy, self.x1 + dx, self.y1 + dy)

    def slices(self, origin: "Box") -> tuple[slice, slice]:
        """Rows and columns of this box in an array whose first pixel is the top left of `origin`."""
        return slice(self.y0 - origin.y0, self.y1 - origin.y0), slice(self.x0 - origin.x0, self.x1 - origin.x0)


def extent(values: NDArray[Any]) -> Box:
    """The smallest box that holds what is not zero in (rows, columns), counted from the first; empty for nothing."""
    rows, columns = np.flatnonzero(values.any(axis=1)), np.flatnonzero(values.any(axis=0))
    if not rows.size:
        return Box(0, 0, 0, 0)
    return Box(int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1)
