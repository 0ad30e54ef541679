"""Pass 2: replace the faces of one frame. Needs that frame and the tracks, and nothing of any other frame."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.faces.mesh import face_width
from engine.faces.tracks import FaceGeometry, Track, Tracks
from engine.geometry import Box
from engine.plates.color import PlateColor
from engine.plates.frame import Frame
from engine.shot import Shot
from engine.swappers.base import Crop, Patch, Swapper
from engine.swappers.mesh import MeshSwapper
from engine.swappers.references import Identity, load_identity
from kernels.composite import composite
from kernels.grain import measure_grain, synthesize_grain
from kernels.match import channel_mean
from kernels.matte import feather, signed_distance
from kernels.membrane import seam_correction
from kernels.view import exposed, make_view, unview, view
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]

# The seam's difference is smoothed along the seam by this much, in face widths, so that grain does not streak inwards.
SEAM_SMOOTHING = 0.02
# The seam lies where the hull falls to this: thin enough not to be seen, and still on the patch.
SEAM_MATTE = 0.004
# The seam's correction fades out over this distance from the seam, in face widths.
SEAM_REACH = 0.3
# A larger gain than exp(this) is no difference of light but of things: a shadow of hair, a collar. The second is for
# what one channel gets more than the others.
SEAM_LIMIT = 0.25
SEAM_COLOR_LIMIT = 0.06
# A matte below this is none: nobody sees it, and the matte layer's half floats must not lose it.
THINNEST = 1e-3
# At a thin matte the patch would need ever more grain to make up for what it covers; nobody sees it beyond this.
MOST_GRAIN = np.float32(2.0)
PATCH_CHANNELS = ("patch.R", "patch.G", "patch.B", "patch.A")
MATTE_CHANNEL = "matte.V"
STMAP_CHANNELS = ("stmap.R", "stmap.G")


class RenderReport(NamedTuple):
    """How many faces were replaced in a frame, and how long each stage took."""

    faces: int
    milliseconds: dict[str, float]


class _Job(NamedTuple):
    swapper: Swapper
    track: Track


class Renderer:
    """Renders frames of one shot. Reading the identities happens here, once; `render` may run in several threads."""

    def __init__(self, shot: Shot, tracks: Tracks, color: PlateColor) -> None:
        """Raises IdentityError for an identity that cannot be used and NoFace for a face that is not in the shot."""
        exposure = tracks.exposure if shot.view.exposure == "auto" else shot.view.exposure
        self._shot = shot
        self._view = make_view(color.plate_to_rec709, exposure, shot.view.knee, shot.view.white)
        self.identities = [load_identity(Path(entry.identity)) for entry in shot.replace]
        self._jobs = [
            _Job(swapper, track)
            for entry, identity in zip(shot.replace, self.identities, strict=True)
            for swapper in [_make_swapper(identity, shot)]
            for track in tracks.select(entry.face)
        ]

    def render(self, frame: Frame) -> RenderReport:
        """Replace the faces in `frame`, in place: its picture channels, and the layers that the recipe asks for."""
        stages: dict[str, float] = {}
        _add_empty_layers(frame, self._shot.output.layers)
        faces = 0
        for job in self._jobs:
            face = job.track.at(frame.number)
            if face is not None and self._replace(frame, job.swapper, face, stages):
                faces += 1
        return RenderReport(faces, stages)

    def _replace(self, frame: Frame, swapper: Swapper, face: FaceGeometry, stages: dict[str, float]) -> bool:
        crop = swapper.crop(face, frame.data_window)
        box = _box_of(crop).intersect(frame.data_window)
        if box.empty:
            return False
        with _timed(stages, "view"):
            rgb, alpha = frame.rgb(box), _alpha(frame, box)
            plain = rgb if alpha is None else np.asarray(rgb / np.maximum(alpha, 1e-6)[..., None], np.float32)
            box_to_crop = _from_box(crop, box)
            seen = view(_resampled(plain, _invert(box_to_crop), crop.size), self._view)
        with _timed(stages, "swap"):
            patch = swapper.swap(seen, crop.points(face.mesh), self._view)
            matte = _resampled(patch.matte[..., None], box_to_crop, rgb.shape[:2])[..., 0]
            matte *= np.float32(self._shot.composite.opacity)
            matte[matte < THINNEST] = 0.0
        with _timed(stages, "seam"):
            skin = _resampled(patch.skin[..., None].astype(np.float32), box_to_crop, rgb.shape[:2])[..., 0] > 0.5
            pixels = _resampled(patch.pixels, box_to_crop, rgb.shape[:2])
            hull = _resampled(patch.hull[..., None], box_to_crop, rgb.shape[:2])[..., 0]
            correction = self._seam(plain, pixels, hull, skin, face)
        with _timed(stages, "grain"):
            grain = self._grain(plain, pixels, matte, skin, frame, box)
        with _timed(stages, "composite"):
            identity = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
            self._add_layers(frame, box, plain, patch, pixels, matte, box_to_crop, correction, grain)
            composite(rgb, pixels, matte, identity, self._view, correction=correction, grain=grain, alpha=alpha)
            frame.replace(box, rgb, matte > 0.0)
        return True

    def _seam(
        self, plate: Float32, pixels: Float32, hull: Float32, skin: NDArray[np.bool_], face: FaceGeometry
    ) -> Float32 | None:
        """The logarithm of the gain that makes the patch meet the plate at the edge of the hull."""
        amount = self._shot.composite.seam
        inside = hull > SEAM_MATTE
        if amount == 0.0 or not inside.any() or not skin.any():
            return None
        plate_light = exposed(view(plate, self._view), self._view)
        width = face_width(face.mesh)
        correction = seam_correction(
            plate_light, exposed(pixels, self._view), inside, anchor=skin, smooth=SEAM_SMOOTHING * width
        )
        # The light inside has been matched already; what is left at the edge is the edge's business.
        correction *= 1.0 - feather(signed_distance(inside), SEAM_REACH * width)[..., None]
        brightness = channel_mean(correction)[..., None]
        color = _limited(correction - brightness, SEAM_COLOR_LIMIT)
        return np.float32(amount) * (_limited(brightness, SEAM_LIMIT) + color)

    def _grain(
        self, plate: Float32, pixels: Float32, matte: Float32, skin: NDArray[np.bool_], frame: Frame, box: Box
    ) -> Float32 | None:
        """Plate-linear grain (h, w, 3), as strong as the plate's own was before the patch covered it."""
        amount = self._shot.composite.grain
        if amount == 0.0:
            return None
        model = measure_grain(plate, skin.astype(np.float32))
        noise = synthesize_grain(model, unview(pixels, self._view), frame.number, self._shot.seed, (box.x0, box.y0))
        # The plate's own grain shows through by 1 − matte; the composite multiplies by the matte. Variances add.
        share = np.minimum(np.sqrt((2.0 - matte) / np.maximum(matte, 1e-3)), MOST_GRAIN)
        return noise * (np.float32(amount) * share)[..., None]

    def _add_layers(
        self,
        frame: Frame,
        box: Box,
        plain: Float32,
        patch: Patch,
        pixels: Float32,
        matte: Float32,
        box_to_crop: NDArray[np.float64],
        correction: Float32 | None,
        grain: Float32 | None,
    ) -> None:
        """The layers, so that plate + matte · (patch − plate) is the result: highlights, seam and grain included."""
        layers = self._shot.output.layers
        covered = (matte > 0.0).astype(np.float32)
        if "patch" in layers:
            full = plain.copy()
            identity = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
            composite(full, pixels, covered, identity, self._view, correction=correction, grain=grain)
            for channel, name in enumerate(PATCH_CHANNELS):
                values = covered if channel == 3 else full[..., channel] * covered
                frame.add_layer(name, box, values, np.float16)
        if "matte" in layers:
            frame.add_layer(MATTE_CHANNEL, box, matte, np.float16)
        if "stmap" in layers:
            texture = _resampled(patch.texture, box_to_crop, matte.shape)
            found = np.isfinite(texture[..., 0])
            frame.add_layer(STMAP_CHANNELS[0], box, np.where(found, texture[..., 0], 0.0), np.float32)
            frame.add_layer(STMAP_CHANNELS[1], box, np.where(found, 1.0 - texture[..., 1], 0.0), np.float32)


def _make_swapper(identity: Identity, shot: Shot) -> Swapper:
    match shot.swapper:
        case "mesh":
            return MeshSwapper(identity, shot)


def _add_empty_layers(frame: Frame, layers: tuple[str, ...]) -> None:
    """Every frame of a sequence has the same channels, with a face or without."""
    nothing, empty = Box(0, 0, 0, 0), np.zeros((0, 0), np.float32)
    if "patch" in layers:
        for name in PATCH_CHANNELS:
            frame.add_layer(name, nothing, empty, np.float16)
    if "matte" in layers:
        frame.add_layer(MATTE_CHANNEL, nothing, empty, np.float16)
    if "stmap" in layers:
        for name in STMAP_CHANNELS:
            frame.add_layer(name, nothing, empty, np.float32)


def _alpha(frame: Frame, box: Box) -> Float32 | None:
    """The plate's alpha over the box; None where there is none, or where it is 0 all over and so says nothing."""
    alpha = frame.alpha_of(box)
    if alpha is None or not (alpha > 0.0).any() or (alpha == 1.0).all():
        return None
    return np.clip(alpha, 0.0, 1.0)


def _box_of(crop: Crop) -> Box:
    """The smallest box of whole plate pixels that holds the crop."""
    height, width = crop.size
    corners = np.array([[0.0, 0.0], [width, 0.0], [0.0, height], [width, height]])
    inverse = _invert(crop.plate_to_crop)
    points = corners @ inverse[:, :2].T + inverse[:, 2]
    low, high = np.floor(points.min(0) + 1e-6).astype(int), np.ceil(points.max(0) - 1e-6).astype(int)
    return Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))


def _from_box(crop: Crop, box: Box) -> NDArray[np.float64]:
    matrix = crop.plate_to_crop.copy()
    matrix[:, 2] += matrix[:, :2] @ np.array([box.x0, box.y0], np.float64)
    return matrix


def _invert(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    linear = np.linalg.inv(matrix[:, :2]).astype(np.float64)
    return np.column_stack([linear, -linear @ matrix[:, 2]])


def _resampled(array: Float32, out_to_source: NDArray[np.float64], size: tuple[int, ...]) -> Float32:
    """`array` under a matrix; the array itself where the two grids are the same."""
    if array.shape[:2] == tuple(size[:2]) and np.array_equal(out_to_source, np.eye(3)[:2]):
        return array
    return warp_affine(array, out_to_source, (size[0], size[1]), "cubic")


def _limited(values: Float32, limit: float) -> Float32:
    """Values bent smoothly to stay within plus and minus `limit`."""
    return np.asarray(limit * np.tanh(values / limit), np.float32)


@contextmanager
def _timed(stages: dict[str, float], name: str) -> Iterator[None]:
    start = time.perf_counter()
    yield
    stages[name] = stages.get(name, 0.0) + (time.perf_counter() - start) * 1e3
