"""What all swappers with a network have in common: the crop, the run, and the patch that comes of the result.

The network sees the face as its training template has it, in the model view, and gives it back new. Where it is used
is said by the mesh (the hull, as for the mesh swapper), by what lies before the plate's face, and by the network's own
masks where it makes some.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import RecipeError
from engine.events import shown
from engine.faces.mesh import SURFACE, face_width
from engine.faces.tracks import FaceGeometry
from engine.geometry import Box
from engine.kept import NOTHING, Keep
from engine.models.brought import SINGLE, Brought
from engine.models.catalogue import canonical_mesh
from engine.models.manifest import Role
from engine.shot import Matte, Network
from engine.swappers import atlas
from engine.swappers.atlas import Regions
from engine.swappers.base import NO_PARTS, Crop, Patch, Seen
from engine.swappers.boost import even, join, split
from engine.swappers.enhance import Enhancer
from engine.swappers.expression import keep_eyes, keep_mouth
from engine.swappers.hull import crop_border, face_hull, inner_part, matte_blur, unobstructed
from engine.swappers.look import dull_skin, match_look
from engine.swappers.parts import split_matte, wants_parts
from engine.swappers.skin import find_skin
from engine.swappers.smooth_mesh import smooth_facing
from engine.swappers.templates import picture_to_template, scale_of
from kernels.blur import gaussian
from kernels.launch import fetch
from kernels.mesh import rasterize
from kernels.view import exposed, seen_of_exposed
from kernels.warp import invert, warp_affine

Float32 = NDArray[np.float32]

# Pixels along the side of a crop: more than an 8K close-up has across a face.
LARGEST_CROP = 4096


class Worn(NamedTuple):
    """The mesh over the crop: covered (h, w), facing (h, w) [-1, 1], coordinates (h, w, 2), NaN off it."""

    covered: NDArray[np.bool_]
    facing: Float32
    coordinates: Float32
    regions: Regions


class Question(NamedTuple):
    """What a network is asked about one face.

    pictures: (n, size, size, 3), model view, the crop by its pixel boost. target: the same as the network takes them.
    Both lie where the network runs. told: what it gets beside them, by role, (1, …) each.
    """

    pictures: Any
    target: Any
    told: dict[Role, Float32]


class Answer(NamedTuple):
    """What a network made of a face: `results` (n, …) by role, of the pictures (n, …) that it was shown."""

    pictures: Any
    results: dict[Role, Any]


class Share(NamedTuple):
    """A face's part of a batch: its place among so many faces, and what gives its answer."""

    place: int
    faces: int
    answer: Callable[[], Answer]


class Made(NamedTuple):
    """What networks made over the crop.

    face: (h, w, 3) model view. mask: (h, w) [0, 1], the network's own matte. border: (h, w), 0 at the edge of the
    network's picture and beyond. pixel: how many pixels of the crop are one of the network's.
    """

    face: Float32
    mask: Float32
    border: Float32
    pixel: float


class NetworkSwapper:
    """The swapper of one network and one identity; a family says what the network is told of the person."""

    def __init__(
        self, network: Brought, boost: int, person: str, keep: Keep = NOTHING, enhancer: Enhancer | None = None
    ) -> None:
        """`person` is a digest of who it is; with the networks and the settings it says what a patch depends on.

        Raises RecipeError for a boost that makes the crop larger than anybody's face.
        """
        if network.size * boost > LARGEST_CROP:
            raise RecipeError(
                f"{shown(network.manifest.name)} at `network.boost` {boost} makes a face {network.size * boost} pixels "
                f"wide; {LARGEST_CROP} are the most.",
                f"Set network.boost to {max(1, LARGEST_CROP // network.size)} or less.",
            )
        self._network, self._boost, self._person, self._keep = network, boost, person, keep
        self._enhancer = enhancer
        self._networks = network.identity + (enhancer.identity if enhancer else "")

    def told(self, seen: Seen) -> dict[Role, Float32]:
        """What the network gets beside its target, by role, (1, …) each."""
        raise NotImplementedError

    def crop(self, face: FaceGeometry, bounds: Box) -> Crop:
        """The face as the template has it; it may reach over the plate's edge, which then goes on as it ends.

        The template is the enhancer's where there is one.
        """
        own = self._own_crop(face.mesh)
        return own if self._enhancer is None else self._enhancer.crop(face, scale_of(own.plate_to_crop))

    @property
    def network(self) -> Brought:
        """The network, which other swappers may use too."""
        return self._network

    def ask(self, seen: Seen) -> Question:
        """What the network is asked about a face."""
        shown = self._in_template(seen)
        pictures = split(self._network.lifted(shown.picture), self._boost)
        return Question(pictures, self._network.target(pictures), self.told(shown))

    def swap(self, seen: Seen, share: Share | None = None) -> Patch:
        """See `engine.swappers.base.Swapper.swap`; with a share, the network's answer is that of a batch."""
        keep = self._keep.about(seen.picture, seen.mesh, *seen.model_view, self._person, self._networks)
        # A picture's last bits may depend on how many others it was run with.
        batch = (share.place, share.faces) if share else (0, 1)
        settings = seen.shot.network, seen.shot.match, seen.shot.matte, wants_parts(seen.shot)
        return keep.get(("patch", batch, *settings), lambda: self._swap(seen, keep.about(*batch), share))

    def _swap(self, seen: Seen, keep: Keep, share: Share | None) -> Patch:
        picture, mesh, model_view, shot = seen.picture, seen.mesh, seen.model_view, seen.shot
        plate, width = exposed(picture, model_view), face_width(mesh)
        new, mask, border, pixel = keep.get(("network", shot.network), lambda: self._make(seen, share))
        worn = _wear(mesh, picture.shape[:2])
        regions = worn.regions
        skin = find_skin(plate, regions, width)
        dull = dull_skin(picture, skin)
        bare = skin.bare & dull & worn.covered
        light = match_look(exposed(new, model_view), plate, regions, bare, bare, width, shot.match)

        def hull_of(settings: Matte) -> Float32:
            return face_hull(worn.covered, worn.facing, regions, 1.0, settings, width) * border

        hull = hull_of(shot.matte)
        free = unobstructed(skin, inner_part(regions), shot.matte.skin)
        matte = np.asarray(hull * gaussian(free * _kept(worn, shot.network), matte_blur(width)) * mask, np.float32)
        parts = NO_PARTS
        if wants_parts(shot):
            parts = split_matte(matte, hull, gaussian(free, matte_blur(width)), hull_of, shot.matte)
        features = np.maximum.reduce([regions.brows, regions.eyes, regions.lips])
        both = worn.covered & (skin.likelihood > 0.5) & (features < 0.0) & dull
        return Patch(seen_of_exposed(light, model_view), matte, hull, both, worn.coordinates, pixel, parts)

    def _in_template(self, seen: Seen) -> Seen:
        """The face as the network wants it; the crop is another where it is the enhancer's."""
        if self._enhancer is None:
            return seen
        own = self._own_crop(seen.mesh)
        picture = warp_affine(seen.picture, invert(own.plate_to_crop), own.size)
        return seen._replace(picture=picture, mesh=own.points(seen.mesh))

    def _own_crop(self, mesh: NDArray[np.floating]) -> Crop:
        """The network's own template over a picture in which the face has this mesh."""
        side = self._network.size * self._boost
        return Crop(picture_to_template(mesh, self._network.manifest.template, side), (side, side))

    def _make(self, seen: Seen, share: Share | None) -> Made:
        """The new face over the crop, enhanced where the recipe asks for it."""
        size, enhancer = seen.picture.shape[:2], self._enhancer
        face, mask = self._run(seen, share)
        if enhancer is None:
            return Made(face, mask, crop_border(size[0]), 1.0)
        to_network, (side, _) = self._own_crop(seen.mesh)
        inside = warp_affine(crop_border(side)[..., None], to_network, size, edge="zero")
        # The enhancer is shown the new face in its plate, as it was trained to see one.
        pasted = seen.picture + inside * (warp_affine(face, to_network, size, "cubic") - seen.picture)
        enhanced = enhancer.enhance(np.asarray(pasted, np.float32), seen.shot.network)
        mask = warp_affine(mask[..., None], to_network, size)
        pixel = enhancer.pixel(size[0], 1.0 / scale_of(to_network), seen.shot.network)
        return Made(enhanced, mask[..., 0], inside[..., 0], pixel)

    def _run(self, seen: Seen, share: Share | None) -> tuple[Float32, Float32]:
        """The new face (side, side, 3), model view, and the network's own matte (side, side), in its own crop."""
        network, boost = self._network, self._boost
        pictures, results = share.answer() if share else answers(network, [self.ask(seen)])[0]
        faces = network.faces(results["face"], pictures)
        made: tuple[Role, ...] = ("mask", "target mask")
        masks = [network.masks(results[role]) for role in made if role in results]
        whole = [fetch(join(mask[..., None], boost))[..., 0] for mask in masks]
        face = fetch(even(join(faces, boost), boost))
        return face, np.minimum.reduce([np.ones(face.shape[:2], np.float32), *whole])


def answers(network: Brought, questions: Sequence[Question]) -> list[Answer]:
    """Run a network on several questions as one batch; the answers in their order. Raises ModelError.

    Questions that differ in what a batch has only once, such as a morph value, are asked one by one.
    """
    first = questions[0]
    single: list[Role] = [role for role in SINGLE if role in first.told]
    alike = all(np.array_equal(other.told[role], first.told[role]) for other in questions for role in single)
    if len(questions) == 1 or not alike:
        return [Answer(q.pictures, network.run({"target": q.target, **q.told})) for q in questions]
    feeds: dict[Role, Any] = {"target": np.concatenate([q.target for q in questions])}
    for role in first.told:
        each = [np.repeat(q.told[role], len(q.target), axis=0) for q in questions]
        feeds[role] = first.told[role] if role in single else np.concatenate(each)
    results, ends = network.run(feeds), np.cumsum([len(q.target) for q in questions])
    cut: dict[Role, list[Any]] = {role: np.split(result, ends[:-1]) for role, result in results.items()}
    return [Answer(q.pictures, {role: cut[role][i] for role in cut}) for i, q in enumerate(questions)]


def _wear(mesh: NDArray[np.float64], size: tuple[int, int]) -> Worn:
    canonical = canonical_mesh()
    facing = smooth_facing(mesh)
    raster = rasterize(mesh[:SURFACE], canonical.triangles, np.column_stack([canonical.uv, facing]), size)
    raster.attributes[~raster.covered] = np.nan
    coordinates = np.ascontiguousarray(raster.attributes[..., :2])
    return Worn(raster.covered, np.nan_to_num(raster.attributes[..., 2]), coordinates, atlas.regions(coordinates))


def _kept(worn: Worn, settings: Network) -> Float32:
    """1 on the patch, less where something of the plate's expression is kept."""
    eyes = keep_eyes(worn.regions, worn.coordinates, np.zeros(2, np.float32), settings.eyes)
    return eyes * keep_mouth(worn.regions, np.float32(0.0), settings.mouth)
