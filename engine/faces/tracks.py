"""The result of the first pass: every face of a shot, frame by frame, and the file that keeps it.

A tracks file is what a render needs to know of all the other frames: with it, any frame can be rendered alone. The
same tracks give the same bytes.
"""

import errno
import hashlib
import os
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import DiskFull, NoFace, OutputError, TracksError
from engine.faces.identity import distance, robust_mean
from engine.faces.mesh import POINTS
from engine.faces.photo import identity_of_photo
from engine.folders import is_other_than_file

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

FORMAT = "faceplate-tracks"
VERSION = 1
IDENTITY = 128
# What `like:PHOTO` accepts; generous, because the photo may be years and a costume away from the plate.
LIKE = 0.65
# Digits of a number of a person: no shot has so many, and Python converts no text of thousands.
_LONGEST_NUMBER = 10


class FaceGeometry(NamedTuple):
    """One face in one frame.

    mesh: (478, 3) float64, x and y in plate pixels (centres at half-integers, origin at the top left of the display
    window), z in the same scale, smaller is nearer. pose: (3,) yaw, pitch, roll in degrees as in `pose.Pose`.
    confidence: [0, 1]. bridged: the face was not seen in this frame; its place comes from the frames on both sides.
    """

    mesh: Float64
    pose: Float32
    confidence: float
    bridged: bool


class Track(msgspec.Struct, frozen=True, eq=False):
    """A face followed through a shot, without a cut and without a long gap.

    id: from 0. person: tracks of one person, before and after a cut, have the same number. frames: (n,) int32, rising.
    mesh: (n, 478, 3) float32, pose: (n, 3) float32, confidence: (n,) float32, bridged: (n,) bool, as in `FaceGeometry`.
    identity: (128,) float32, the middle of the track's identities.
    """

    id: int
    person: int
    frames: NDArray[np.int32]
    mesh: Float32
    pose: Float32
    confidence: Float32
    bridged: NDArray[np.bool_]
    identity: Float32

    def at(self, frame: int) -> FaceGeometry | None:
        """The face in a frame, or None where this track has none."""
        index = int(np.searchsorted(self.frames, frame))
        if index == len(self.frames) or self.frames[index] != frame:
            return None
        return FaceGeometry(
            self.mesh[index].astype(np.float64),
            self.pose[index],
            float(self.confidence[index]),
            bool(self.bridged[index]),
        )


class Tracks(msgspec.Struct, frozen=True, eq=False, kw_only=True):
    """All faces of a shot.

    plate: its name. frames: the frame numbers that were looked at. size: (width, height) of the display window.
    exposure: the gain of the model view, measured once over the shot. cuts: frames that begin a new scene.
    """

    plate: str
    frames: tuple[int, ...]
    size: tuple[int, int]
    exposure: float
    cuts: tuple[int, ...]
    tracks: tuple[Track, ...]
    format: str = FORMAT
    version: int = VERSION

    def encode(self) -> bytes:
        """The bytes of the tracks file; equal tracks give equal bytes."""
        return msgspec.msgpack.encode(self, enc_hook=_plain_array)

    def digest(self) -> str:
        """SHA-256 of the bytes of the tracks file, in hex."""
        return hashlib.sha256(self.encode()).hexdigest()

    def save(self, path: Path) -> None:
        """Write the tracks file whole or not at all. Raises OutputError or DiskFull."""
        try:
            _write_whole(Path(path), self.encode())
        except OSError as error:
            kind = DiskFull if error.errno in (errno.ENOSPC, errno.EDQUOT) else OutputError
            raise kind(
                f"The tracks file {path} cannot be written: {error.strerror}.", "Choose another place."
            ) from error

    @classmethod
    def load(cls, path: Path) -> "Tracks":
        """Read a tracks file. Raises TracksError when it cannot be read or is not a whole tracks file."""
        try:
            if is_other_than_file(path):
                raise TracksError(f"{path} is not a file.", "Name another one.")
            content = path.read_bytes()
        except OSError as error:
            raise TracksError(f"The tracks file {path} cannot be read: {error.strerror}.") from error
        try:
            tracks = msgspec.msgpack.decode(content, type=cls, dec_hook=_array)
            _check(tracks)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            remedy = "Solve the plate again."
            raise TracksError(f"{path} is not a tracks file that this version reads: {error}.", remedy) from error
        return tracks

    def select(self, which: str) -> list[Track]:
        """The tracks of the person that `which` names, on both sides of cuts, in order of their first frame.

        which: "largest", "left", "right" (by mean position in the picture), "all" (everybody), a number counted from
        1 in order of size, or "like:PHOTO" (nearest to the largest face in that picture).
        Raises NoFace, saying whom the shot has instead; PlateError when the photo cannot be read.
        """
        people = self.people()
        if which == "all" and people:
            return list(self.tracks)
        if not people:
            raise NoFace(
                f"No face was found in the plate {self.plate}.",
                "Give a larger --set solve.detect_size, a lower solve.detect_threshold, or solve.turned=true.",
            )
        if which.startswith("like:"):
            return self._like(Path(which.removeprefix("like:")), people)
        if which.isdecimal() and len(which) < _LONGEST_NUMBER:
            if not 1 <= int(which) <= len(people):
                raise NoFace(f"There is no face number {which} in the plate {self.plate}.", describe_people(people))
            return people[int(which) - 1]
        match which:
            case "largest":
                return people[0]
            case "left":
                return min(people, key=_position)
            case "right":
                return max(people, key=_position)
        raise NoFace(f"{which!r} does not name a face.", "Use largest, left, right, all, a number or like:PHOTO.")

    def people(self) -> list[list[Track]]:
        """The tracks of each person, the largest person first."""
        by_person: dict[int, list[Track]] = {}
        for track in self.tracks:
            by_person.setdefault(track.person, []).append(track)
        people = [sorted(tracks, key=lambda track: (int(track.frames[0]), track.id)) for tracks in by_person.values()]
        return sorted(people, key=lambda tracks: (-person_width(tracks), tracks[0].id))

    def _like(self, photo: Path, people: list[list[Track]]) -> list[Track]:
        wanted = identity_of_photo(photo)
        distances = [distance(robust_mean(np.stack([track.identity for track in tracks])), wanted) for tracks in people]
        nearest = int(np.argmin(distances))
        if distances[nearest] > LIKE:
            raise NoFace(
                f"Nobody in the plate {self.plate} looks like {photo.name}: the nearest is at a distance of "
                f"{distances[nearest]:.2f}.",
                describe_people(people),
            )
        return people[nearest]


def describe_people(people: list[list[Track]]) -> str:
    """One sentence on who is in a shot, for a message."""
    parts = []
    for number, tracks in enumerate(people, 1):
        count = sum(len(track.frames) for track in tracks)
        parts.append(
            f"{number} (about {person_width(tracks):.0f} pixels wide, {count} frames, x {_position(tracks):.0f})"
        )
    return f"The faces are {', '.join(parts)}."


def person_width(tracks: Iterable[Track]) -> float:
    """The median over all frames of the width of a person's face, pixels."""
    return float(np.median(np.concatenate([np.ptp(track.mesh[:, :, 0], axis=1) for track in tracks])))


def _position(tracks: Iterable[Track]) -> float:
    """The mean over all frames of the middle of a person's face, x in pixels."""
    return float(np.concatenate([track.mesh[:, :, 0].mean(axis=1, dtype=np.float64) for track in tracks]).mean())


def _plain_array(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        little = value.astype(value.dtype.newbyteorder("<"), copy=False)
        return {"dtype": little.dtype.str, "shape": value.shape, "data": little.tobytes()}
    raise NotImplementedError(f"{type(value).__name__} has no place in a tracks file")


def _array(_: type, value: Any) -> NDArray[Any]:
    if not isinstance(value, dict) or set(value) != {"dtype", "shape", "data"}:
        raise ValueError("an array is missing")
    kinds = {"<i4": np.int32, "<f4": np.float32, "|b1": np.bool_}
    name, shape, data = value["dtype"], value["shape"], value["data"]
    if not isinstance(name, str) or name not in kinds or not isinstance(data, bytes):
        raise ValueError("an array has another type")
    if not isinstance(shape, list) or not all(isinstance(n, int) and n >= 0 for n in shape):
        raise ValueError("an array has an impossible shape")
    array = np.frombuffer(data, np.dtype(name)).reshape(shape).astype(kinds[name])
    array.setflags(write=False)
    return array


def _check(tracks: Tracks) -> None:
    """Raise ValueError unless every array has its shape and type and every number is one."""
    if tracks.format != FORMAT or tracks.version != VERSION:
        raise ValueError(f"format {tracks.format!r}, version {tracks.version}")
    if not (np.isfinite(tracks.exposure) and tracks.exposure > 0.0):
        raise ValueError("the exposure is not a positive number")
    for track in tracks.tracks:
        n = len(track.frames)
        expected = {
            "frames": ((n,), np.int32),
            "mesh": ((n, POINTS, 3), np.float32),
            "pose": ((n, 3), np.float32),
            "confidence": ((n,), np.float32),
            "bridged": ((n,), np.bool_),
            "identity": ((IDENTITY,), np.float32),
        }
        for name, (shape, kind) in expected.items():
            array = getattr(track, name)
            if array.shape != shape or array.dtype != kind or n == 0:
                raise ValueError(f"track {track.id} has {name} of shape {array.shape} and type {array.dtype}")
            if kind == np.float32 and not np.isfinite(array).all():
                raise ValueError(f"track {track.id} has {name} that are not numbers")
        if (np.diff(track.frames.astype(np.int64)) <= 0).any():
            raise ValueError(f"the frames of track {track.id} do not rise")


def _write_whole(path: Path, content: bytes) -> None:
    handle, name = tempfile.mkstemp(prefix=f".{path.name[:40]}.", suffix=".part", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
