"""The tracks of a shot: the recipe's own file, those kept beside the output from an earlier run, or solved now.

Tracks are always solved over the whole shot, whichever frames are asked for: that is what makes the bytes of a frame
independent of the others in its run.
"""

import hashlib
from collections.abc import Callable, Hashable
from pathlib import Path

import msgspec

from engine import __version__
from engine.errors import FrameMissing, NoFace, OutputRefused, TracksError
from engine.events import Notice, Report, shown, unheard
from engine.faces.tracks import Tracks
from engine.folders import make_folder
from engine.kept import NOTHING, Keep, Kept, files_key
from engine.outputs import folder_of_result
from engine.plates.plate import Plate
from engine.shot import Shot
from engine.solve import solve

KEPT = ".faceplate"
SUFFIX = ".tracks"


def find_tracks(
    shot: Shot, plate: Plate, output: Path, report: Report, cancelled: Callable[[], bool], keep: Keep = NOTHING
) -> Tracks:
    """The shot's tracks; solved and kept first where there are none. `output` is the folder of the result.

    Raises `TracksError` when the recipe's tracks cannot be read or belong to another plate, `NoFace` when there is no
    face in the whole shot, `Cancelled`, and what `solve` raises.
    """
    path = tracks_file(shot, plate, output)
    tracks = _loaded(path, plate, report, needed=bool(shot.tracks)) if _is_there(path) else None
    return solve_to(path, shot, plate, report, cancelled, keep) if tracks is None else _with_faces(tracks)


def known_tracks(shot: Shot, plate: Plate, kept: Kept) -> Tracks | None:
    """The shot's tracks where it has been solved: found as `find_tracks` finds them, or in memory.

    Raises `TracksError` for the recipe's own tracks.
    """
    path = Path(shot.tracks) if shot.tracks else None
    if path is None and (folder := folder_of_result(shot.output.path, plate)):
        path = tracks_file(shot, plate, folder)
    if path is not None and _is_there(path):
        return _loaded(path, plate, unheard, needed=bool(shot.tracks), keep=kept)
    return kept.find(_solve_key(shot, plate))


def tracks_file(shot: Shot, plate: Plate, output: Path) -> Path:
    """Where the shot's tracks are: the recipe's own file, or one that is kept in the folder of the result, `output`."""
    return Path(shot.tracks) if shot.tracks else _kept(shot, plate, output)


def check_name(path: Path) -> None:
    """Raise `OutputRefused` for a place of tracks that could be that of a frame or of a recipe."""
    if path.suffix != SUFFIX:
        raise OutputRefused(f"A tracks file ends in {SUFFIX}.", f"Write {shown(path.stem)}{SUFFIX}.")
    if "\0" in str(path):
        raise OutputRefused(f"{shown(path.name)} is not the name of a file.", "Choose another one.")


def solve_to(
    path: Path, shot: Shot, plate: Plate, report: Report, cancelled: Callable[[], bool], keep: Keep = NOTHING
) -> Tracks:
    """Solve the whole shot and save its tracks at `path`. Raises as `find_tracks` does."""
    make_folder(path.parent)
    key = _solve_key(shot, plate)

    def solved() -> Tracks:
        return solve(plate, shot.solve, report, cancelled)

    tracks = solved() if key is None else keep.get(key, solved)
    tracks.save(path)
    return _with_faces(tracks)


def _is_there(path: Path) -> bool:
    try:
        return path.exists()
    except OSError as error:
        raise TracksError(f"{shown(path)} cannot be read: {error.strerror or error}.", "Name another file.") from error


def _loaded(path: Path, plate: Plate, report: Report, needed: bool, keep: Keep = NOTHING) -> Tracks | None:
    try:
        tracks = _read(path, keep)
        _check(tracks, plate, path)
        return tracks
    except TracksError as error:
        if needed:
            raise
        report(Notice(error.code, shown(f"{error.message} The shot is solved again.")))
        return None


def _read(path: Path, keep: Keep) -> Tracks:
    try:
        files = files_key([path])
    except OSError:
        files = None
    return Tracks.load(path) if files is None else keep.get(("tracks", files), lambda: Tracks.load(path))


def _check(tracks: Tracks, plate: Plate, path: Path) -> None:
    window = plate.display_window
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


def _solve_key(shot: Shot, plate: Plate) -> Hashable:
    """What a solve depends on; None where a frame has only just been written."""
    try:
        files = files_key(plate.path(number) for number in plate.frames)
    except OSError:
        return None
    return None if files is None else ("solve", files, plate.color.name, shot.solve)


def _files(plate: Plate) -> list[tuple[int, int, int]]:
    """Number, bytes and time of change of every frame."""
    try:
        stats = [(number, plate.path(number).stat()) for number in plate.frames]
    except OSError as error:
        raise FrameMissing(f"A frame of {shown(plate.name)} has gone while the job began.") from error
    return [(number, stat.st_size, stat.st_mtime_ns) for number, stat in stats]
