"""The plate's colour and sharpness on a new face."""

import numpy as np
from numpy.typing import NDArray

from engine.shot import Match
from engine.swappers.atlas import Regions
from engine.swappers.hull import smoothstep
from engine.swappers.skin import Skin
from kernels.detail import Adjustment, adjust, match_sharpness
from kernels.grain import mean_variance
from kernels.grain_measure import measure_grain
from kernels.match import match_light

Float32 = NDArray[np.float32]

# Sharpness is measured on the eyes and lips and this far around them, in texture units.
FEATURE_REACH = 0.03
# Skin that the view shows brighter than this shines: its grain and its colour are the lamp's.
SHINE = 0.85
# Statistics of fewer pixels are none.
FEWEST_PIXELS = 100
# Below this width in pixels a face's sharpness is measured as a whole, above the second on its eyes and lips.
SMALL_FACE = (120.0, 180.0)


def match_look(
    new: Float32,
    plate: Float32,
    regions: Regions,
    skin: NDArray[np.bool_],
    both: NDArray[np.bool_],
    width: float,
    settings: Match,
) -> Float32:
    """A new face's exposed light (h, w, 3) with the plate's colour and sharpness, as far as the settings say; brighter
    or darker than that by their exposure.

    regions: of the plate's face, which is `width` pixels wide. skin: (h, w), bare skin of the plate under the new face;
    both: where the new one is sure to show skin, too.
    """
    if np.count_nonzero(both) < FEWEST_PIXELS:
        both = skin
    if np.count_nonzero(both) >= FEWEST_PIXELS:
        new = match_light(
            new,
            plate,
            both,
            radius=0.22 * width,
            amount=settings.amount,
            contrast=settings.contrast,
            low_frequency=settings.low_frequency,
        )
        softness = settings.sharpness * _softness(new, plate, regions, both, width)
        new = adjust(new, Adjustment(softness, 0.0), out=new)
    return new if settings.exposure == 0.0 else np.asarray(new * np.float32(2.0**settings.exposure), np.float32)


def dull_skin(seen: Float32, skin: Skin) -> NDArray[np.bool_]:
    """Where the plate does not shine. In a frame that is brighter than the shot, most of its skin still counts."""
    peak = np.maximum(np.maximum(seen[..., 0], seen[..., 1]), seen[..., 2])
    usual = float(np.quantile(peak[skin.bare], 0.75)) if skin.bare.any() else 1.0
    return peak <= max(SHINE, usual)


def _softness(patch: Float32, plate: Float32, regions: Regions, skin: NDArray[np.bool_], width: float) -> float:
    """Sigma, in pixels, of the blur that makes the patch as soft as the plate is under its own grain.

    It is measured on eyes and lips, which every face has alike, not on skin, where one person's wrinkles are another's
    bad focus; and of the two the one that asks for less counts, for a closed eye is no blur. In a small face they hold
    too few pixels: there the whole face is measured, and in between the two answers are mixed.
    """
    grain = measure_grain(plate, skin)
    noise = mean_variance(grain, np.median(plate[skin], axis=0))
    across, down = (float(sigma) for sigma in grain.blur.mean(0))

    def measure(region: NDArray[np.bool_]) -> float:
        return match_sharpness(patch, plate, region.astype(np.float32), noise, noise_blur=(across, down))

    share = float(smoothstep(np.float32((width - SMALL_FACE[0]) / (SMALL_FACE[1] - SMALL_FACE[0]))))
    whole = measure(regions.hull > 0.0) if share < 1.0 else 0.0
    features = (regions.eyes, regions.lips)
    parts = min(measure(feature > -FEATURE_REACH) for feature in features) if share > 0.0 else 0.0
    return share * parts + (1.0 - share) * whole
