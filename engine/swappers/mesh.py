"""The mesh swapper: another person's texture on the plate's own face, with no network.

The reference whose pose and mouth are nearest is carried over the 898 triangles of the canonical mesh to the plate's
mesh; the inner face's shape moves part of the way to the person's. The plate keeps its eyes and inner mouth, its lids
when it blinks, and its lips when its mouth does what no reference does. The plate's own brows are filled with the skin
around them first, so that they do not show beside the new ones.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.faces.mesh import face_width
from engine.faces.pose import eye_aperture, fit_similarity, mouth_shape
from engine.faces.tracks import FaceGeometry
from engine.geometry import Box
from engine.models.catalogue import canonical_mesh
from engine.shot import Shot
from engine.swappers import atlas
from engine.swappers.atlas import Regions
from engine.swappers.base import Crop, Patch
from engine.swappers.references import MESH_POINTS, Identity, Reference, smooth_over_mesh
from engine.swappers.skin import Skin, find_skin
from kernels.blur import gaussian, masked_gaussian
from kernels.detail import match_sharpness
from kernels.grain import mean_variance, measure_grain
from kernels.match import FLOOR, log_light, match_light
from kernels.matte import signed_distance
from kernels.mesh import rasterize, vertex_facing
from kernels.view import ModelView, exposed, seen_of_exposed
from kernels.warp import warp_dense

Float32 = NDArray[np.float32]

# The crop reaches this far beyond the mesh, in face widths: room for the seam and for the shape that moves outwards.
MARGIN = 0.06
# Vertices nearer than this (cm) to the hull, the eyes or the lips keep, in proportion, the plate's own place.
SHAPE_REACH = 1.5
# The matte is blurred by this much, in face widths: less than its narrowest edge, more than the raster's stairs.
MATTE_SOFTNESS = 0.006
# Sharpness is measured on the eyes and lips and this far around them, in texture units.
FEATURE_REACH = 0.03
# Skin that the view shows brighter than this shines: its grain and its colour are the lamp's.
SHINE = 0.85
# The forehead fades out over this part of its height.
FOREHEAD_FADE = 0.4
# Facing (cosine, smoothed over the mesh) at which a vertex of the plate's face begins to count, and at which it counts
# fully; and the same for the reference's, whose grazing sides hold stretched pixels of hair and background.
FACING = (0.0, 0.25)
SOURCE_FACING = (0.4, 0.65)


class _Warped(NamedTuple):
    """The reference over the crop."""

    light: Float32
    likelihood: Float32
    facing: Float32
    source_facing: Float32
    texture: Float32
    covered: NDArray[np.bool_]


class MeshSwapper:
    """The swapper of one identity. Immutable after construction; calls may come from any thread."""

    def __init__(self, identity: Identity, shot: Shot) -> None:
        self._identity = identity
        self._shot = shot

    def crop(self, face: FaceGeometry, bounds: Box) -> Crop:
        """The plate's own pixels around the mesh, so that nothing is resampled twice."""
        low = np.floor(face.mesh[:MESH_POINTS, :2].min(0)).astype(int)
        high = np.ceil(face.mesh[:MESH_POINTS, :2].max(0)).astype(int)
        box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        return Crop.of_box(box.grown(round(MARGIN * face_width(face.mesh))).intersect(bounds))

    def swap(self, seen: Float32, mesh: NDArray[np.float64], model_view: ModelView) -> Patch:
        """See `engine.swappers.base.Swapper.swap`."""
        shot, plate = self._shot, exposed(seen, model_view)
        reference = self._identity.nearest(mesh)
        width = face_width(mesh)
        own = atlas.picture_regions(mesh, plate.shape[:2])
        skin = find_skin(plate, own, width)
        moved = _move_shape(mesh[:MESH_POINTS], reference.mesh[:MESH_POINTS], shot.mesh.shape)
        warped = _warp(reference, moved, plate.shape[:2])
        regions = atlas.regions(warped.texture)
        dull = (seen[..., 0] < SHINE) & (seen[..., 1] < SHINE) & (seen[..., 2] < SHINE)
        both = skin.bare & dull & warped.covered & (warped.likelihood > 0.6) & (warped.source_facing > 0.5)
        new = self._match(warped.light, plate, own, both, width) if both.any() else warped.light
        hull = self._hull(regions, warped, width)
        cover = self._cover(hull, regions, warped, skin, reference, mesh)
        filled, filling = _fill_brows(plate, own, skin, width, shot.mesh.brows)
        # Near the outline there is no skin to vouch for the filling: it ends where the hull does.
        under = (1.0 - cover) * filling * hull
        matte = np.asarray(cover + under, np.float32)
        share = np.asarray(under / np.maximum(matte, 1e-6), np.float32)[..., None]
        light = np.asarray(new + share * (filled - new), np.float32)
        skin_on_both = warped.covered & (warped.likelihood > 0.5) & (skin.likelihood > 0.5) & (own.brows < 0.0)
        skin_on_both &= dull
        return Patch(seen_of_exposed(light, model_view), matte, hull, skin_on_both, warped.texture)

    def _match(
        self, patch: Float32, plate: Float32, regions: Regions, skin: NDArray[np.bool_], width: float
    ) -> Float32:
        settings = self._shot.match
        matched = match_light(
            patch,
            plate,
            skin,
            radius=0.22 * width,
            amount=settings.amount,
            contrast=settings.contrast,
            low_frequency=settings.low_frequency,
        )
        softness = settings.sharpness * _softness(matched, plate, regions, skin)
        return gaussian(matched, softness) if softness > 0.1 else matched

    def _hull(self, regions: Regions, warped: _Warped, width: float) -> Float32:
        """Where the reference's texture may be used by the geometry of the face, (h, w) [0, 1]."""
        settings, matte = self._shot.mesh, self._shot.matte
        edge = signed_distance(warped.covered) / width
        hull = _smoothstep((edge + matte.grow) / max(matte.feather, 1e-3)) * _smoothstep(edge / 0.01)
        hull *= 1.0 - _smoothstep((regions.forehead - settings.forehead) / FOREHEAD_FADE + 0.5)
        turned = _smoothstep((warped.facing - FACING[0]) / (FACING[1] - FACING[0]))
        hull *= 1.0 - matte.facing * (1.0 - turned)
        return gaussian(hull, MATTE_SOFTNESS * width) * warped.covered

    def _cover(
        self,
        hull: Float32,
        regions: Regions,
        warped: _Warped,
        skin: Skin,
        reference: Reference,
        mesh: NDArray[np.float64],
    ) -> Float32:
        """Where the reference's texture is used, (h, w) [0, 1]."""
        settings = self._shot.mesh
        seen = _smoothstep((warped.source_facing - SOURCE_FACING[0]) / (SOURCE_FACING[1] - SOURCE_FACING[0]))
        gate = seen * warped.likelihood * (1.0 - self._shot.matte.skin * (1.0 - skin.likelihood))
        # Brows, nostrils and lips are no skin, and the sides of a nose face nobody: the inner face is always covered.
        holes = np.maximum(gate, _smoothstep(regions.inner_face / 0.05 + 0.5))
        holes *= _keep_eyes(regions, warped.texture, reference, mesh, settings.eyes, settings.blink)
        holes *= _keep_mouth(regions, reference, mesh, settings.mouth)
        holes[~warped.covered] = 0.0
        return hull * gaussian(holes, MATTE_SOFTNESS * face_width(mesh))


def _softness(patch: Float32, plate: Float32, regions: Regions, skin: NDArray[np.bool_]) -> float:
    """Sigma, in pixels, of the blur that makes the patch as soft as the plate is under its own grain.

    It is measured on eyes and lips, which every face has alike, not on skin, where one person's wrinkles are another's
    bad focus; and of the two the one that asks for less counts, for a closed eye is no blur.
    """
    grain = measure_grain(plate, skin.astype(np.float32))
    noise = mean_variance(grain, np.median(plate[skin], axis=0))
    blur = grain.blur.mean(0)
    return min(
        match_sharpness(
            patch,
            plate,
            (feature > -FEATURE_REACH).astype(np.float32),
            noise,
            noise_blur=(float(blur[0]), float(blur[1])),
        )
        for feature in (regions.eyes, regions.lips)
    )


def _move_shape(plate: NDArray[np.float64], person: NDArray[np.float64], amount: float) -> NDArray[np.float64]:
    """The plate's mesh (468, 3) with its inner face moved towards the person's, laid over it by a similarity."""
    if amount == 0.0:
        return plate
    weights = canonical_mesh().procrustes_weights.astype(np.float64)
    laid = fit_similarity(person, plate, weights)(person)
    return plate + amount * _shape_weights()[:, None] * (laid - plate)


def _shape_weights() -> NDArray[np.float64]:
    mesh = canonical_mesh()
    fixed = np.concatenate([mesh.oval, mesh.lips, mesh.right_eye, mesh.left_eye])
    gaps = np.linalg.norm(mesh.vertices[:, None] - mesh.vertices[None, fixed], axis=2).min(1)
    return np.clip(gaps / SHAPE_REACH, 0.0, 1.0)


def _warp(reference: Reference, target: NDArray[np.float64], size: tuple[int, int]) -> _Warped:
    """Carry the reference's light over the triangles to the `target` mesh (468, 3)."""
    canonical = canonical_mesh()
    level = reference.level(face_width(target))
    attributes = np.column_stack(
        [
            level.mesh[:MESH_POINTS, :2],
            canonical.uv,
            smooth_over_mesh(vertex_facing(target, canonical.triangles)),
            reference.facing,
        ]
    )
    raster = rasterize(target, canonical.triangles, attributes, size)
    raster.attributes[~raster.covered] = np.nan
    coordinates = np.ascontiguousarray(raster.attributes[..., :2])
    sampled = warp_dense(level.picture, coordinates, "cubic", level.scale)
    return _Warped(
        np.maximum(sampled[..., :3], 0.0),
        np.clip(sampled[..., 3], 0.0, 1.0),
        np.nan_to_num(raster.attributes[..., 4]),
        np.nan_to_num(raster.attributes[..., 5]),
        np.ascontiguousarray(raster.attributes[..., 2:4]),
        raster.covered,
    )


def _keep_eyes(
    regions: Regions,
    texture: Float32,
    reference: Reference,
    mesh: NDArray[np.float64],
    eyes: float,
    blink: float,
) -> Float32:
    """1 on the patch, falling to 0 in the plate's eyes, and over its lids as they close further than the reference's.

    An open-eyed texture squeezed onto a closed eye is a black smear; the plate's own lids are right.
    """
    ratio = np.array(eye_aperture(mesh)) / np.maximum(reference.aperture, 1e-3)
    closing = blink * _smoothstep((0.9 - ratio) / 0.5)
    side = np.where(texture[..., 0] < 0.5, np.float32(closing[0]), np.float32(closing[1]))
    outside = -regions.eyes
    kept = 1.0 - _smoothstep((outside - 0.004 - 0.04 * side) / (0.018 + 0.05 * side))
    return np.asarray(1.0 - eyes * kept, np.float32)


def _keep_mouth(regions: Regions, reference: Reference, mesh: NDArray[np.float64], mouth: float) -> Float32:
    """1 on the patch, falling to 0 in the plate's inner mouth, and over its lips as they differ from the person's."""
    inner = _smoothstep(-regions.inner_lips / 0.006)
    difference = float(np.linalg.norm(np.subtract(mouth_shape(mesh), reference.mouth)))
    differing = _smoothstep(np.float32((difference - 0.22) / 0.5))
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
