"""The parts that a face's matte is the product of, each on its own: for a recipe that asks for them as layers."""

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.shot import Matte, Shot

Float32 = NDArray[np.float32]

MATTES = "mattes"


def wants_parts(shot: Shot) -> bool:
    """Whether the recipe asks for the parts."""
    return MATTES in shot.output.layers


def split_matte(
    matte: Float32, hull: Float32, free: Float32, hull_of: Callable[[Matte], Float32], settings: Matte
) -> dict[str, Float32]:
    """The parts of a matte (h, w), each (h, w) [0, 1]: `hull`, `facing`, `occlusion`, and `model`, which is the rest.

    hull: the face by its geometry; `hull_of` makes it again with other settings. free: where nothing lies before the
    face. The product is the matte, except where that is over the hull, as over brows that are filled at its edge.
    """
    outline = hull_of(msgspec.structs.replace(settings, facing=0.0)) if settings.facing else hull
    # What the swapper puts in behind an obstruction is not obstructed.
    occlusion = np.maximum(free, _quotient(matte, hull))
    return {
        "hull": outline,
        "facing": _quotient(hull, outline),
        "occlusion": occlusion,
        "model": _quotient(matte, hull * occlusion),
    }


def _quotient(part: Float32, whole: Float32) -> Float32:
    """`part` / `whole`, at most 1; 0 where there is nothing to divide."""
    there = whole > 0.0
    return np.asarray(np.where(there, np.minimum(part / np.where(there, whole, 1.0), 1.0), 0.0), np.float32)
