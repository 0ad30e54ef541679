"""What the demo measures on its result: whose face it is now, and how steady it is.

The camera of the demo is known, so its motion can be taken away exactly, and what still moves is the fault of
whoever made the frames: grain and the measurement itself for the plate, and the swap on top of that for the result.
"""

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.demo.photos import PRINT, Photo
from engine.demo.plate import FIRST_FRAME, exposure, plate_to_photo
from engine.faces.analyse import Face, analyse_picture
from engine.faces.identity import distance
from engine.faces.tracks import Tracks
from engine.plates.plate import Plate
from kernels.view import view
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]

# The face is looked at in a square of this many pixels, across 1.1 times its width: small enough to average the grain.
LOOK = 128
LOOK_WIDTH = 1.1


class Seen(msgspec.Struct, frozen=True):
    """What was seen in one sequence, frame by frame. Frames where no face was found have no entry in `faces`."""

    faces: dict[int, Face]
    # The face without the camera's motion and breathing, (n, LOOK, LOOK, 3) in [0, 1].
    looks: Float32


class Numbers(msgspec.Struct, frozen=True):
    """The measurements. Distances are Euclidean between identity embeddings: under 0.6 is the same person.

    Jitter is the RMS distance of landmarks from their mean place once the camera's motion is taken away, in percent
    of the face's width. Swim is the mean change from frame to frame of the face's pixels without camera motion, as a
    multiple of the plate's own, whose change is grain.
    """

    to_source_before: float
    to_source_after: float
    to_target_before: float
    to_target_after: float
    jitter_plate: float
    jitter_result: float
    jitter_track: float
    swim: float


def display_pictures(plate: Plate, number: int) -> tuple[Float32, Float32]:
    """Frame `number` in its display window: linear light (h, w, 3), and seen through the print's curve, [0, 1]."""
    frame = plate.read(number)
    linear = frame.rgb(frame.display_window)
    return linear, view(linear, PRINT)


def observe(plate: Plate, frames: list[int], photo: Photo) -> Seen:
    """Look at every frame of a sequence that the demo's camera made, or that was made from it."""
    faces: dict[int, Face] = {}
    looks = np.empty((len(frames), LOOK, LOOK, 3), np.float32)
    for place, number in enumerate(frames):
        linear, seen = display_pictures(plate, number)
        found = analyse_picture(seen)
        if found:
            faces[number] = found[0]
        still = warp_affine(linear, _look_to_plate(photo, number - FIRST_FRAME), (LOOK, LOOK))
        view(still / np.float32(exposure(number - FIRST_FRAME)), PRINT, looks[place])
    return Seen(faces, looks)


def compare(before: Seen, after: Seen, tracks: Tracks, source: Face, target: Face, photo: Photo) -> Numbers:
    """The measurements of a result (`after`) of a plate (`before`) and its tracks; the faces are the photos'."""
    change = _change(before.looks)
    return Numbers(
        to_source_before=_distance(before, source),
        to_source_after=_distance(after, source),
        to_target_before=_distance(before, target),
        to_target_after=_distance(after, target),
        jitter_plate=_jitter(_meshes(before), photo),
        jitter_result=_jitter(_meshes(after), photo),
        jitter_track=_jitter(_longest(tracks), photo),
        swim=_change(after.looks) / change if change else float("nan"),
    )


def _look_to_plate(photo: Photo, index: int) -> NDArray[np.float64]:
    """Pixels of the square look at the face to plate pixels of frame `index`, (2, 3)."""
    scale = LOOK_WIDTH * photo.face_width / LOOK
    x, y = photo.face
    look_to_photo = np.array([[scale, 0, x - scale * LOOK / 2], [0, scale, y - scale * LOOK / 2], [0, 0, 1]])
    photo_to_plate = np.linalg.inv(np.vstack([plate_to_photo(photo, index), [0, 0, 1]]))
    return (photo_to_plate @ look_to_photo)[:2]


def _distance(seen: Seen, face: Face) -> float:
    """Median over the frames of the identity distance to a face; NaN where no frame shows a face."""
    distances = [distance(found.embedding, face.embedding) for found in seen.faces.values()]
    return float(np.median(distances)) if distances else float("nan")


def _meshes(seen: Seen) -> dict[int, NDArray[np.floating]]:
    return {number: face.mesh for number, face in seen.faces.items()}


def _longest(tracks: Tracks) -> dict[int, NDArray[np.floating]]:
    track = max(tracks.tracks, key=lambda track: len(track.frames))
    return {int(number): mesh for number, mesh in zip(track.frames, track.mesh, strict=True)}


def _jitter(meshes: dict[int, NDArray[np.floating]], photo: Photo) -> float:
    if len(meshes) < 2:
        return float("nan")
    still = []
    for number, mesh in meshes.items():
        to_photo = plate_to_photo(photo, number - FIRST_FRAME)
        still.append(mesh[:, :2] @ to_photo[:, :2].T + to_photo[:, 2])
    landmarks = np.array(still)
    mean = landmarks.mean(axis=0)
    width = np.ptp(mean[:, 0])
    return float(100 * np.sqrt(np.square(landmarks - mean).sum(axis=-1).mean()) / width)


def _change(looks: Float32) -> float:
    return float(np.abs(np.diff(looks, axis=0)).mean()) if len(looks) > 1 else 0.0
