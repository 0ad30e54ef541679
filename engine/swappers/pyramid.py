"""One picture of a person at every size that a plate may ask for, each half of the one before."""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.faces.mesh import face_width
from engine.swappers import atlas
from engine.swappers.skin import find_skin

Float32 = NDArray[np.float32]

# Width of the face, in pixels, of the smallest size.
SMALLEST = 16.0


class Level(NamedTuple):
    """A reference at one size.

    picture: (h, w, 4) exposed linear RGB and skin likelihood. shrink: (2,) from the reference's pixels to this
    picture's. scale: pixels of this picture for one of the plate. weight: its share, where two sizes are mixed.
    """

    picture: Float32
    shrink: Float32
    scale: float
    weight: float


class Pyramid:
    """The sizes of a picture: exposed linear light (h, w, 3), of a face with a 478-point `mesh` in its pixels."""

    def __init__(self, light: Float32, mesh: NDArray[np.float64]) -> None:
        self._width = face_width(mesh)
        self._sizes = _halved(light, mesh, self._width)

    @property
    def light(self) -> Float32:
        """Exposed linear light (h, w, 3)."""
        return self._sizes[0][..., :3]

    def levels(self, target_width: float) -> list[Level]:
        """The picture reduced to less than twice as fine as a face of `target_width` pixels.

        Before the next size takes over, the two are mixed, so that a slow zoom shows no step.
        """
        ratio = self._width / max(target_width, 1.0)
        last = len(self._sizes) - 1
        index = min(int(np.floor(np.log2(max(ratio, 1.0)))), last)
        next_share = 0.0 if index == last else float(np.clip(ratio / 2**index / 0.5 - 3.0, 0.0, 1.0))
        shares = ((index, 1.0 - next_share), (index + 1, next_share))
        return [self._level(at, ratio, weight) for at, weight in shares if weight > 0.0]

    def _level(self, index: int, ratio: float, weight: float) -> Level:
        picture, full = self._sizes[index], self._sizes[0]
        shrink = np.array([picture.shape[1] / full.shape[1], picture.shape[0] / full.shape[0]], np.float32)
        return Level(picture, shrink, max(1.0, ratio * float(shrink.mean())), weight)


def reduced(picture: Float32, size: tuple[int, int]) -> Float32:
    """A picture (h, w, n) at a smaller (width, height), each pixel the mean of those that it takes the place of."""
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _halved(light: Float32, mesh: NDArray[np.float64], width: float) -> list[Float32]:
    """The picture with its skin likelihood, (h, w, 4), and halves of it down to the smallest."""
    likelihood = find_skin(light, atlas.picture_regions(mesh, light.shape[:2]), width).likelihood
    sizes = [np.ascontiguousarray(np.dstack([light, likelihood]))]
    while width / 2 ** len(sizes) > SMALLEST:
        last = sizes[-1]
        sizes.append(reduced(last, (max(1, last.shape[1] // 2), max(1, last.shape[0] // 2))))
    return sizes
