"""The mesh swapper: another person's texture on the plate's own face, with no network.

The reference whose pose and mouth are nearest (or a mixture of near ones) is carried over the 898 triangles of the
canonical mesh to the plate's mesh; the inner face's shape moves part of the way to the person's. The plate keeps its
eyes and inner mouth, its lids when it blinks, and its lips when its mouth does what no reference does. The plate's own
brows are filled with the skin around them first, so that they do not show beside the new ones.
"""

import numpy as np
from numpy.typing import NDArray

from engine.faces.mesh import SURFACE, face_width
from engine.faces.pose import eye_aperture, mouth_shape
from engine.faces.tracks import FaceGeometry
from engine.geometry import Box
from engine.kept import NOTHING, Keep
from engine.shot import Shot
from engine.swappers import atlas
from engine.swappers.atlas import Regions
from engine.swappers.base import Crop, Patch
from engine.swappers.references import Identity, Likeness
from engine.swappers.skin import Skin, find_skin
from engine.swappers.texture import Texture, carry
from kernels.blur import gaussian, masked_gaussian
from kernels.detail import Adjustment, adjust, match_sharpness
from kernels.grain import mean_variance
from kernels.grain_measure import measure_grain
from kernels.match import FLOOR, log_light, match_light
from kernels.matte import signed_distance
from kernels.view import ModelView, exposed, seen_of_exposed

Float32 = NDArray[np.float32]

# The crop reaches this far beyond the mesh, in face widths: room for the seam and for the shape that moves outwards.
MARGIN = 0.06
# The matte is blurred by this much, in face widths: less than its narrowest edge, more than the raster's stairs.
MATTE_SOFTNESS = 0.006
# Sharpness is measured on the eyes and lips and this far around them, in texture units.
FEATURE_REACH = 0.03
# Skin that the view shows brighter than this shines: its grain and its colour are the lamp's.
SHINE = 0.85
# Statistics of fewer pixels are none.
FEWEST_PIXELS = 100
# Below this width in pixels a face's sharpness is measured as a whole, above the second on its eyes and lips.
SMALL_FACE = (120.0, 180.0)
# In pixels: a matte's edge is never harder than the pixel grid can move.
SMALLEST_BLUR = 0.7
# The forehead fades out over this part of its height.
FOREHEAD_FADE = 0.4
# Facing (cosine, smoothed over the mesh) at which a vertex of the plate's face begins to count, and at which it counts
# fully; and the same for the reference's, whose grazing sides hold stretched pixels of hair and background.
FACING = (0.0, 0.25)
SOURCE_FACING = (0.4, 0.65)


class MeshSwapper:
    """The swapper of one identity. Immutable after construction; calls may come from any thread."""

    def __init__(self, identity: Identity, shot: Shot, keep: Keep = NOTHING) -> None:
        """What depends on some of the settings only is taken from `keep` when the others change."""
        self._identity = identity
        self._shot = shot
        self._keep = keep

    def crop(self, face: FaceGeometry, bounds: Box) -> Crop:
        """The plate's own pixels around the mesh, so that nothing is resampled twice."""
        low = np.floor(face.mesh[:SURFACE, :2].min(0)).astype(int)
        high = np.ceil(face.mesh[:SURFACE, :2].max(0)).astype(int)
        box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        return Crop.of_box(box.grown(round(MARGIN * face_width(face.mesh))).intersect(bounds))

    def swap(self, seen: Float32, mesh: NDArray[np.float64], model_view: ModelView) -> Patch:
        """See `engine.swappers.base.Swapper.swap`."""
        keep = self._keep.about(seen, mesh, *model_view, self._identity.digest)
        settings = self._shot.mesh, self._shot.match, self._shot.matte
        return keep.get(("patch", *settings), lambda: self._swap(seen, mesh, model_view, keep))

    def _swap(self, seen: Float32, mesh: NDArray[np.float64], model_view: ModelView, keep: Keep) -> Patch:
        settings, match = self._shot.mesh, self._shot.match
        plate, width = exposed(seen, model_view), face_width(mesh)
        person, shape, brows = self._identity.nearest(mesh), settings.shape, settings.brows
        own, skin, dull = keep.get("scene", lambda: _look(seen, plate, mesh, width))
        regions, texture = keep.get(("worn", shape), lambda: _put_on(person, mesh, shape, plate.shape[:2]))
        new = keep.get(("new", shape, match), lambda: self._match(texture, plate, own, skin.bare & dull, width))
        filled, filling = keep.get(("brows", brows), lambda: _fill_brows(plate, own, skin, width, brows))
        hull = self._hull(regions, texture, width)
        cover = hull * self._openings(regions, texture, skin, person, mesh)
        # Near the outline there is no skin to vouch for the filling: it ends where the hull does.
        under = (1.0 - cover) * filling * hull
        matte = np.asarray(cover + under, np.float32)
        share = np.asarray(under / np.maximum(matte, 1e-6), np.float32)[..., None]
        light = np.asarray(new + share * (filled - new), np.float32)
        skin_on_both = texture.covered & (texture.likelihood > 0.5) & (skin.likelihood > 0.5) & (own.brows < 0.0)
        return Patch(seen_of_exposed(light, model_view), matte, hull, skin_on_both & dull, texture.coordinates)

    def _match(
        self, texture: Texture, plate: Float32, regions: Regions, skin: NDArray[np.bool_], width: float
    ) -> Float32:
        """The texture's light with the plate's colour and sharpness."""
        settings = self._shot.match
        skin = skin & texture.covered
        both = skin & (texture.likelihood > 0.6) & (texture.source_facing > 0.5)
        if np.count_nonzero(both) < FEWEST_PIXELS:
            both = skin
        if np.count_nonzero(both) < FEWEST_PIXELS:
            return texture.light
        matched = match_light(
            texture.light,
            plate,
            both,
            radius=0.22 * width,
            amount=settings.amount,
            contrast=settings.contrast,
            low_frequency=settings.low_frequency,
        )
        softness = settings.sharpness * _softness(matched, plate, regions, both, width)
        return adjust(matched, Adjustment(softness, 0.0), out=matched)

    def _hull(self, regions: Regions, texture: Texture, width: float) -> Float32:
        """Where the reference's texture may be used by the geometry of the face, (h, w) [0, 1]."""
        settings, matte = self._shot.mesh, self._shot.matte
        edge = signed_distance(texture.covered) / width
        hull = _smoothstep((edge + matte.grow) / max(matte.feather, 1e-3)) * _smoothstep(edge / 0.01)
        hull *= 1.0 - _smoothstep((regions.forehead - settings.forehead) / FOREHEAD_FADE + 0.5)
        turned = _smoothstep((texture.facing - FACING[0]) / (FACING[1] - FACING[0]))
        hull *= 1.0 - matte.facing * (1.0 - turned)
        return gaussian(hull, _matte_blur(width)) * texture.covered

    def _openings(
        self, regions: Regions, texture: Texture, skin: Skin, person: Likeness, mesh: NDArray[np.float64]
    ) -> Float32:
        """Where nothing of the plate is kept, (h, w) [0, 1]; 0 in its eyes and mouth and behind hands and hair."""
        settings = self._shot.mesh
        seen = _smoothstep((texture.source_facing - SOURCE_FACING[0]) / (SOURCE_FACING[1] - SOURCE_FACING[0]))
        # Brows, nostrils and lips are no skin, and the sides of a nose face nobody: there only what covers much counts.
        inner = _smoothstep(regions.inner_face / 0.05 + 0.5)
        plate = np.maximum(skin.likelihood, inner * skin.unobstructed)
        openings = np.maximum(seen * texture.likelihood, inner) * (1.0 - self._shot.matte.skin * (1.0 - plate))
        openings = np.asarray(openings, np.float32)
        openings *= _keep_eyes(regions, texture.coordinates, person, mesh, settings.eyes, settings.blink)
        openings *= _keep_mouth(regions, person, mesh, settings.mouth)
        openings[~texture.covered] = 0.0
        return gaussian(openings, _matte_blur(face_width(mesh)))


def _look(
    seen: Float32, plate: Float32, mesh: NDArray[np.float64], width: float
) -> tuple[Regions, Skin, NDArray[np.bool_]]:
    """The regions of the plate's own face, its skin, and where it does not shine."""
    own = atlas.picture_regions(mesh, plate.shape[:2])
    skin = find_skin(plate, own, width)
    return own, skin, _dull(seen, skin)


def _put_on(
    person: Likeness, mesh: NDArray[np.float64], shape: float, size: tuple[int, int]
) -> tuple[Regions, Texture]:
    """The person's texture on the plate's mesh, and the regions of the face that it makes."""
    texture = carry(person, mesh, shape, size)
    return atlas.regions(texture.coordinates), texture


def _matte_blur(width: float) -> float:
    return max(MATTE_SOFTNESS * width, SMALLEST_BLUR)


def _dull(seen: Float32, skin: Skin) -> NDArray[np.bool_]:
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

    share = float(_smoothstep(np.float32((width - SMALL_FACE[0]) / (SMALL_FACE[1] - SMALL_FACE[0]))))
    whole = measure(regions.hull > 0.0) if share < 1.0 else 0.0
    features = (regions.eyes, regions.lips)
    parts = min(measure(feature > -FEATURE_REACH) for feature in features) if share > 0.0 else 0.0
    return share * parts + (1.0 - share) * whole


def _keep_eyes(
    regions: Regions,
    coordinates: Float32,
    person: Likeness,
    mesh: NDArray[np.float64],
    eyes: float,
    blink: float,
) -> Float32:
    """1 on the patch, falling to 0 in the plate's eyes, and over its lids as they close further than the reference's.

    An open-eyed texture squeezed onto a closed eye is a black smear; the plate's own lids are right.
    """
    ratio = np.array(eye_aperture(mesh)) / np.maximum(person.aperture, 1e-3)
    closing = blink * _smoothstep((0.75 - ratio) / 0.4)
    side = np.where(coordinates[..., 0] < 0.5, np.float32(closing[0]), np.float32(closing[1]))
    outside = -regions.eyes
    kept = 1.0 - _smoothstep((outside - 0.004 - 0.04 * side) / (0.018 + 0.05 * side))
    return np.asarray(1.0 - eyes * kept, np.float32)


def _keep_mouth(regions: Regions, person: Likeness, mesh: NDArray[np.float64], mouth: float) -> Float32:
    """1 on the patch, falling to 0 in the plate's inner mouth, and over its lips as they differ from the person's."""
    inner = _smoothstep(-regions.inner_lips / 0.006)
    difference = float(np.linalg.norm(mouth_shape(mesh) - person.mouth))
    differing = _smoothstep(np.float32((difference - 0.3) / 0.5))
    lips = 1.0 - differing * (1.0 - _smoothstep((-regions.lips - 0.01) / 0.05))
    return np.asarray(1.0 - mouth * (1.0 - inner * lips), np.float32)


def _fill_brows(plate: Float32, regions: Regions, skin: Skin, width: float, amount: float) -> tuple[Float32, Float32]:
    """Skin to put over the plate's brows, made of the skin around them (h, w, 3), and its matte (h, w)."""
    zone = _smoothstep((regions.brows + 0.03) / 0.02)
    if amount == 0.0 or not skin.bare.any():
        return plate, np.zeros_like(zone)
    around = masked_gaussian(log_light(plate), skin.bare.astype(np.float32), 0.05 * width)
    # Where hair hangs over a brow, there is no skin around it to fill it from.
    free = masked_gaussian(skin.likelihood[..., None], 1.0 - zone, 0.04 * width)[..., 0]
    matte = (amount * zone * _smoothstep((free - 0.6) / 0.35)).astype(np.float32)
    return np.exp(around) - np.float32(FLOOR), matte


def _smoothstep(t: Float32 | NDArray[np.float64] | np.float32) -> Float32:
    clipped = np.clip(t, 0.0, 1.0).astype(np.float32)
    return np.asarray(clipped * clipped * (3.0 - 2.0 * clipped), np.float32)
