"""What every family of swapper is given and gives back.

A swapper sees a crop in the model view and returns a patch in the same crop; it knows nothing of plates, files or
colour spaces. Where the crop lies is the swapper's own choice: a network wants its training template, the mesh swapper
wants the plate's own pixels.
"""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from engine.faces.tracks import FaceGeometry
from engine.geometry import Box
from engine.shot import Shot
from kernels.view import ModelView

Float32 = NDArray[np.float32]


class Crop(NamedTuple):
    """A grid of pixels over the plate: `plate_to_crop` (2, 3) float64, and the grid's (height, width)."""

    plate_to_crop: NDArray[np.float64]
    size: tuple[int, int]

    @classmethod
    def of_box(cls, box: Box) -> "Crop":
        """The plate's own pixels inside `box`."""
        return cls(np.array([[1.0, 0.0, -box.x0], [0.0, 1.0, -box.y0]]), (box.height, box.width))

    def from_box(self, box: Box) -> NDArray[np.float64]:
        """From pixels counted from the top left of `box` to the crop's, (2, 3)."""
        matrix = self.plate_to_crop.copy()
        matrix[:, 2] += matrix[:, :2] @ np.array([box.x0, box.y0], np.float64)
        return matrix

    def points(self, plate: NDArray[np.floating]) -> NDArray[np.float64]:
        """Points (n, 2) or (n, 3) of the plate in this crop; a third coordinate, depth, is scaled alike."""
        linear = self.plate_to_crop[:, :2]
        moved = plate[:, :2] @ linear.T + self.plate_to_crop[:, 2]
        if plate.shape[1] == 2:
            return moved
        return np.column_stack([moved, plate[:, 2] * np.sqrt(abs(np.linalg.det(linear)))])


class Seen(NamedTuple):
    """A face as a swapper is shown it, and what is asked for in its frame.

    picture: (h, w, 3) the crop, model view [0, 1]. mesh: (478, 3) in the crop's pixels. shot: the recipe, as its keys
    have it in this frame.
    """

    picture: Float32
    mesh: NDArray[np.float64]
    model_view: ModelView
    shot: Shot


class Patch(NamedTuple):
    """What a swapper made, over the crop.

    pixels: (h, w, 3) model view [0, 1], good wherever `texture` is, so also a little outside the matte.
    matte: (h, w) [0, 1], where the patch is to be used.
    hull: (h, w) [0, 1], the same by the face's geometry alone, without holes and without what the picture says of hair
    or hands: its edge is the seam, and is as steady as the track.
    skin: (h, w) bool, where patch and plate both show bare skin, so that their difference is one of light: for the
    seam and the grain.
    texture: (h, w, 2), the canonical mesh's texture coordinates (u right, v down), NaN off the mesh.
    pixel: how many pixels of the crop are one of the network's; 0 where the patch is as fine as what it was made from.
    """

    pixels: Float32
    matte: Float32
    hull: Float32
    skin: NDArray[np.bool_]
    texture: Float32
    pixel: float = 0.0


class Swapper(Protocol):
    """A family of swapper, bound to one identity."""

    def crop(self, face: FaceGeometry, bounds: Box) -> Crop:
        """The crop this swapper wants of a face in a plate whose pixels lie in `bounds`; empty when it has none."""
        ...

    def swap(self, seen: Seen) -> Patch:
        """Make the new face. Raises ModelError."""
        ...
