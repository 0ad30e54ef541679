"""One picture of a person: what it shows, measured once, and its pixels, read when they are used.

Pictures are put into exposed linear light (skin near 0.25, as in the model view of a shot), so that a swapper never
sees how a photographer exposed them.
"""

from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import IdentityError
from engine.events import shown
from engine.faces.analyse import Face, analyse_picture
from engine.faces.exposure import REC709_LUMINANCE, SKIN_LIGHT
from engine.faces.identity import SAME_PERSON, distance
from engine.faces.mesh import SURFACE, face_width
from engine.faces.pose import Mouth, eye_aperture, fit_pose, mouth_shape
from engine.plates.plate import Plate
from engine.swappers import atlas
from engine.swappers.inspection import Light, inspect_picture
from engine.swappers.pyramid import Pyramid, reduced
from kernels.view import make_view, view

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# A second face smaller than this, against the largest, is a passer-by, not a second person.
PASSER_BY = 0.35
# A face narrower than this has too little texture to be a reference.
SMALLEST_FACE = 60.0
# Larger faces are reduced to this width: more than a 4K close-up shows.
LARGEST_FACE = 1600.0
# What is kept of a picture reaches so far beyond the mesh, in face widths.
SURROUNDINGS = 0.4
# What an infinite value counts as: the largest half.
_BRIGHTEST = 65504.0

_Triple = tuple[float, float, float]


class Cut(msgspec.Struct, frozen=True):
    """What of a picture is kept: columns x0 to x1 and rows y0 to y1, reduced to (width, height), and multiplied."""

    x0: int
    y0: int
    x1: int
    y1: int
    width: int
    height: int
    gain: float

    def of(self, linear: Float32) -> Float32:
        """Exposed linear light (height, width, 3) of a whole picture's."""
        light = np.ascontiguousarray(linear[self.y0 : self.y1, self.x0 : self.x1])
        if light.shape[1::-1] != (self.width, self.height):
            light = reduced(light, (self.width, self.height))
        return light * np.float32(self.gain)


class Portrait(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="portrait"):
    """What a picture shows of a person; plain numbers, so that it can be kept in a file without a change.

    embedding: 128 numbers. mesh: 478 points in the pixels of what `cut` keeps. angles: degrees, as in `Pose`.
    aperture, mouth: as in `engine.faces.pose`. obstructions, light, sharpness: as in `engine.swappers.inspection`.
    width: of the face, in the pixels that are kept.
    """

    embedding: list[float]
    mesh: list[_Triple]
    angles: _Triple
    aperture: tuple[float, float]
    mouth: Mouth
    width: float
    obstructions: tuple[str, ...]
    light: Light
    sharpness: float
    cut: Cut


def examine(path: Path) -> Portrait:
    """Measure one picture that shows one face. Raises IdentityError, or PlateError when it cannot be read."""
    linear = _read_linear(path)
    face = _find_person(linear, path)
    width = face_width(face.mesh)
    if width < SMALLEST_FACE:
        raise IdentityError(f"The face in {shown(path.name)} is only {width:.0f} pixels wide.", "Use a closer picture.")
    cut, mesh = _cut_out(linear, face.mesh, width)
    return describe(cut.of(linear), mesh, face.embedding, cut)


def describe(light: Float32, mesh: Float64, embedding: Float32, cut: Cut) -> Portrait:
    """The portrait of a face with a 478-point mesh in exposed linear light (h, w, 3)."""
    found = inspect_picture(Pyramid(light, mesh), mesh, cut.gain)
    return Portrait(
        embedding=embedding.astype(np.float64).tolist(),
        mesh=[(x, y, z) for x, y, z in mesh.astype(np.float64).tolist()],
        angles=_triple(fit_pose(mesh).angles),
        aperture=eye_aperture(mesh),
        mouth=mouth_shape(mesh),
        width=face_width(mesh),
        obstructions=found.obstructions,
        light=found.light,
        sharpness=found.sharpness,
        cut=cut,
    )


def read_pyramid(path: Path, portrait: Portrait) -> Pyramid:
    """The pixels of an examined picture. Raises PlateError when it cannot be read."""
    return Pyramid(portrait.cut.of(_read_linear(path)), np.array(portrait.mesh))


def _triple(values: Float64) -> _Triple:
    first, second, third = (float(value) for value in values)
    return first, second, third


def _read_linear(path: Path) -> Float32:
    """The whole picture (h, w, 3), linear Rec.709, finite."""
    plate = Plate.open(path)
    frame = plate.read(plate.frames[0], picture_only=True)
    linear = frame.rgb(frame.data_window) @ plate.color.plate_to_rec709.T.astype(np.float32)
    # One pixel that is no number would be the exposure of all.
    return np.nan_to_num(np.ascontiguousarray(linear), copy=False, nan=0.0, posinf=_BRIGHTEST, neginf=-_BRIGHTEST)


def _find_person(linear: Float32, path: Path) -> Face:
    """The face of the picture's one person; found at the picture's own exposure, then at its skin's."""
    exposure = SKIN_LIGHT / max(float(np.median(linear.mean(2))), 1e-4)
    faces: list[Face] = []
    for gain in (1.0, np.clip(exposure, 0.05, 20.0)):
        faces = analyse_picture(view(linear, make_view(None, gain)))
        if faces:
            break
    if not faces:
        raise IdentityError(f"There is no face in {shown(path.name)}.", "Use a picture that shows the person's face.")
    faces.sort(key=lambda face: -np.ptp(face.mesh[:SURFACE, 0]))
    first = faces[0]
    for other in faces[1:]:
        near = np.ptp(other.mesh[:SURFACE, 0]) > PASSER_BY * np.ptp(first.mesh[:SURFACE, 0])
        if near and distance(first.embedding, other.embedding) > SAME_PERSON:
            raise IdentityError(f"{shown(path.name)} shows two people.", "Crop the picture to the person who is meant.")
    return first


def _cut_out(linear: Float32, mesh: Float64, width: float) -> tuple[Cut, Float64]:
    """What is kept around the face, reduced when the face is larger than LARGEST_FACE, and the mesh in it."""
    x0, y0 = np.maximum(np.floor(mesh[:, :2].min(0) - SURROUNDINGS * width), 0).astype(int).tolist()
    size = np.array(linear.shape[1::-1])
    x1, y1 = np.minimum(np.ceil(mesh[:, :2].max(0) + SURROUNDINGS * width), size).astype(int).tolist()
    if x1 <= x0 or y1 <= y0:
        raise IdentityError("The face lies outside the picture.", "Use a picture that shows the whole face.")
    factor = min(1.0, LARGEST_FACE / width)
    cut = Cut(x0, y0, x1, y1, round((x1 - x0) * factor), round((y1 - y0) * factor), 1.0)
    mesh = (mesh - np.array([x0, y0, 0.0])) * factor
    gain = np.float32(SKIN_LIGHT / _skin_luminance(cut.of(linear), mesh))
    return msgspec.structs.replace(cut, gain=float(gain)), mesh


def _skin_luminance(light: Float32, mesh: Float64) -> float:
    regions = atlas.picture_regions(mesh, light.shape[:2])
    sample = (regions.hull > 0.1) & (regions.eyes < -0.05) & (regions.lips < -0.03) & (regions.forehead < 0.0)
    if not sample.any():
        raise IdentityError("The face lies outside the picture.", "Use a picture that shows the whole face.")
    return max(float(np.median(light[sample] @ REC709_LUMINANCE)), 1e-4)
