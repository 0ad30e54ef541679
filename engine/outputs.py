"""Where the frames of a result go, and the places that are refused: a plate's own folder, an identity's own folder."""

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from engine.errors import OutputRefused
from engine.events import shown
from engine.folders import is_folder
from engine.plates.companion import BESIDE
from engine.plates.naming import companion_path
from engine.plates.plate import Plate
from engine.shot import Output

NUMBER = re.compile(r"%0?(\d*)d|(#+)")
# A lone # has four digits, as in sh010.1001-1100#.exr.
LONE_DIGITS = 4
PICTURES = (".bmp", ".cin", ".dpx", ".gif", ".hdr", ".jpeg", ".jpg", ".png", ".tga", ".tif", ".tiff", ".webp")
MOVIES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mxf", ".webm")


class Places(msgspec.Struct, frozen=True):
    """The result's folder, and the file of each frame in it."""

    folder: Path
    names: dict[int, str]

    def path(self, frame: int) -> Path:
        return self.folder / self.names[frame]


def find_places(output: str, plate: Plate, identities: Iterable[Path]) -> Places:
    """The places of the plate's frames under `output`: a folder, a pattern of OpenEXR files, or one such file.

    Raises `OutputRefused` for another format, for one file where there are several frames, and for the folder of the
    plate or of an identity, by whatever way it is reached.
    """
    if not output:
        raise OutputRefused("There is no place for the result.", "Give a folder with -o.")
    places = _named(output, plate)
    _refuse(places.folder, {plate.folder, *(_real_parent(plate.path(frame)) for frame in plate.frames)}, "the plate")
    _refuse(places.folder, set(identities), "an identity")
    return places


def layers_beside(frame: Path, output: Output) -> Path | None:
    """The file that a frame's layers are in, where the recipe wants one beside it."""
    return companion_path(frame) if output.layers and output.layers_in in BESIDE else None


def folder_of_result(output: str, plate: Plate) -> Path | None:
    """The folder of a result, for those who only look; None where there is none."""
    try:
        return _named(output, plate).folder if output else None
    except OutputRefused:
        return None


def _named(output: str, plate: Plate) -> Places:
    path = Path(output)
    suffix = path.suffix.lower()
    if output.endswith("/") or is_folder(path) or suffix not in (".exr", *PICTURES, *MOVIES):
        return Places(path, {frame: f"{plate.path(frame).stem}.exr" for frame in plate.frames})
    if suffix != ".exr":
        raise OutputRefused(f"The result is written as OpenEXR, not as {suffix}.", "Give a folder, or name.%04d.exr.")
    found = NUMBER.search(path.name)
    if found is None and len(plate.frames) > 1:
        raise OutputRefused(
            f"{shown(path.name)} is one file, and the plate has {len(plate.frames)} frames.",
            f"Write {shown(path.stem)}.%04d.exr, or a folder.",
        )
    return Places(path.parent, {frame: _numbered(path.name, found, frame) for frame in plate.frames})


def _numbered(name: str, found: re.Match[str] | None, frame: int) -> str:
    if found is None:
        return name
    hashes = len(found[2] or "")
    digits = (LONE_DIGITS if hashes == 1 else hashes) or int(found[1] or 1)
    return f"{name[: found.start()]}{frame:0{digits}d}{name[found.end() :]}"


def _real_parent(path: Path) -> Path:
    # The frames of a plate may be links into another folder; a result there would replace what they link to.
    return path.resolve().parent


def _refuse(folder: Path, taken: set[Path], whose: str) -> None:
    """Compare by device and inode, so that links, `..`, and file systems that ignore case change nothing."""
    try:
        here = folder.stat()
    except OSError:
        return
    for other in taken:
        try:
            there = other.stat()
        except OSError:
            continue
        if (here.st_dev, here.st_ino) == (there.st_dev, there.st_ino):
            raise OutputRefused(f"{shown(folder)} is the folder of {whose}.", "Write into another folder.")
