"""The pictures of one person: which of them show that person, and which of them count for a frame.

What each picture shows is measured once and kept (`engine.swappers.identity_index`); its pixels are read when a frame
needs them, and kept while there is room.
"""

import hashlib
from collections.abc import Callable, Sequence
from functools import cached_property, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import FaceplateError, IdentityError
from engine.events import Notice, shown
from engine.faces.course import Course
from engine.faces.identity import independent_votes, majority, robust_mean
from engine.folders import is_folder
from engine.kept import NOTHING, Keep, Kept, file_digest
from engine.swappers.choice import shares, spaced
from engine.swappers.identity_index import recall
from engine.swappers.portrait import Portrait, examine, read_pyramid
from engine.swappers.pyramid import Level, Pyramid
from engine.swappers.smooth_mesh import smooth_facing

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

PICTURES = (".jpg", ".jpeg", ".png", ".tif", ".tiff", ".exr", ".dpx", ".webp", ".bmp")
# Bytes of pixels that are kept by a process that keeps nothing else.
PIXELS = 1 << 30


class Reference:
    """One picture of a person.

    portrait: what it shows. mesh: (478, 3) in the reference's pixels. facing: (468,) how much each vertex looked at the
    camera. aperture, mouth: as in `engine.faces.pose`. `light` and `levels` read the picture, and raise what
    `read` raises.
    """

    def __init__(self, name: str, portrait: Portrait, read: Callable[[], Pyramid]) -> None:
        self.name = name
        self.portrait = portrait
        self.mesh = np.array(portrait.mesh)
        self.embedding = np.array(portrait.embedding, np.float32)
        self.aperture = np.array(portrait.aperture)
        self.mouth = np.array(portrait.mouth)
        self.width = portrait.width
        self.obstructions = portrait.obstructions
        self._read = read

    @cached_property
    def facing(self) -> Float32:
        return smooth_facing(self.mesh)

    @property
    def light(self) -> Float32:
        """Exposed linear light (h, w, 3)."""
        return self._read().light

    def levels(self, target_width: float) -> list[Level]:
        """See `Pyramid.levels`."""
        return self._read().levels(target_width)


class Likeness(NamedTuple):
    """What of an identity counts for one frame: references and weights (n,) that sum to 1, and their expression."""

    references: list[Reference]
    weights: Float64

    @property
    def aperture(self) -> Float64:
        return self.weights @ np.array([reference.aperture for reference in self.references])

    @property
    def mouth(self) -> Float64:
        return self.weights @ np.array([reference.mouth for reference in self.references])


class Identity:
    """One person: at least one reference, the middle of their embeddings (128,), and a digest of the pictures' bytes.

    unusable: why each other picture in the folder is none; those that show somebody else are named together. spare:
    by name, of the references that no frame needs, the better ones of nearly the same pose and mouth. votes: (n,), how
    much each reference says of who the person is; those of one moment have one vote together.
    """

    def __init__(self, references: Sequence[Reference], digest: str, unusable: Sequence[FaceplateError] = ()) -> None:
        self.references = list(references)
        self.digest = digest
        self.unusable = tuple(unusable)
        embeddings = np.array([reference.embedding for reference in references])
        self.votes = independent_votes(embeddings)
        self.embedding = robust_mean(embeddings, self.votes)
        instead = spaced([reference.portrait for reference in references])
        self.spare = {self.references[at].name: self.references[to].name for at, to in enumerate(instead) if at != to}
        self._used = [self.references[at] for at, to in enumerate(instead) if at == to]

    def nearest(self, course: Course) -> Likeness:
        """What counts for the frame in the middle of a course: see `engine.swappers.choice`."""
        found = shares([reference.portrait for reference in self._used], course)
        near = np.flatnonzero(found)
        return Likeness([self._used[index] for index in near], found[near])


class Pictured(NamedTuple):
    """A picture of a folder: the reference that it makes, or why it makes none; `stranger` is somebody else."""

    name: str
    reference: Reference | None
    problem: FaceplateError | None = None
    stranger: bool = False


class Folder(NamedTuple):
    """All pictures of an identity's folder, and a digest of their bytes; `divided` where most show no one person."""

    path: Path
    pictures: list[Pictured]
    digest: str
    divided: bool

    def identity(self) -> Identity:
        """The person whom most pictures show. Raises the first picture's error when none can be used."""
        problems = [one.problem for one in self.pictures if one.problem is not None]
        references = [one.reference for one in self.pictures if one.reference is not None]
        if not references:
            raise problems[0]
        if self.divided:
            names = ", ".join(shown(reference.name) for reference in references)
            raise IdentityError(
                f"The pictures in {shown(self.path)} show more than one person, and none in more than half: {names}.",
                "Keep one person's.",
            )
        person = [one.reference for one in self.pictures if one.reference is not None and not one.stranger]
        strangers = [shown(one.name) for one in self.pictures if one.stranger]
        if strangers:
            left_out = f"{len(strangers)} of {len(self.pictures)} pictures in {shown(self.path)} left out"
            message = f"{left_out}, where somebody else seems to be shown: {', '.join(strangers)}."
            problems.append(IdentityError(message, "Take them out of the folder, or bring sharper ones."))
        return Identity(person, self.digest, problems)


def load_identity(folder: Path, keep: Keep = NOTHING) -> Identity:
    """The person whom the pictures in a folder show; each is measured once, and read when a frame needs it.

    Pixels are kept by `keep`. Pictures that show somebody else than most do are left out, and are among the unusable.
    Raises IdentityError when none can be used, or when no one person is on more than half of them.
    """
    return read_folder(folder, keep).identity()


def inspect(folder: Path) -> list[Notice]:
    """What a person should know of an identity's pictures before using them; an unusable one is a notice, too."""
    found = read_folder(folder)
    problems = [one.problem for one in found.pictures if one.problem is not None]
    covered: list[Reference] = []
    if any(one.reference is not None for one in found.pictures):
        try:
            identity = found.identity()
            problems, covered = list(identity.unusable), identity.references
        except IdentityError as error:
            problems.append(error)
    return [Notice(error.code, str(error)) for error in problems] + [
        Notice("reference", f"{shown(one.name)}: {thing} will be painted onto the face; a picture without is better.")
        for one in covered
        for thing in one.obstructions
    ]


def read_folder(folder: Path, keep: Keep = NOTHING) -> Folder:
    """Every picture of an identity, in the order of their names. Raises IdentityError where there are none."""
    pixels = Kept(PIXELS) if keep is NOTHING else keep
    content, pictures = hashlib.sha256(), []
    for path in find_pictures(folder):
        try:
            sha256 = _sha256_of(path)
            content.update(bytes.fromhex(sha256))
            portrait = recall(path, sha256, examine)
        except FaceplateError as error:
            pictures.append(Pictured(path.name, None, error))
        else:
            read = partial(_pixels, path, sha256, portrait, pixels)
            pictures.append(Pictured(path.name, Reference(path.name, portrait, read)))
    references = [one.reference for one in pictures if one.reference is not None]
    members = majority(np.array([reference.embedding for reference in references])) if references else np.array([])
    if members is None:
        return Folder(folder, pictures, content.hexdigest(), True)
    strangers = {reference.name for reference, member in zip(references, members, strict=True) if not member}
    marked = [one._replace(stranger=one.name in strangers) for one in pictures]
    return Folder(folder, marked, content.hexdigest(), False)


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
    """One picture that shows one face, measured now. Raises IdentityError, or PlateError when it cannot be read."""
    portrait, pixels = examine(path), Kept(PIXELS)
    return Reference(path.name, portrait, partial(_pixels, path, _sha256_of(path), portrait, pixels))


def _pixels(path: Path, sha256: str, portrait: Portrait, keep: Keep) -> Pyramid:
    def read() -> Pyramid:
        if _sha256_of(path) != sha256:
            raise IdentityError(f"{shown(path)} has changed while it was used.", "Start again with the new picture.")
        return read_pyramid(path, portrait)

    return keep.get(("pixels", path.name, sha256), read)


def _sha256_of(path: Path) -> str:
    try:
        return file_digest(path)
    except OSError as error:
        raise _unreadable(path, error) from error


def _unreadable(path: Path, error: OSError) -> IdentityError:
    return IdentityError(f"{path} cannot be read: {error.strerror or error}.", "Check its permissions.")
