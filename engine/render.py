"""Pass 2: replace the faces of one frame. Needs that frame and the tracks, and nothing of any other frame."""

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import IdentityError, RecipeError
from engine.events import shown
from engine.faces.course import course_at
from engine.faces.mesh import face_width
from engine.faces.tracks import FaceGeometry, Track, Tracks
from engine.geometry import Box, extent
from engine.kept import NOTHING, Keep, files_key
from engine.keys import Keys
from engine.layers import Layers
from engine.mattes import ArtistMattes
from engine.models.devices import for_frame
from engine.models.locate import open_named
from engine.models.used import SWAPPERS
from engine.plates.color import PlateColor
from engine.plates.frame import Frame
from engine.shot import MESH, Network, Shot, Strengths, matte_names, occlusion_networks, swappers_of
from engine.swappers.base import Crop, Patch, Seen, Swapper
from engine.swappers.detail_return import Returned, return_detail
from engine.swappers.dfm import DfmSwapper
from engine.swappers.embedding import EmbeddingSwapper
from engine.swappers.enhance import Enhancer
from engine.swappers.image import ImageSwapper
from engine.swappers.mesh import MeshSwapper
from engine.swappers.network import NetworkSwapper
from engine.swappers.occlusion import Occluders
from engine.swappers.references import Identity, find_pictures, load_identity
from engine.swappers.strengths import strength_of
from engine.swappers.templates import scale_of
from engine.swappers.together import swap_all
from kernels.blend import matching_grain, seam_gain
from kernels.composite import Counts, composite
from kernels.view import ModelView, make_view, view
from kernels.warp import invert, warp_affine
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]

# A matte below this is none: nobody sees it, and the matte layer's half floats must not lose it.
THINNEST = 1e-3
SAME_GRID = np.eye(3)[:2]
# What the regions are where all of the face is replaced.
ALL = Strengths()


class RenderReport(NamedTuple):
    """How many faces were replaced in a frame, how long each stage took, and what the composites counted in all."""

    faces: int
    milliseconds: dict[str, float]
    pixels: dict[str, int]


class _Job(NamedTuple):
    swapper: Swapper
    track: Track


class _Sight(NamedTuple):
    """A face as the plate shows it, before anything is changed.

    plate: (h, w, 3) of the box, plate-linear, unpremultiplied. free: (h, w) of the box [0, 1], where the occlusion
    networks find nothing before the face; None where there are none.
    """

    swapper: Swapper
    face: FaceGeometry
    crop: Crop
    box: Box
    plate: Float32
    seen: Seen
    free: Float32 | None


class _Placed(NamedTuple):
    """A patch in the plate's pixels; as in `Patch`, with regions, occlusion networks and opacity in the matte."""

    pixels: Float32
    matte: Float32
    hull: Float32
    skin: NDArray[np.bool_]
    texture: Float32
    parts: dict[str, Float32]


class Renderer:
    """Renders frames of one shot. Reading the identities happens here, once; `render` may run in several threads."""

    def __init__(
        self,
        shot: Shot,
        tracks: Tracks,
        color: PlateColor,
        identities: Sequence[Identity] | None = None,
        keep: Keep = NOTHING,
    ) -> None:
        """`identities` are those of `read_identities(shot)`, if they have been read already.

        With `keep` what a frame's faces are made from is kept for when the frame is rendered with other settings.

        Raises IdentityError for an identity that cannot be used, ModelError for a network that cannot, NoFace for a
        face that is not in the shot, RecipeError for one that two entries replace, and PlateError for a matte that is
        not there.
        """
        self._keys, self._exposure, self._to_rec709 = Keys(shot), tracks.exposure, color.plate_to_rec709
        self._mattes = ArtistMattes(shot)
        self._occluders = Occluders(occlusion_networks(shot.matte), keep)
        self._local = threading.local()
        self.identities = read_identities(shot, keep) if identities is None else identities
        self._jobs = [
            _Job(swapper, track)
            for entry, identity, name in zip(shot.replace, self.identities, swappers_of(shot), strict=True)
            for swapper in [_make_swapper(name, identity, shot.network, keep)]
            for track in tracks.select(entry.face)
        ]
        _refuse_twice(shot, tracks)

    @property
    def at_once(self) -> int:
        """How many frames may well be rendered at the same time: one on each GPU that their networks are open on."""
        return max(
            (job.swapper.network.devices for job in self._jobs if isinstance(job.swapper, NetworkSwapper)), default=1
        )

    @property
    def _scratch(self) -> Workspace:
        """What this thread's kernels keep from frame to frame."""
        if not hasattr(self._local, "workspace"):
            self._local.workspace = Workspace()
        return self._local.workspace

    def reach(self, number: int, data_window: Box) -> Box:
        """What of a frame's data window its faces need to be looked at and replaced; empty where there is none."""
        reach = Box(0, 0, 0, 0)
        for job in self._jobs:
            face = job.track.at(number)
            if face is not None:
                for crop in (job.swapper.crop(face, data_window), *self._occluders.crops(face)):
                    reach = reach.union(_box_of(crop).intersect(data_window))
        return reach

    def render(self, frame: Frame) -> RenderReport:
        """Replace the faces in `frame`, in place: its picture channels, and the layers that the recipe asks for.

        All faces are looked at before the first is changed, and the larger, nearer ones come last.
        """
        with for_frame(frame.number):
            return self._render(frame)

    def _render(self, frame: Frame) -> RenderReport:
        stages: dict[str, float] = {}
        shot = self._keys.at(frame.number)
        frame.changes_in(Box(0, 0, 0, 0))
        layers = Layers(frame, shot.output.layers, matte_names(shot.mattes))
        present = [(job, face) for job in self._jobs if (face := job.track.at(frame.number)) is not None]
        present.sort(key=lambda one: face_width(one[1].mesh))
        with _timed(stages, "view"):
            sights = [sight for one in present if (sight := self._look(frame, shot, *one)) is not None]
        patches = swap_all([(sight.swapper, sight.seen) for sight in sights])
        done = [self._replace(frame, layers, sight, patches, stages) for sight in sights]
        counts = [each for each in done if each is not None]
        total = Counts(*np.sum([Counts(0, 0, 0, 0), *counts], axis=0).tolist())
        return RenderReport(len(counts), stages, total._asdict())

    def _view_of(self, shot: Shot) -> ModelView:
        exposure = self._exposure if shot.view.exposure == "auto" else shot.view.exposure
        return make_view(self._to_rec709, exposure, shot.view.knee, shot.view.white)

    def _look(self, frame: Frame, shot: Shot, job: _Job, face: FaceGeometry) -> _Sight | None:
        crop = job.swapper.crop(face, frame.data_window)
        box = _box_of(crop).intersect(frame.data_window)
        if box.empty:
            return None
        plate = _unpremultiplied(frame.rgb(box), _alpha(frame, box))
        model_view = self._view_of(shot)
        course = course_at(job.track, frame.number) if isinstance(job.swapper, MeshSwapper) else None
        seen = Seen(_picture(plate, box, crop, model_view), crop.points(face.mesh), model_view, shot, course)

        def look(crop: Crop) -> Float32:
            around = _box_of(crop).union(box).intersect(frame.data_window)
            return _picture(_unpremultiplied(frame.rgb(around), _alpha(frame, around)), around, crop, model_view)

        return _Sight(job.swapper, face, crop, box, plate, seen, self._occluders.free(face, box, look))

    def _replace(
        self, frame: Frame, layers: Layers, sight: _Sight, patches: Iterator[Patch], stages: dict[str, float]
    ) -> Counts | None:
        """Replace one face by the next of the patches; None when nothing of it is seen."""
        shot, model_view = sight.seen.shot, sight.seen.model_view
        with _timed(stages, "swap"):
            patch = next(patches)
            placed = self._place(patch, sight)
            own = self._mattes.read(frame, sight.box, face_width(sight.face.mesh))
            for matte in own:
                matte.onto(placed.matte, shot.composite.opacity)
            placed.matte[placed.matte < THINNEST] = 0.0
            if placed.parts:
                drawn = {one.name: one.values for one in own if one.name}
                layers.put_parts(sight.box, placed.parts | drawn, placed.parts["hull"] >= THINNEST)
            returned = self._returned_detail(patch, placed, sight)
            if returned is not None:
                placed = placed._replace(pixels=returned.pixels)
        if not placed.matte.any():
            return None
        with _timed(stages, "seam"):
            width, amount = face_width(sight.face.mesh), shot.composite.seam
            hull, skin = placed.hull, placed.skin
            scratch = self._scratch
            correction = seam_gain(
                *(sight.plate, placed.pixels, hull, skin, model_view, width, amount),
                out=scratch.empty("render.correction", sight.plate, sight.plate.shape),
                workspace=scratch,
            )
        with _timed(stages, "grain"):
            key, amount = (frame.number, shot.seed), shot.composite.grain
            origin = sight.box.x0, sight.box.y0
            grain = matching_grain(
                *(sight.plate, placed.pixels, placed.matte, skin, model_view, *key, origin, amount),
                out=scratch.empty("render.grain", sight.plate, sight.plate.shape),
                workspace=scratch,
            )
            if returned is not None and grain is not None:
                grain = returned.rest_of_grain(grain, placed.matte)
        with _timed(stages, "composite"):
            box, alpha = sight.box, _alpha(frame, sight.box)

            def over(plate: Any, matte: Float32, alpha: Float32 | None) -> Counts:
                layers = correction, grain, alpha
                return Counts.of(composite(plate, placed.pixels, matte, SAME_GRID, model_view, *layers))

            full = None
            if "patch" in layers.names:
                full = _unpremultiplied(frame.rgb(box), alpha).copy()
                over(full, (placed.matte > 0.0).astype(np.float32), None)
            matte = placed.matte if alpha is None else placed.matte * (alpha > 0.0)
            frame.changes_in(extent(matte).moved(box.x0, box.y0))
            planes = frame.planes(box)
            if planes is not None:
                counts = over(planes, matte, alpha)
            else:
                rgb = frame.rgb(box)
                counts = over(rgb, matte, alpha)
                frame.replace(box, rgb, matte > 0.0)
            layers.put(box, matte, full, placed.texture)
        return counts

    def _returned_detail(self, patch: Patch, placed: _Placed, sight: _Sight) -> Returned | None:
        """The patch with the plate's own skin texture, as far as the recipe asks for it."""
        pixel, width = patch.pixel / scale_of(sight.crop.plate_to_crop), face_width(sight.face.mesh)
        amount = sight.seen.shot.network.detail
        return return_detail(sight.plate, placed.pixels, placed.texture, sight.seen.model_view, pixel, width, amount)

    def _place(self, patch: Patch, sight: _Sight) -> _Placed:
        to_crop, size = sight.crop.from_box(sight.box), (sight.box.height, sight.box.width)
        shot = sight.seen.shot

        def place(values: Float32) -> Float32:
            return _resampled(values[..., None], to_crop, size)[..., 0]

        more: dict[str, Float32] = {}
        if shot.regions != ALL:
            more["regions"] = place(strength_of(patch.texture, shot.regions))
        if sight.free is not None:
            more["occluders"] = 1.0 - np.float32(shot.matte.occlusion_strength) * (1.0 - sight.free)
        matte = place(patch.matte) * np.float32(shot.composite.opacity)
        for values in more.values():
            matte = np.asarray(matte * values, np.float32)
        parts = {name: place(values) for name, values in patch.parts.items()}
        if parts:
            everywhere = np.ones(size, np.float32)
            parts |= {"regions": everywhere, "occluders": everywhere} | more
        return _Placed(
            _resampled(patch.pixels, to_crop, size),
            matte,
            place(patch.hull),
            place(patch.skin.astype(np.float32)) > 0.5,
            _resampled(patch.texture, to_crop, size),
            parts,
        )


def read_identities(shot: Shot, keep: Keep = NOTHING) -> list[Identity]:
    """The people of a recipe, in its order. Raises IdentityError for one that cannot be used."""
    return [_read_identity(Path(entry.identity), keep) for entry in shot.replace]


def _read_identity(folder: Path, keep: Keep) -> Identity:
    try:
        files = files_key(find_pictures(folder))
    except OSError as error:
        raise IdentityError(f"{shown(folder)} cannot be read: {error.strerror}.", "Check its permissions.") from error
    return (
        load_identity(folder, keep)
        if files is None
        else keep.get(("identity", files), lambda: load_identity(folder, keep))
    )


def _refuse_twice(shot: Shot, tracks: Tracks) -> None:
    by: dict[int, str] = {}
    for entry in shot.replace:
        for track in tracks.select(entry.face):
            if track.id in by:
                raise RecipeError(
                    f"A face is replaced twice: `{shown(by[track.id])}` and `{shown(entry.face)}` are the same one.",
                    "Name each face in one [[replace]] only.",
                )
            by[track.id] = entry.face


def _make_swapper(name: str, identity: Identity, settings: Network, keep: Keep) -> Swapper:
    if name == MESH:
        return MeshSwapper(identity, keep)
    network, boost = open_named(name, *SWAPPERS), settings.boost
    enhancer = Enhancer(open_named(settings.enhancer, "enhancer"), settings) if settings.enhancer else None
    match network.manifest.family:
        case "embedding":
            return EmbeddingSwapper(network, identity, boost, keep, enhancer)
        case "image":
            return ImageSwapper(network, identity, boost, keep, enhancer)
        case _:
            return DfmSwapper(network, boost, keep, enhancer)


def _alpha(frame: Frame, box: Box) -> Float32 | None:
    """The plate's alpha over the box; None where there is none, or where it is 0 all over and so says nothing."""
    alpha = frame.alpha_of(box)
    if alpha is None or not (alpha > 0.0).any() or (alpha == 1.0).all():
        return None
    return np.clip(alpha, 0.0, 1.0)


def _unpremultiplied(rgb: Float32, alpha: Float32 | None) -> Float32:
    """The colour itself. Light where alpha is 0 is added light, not part of anything: it stays as it is."""
    if alpha is None:
        return rgb
    return np.asarray(rgb / np.where(alpha > 0.0, np.maximum(alpha, 1e-6), 1.0)[..., None], np.float32)


def _box_of(crop: Crop) -> Box:
    """The smallest box of whole plate pixels that holds the crop."""
    height, width = crop.size
    corners = np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
    inverse = invert(crop.plate_to_crop)
    points = corners @ inverse[:, :2].T + inverse[:, 2]
    low, high = np.floor(points.min(0) + 1e-6).astype(int), np.ceil(points.max(0) - 1e-6).astype(int)
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _picture(plate: Float32, box: Box, crop: Crop, model_view: ModelView) -> Float32:
    """A crop of the plate in the model view, from what `box` has of it."""
    return view(_resampled(plate, invert(crop.from_box(box)), crop.size), model_view)


def _resampled(array: Float32, out_to_source: NDArray[np.float64], size: tuple[int, ...]) -> Float32:
    """`array` under a matrix; the array itself where the two grids are the same."""
    if array.shape[:2] == tuple(size[:2]) and np.array_equal(out_to_source, SAME_GRID):
        return array
    return warp_affine(array, out_to_source, (size[0], size[1]), "cubic")


@contextmanager
def _timed(stages: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    stages[name] = stages.get(name, 0.0) + (time.perf_counter() - start) * 1e3
