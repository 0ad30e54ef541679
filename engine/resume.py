"""What the header of a frame says was done to it, and by it whether a frame is done already.

A frame is done when a file with its final name is there whole, is not older than its plate frame, and says that it was
made from the same recipe, as its keys have it in that frame, the same tracks, the same pictures of the same persons,
by the same networks, by the same version.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path

import msgspec

from engine import __version__
from engine.errors import FaceplateError, IdentityError
from engine.events import shown
from engine.faces.tracks import Tracks
from engine.folders import is_other_than_file
from engine.kept import file_digest
from engine.keys import Keys
from engine.mattes import ArtistMattes
from engine.models.used import check_licences, models_of
from engine.outputs import layers_beside
from engine.plates.header import attribute
from engine.plates.layout import Attributes
from engine.plates.plate import Plate
from engine.plates.splice import ExrFile
from engine.portable import digest, portable
from engine.provenance.consent import Consent
from engine.shot import Shot
from engine.swappers.references import find_pictures

VERSION, RECIPE, SYNTHETIC, LICENCE, DIGEST, MATTES = (
    f"faceplate:{name}" for name in ("version", "recipe", "synthetic", "licence", "digest", "mattes")
)
LIKE = "like:"


class Marks:
    """The header strings of one job's frames: the same whichever frames are asked for, on whatever machine."""

    def __init__(self, shot: Shot, plate: Plate, tracks: Tracks, consents: Sequence[Consent]) -> None:
        """Reads the bytes of the identities' pictures, and of the networks. Raises IdentityError, ModelError and
        LicenceError.
        """
        licences = check_licences(shot)
        self._licence = {LICENCE: msgspec.json.encode(licences).decode()} if licences else {}
        persons = ", ".join(dict.fromkeys(consent.person for consent in consents))
        plain = portable(shot)
        swappers = ", ".join(dict.fromkeys(entry["swapper"] or plain["swapper"] for entry in plain["replace"]))
        self._replaced = f"face replaced by {swappers}; person: {persons}"
        self._keys, self._output = Keys(shot), shot.output
        self._parts = (
            tracks.digest(),
            plate.color.name,
            repr(plate.color.plate_to_rec709.tolist()),
            *(consent.person for consent in consents),
            *(used.digest for used in models_of(shot)),
            *(_pictures_digest(Path(entry.identity)) for entry in shot.replace),
            *(_file_digest(Path(entry.face[len(LIKE) :])) for entry in shot.replace if entry.face.startswith(LIKE)),
        )
        self._mattes = ArtistMattes(shot)

    def of(self, number: int, faces: int) -> dict[str, object]:
        """The header strings of a frame in which so many faces were replaced."""
        return {
            VERSION: __version__,
            SYNTHETIC: self._replaced if faces else "no face in this frame: unchanged",
            **(self._licence if faces else {}),
            RECIPE: msgspec.json.encode(portable(self._keys.at(number)), order="deterministic").decode(),
            **self._made_from(number),
        }

    def done(self, number: int, path: Path, source: Path) -> bool:
        """Whether `path` is the result of frame `number` of the plate, which is `source`, made by the same job."""
        try:
            since = source.stat().st_mtime_ns
            files = [file for file in (path, layers_beside(path, self._output)) if file is not None]
            made_from = {name: attribute(text) for name, text in self._made_from(number).items()}
            return all(file.stat().st_mtime_ns >= since and _is_made(file, made_from) for file in files)
        except (OSError, FaceplateError):
            return False

    def _made_from(self, number: int) -> dict[str, str]:
        """What tells whether a frame is done already; settings and the frames of a matte may change one by one."""
        whole = _digest(__version__, digest(self._keys.at(number)), *self._parts)
        files = self._mattes.files(number)
        if not files:
            return {DIGEST: whole}
        try:
            return {DIGEST: whole, MATTES: _digest(*map(_file_digest, files))}
        except IdentityError:
            # They were not needed, where the frame has no face; where they were, the frame has failed.
            return {DIGEST: whole, MATTES: "none"}


def _is_made(path: Path, made_from: Attributes) -> bool:
    # Opening it looks for every block: a copy that was cut off still has its header.
    return any(made_from.items() <= part.attributes.items() for part in ExrFile(path).layout.parts)


def _digest(*parts: str) -> str:
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()


def _pictures_digest(folder: Path) -> str:
    return _digest(*(_file_digest(path) for path in find_pictures(folder)))


def _file_digest(path: Path) -> str:
    try:
        if is_other_than_file(path):
            raise IdentityError(f"{shown(path)} is not a file.", "Name a picture.")
        return file_digest(path)
    except OSError as error:
        raise IdentityError(
            f"{shown(path)} cannot be read: {error.strerror or error}.", "Check the path and its permissions."
        ) from error
