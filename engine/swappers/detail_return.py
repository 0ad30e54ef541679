"""The plate's own skin texture on a network's patch, where the network has no pixels for it.

A network of 128 pixels on a face of 600 makes no wave shorter than two of its pixels, ten of the plate's. Pores are
finer than that: they are the plate's, and come back from it, in its own pixels, as a gain on light. What is no skin
texture does not come: not near eyes, brows, lips, nostrils and the face's outline, whose edges lie elsewhere in the new
face; not where the band holds an edge (hair, a rim of glasses, a sharp wrinkle); and no more than what is usual for
this skin. The grain that comes along is the plate's, so that much less is made (`Returned.rest_of_grain`).
"""

import math
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.swappers import atlas
from engine.swappers.atlas import Regions
from engine.swappers.hull import smoothstep
from engine.swappers.skin import MAD_TO_SIGMA, find_skin
from kernels.blur import gaussian, masked_gaussian
from kernels.match import FLOOR, channel_mean, log_light
from kernels.view import ModelView, exposed, held, seen_of_exposed

Float32 = NDArray[np.float32]

# The band is what this many blurs leave, each of the rest of the one before: its edge is steep, and it rings little.
PASSES = 4
# Sigma of each blur in the network's pixels: of a wave of two of them 5 % comes back, of one of them 75 %.
SIGMA = 0.36
# Distances from the features, in texture units (the face is 0.985 wide), at which nothing and all of it comes back.
EYES, BROWS, LIPS, NOSTRILS, OUTLINE = (0.03, 0.08), (0.02, 0.06), (0.01, 0.04), (0.01, 0.035), (0.02, 0.08)
# An edge or a hair in the band is told from pores and grain by its being long: by means along strokes in so many
# directions, of this sigma along in the network's pixels, within bounds in the plate's, and of one across. Where the
# strongest is more than these multiples of what is usual for this skin, less comes back, and then nothing; also so far
# around it, in the network's pixels.
DIRECTIONS = 12
LONG, LONG_BOUNDS, THICK = 1.5, (3.0, 6.0), 0.5
EDGE = (2.0, 2.8)
BESIDE = 0.4
# No pixel is changed by more than so many times the texture's usual deviation.
MOST = 3.5
# Skin of fewer pixels says nothing of what is usual.
FEWEST_PIXELS = 200
_LEAST = 1e-6


class Returned(NamedTuple):
    """pixels: (h, w, 3) the patch with texture, model view. share: (h, w) [0, 1], how much of the plate's texture it
    has. sigma: of the band's blurs, in pixels.
    """

    pixels: Float32
    share: Float32
    sigma: float

    def rest_of_grain(self, grain: Float32, matte: Float32) -> Float32:
        """What of `grain` (h, w, 3), made for a patch without any under a matte (h, w), this patch still needs.

        In the band the plate's own grain is there to `share` of it, and to 1 - matte beside the patch.
        """
        own = 1.0 - matte * (1.0 - self.share)
        wanted, made = 1.0 - own**2, np.maximum(1.0 - (1.0 - matte) ** 2, _LEAST)
        kept = np.sqrt(np.clip(wanted / made, 0.0, 1.0))
        return np.asarray(grain - (1.0 - kept)[..., None] * band(grain, self.sigma), np.float32)


def return_detail(
    plate: Float32,
    patch: Float32,
    texture: Float32,
    model_view: ModelView,
    pixel: float,
    face_width: float,
    amount: float,
) -> Returned | None:
    """The patch with the plate's texture, by an amount [0, 1]; None where nothing is to be returned.

    plate: (h, w, 3) plate-linear, unpremultiplied. patch: (h, w, 3) model view, in the plate's pixels. texture:
    (h, w, 2), as in `Patch`. pixel: how many of the plate's pixels are one of the network's; with up to one the patch
    has all that the plate could give. face_width: in the plate's pixels.
    """
    if amount == 0.0 or pixel <= 1.0:
        return None
    light, regions = held(plate, model_view), atlas.regions(texture)
    skin = find_skin(light, regions, face_width)
    open_skin = np.asarray(skin.likelihood * _away(regions), np.float32)
    sure = open_skin > 0.9
    if np.count_nonzero(sure) < FEWEST_PIXELS:
        return None
    log, sigma = log_light(light), SIGMA * pixel
    # Blurred among themselves, so that neither hair nor lips ring into the skin beside them.
    fine = band(log, sigma, open_skin)
    share = np.asarray(amount * open_skin * _unlike_edges(channel_mean(fine) * open_skin, sure, pixel), np.float32)
    usual = MAD_TO_SIGMA * np.median(np.abs(fine[sure]), axis=0)
    change = share[..., None] * np.clip(fine, -MOST * usual, MOST * usual)
    new = seen_of_exposed(np.exp(log_light(exposed(patch, model_view)) + change) - np.float32(FLOOR), model_view)
    return Returned(np.where(share[..., None] > 0.0, new, patch), share, sigma)


def band(picture: Float32, sigma: float, weight: Float32 | None = None) -> Float32:
    """What of a picture (h, w, c) is finer than blurs of `sigma`, among the pixels of a weight (h, w) where given."""
    rest = picture
    for _ in range(PASSES):
        blurred = gaussian(rest, sigma) if weight is None else masked_gaussian(rest, weight, sigma)
        rest = np.asarray(rest - blurred, np.float32)
    return rest


def _away(regions: Regions) -> Float32:
    """1 on the open skin of a face, 0 at its features and its outline, (h, w)."""
    distances = (
        (-regions.eyes, EYES),
        (-regions.brows, BROWS),
        (-regions.lips, LIPS),
        (-regions.nostrils, NOSTRILS),
        (regions.hull, OUTLINE),
    )
    # Together, so that no thin line of skin is left between an eye and its brow.
    return np.multiply.reduce([smoothstep((far - low) / (high - low)) for far, (low, high) in distances])


def _unlike_edges(fine: Float32, sure: NDArray[np.bool_], pixel: float) -> Float32:
    """1 where a band (h, w) has nothing long in it, 0 on edges and hairs and beside them."""
    long = float(np.clip(LONG * pixel, *LONG_BOUNDS))
    strongest = np.zeros_like(fine)
    for turn in np.arange(DIRECTIONS) * (np.pi / DIRECTIONS):
        np.maximum(strongest, np.abs(cv2.filter2D(fine, -1, _stroke(turn, long))), out=strongest)
    usual = max(float(np.median(strongest[sure])), _LEAST)
    reach = 2 * math.ceil(BESIDE * pixel) + 1
    around = np.asarray(cv2.dilate(strongest, np.ones((reach, reach), np.uint8)), np.float32)
    return gaussian(1.0 - smoothstep((around / usual - EDGE[0]) / (EDGE[1] - EDGE[0])), 0.5 * BESIDE * pixel)


def _stroke(turn: float, long: float) -> Float32:
    """A mean along a direction, as a kernel."""
    reach = math.ceil(2.5 * long)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    along, beside = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    kernel = np.exp(-0.5 * ((along / long) ** 2 + (beside / THICK) ** 2))
    return np.asarray(kernel / kernel.sum(), np.float32)
