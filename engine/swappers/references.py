"""The pictures of one person, read once and kept: light, mesh, pose, expression and skin of each.

References are put into exposed linear light (skin near 0.25, as in the model view of a shot), so that the swapper
never sees how a photographer exposed them.
"""

import hashlib
from functools import cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.errors import FaceplateError, IdentityError
from engine.events import Notice
from engine.faces.analyse import Face, analyse_picture
from engine.faces.exposure import REC709_LUMINANCE, SKIN_LIGHT
from engine.faces.identity import SAME_PERSON, distance, robust_mean
from engine.faces.mesh import SURFACE, face_width
from engine.faces.pose import eye_aperture, fit_pose, mouth_shape
from engine.folders import is_folder
from engine.models.catalogue import canonical_mesh
from engine.plates.plate import Plate
from engine.swappers import atlas
from engine.swappers.inspection import obstructions
from engine.swappers.skin import find_skin
from kernels.mesh import vertex_facing
from kernels.view import make_view, view

Float32 = NDArray[np.float32]

PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".exr", ".dpx", ".webp", ".bmp")
# A second face smaller than this, against the largest, is a passer-by, not a second person.
PASSER_BY = 0.35
# A face narrower than this has too little texture to be a reference.
SMALLEST_FACE = 60.0
# A turn by so many degrees weighs as much as a mouth that is wholly different.
DEGREES_LIKE_A_MOUTH = 60.0
# References whose gaps differ by less than this are mixed.
CROSS_FADE = 0.15
# A reference with glasses or facial hair is taken only when the others are this much worse.
OBSTRUCTED = 0.5
# Width of the face, in pixels, at which glasses and facial hair are looked for.
UNWRAPPED_WIDTH = 200.0
# Passes of the average over the mesh; eight reach about a nose's width.
SMOOTHINGS = 8
# Larger faces are reduced to this width: more than a 4K close-up shows.
LARGEST_FACE = 1600.0
# What an infinite value counts as: the largest half.
_BRIGHTEST = 65504.0


def smooth_over_mesh(values: Float32) -> Float32:
    """Vertex values (468,) averaged with their neighbours', again and again.

    Their interpolation then shows no triangles, and the sides of a nose count as the cheeks around them.
    """
    for _ in range(SMOOTHINGS):
        values = _neighbour_average() @ values
    return values


@cache
def _neighbour_average() -> csr_matrix:
    triangles = canonical_mesh().triangles
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    links = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (SURFACE, SURFACE))
    links.data[:] = 1.0
    links = links + csr_matrix(np.eye(SURFACE, dtype=np.float32))
    return csr_matrix(links / links.sum(1))


class Level(NamedTuple):
    """A reference at one size.

    picture: (h, w, 4) exposed linear RGB and skin likelihood. shrink: (2,) from the reference's pixels to this
    picture's. scale: pixels of this picture for one of the plate. weight: its share, where two sizes are mixed.
    """

    picture: Float32
    shrink: Float32
    scale: float
    weight: float


class Reference:
    """One picture of a person; see the module.

    mesh: (478, 3) in the reference's pixels. facing: (468,) how much each vertex looked at the camera. obstructions:
    what covers the skin. aperture, mouth: as in `engine.faces.pose`.
    """

    def __init__(self, name: str, light: Float32, face: Face) -> None:
        self.name = name
        self.mesh = face.mesh
        self.pose = face.pose
        self.embedding = face.embedding
        self.aperture = np.array(eye_aperture(face.mesh))
        self.mouth = mouth_shape(face.mesh)
        self.facing = smooth_over_mesh(vertex_facing(face.mesh[:SURFACE], canonical_mesh().triangles))
        self.width = face_width(face.mesh)
        self._sizes = _halved(light, face.mesh, self.width)
        level = self.levels(UNWRAPPED_WIDTH)[0]
        self.obstructions = obstructions(level.picture, face.mesh[:, :2] * level.shrink, level.scale)

    @property
    def light(self) -> Float32:
        """Exposed linear light (h, w, 3)."""
        return self._sizes[0][..., :3]

    def levels(self, target_width: float) -> list[Level]:
        """The picture reduced to less than twice as fine as a face of `target_width` pixels.

        Before the next size takes over, the two are mixed, so that a slow zoom shows no step.
        """
        ratio = self.width / max(target_width, 1.0)
        last = len(self._sizes) - 1
        index = min(int(np.floor(np.log2(max(ratio, 1.0)))), last)
        next_share = 0.0 if index == last else float(np.clip(ratio / 2**index / 0.5 - 3.0, 0.0, 1.0))
        shares = ((index, 1.0 - next_share), (index + 1, next_share))
        return [self._level(at, ratio, weight) for at, weight in shares if weight > 0.0]

    def _level(self, index: int, ratio: float, weight: float) -> Level:
        picture, full = self._sizes[index], self._sizes[0]
        shrink = np.array([picture.shape[1] / full.shape[1], picture.shape[0] / full.shape[0]], np.float32)
        return Level(picture, shrink, max(1.0, ratio * float(shrink.mean())), weight)


def _halved(light: Float32, mesh: NDArray[np.float64], width: float) -> list[Float32]:
    """The picture with its skin likelihood, (h, w, 4), and halves of it down to a face of 16 pixels."""
    sizes = [np.ascontiguousarray(np.dstack([light, _skin_likelihood(light, mesh)]))]
    while width / 2 ** len(sizes) > 16.0:
        last = sizes[-1]
        sizes.append(_reduced(last, (max(1, last.shape[1] // 2), max(1, last.shape[0] // 2))))
    return sizes


class Likeness(NamedTuple):
    """What of an identity counts for one frame: references and weights (n,) that sum to 1, and their expression."""

    references: list[Reference]
    weights: NDArray[np.float64]

    @property
    def aperture(self) -> NDArray[np.float64]:
        return self.weights @ np.array([reference.aperture for reference in self.references])

    @property
    def mouth(self) -> NDArray[np.float64]:
        return self.weights @ np.array([reference.mouth for reference in self.references])


class Identity:
    """One person: at least one reference, the middle of their embeddings (128,), and a digest of the pictures' bytes.

    unusable: why each other picture in the folder is none.
    """

    def __init__(self, references: list[Reference], digest: str, unusable: tuple[FaceplateError, ...] = ()) -> None:
        self.references = references
        self.digest = digest
        self.unusable = unusable
        self.embedding = robust_mean(np.array([reference.embedding for reference in references]))

    def nearest(self, mesh: NDArray[np.float64]) -> Likeness:
        """The reference whose pose and mouth are nearest to those of a 478-point mesh, preferably without glasses.

        Others that are almost as near get a share that rises from 0, so that none comes in with a jump.
        """
        angles, mouth = fit_pose(mesh).angles, mouth_shape(mesh)

        def gap(reference: Reference) -> float:
            turn = np.linalg.norm(reference.pose.angles[:2] - angles[:2]) / DEGREES_LIKE_A_MOUTH
            covered = OBSTRUCTED * len(reference.obstructions)
            return float(turn + np.linalg.norm(np.subtract(reference.mouth, mouth))) + covered

        gaps = np.array([gap(reference) for reference in self.references])
        shares = np.clip(1.0 - (gaps - gaps.min()) / CROSS_FADE, 0.0, 1.0) ** 2
        near = np.flatnonzero(shares)
        return Likeness([self.references[index] for index in near], shares[near] / shares.sum())


def load_identity(folder: Path) -> Identity:
    """Read every picture in `folder`. Raises IdentityError when none is usable, or when they show two people."""
    pictures = find_pictures(folder)
    references, problems = [], []
    content = hashlib.sha256()
    for path in pictures:
        try:
            content.update(_bytes_of(path))
            references.append(read_reference(path))
        except FaceplateError as error:
            problems.append(error)
    if not references:
        raise problems[0]
    _refuse_strangers(references, folder)
    return Identity(references, content.hexdigest(), tuple(problems))


def inspect(folder: Path) -> list[Notice]:
    """What a person should know of an identity's pictures before using them; an unusable one is a notice, too."""
    notices, usable = [], []
    for path in find_pictures(folder):
        try:
            reference = read_reference(path)
        except FaceplateError as error:
            notices.append(Notice(error.code, str(error)))
            continue
        usable.append(reference)
        notices += [
            Notice("reference", f"{path.name}: {thing} will be painted onto the face; a picture without is better.")
            for thing in reference.obstructions
        ]
    if usable:
        try:
            _refuse_strangers(usable, folder)
        except IdentityError as error:
            notices.append(Notice(error.code, str(error)))
    return notices


def find_pictures(folder: Path) -> list[Path]:
    """The picture files of an identity, in the order of their names."""
    if not is_folder(folder):
        raise IdentityError(
            f"There is no identity folder {folder}.", "Make it, and put pictures of one person into it."
        )
    try:
        pictures = sorted(path for path in folder.iterdir() if path.suffix.lower() in PICTURES and path.is_file())
    except OSError as error:
        raise _unreadable(folder, error) from error
    if not pictures:
        kinds = ", ".join(PICTURES)
        raise IdentityError(f"There is no picture in the identity folder {folder}.", f"Put one there, of {kinds}.")
    return pictures


def read_reference(path: Path) -> Reference:
    """Read one picture that shows one face. Raises IdentityError, or PlateError when it cannot be read."""
    plate = Plate.open(path)
    frame = plate.read(plate.frames[0], picture_only=True)
    linear = frame.rgb(frame.data_window) @ plate.color.plate_to_rec709.T.astype(np.float32)
    # One pixel that is no number would be the exposure of all.
    linear = np.nan_to_num(np.ascontiguousarray(linear), copy=False, nan=0.0, posinf=_BRIGHTEST, neginf=-_BRIGHTEST)
    linear, face = _find_person(linear, path)
    width = face_width(face.mesh)
    if width < SMALLEST_FACE:
        raise IdentityError(f"The face in {path.name} is only {width:.0f} pixels wide.", "Use a closer picture.")
    light, mesh = _cut_out(linear, face.mesh, width)
    light *= np.float32(SKIN_LIGHT / _skin_luminance(light, mesh))
    return Reference(path.name, light, face._replace(mesh=mesh))


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> IdentityError:
    return IdentityError(f"{path} cannot be read: {error.strerror or error}.", "Check its permissions.")


def _find_person(linear: Float32, path: Path) -> tuple[Float32, Face]:
    """The face of the picture's one person; found at the picture's own exposure, then at its skin's."""
    exposure = SKIN_LIGHT / max(float(np.median(linear.mean(2))), 1e-4)
    faces: list[Face] = []
    for gain in (1.0, np.clip(exposure, 0.05, 20.0)):
        faces = analyse_picture(view(linear, make_view(None, gain)))
        if faces:
            break
    if not faces:
        raise IdentityError(f"There is no face in {path.name}.", "Use a picture that shows the person's face.")
    faces.sort(key=lambda face: -np.ptp(face.mesh[:SURFACE, 0]))
    first = faces[0]
    for other in faces[1:]:
        near = np.ptp(other.mesh[:SURFACE, 0]) > PASSER_BY * np.ptp(first.mesh[:SURFACE, 0])
        if near and distance(first.embedding, other.embedding) > SAME_PERSON:
            raise IdentityError(f"{path.name} shows two people.", "Crop the picture to the person who is meant.")
    return linear, first


def _cut_out(linear: Float32, mesh: NDArray[np.float64], width: float) -> tuple[Float32, NDArray[np.float64]]:
    """The picture around the face, reduced when the face is larger than LARGEST_FACE, and the mesh in it."""
    low = np.maximum(np.floor(mesh[:, :2].min(0) - 0.4 * width), 0).astype(int)
    high = np.ceil(mesh[:, :2].max(0) + 0.4 * width).astype(int)
    light = np.ascontiguousarray(linear[low[1] : high[1], low[0] : high[0]])
    mesh = mesh - np.array([low[0], low[1], 0.0])
    if width > LARGEST_FACE:
        factor = LARGEST_FACE / width
        size = (round(light.shape[1] * factor), round(light.shape[0] * factor))
        light, mesh = _reduced(light, size), mesh * factor
    return light, mesh


def _reduced(picture: Float32, size: tuple[int, int]) -> Float32:
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32)


def _skin_luminance(light: Float32, mesh: NDArray[np.float64]) -> float:
    regions = atlas.picture_regions(mesh, light.shape[:2])
    sample = (regions.hull > 0.1) & (regions.eyes < -0.05) & (regions.lips < -0.03) & (regions.forehead < 0.0)
    if not sample.any():
        raise IdentityError("The face lies outside the picture.", "Use a picture that shows the whole face.")
    return max(float(np.median(light[sample] @ REC709_LUMINANCE)), 1e-4)


def _skin_likelihood(light: Float32, mesh: NDArray[np.float64]) -> Float32:
    width = face_width(mesh)
    return find_skin(light, atlas.picture_regions(mesh, light.shape[:2]), width).likelihood


def _refuse_strangers(references: list[Reference], folder: Path) -> None:
    """Pictures of two people are refused: the median embedding is the person, and each picture must be near it."""
    median = np.median([reference.embedding for reference in references], axis=0)
    strangers = [reference.name for reference in references if distance(reference.embedding, median) > SAME_PERSON]
    first = references[0]
    if len(references) == 2 and distance(first.embedding, references[1].embedding) > SAME_PERSON:
        strangers = [reference.name for reference in references]
    if strangers:
        names = ", ".join(strangers)
        raise IdentityError(f"The pictures in {folder} show more than one person: {names}.", "Keep one person's.")
