"""What all swappers with a network have in common: the crop, the run, and the patch that comes of the result.

The network sees the face as its training template has it, in the model view, and gives it back new. Where it is used
is said by the mesh (the hull, as for the mesh swapper), by what lies before the plate's face, and by the network's own
masks where it makes some.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.faces.mesh import SURFACE, face_width
from engine.faces.tracks import FaceGeometry
from engine.geometry import Box
from engine.kept import NOTHING, Keep
from engine.models.brought import Brought
from engine.models.catalogue import canonical_mesh
from engine.models.manifest import Role
from engine.shot import Matte, Network
from engine.swappers import atlas
from engine.swappers.atlas import Regions
from engine.swappers.base import NO_PARTS, Crop, Patch, Seen
from engine.swappers.boost import join, split
from engine.swappers.expression import keep_eyes, keep_mouth
from engine.swappers.hull import face_hull, inner_part, matte_blur, smoothstep, unobstructed
from engine.swappers.look import dull_skin, match_look
from engine.swappers.parts import split_matte, wants_parts
from engine.swappers.references import smooth_over_mesh
from engine.swappers.skin import find_skin
from engine.swappers.templates import picture_to_template
from kernels.blur import gaussian
from kernels.mesh import rasterize, vertex_facing
from kernels.view import exposed, seen_of_exposed

Float32 = NDArray[np.float32]

# The matte ends this far from the crop's edge, as a fraction of its side: templates cut off chins and foreheads.
BORDER = 0.06


class Worn(NamedTuple):
    """The mesh over the crop: covered (h, w), facing (h, w) [-1, 1], coordinates (h, w, 2), NaN off it."""

    covered: NDArray[np.bool_]
    facing: Float32
    coordinates: Float32
    regions: Regions


class NetworkSwapper:
    """The swapper of one network and one identity; a family says what the network is told of the person."""

    def __init__(self, network: Brought, boost: int, person: str, keep: Keep = NOTHING) -> None:
        """`person` is a digest of who it is; with the network and the settings it says what a patch depends on."""
        self._network, self._boost, self._person, self._keep = network, boost, person, keep

    def told(self, seen: Seen) -> dict[Role, Float32]:
        """What the network gets beside its target, by role, (1, …) each."""
        raise NotImplementedError

    def crop(self, face: FaceGeometry, bounds: Box) -> Crop:
        """The face as the template has it; it may reach over the plate's edge, which then goes on as it ends."""
        side = self._network.size * self._boost
        return Crop(picture_to_template(face.mesh, self._network.manifest.template, side), (side, side))

    def swap(self, seen: Seen) -> Patch:
        """See `engine.swappers.base.Swapper.swap`."""
        keep = self._keep.about(seen.picture, seen.mesh, *seen.model_view, self._person, self._network.identity)
        settings = seen.shot.network, seen.shot.match, seen.shot.matte, wants_parts(seen.shot)
        return keep.get(("patch", *settings), lambda: self._swap(seen, keep))

    def _swap(self, seen: Seen, keep: Keep) -> Patch:
        picture, mesh, model_view, shot = seen
        plate, width = exposed(picture, model_view), face_width(mesh)
        new, mask = keep.get(("network", shot.network), lambda: self._run(seen))
        worn = _wear(mesh, picture.shape[:2])
        regions = worn.regions
        skin = find_skin(plate, regions, width)
        dull = dull_skin(picture, skin)
        bare = skin.bare & dull & worn.covered
        light = match_look(exposed(new, model_view), plate, regions, bare, bare, width, shot.match)

        def hull_of(settings: Matte) -> Float32:
            return face_hull(worn.covered, worn.facing, regions, 1.0, settings, width) * _border(picture.shape[:2])

        hull = hull_of(shot.matte)
        free = unobstructed(skin, inner_part(regions), shot.matte.skin)
        matte = np.asarray(hull * gaussian(free * _kept(worn, shot.network), matte_blur(width)) * mask, np.float32)
        parts = NO_PARTS
        if wants_parts(shot):
            parts = split_matte(matte, hull, gaussian(free, matte_blur(width)), hull_of, shot.matte)
        features = np.maximum.reduce([regions.brows, regions.eyes, regions.lips])
        both = worn.covered & (skin.likelihood > 0.5) & (features < 0.0) & dull
        return Patch(seen_of_exposed(light, model_view), matte, hull, both, worn.coordinates, parts)

    def _run(self, seen: Seen) -> tuple[Float32, Float32]:
        """The new face (h, w, 3), model view, and the network's own matte (h, w), over the crop."""
        network, boost = self._network, self._boost
        pictures = split(seen.picture, boost)
        results = network.run({"target": network.target(pictures), **self.told(seen)})
        faces = network.faces(results["face"], pictures)
        masks = [network.masks(results[role]) for role in ("mask", "target mask") if role in results]
        whole = [join(mask[..., None], boost)[..., 0] for mask in masks]
        mask = np.minimum.reduce([np.ones(seen.picture.shape[:2], np.float32), *whole])
        return join(faces, boost), mask


def _wear(mesh: NDArray[np.float64], size: tuple[int, int]) -> Worn:
    canonical = canonical_mesh()
    facing = smooth_over_mesh(vertex_facing(mesh[:SURFACE], canonical.triangles))
    raster = rasterize(mesh[:SURFACE], canonical.triangles, np.column_stack([canonical.uv, facing]), size)
    raster.attributes[~raster.covered] = np.nan
    coordinates = np.ascontiguousarray(raster.attributes[..., :2])
    return Worn(raster.covered, np.nan_to_num(raster.attributes[..., 2]), coordinates, atlas.regions(coordinates))


def _kept(worn: Worn, settings: Network) -> Float32:
    """1 on the patch, less where something of the plate's expression is kept."""
    eyes = keep_eyes(worn.regions, worn.coordinates, np.zeros(2, np.float32), settings.eyes)
    return eyes * keep_mouth(worn.regions, np.float32(0.0), settings.mouth)


def _border(size: tuple[int, int]) -> Float32:
    """0 at the crop's edge, 1 from BORDER on inside."""
    down, across = (np.minimum(np.arange(side) + 0.5, side - np.arange(side) - 0.5) / (BORDER * side) for side in size)
    return smoothstep(np.minimum(down[:, None], across[None]))
