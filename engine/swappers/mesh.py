"""The mesh swapper: another person's texture on the plate's own face, with no network.

The reference whose pose and mouth are nearest (or a mixture of near ones, which changes slowly over time) is carried
over the 898 triangles of the canonical mesh to the plate's mesh; the inner face's shape moves part of the way to the
person's. The plate keeps its eyes and inner mouth, its lids when it blinks, and its lips when its mouth does what no
reference does. The plate's own brows are filled with the skin around them first, so that they do not show beside the
new ones.
"""

import numpy as np
from numpy.typing import NDArray

from engine.faces.course import Course, moment
from engine.faces.mesh import SURFACE, face_width
from engine.faces.pose import eye_aperture, mouth_shape
from engine.faces.tracks import FaceGeometry
from engine.geometry import Box
from engine.kept import NOTHING, Keep
from engine.shot import Match, Matte, Shot
from engine.swappers import atlas
from engine.swappers.atlas import Regions
from engine.swappers.base import NO_PARTS, Crop, Patch, Seen
from engine.swappers.expression import keep_eyes, keep_mouth
from engine.swappers.hull import face_hull, inner_part, matte_blur, smoothstep, unobstructed
from engine.swappers.look import dull_skin, match_look
from engine.swappers.parts import split_matte, wants_parts
from engine.swappers.references import Identity, Likeness
from engine.swappers.skin import Skin, find_skin
from engine.swappers.texture import Texture, carry
from kernels.blur import gaussian, masked_gaussian
from kernels.match import FLOOR, log_light
from kernels.view import exposed, seen_of_exposed

Float32 = NDArray[np.float32]

# The crop reaches this far beyond the mesh, in face widths: room for the seam and for the shape that moves outwards.
MARGIN = 0.06
# Facing (cosine, smoothed over the mesh) at which a vertex of the reference's face begins to count, and at which it
# counts fully: its grazing sides hold stretched pixels of hair and background.
SOURCE_FACING = (0.4, 0.65)


class MeshSwapper:
    """The swapper of one identity. Immutable after construction; calls may come from any thread."""

    def __init__(self, identity: Identity, keep: Keep = NOTHING) -> None:
        """What depends on some of the settings only is taken from `keep` when the others change."""
        self._identity = identity
        self._keep = keep

    def crop(self, face: FaceGeometry, bounds: Box) -> Crop:
        """The plate's own pixels around the mesh, so that nothing is resampled twice."""
        low = np.floor(face.mesh[:SURFACE, :2].min(0)).astype(int)
        high = np.ceil(face.mesh[:SURFACE, :2].max(0)).astype(int)
        box = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
        return Crop.of_box(box.grown(round(MARGIN * face_width(face.mesh))).intersect(bounds))

    def swap(self, seen: Seen) -> Patch:
        """See `engine.swappers.base.Swapper.swap`."""
        course = moment(seen.mesh) if seen.course is None else seen.course
        keep = self._keep.about(seen.picture, seen.mesh, *seen.model_view, *course, self._identity.digest)
        settings = seen.shot.mesh, seen.shot.match, seen.shot.matte, wants_parts(seen.shot)
        return keep.get(("patch", *settings), lambda: self._swap(seen, course, keep))

    def _swap(self, seen: Seen, course: Course, keep: Keep) -> Patch:
        picture, mesh, model_view, shot = seen.picture, seen.mesh, seen.model_view, seen.shot
        plate, width = exposed(picture, model_view), face_width(mesh)
        person, shape, brows = self._identity.nearest(course), shot.mesh.shape, shot.mesh.brows
        own, skin, dull = keep.get("scene", lambda: _look(picture, plate, mesh, width))
        regions, texture = keep.get(("worn", shape), lambda: _put_on(person, mesh, shape, plate.shape[:2]))
        bare = skin.bare & dull
        new = keep.get(("new", shape, shot.match), lambda: _match(texture, plate, own, bare, width, shot.match))
        filled, filling = keep.get(("brows", brows), lambda: _fill_brows(plate, own, skin, width, brows))

        def hull_of(settings: Matte) -> Float32:
            return face_hull(texture.covered, texture.facing, regions, shot.mesh.forehead, settings, width)

        hull = hull_of(shot.matte)
        cover = hull * _openings(regions, texture, skin, person, mesh, shot)
        # Near the outline there is no skin to vouch for the filling: it ends where the hull does.
        under = (1.0 - cover) * filling * hull
        matte = np.asarray(cover + under, np.float32)
        share = np.asarray(under / np.maximum(matte, 1e-6), np.float32)[..., None]
        light = np.asarray(new + share * (filled - new), np.float32)
        skin_on_both = texture.covered & (texture.likelihood > 0.5) & (skin.likelihood > 0.5) & (own.brows < 0.0)
        parts = NO_PARTS
        if wants_parts(shot):
            free = gaussian(unobstructed(skin, inner_part(regions), shot.matte.skin), matte_blur(width))
            parts = split_matte(matte, hull, free, hull_of, shot.matte)
        return Patch(
            seen_of_exposed(light, model_view), matte, hull, skin_on_both & dull, texture.coordinates, parts=parts
        )


def _look(
    seen: Float32, plate: Float32, mesh: NDArray[np.float64], width: float
) -> tuple[Regions, Skin, NDArray[np.bool_]]:
    """The regions of the plate's own face, its skin, and where it does not shine."""
    own = atlas.picture_regions(mesh, plate.shape[:2])
    skin = find_skin(plate, own, width)
    return own, skin, dull_skin(seen, skin)


def _put_on(
    person: Likeness, mesh: NDArray[np.float64], shape: float, size: tuple[int, int]
) -> tuple[Regions, Texture]:
    """The person's texture on the plate's mesh, and the regions of the face that it makes."""
    texture = carry(person, mesh, shape, size)
    return atlas.regions(texture.coordinates), texture


def _match(
    texture: Texture,
    plate: Float32,
    regions: Regions,
    skin: NDArray[np.bool_],
    width: float,
    settings: Match,
) -> Float32:
    """The texture's light with the plate's colour and sharpness."""
    skin = skin & texture.covered
    both = skin & (texture.likelihood > 0.6) & (texture.source_facing > 0.5)
    return match_look(texture.light, plate, regions, skin, both, width, settings)


def _openings(
    regions: Regions, texture: Texture, skin: Skin, person: Likeness, mesh: NDArray[np.float64], shot: Shot
) -> Float32:
    """Where nothing of the plate is kept, (h, w) [0, 1]; 0 in its eyes and mouth and behind hands and hair."""
    settings = shot.mesh
    seen = smoothstep((texture.source_facing - SOURCE_FACING[0]) / (SOURCE_FACING[1] - SOURCE_FACING[0]))
    inner = inner_part(regions)
    openings = np.maximum(seen * texture.likelihood, inner) * unobstructed(skin, inner, shot.matte.skin)
    openings *= keep_eyes(regions, texture.coordinates, _closing(person, mesh, settings.blink), settings.eyes)
    openings *= keep_mouth(regions, _differing(person, mesh), settings.mouth)
    openings[~texture.covered] = 0.0
    return gaussian(openings, matte_blur(face_width(mesh)))


def _closing(person: Likeness, mesh: NDArray[np.float64], blink: float) -> NDArray[np.float32]:
    """How far the plate's lids close further than the reference's, (2,) [0, 1].

    An open-eyed texture squeezed onto a closed eye is a black smear; the plate's own lids are right.
    """
    ratio = np.array(eye_aperture(mesh)) / np.maximum(person.aperture, 1e-3)
    return blink * smoothstep((0.75 - ratio) / 0.4)


def _differing(person: Likeness, mesh: NDArray[np.float64]) -> Float32:
    """How far the plate's mouth differs from the person's, [0, 1]."""
    difference = float(np.linalg.norm(mouth_shape(mesh) - person.mouth))
    return smoothstep(np.float32((difference - 0.3) / 0.5))


def _fill_brows(plate: Float32, regions: Regions, skin: Skin, width: float, amount: float) -> tuple[Float32, Float32]:
    """Skin to put over the plate's brows, made of the skin around them (h, w, 3), and its matte (h, w)."""
    zone = smoothstep((regions.brows + 0.03) / 0.02)
    if amount == 0.0 or not skin.bare.any():
        return plate, np.zeros_like(zone)
    around = masked_gaussian(log_light(plate), skin.bare.astype(np.float32), 0.05 * width)
    # Where hair hangs over a brow, there is no skin around it to fill it from.
    free = masked_gaussian(skin.likelihood[..., None], 1.0 - zone, 0.04 * width)[..., 0]
    matte = (amount * zone * smoothstep((free - 0.6) / 0.35)).astype(np.float32)
    return np.exp(around) - np.float32(FLOOR), matte
