"""Where a face is replaced: by its geometry alone, and without what lies before it."""

import numpy as np
from numpy.typing import NDArray

from engine.shot import Matte
from engine.swappers.atlas import Regions
from engine.swappers.skin import Skin
from kernels.blur import gaussian
from kernels.matte import signed_distance

Float32 = NDArray[np.float32]

# The matte is blurred by this much, in face widths: less than its narrowest edge, more than the raster's stairs.
MATTE_SOFTNESS = 0.006
# In pixels: a matte's edge is never harder than the pixel grid can move.
SMALLEST_BLUR = 0.7
# The forehead fades out over this part of its height.
FOREHEAD_FADE = 0.4
# Facing (cosine, smoothed over the mesh) at which a vertex of the plate's face begins to count, and at which fully.
FACING = (0.0, 0.25)
# A matte ends this far from the edge of a network's crop, as a fraction of its side: templates cut off chins.
BORDER = 0.06


def face_hull(
    covered: NDArray[np.bool_], facing: Float32, regions: Regions, forehead: float, matte: Matte, width: float
) -> Float32:
    """Where a face `width` pixels wide may be replaced by its geometry, (h, w) [0, 1].

    covered, facing: (h, w), the face's mesh and how much it looks at the camera. forehead: the part of it, [0, 1].
    """
    edge = signed_distance(covered) / width
    hull = smoothstep((edge + matte.grow) / max(matte.feather, 1e-3)) * smoothstep(edge / 0.01)
    hull *= 1.0 - smoothstep((regions.forehead - forehead) / FOREHEAD_FADE + 0.5)
    turned = smoothstep((facing - FACING[0]) / (FACING[1] - FACING[0]))
    hull *= 1.0 - matte.facing * (1.0 - turned)
    return gaussian(hull, matte_blur(width)) * covered


def inner_part(regions: Regions) -> Float32:
    """1 in the inner face, 0 outside it. Brows, nostrils and lips are no skin, and a nose's sides face nobody."""
    return smoothstep(regions.inner_face / 0.05 + 0.5)


def unobstructed(skin: Skin, inner: Float32, amount: float) -> Float32:
    """Where nothing lies before the face, (h, w) [0, 1]; in its `inner_part` only what covers much counts."""
    plate = np.maximum(skin.likelihood, inner * skin.unobstructed)
    return np.asarray(1.0 - amount * (1.0 - plate), np.float32)


def matte_blur(width: float) -> float:
    """Sigma, in pixels, of the blur of the mattes of a face `width` pixels wide."""
    return max(MATTE_SOFTNESS * width, SMALLEST_BLUR)


def crop_border(side: int) -> Float32:
    """0 at the edge of a square crop, 1 from BORDER on inside, (side, side)."""
    inside = (np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / (BORDER * side)).astype(np.float64)
    return smoothstep(np.minimum(inside[:, None], inside[None]))


def smoothstep(t: Float32 | NDArray[np.float64] | np.float32) -> Float32:
    """0 below 0, 1 above 1, between them a cubic with level ends."""
    clipped = np.clip(t, 0.0, 1.0).astype(np.float32)
    return np.asarray(clipped * clipped * (3.0 - 2.0 * clipped), np.float32)
