"""How much of each region of a face is replaced: a smooth partition of the canonical mesh's texture space.

Each region counts in full inside its contour and fades out around it, over a width in the face's own units; what
lies further inside the face, as the lips do in the skin, takes its share first, so that all shares together are 1.
"""

from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from engine.shot import Strengths
from engine.swappers import atlas
from engine.swappers.hull import smoothstep
from kernels.warp import warp_dense

Float32 = NDArray[np.float32]

# The width over which each fades, in texture units, in the order in which they take their share. The closed mouth is
# thin, and all around it are lips.
FADE = {"mouth": 0.012, "lips": 0.05, "eyes": 0.04, "brows": 0.04, "nose": 0.06}
RINGS = {
    "mouth": (atlas.INNER_LIPS,),
    "lips": (atlas.OUTER_LIPS,),
    "eyes": (atlas.RIGHT_EYE, atlas.LEFT_EYE),
    "brows": (atlas.RIGHT_BROW, atlas.LEFT_BROW),
    "nose": (atlas.NOSE,),
}


def strength_of(texture: Float32, strengths: Strengths) -> Float32:
    """How much is replaced, (h, w) [0, 1], at texture coordinates (h, w, 2), u right and v down.

    Where those are NaN, off the mesh, it is the skin's.
    """
    found = warp_dense(_map(strengths), texture * np.float32(atlas.RESOLUTION), "linear")[..., 0]
    found[np.isnan(texture[..., 0])] = strengths.skin
    return np.asarray(found, np.float32)


@cache
def shares() -> dict[str, Float32]:
    """The share of each region, (RESOLUTION, RESOLUTION) [0, 1] over the texture space; they add up to 1."""
    found: dict[str, Float32] = {}
    left = np.ones((atlas.RESOLUTION, atlas.RESOLUTION), np.float32)
    for name, fade in FADE.items():
        own = smoothstep(atlas.distance(*RINGS[name]) / fade + 1.0)
        found[name] = np.asarray(own * left, np.float32)
        left = np.asarray(left * (1.0 - own), np.float32)
    return found | {"skin": left}


@lru_cache(maxsize=16)
def _map(strengths: Strengths) -> Float32:
    total = np.zeros((atlas.RESOLUTION, atlas.RESOLUTION), np.float32)
    for name, share in shares().items():
        total += np.float32(getattr(strengths, name)) * share
    return total[..., None]
