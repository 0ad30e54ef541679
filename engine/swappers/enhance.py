"""Enhancers: networks that are shown a new face and give it back with more detail (GFPGAN, CodeFormer, GPEN, …).

With one, the swapper's crop is the face as the enhancer's template has it, so that what it is shown is not resampled
once more. A face that is larger in the plate than the enhancer's picture is enhanced in tiles of that picture's size,
which overlap: each counts by a weight that falls off inside its overlaps, and the weights add up to 1 everywhere.
Those networks were trained on whole faces; `network.enhance_scale` of 1 shows them no others.
"""

import math

import numpy as np
from numpy.typing import NDArray

from engine.faces.tracks import FaceGeometry
from engine.models.brought import Brought
from engine.shot import Network
from engine.swappers.base import Crop
from engine.swappers.hull import crop_border, smoothstep
from engine.swappers.templates import picture_to_template, scale_of
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]

# Neighbouring tiles have at least this part of a tile in common; at its rims, so much each, a tile does not count:
# there a network sees too little around a pixel.
OVERLAP, RIM = 0.25, 1 / 16
# A crop has at most so many times the plate's own pixels along its side, however large the enhancer's picture is.
FINEST = 2.0


class Enhancer:
    """An open enhancer with a recipe's settings. Calls may come from several threads at once."""

    def __init__(self, network: Brought, settings: Network) -> None:
        self._network, self._most = network, settings.enhance_scale

    @property
    def identity(self) -> str:
        """The SHA-256 of its file."""
        return self._network.identity

    def crop(self, face: FaceGeometry, swapped: float) -> Crop:
        """The face as the enhancer has it, at least as fine as what it is shown and what the plate can show.

        swapped: pixels of the swapper's network for one of the plate.
        """
        template, size = self._network.manifest.template, self._network.size
        own = 1.0 / scale_of(picture_to_template(face.mesh, template, 1))
        needed = min(own, max(size * self._most, own * swapped))
        side = math.ceil(max(min(float(size), FINEST * own), needed))
        return Crop(picture_to_template(face.mesh, template, side), (side, side))

    def side(self, crop: int) -> int:
        """The side in pixels of the picture that is enhanced, for a crop of this side."""
        size = self._network.size
        return min(max(crop, size), max(size, round(size * self._most)))

    def pixel(self, crop: int, swapped: float, settings: Network) -> float:
        """How many pixels of a crop of this side are one of what `enhance` gives, where they are `swapped` of the
        swapper's network's: between the two, by how much of the enhanced face is used.
        """
        own = max(1.0, crop / self.side(crop))
        return max(own, swapped) ** (1.0 - settings.enhance) * own**settings.enhance

    def enhance(self, face: Float32, settings: Network) -> Float32:
        """The new face (h, h, 3) over a crop, model view [0, 1], with as much of the enhanced one as is asked for.

        Raises ModelError.
        """
        if settings.enhance == 0.0:
            return face
        crop, side = len(face), self.side(len(face))
        shown = _scaled(face, side)
        starts = tile_starts(side, self._network.size)
        tiles = self._network.enhance(split(shown, starts, self._network.size), settings.fidelity)
        enhanced = _scaled(join(tiles, starts, side), crop)
        amount = np.float32(settings.enhance) * crop_border(crop)[..., None]
        return np.asarray(face + amount * (enhanced - face), np.float32)


def tile_starts(side: int, size: int) -> NDArray[np.int64]:
    """Where tiles of `size` pixels begin along a side, evenly, so that neighbours overlap enough; one where it fits."""
    count = max(1, math.ceil((side - OVERLAP * size) / ((1.0 - OVERLAP) * size))) if side > size else 1
    return np.rint(np.linspace(0.0, side - size, count)).astype(np.int64)


def tile_weights(starts: NDArray[np.int64], size: int, side: int) -> Float32:
    """How much each tile counts along a side, (tiles, side) [0, 1]; they add up to 1 at every pixel."""
    place = np.arange(side) + 0.5
    comes = [np.ones(side, np.float32)]
    for start, before in zip(starts[1:], starts, strict=False):
        low, high = start + RIM * size, before + (1.0 - RIM) * size
        comes.append(smoothstep((place - low) / (high - low)))
    # Each tile counts from where it comes in to where the next does.
    return np.stack(comes) - np.stack([*comes[1:], np.zeros(side, np.float32)])


def split(picture: Float32, starts: NDArray[np.int64], size: int) -> Float32:
    """The tiles (n · n, size, size, 3) of a picture, row by row, that begin at `starts` down and across."""
    return np.stack([picture[y : y + size, x : x + size] for y in starts for x in starts])


def join(tiles: Float32, starts: NDArray[np.int64], side: int) -> Float32:
    """The picture (side, side, 3) of the tiles that `split` made, or of what came of them."""
    if len(starts) == 1:
        return tiles[0]
    size = tiles.shape[1]
    weights = tile_weights(starts, size, side)
    result = np.zeros((side, side, tiles.shape[3]), np.float32)
    for number, tile in enumerate(tiles):
        row, column = divmod(number, len(starts))
        y, x = starts[row], starts[column]
        share = weights[row, y : y + size, None] * weights[column, x : x + size]
        result[y : y + size, x : x + size] += share[..., None] * tile
    return result


def _scaled(picture: Float32, side: int) -> Float32:
    """A square picture at another side."""
    if len(picture) == side:
        return picture
    factor = len(picture) / side
    return warp_affine(picture, [[factor, 0.0, 0.0], [0.0, factor, 0.0]], (side, side), "cubic")
