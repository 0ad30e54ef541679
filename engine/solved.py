"""The tracks of a shot: the recipe's own file, those kept beside the output from an earlier run, or solved now.

Tracks are always solved over the whole shot, whichever frames are asked for: that is what makes the bytes of a frame
independent of the others in its run.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine import __version__
from engine.errors import FrameMissing, NoFace, OutputRefused, TracksError
from engine.events import Notice, Report, shown
from engine.faces.tracks import Tracks
from engine.folders import make_folder
from engine.plates.plate import Plate
from engine.shot import Shot
from engine.solve import solve

KEPT = ".faceplate"
SUFFIX = ".tracks"


def find_tracks(shot: Shot, plate: Plate, output: Path, report: Report, cancelled: Callable[[], bool]) -> Tracks:
    """The shot's tracks; solved and kept first where there are none. `output` is the folder of the result.

    Raises `TracksError` when the recipe's tracks cannot be read or belong to another plate, `NoFace` when there is no
    face in the whole shot, `Cancelled`, and what `solve` raises.
    """
    path = Path(shot.tracks) if shot.tracks else _kept(shot, plate, output)
    tracks = _loaded(path, plate, report, needed=bool(shot.tracks)) if _is_there(path) else None
    return solve_to(path, shot, plate, report, cancelled) if tracks is None else _with_faces(tracks)


def check_name(path: Path) -> None:
    """Raise `OutputRefused` for a place of tracks that could be that of a frame or of a recipe."""
    if path.suffix != SUFFIX:
        raise OutputRefused(f"A tracks file ends in {SUFFIX}.", f"Write {shown(path.stem)}{SUFFIX}.")
    if "\0" in str(path):
        raise OutputRefused(f"{shown(path.name)} is not the name of a file.", "Choose another one.")


def solve_to(path: Path, shot: Shot, plate: Plate, report: Report, cancelled: Callable[[], bool]) -> Tracks:
    """Solve the whole shot and save its tracks at `path`. Raises as `find_tracks` does."""
    make_folder(path.parent)
    tracks = solve(plate, shot.solve, report, cancelled)
    tracks.save(path)
    return _with_faces(tracks)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise TracksError(f"{shown(path)} cannot be read: {error.strerror or error}.", "Name another file.") from error


def _loaded(path: Path, plate: Plate, report: Report, needed: bool) -> Tracks | None:
    try:
        tracks = Tracks.load(path)
        _check(tracks, plate, path)
        return tracks
    except TracksError as error:
        if needed:
            raise
        report(Notice(error.code, shown(f"{error.message} The shot is solved again.")))
        return None


def _check(tracks: Tracks, plate: Plate, path: Path) -> None:
    window = plate.info.display_window
    if shown(tracks.plate) != shown(plate.name) or tuple(tracks.size) != (window.width, window.height):
        raise TracksError(
            f"{shown(path)} holds the tracks of {shown(tracks.plate)}, {tracks.size[0]}×{tracks.size[1]}; "
            f"the plate is {shown(plate.name)}, {window.width}×{window.height}.",
            "Solve this plate, or leave the tracks file away.",
        )


def _with_faces(tracks: Tracks) -> Tracks:
    if not tracks.tracks:
        raise NoFace(
            f"There is no face in {shown(tracks.plate)}.",
            "For small faces give --detect-size, for turned ones --set solve.turned=true.",
        )
    return tracks


def _kept(shot: Shot, plate: Plate, output: Path) -> Path:
    """A file beside the output, whose name says what it was solved from and how."""
    name, color = shown(plate.name), plate.color
    basis = (__version__, name, _files(plate), color.name, color.plate_to_rec709.tolist(), shot.solve)
    key = hashlib.sha256(msgspec.json.encode(basis)).hexdigest()[:16]
    return output / KEPT / f"{plate.name}.{key}.tracks"


def _files(plate: Plate) -> list[tuple[int, int, int]]:
    """Number, bytes and time of change of every frame."""
    try:
        stats = [(number, plate.path(number).stat()) for number in plate.frames]
    except OSError as error:
        raise FrameMissing(f"A frame of {shown(plate.name)} has gone while the job began.") from error
    return [(number, stat.st_size, stat.st_mtime_ns) for number, stat in stats]
