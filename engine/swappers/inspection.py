"""What a reference is like: what would be painted onto the plate's face with it, how it is lit, how sharp it is.

The face is unwrapped into texture space, where every face has its features in the same place and the same size, and
measured there. The thresholds lie between portraits with and without; they are warnings, not proofs.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.faces.exposure import REC709_LUMINANCE
from engine.models.catalogue import canonical_mesh
from engine.swappers import atlas
from engine.swappers.pyramid import Pyramid
from engine.swappers.smooth_mesh import smooth_facing
from kernels.blur import gaussian
from kernels.detail import EDGES, sharpness
from kernels.match import log_light
from kernels.mesh import rasterize
from kernels.warp import warp_dense

Float32 = NDArray[np.float32]

SIZE = 256
# Width of the face, in pixels, at which glasses, facial hair and light are looked for.
UNWRAPPED_WIDTH = 200.0
# The nose's bridge between the eyes, in texture units (left, right, top, bottom): bare skin has no edge across it.
BRIDGE = (0.46, 0.54, 0.30, 0.47)
# Change of log light from row to row, averaged across the bridge. Portraits without glasses: up to 0.07; with: 0.24.
GLASSES = 0.12
CHEEKS, CHIN = (50, 280, 205, 425, 101, 330), (199, 200, 175, 421, 201)
# Log light of the chin under that of the cheeks. Shaven chins: down to -0.41.
FACIAL_HAIR = -0.5
# Skin that looks at the camera less than this is foreshortened, and dark for that reason alone.
FACING = 0.5
# Eyes and lips and this far around them, in texture units; bands in cycles per texel, of which the fine ones go first
# when a picture loses its focus; and log2 of the ratio of their amplitudes that counts as blurred and as sharp. Sharp
# portraits: -2.4 to -3.2; the same after a blur of a hundredth of the face's width: -3.8 to -5.2.
FEATURE_REACH = 0.03
FINE, COARSE = (0.2, 0.45), (0.05, 0.12)
BLURRED_TO_SHARP = (-5.0, -3.0)


class Light(NamedTuple):
    """How a face is lit, in stops.

    exposure: what its skin was brightened by. side, top: how much brighter its skin becomes over the whole face towards
    the right of the picture, and from the chin to the forehead. contrast: between the skin's brighter and its darker
    tenth; about 1 in even light, over 2 where one half lies in shade.
    """

    exposure: float
    side: float
    top: float
    contrast: float


class Inspection(NamedTuple):
    """obstructions: what covers the skin, of "glasses" and "facial hair". sharpness: of eyes and lips, [0, 1]."""

    obstructions: tuple[str, ...]
    light: Light
    sharpness: float


def inspect_picture(pyramid: Pyramid, mesh: NDArray[np.float64], gain: float) -> Inspection:
    """Look at a face with a 478-point `mesh` in its picture, whose light was multiplied by `gain`."""
    facing = smooth_facing(mesh)
    coarse, fine = pyramid.levels(UNWRAPPED_WIDTH)[0], pyramid.levels(SIZE)[0]
    picture, facing_at = _unwrap(coarse.picture, mesh[:, :2] * coarse.shrink, coarse.scale, facing)
    found = obstructions(coarse.picture, mesh[:, :2] * coarse.shrink, coarse.scale)
    light = _light(picture, facing_at, gain)
    picture, facing_at = _unwrap(fine.picture, mesh[:, :2] * fine.shrink, fine.scale, facing)
    return Inspection(found, light, _sharpness(log_light(picture), facing_at))


def obstructions(picture: Float32, mesh: NDArray[np.floating], scale: float) -> tuple[str, ...]:
    """What covers the skin, of "glasses" and "facial hair", in exposed linear `picture` (h, w, 3 or more)."""
    log = log_light(_unwrap(picture, mesh, scale)[0])
    found = []
    left, right, top, bottom = (round(edge * SIZE) for edge in BRIDGE)
    brightness = gaussian(np.ascontiguousarray(log.mean(2)), 1.0)
    if np.abs(np.gradient(brightness, axis=0))[top:bottom, left:right].mean(1).max() > GLASSES:
        found.append("glasses")
    if _median_at(log, CHIN) - _median_at(log, CHEEKS) < FACIAL_HAIR:
        found.append("facial hair")
    return tuple(found)


def _light(picture: Float32, facing: Float32, gain: float) -> Light:
    skin = _flat().skin & (facing > FACING) & np.isfinite(picture).all(2)
    exposure = float(np.log2(gain))
    if np.count_nonzero(skin) < 100:
        return Light(exposure, 0.0, 0.0, 0.0)
    stops = np.log2(np.maximum(picture[skin] @ REC709_LUMINANCE, 1e-4)).astype(np.float64)
    u, v = _flat().coordinates[skin].T.astype(np.float64)
    plane = np.linalg.lstsq(np.column_stack([np.ones_like(u), u, -v]), stops, rcond=None)[0]
    dark, bright = np.quantile(stops, [0.1, 0.9])
    return Light(exposure, float(plane[1]), float(plane[2]), float(bright - dark))


def _sharpness(log: Float32, facing: Float32) -> float:
    weight = _flat().features & (facing > FACING / 2.0) & np.isfinite(log).all(2)
    energy = sharpness(np.where(weight[..., None], log, np.float32(0.0)), weight.astype(np.float32))
    centres = np.sqrt(EDGES[1:] * EDGES[:-1])
    fine, coarse = (energy[(centres > low) & (centres < high)].mean() for low, high in (FINE, COARSE))
    if not coarse > 0.0:
        # Of a face in profile too little is seen of eyes and lips; nothing is said against it.
        return 1.0
    blurred, sharp = BLURRED_TO_SHARP
    return float(np.clip((0.5 * np.log2(max(fine / coarse, 1e-12)) - blurred) / (sharp - blurred), 0.0, 1.0))


class _Flat(NamedTuple):
    """Texture space, (SIZE, SIZE): coordinates (…, 2), bare skin, and eyes and lips with what is around them."""

    coordinates: Float32
    skin: NDArray[np.bool_]
    features: NDArray[np.bool_]


@cache
def _flat() -> _Flat:
    places = (np.arange(SIZE, dtype=np.float32) + np.float32(0.5)) / np.float32(SIZE)
    coordinates = np.ascontiguousarray(np.stack(np.meshgrid(places, places), 2))
    regions = atlas.regions(coordinates)
    features = (regions.eyes > -FEATURE_REACH) | (regions.lips > -FEATURE_REACH)
    skin = (regions.hull > 0.1) & (regions.eyes < -0.05) & (regions.lips < -0.03) & (regions.forehead < 0.3)
    return _Flat(coordinates, skin & (regions.brows < -0.02) & (regions.nostrils < -0.02), features)


def _unwrap(
    picture: Float32, mesh: NDArray[np.floating], scale: float, facing: Float32 | None = None
) -> tuple[Float32, Float32]:
    """The face in texture space, (SIZE, SIZE, 3), and how much it looks at the camera there, where that is given."""
    canonical = canonical_mesh()
    flat = np.column_stack([canonical.uv * SIZE, np.zeros(len(canonical.uv))])
    facing = np.ones(len(flat), np.float32) if facing is None else facing
    raster = rasterize(flat, canonical.triangles, np.column_stack([mesh[: len(flat), :2], facing]), (SIZE, SIZE))
    raster.attributes[~raster.covered] = np.nan
    places = np.ascontiguousarray(raster.attributes[..., :2])
    return warp_dense(picture, places, "cubic", scale)[..., :3], raster.attributes[..., 2]


def _median_at(log: Float32, vertices: tuple[int, ...]) -> float:
    places = np.round(canonical_mesh().uv[list(vertices)] * SIZE).astype(int)
    return float(np.median([log[y - 4 : y + 5, x - 4 : x + 5].mean() for x, y in places]))
