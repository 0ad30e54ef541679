"""What hosts ask of footage before and after a solve: what it is, who is in it, and where their faces lie."""

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray

from engine import recipe
from engine.errors import FaceplateError, NoFace, PlateError, UsageError
from engine.events import shown
from engine.faces.mesh import SURFACE
from engine.faces.pose import fit_pose
from engine.faces.tracks import Track, Tracks, person_width
from engine.geometry import Box
from engine.kept import Kept
from engine.models.catalogue import canonical_mesh
from engine.plates.plate import Plate
from engine.shot import Shot
from engine.solved import known_tracks
from engine.swappers.atlas import INNER_LIPS, LEFT_BROW, LEFT_EYE, OUTER_LIPS, RIGHT_BROW, RIGHT_EYE
from engine.swappers.base import Crop
from engine.wire.messages import Face, FaceTopology, Footage
from kernels.view import make_view, view
from kernels.warp import invert, warp_affine

THUMBNAIL = 96
# An answer has room for a hundred, and each is a frame to be read.
MOST_THUMBNAILS = 64
# A thumbnail shows so much more than the mesh.
AROUND = 1.5
# The irises' middles; the tip of the nose; the corners of the mouth; the chin.
LANDMARKS = {"right_eye": 468, "left_eye": 473, "nose": 1, "mouth_right": 61, "mouth_left": 291, "chin": 152}


class NotSolved(FaceplateError):
    """The shot has no tracks yet."""

    code = "not-solved"


def footage(plain: dict[str, object]) -> Footage:
    """What a plate is, by the [plate] section of a recipe. Raises RecipeError, PlateError and ColorError."""
    section = recipe.parse({"plate": plain}).plate
    plate = Plate.open(section.path, section.frames, section.colorspace)
    info, window, data = plate.info, plate.display_window, plate.info.data_window
    return Footage(
        path=shown(section.path),
        name=shown(plate.name),
        kind=info.kind,
        frames=info.frames,
        first=plate.frames[0],
        last=plate.frames[-1],
        count=info.frame_count,
        missing=info.missing,
        width=window.width,
        height=window.height,
        rate=_rate(info.rate),
        colorspace=shown(info.color),
        known_by=info.color_known_by,
        encoded=not plate.color.is_linear,
        data=(data.x0, data.y0, data.x1, data.y1),
    )


def faces(shot: Shot, kept: Kept) -> tuple[Face, ...]:
    """The people in a solved shot, the largest first. Raises NotSolved, and what opening the plate raises."""
    plate, tracks = _solved(shot, kept)
    return tuple(_face(number, person, plate, tracks) for number, person in enumerate(tracks.people(), 1))


def geometry(
    shot: Shot, face: str, first: int, last: int, focal: float, kept: Kept
) -> tuple[tuple[int, ...], NDArray[np.float32]]:
    """The frames in which a face is seen, and its points in each (n, 478, 3), as in `messages.Geometries`.

    Raises NotSolved, and NoFace where there are no such frames.
    """
    if face == "all":
        raise UsageError("The geometry is that of one person.", "Ask for each of them.")
    plate, tracks = _solved(shot, kept)
    found: dict[int, NDArray[np.float32]] = {}
    for track in tracks.select(face):
        for index in np.flatnonzero((track.frames >= first) & (track.frames <= last)):
            found[int(track.frames[index])] = track.mesh[index]
    if not found:
        raise NoFace(f"The face is not seen from {first} to {last}.", "Ask for other frames.")
    frames = tuple(sorted(found))
    meshes = np.stack([found[number] for number in frames])
    if focal > 0.0:
        window = plate.display_window
        meshes = np.stack([before_camera(mesh, focal, (window.width, window.height)) for mesh in meshes])
    return frames, np.ascontiguousarray(meshes, np.float32)


def before_camera(mesh: NDArray[np.floating], focal: float, size: tuple[int, int]) -> NDArray[np.float64]:
    """A mesh (n, 3) in plate pixels, in centimetres before a camera whose focal length is given in the same pixels.

    The face has the canonical size, which says how far away it is; every point is seen where it was in the picture of
    (width, height). x to the right, y up, the camera looks along -z from the origin.
    """
    scale = fit_pose(mesh).canonical_to_picture.scale
    depth = (focal + mesh[:, 2].astype(np.float64)) / scale
    from_middle = mesh[:, :2] - np.array(size) / 2.0
    return np.column_stack([from_middle[:, 0] * depth / focal, -from_middle[:, 1] * depth / focal, -depth])


@cache
def topology() -> FaceTopology:
    mesh = canonical_mesh()
    rings = {
        "hull": [int(point) for point in mesh.oval],
        "right_eye": RIGHT_EYE,
        "left_eye": LEFT_EYE,
        "inner_lips": INNER_LIPS,
        "lips": OUTER_LIPS,
        "right_brow": RIGHT_BROW,
        "left_brow": LEFT_BROW,
    }
    return FaceTopology(
        triangles=tuple((int(a), int(b), int(c)) for a, b, c in mesh.triangles),
        uv=tuple((float(u), 1.0 - float(v)) for u, v in mesh.uv),
        landmarks=LANDMARKS,
        rings={name: tuple(ring) for name, ring in rings.items()},
    )


def _solved(shot: Shot, kept: Kept) -> tuple[Plate, Tracks]:
    plate = Plate.open(shot.plate.path, shot.plate.frames, shot.plate.colorspace)
    tracks = known_tracks(shot, plate, kept)
    if tracks is None:
        raise NotSolved(f"{shown(plate.name)} has not been solved.", "Find its faces first.")
    return plate, tracks


def _face(number: int, person: Sequence[Track], plate: Plate, tracks: Tracks) -> Face:
    track, index = max(
        ((track, index) for track in person for index in range(len(track.frames))), key=lambda place: _clarity(*place)
    )
    at = int(track.frames[index])
    thumbnail = _thumbnail(plate, at, track.mesh[index], tracks.exposure) if number <= MOST_THUMBNAILS else b""
    return Face(
        number=number,
        width=person_width(person),
        first=min(int(one.frames[0]) for one in person),
        last=max(int(one.frames[-1]) for one in person),
        frames=sum(len(one.frames) for one in person),
        at=at,
        side=THUMBNAIL if thumbnail else 0,
        thumbnail=thumbnail,
    )


def _clarity(track: Track, index: int) -> float:
    """How well a person is seen in a frame: large, surely a face, really seen, and from the front."""
    width = float(np.ptp(track.mesh[index, :, 0]))
    facing = float(np.cos(np.radians(track.pose[index, :2])).prod())
    return width * float(track.confidence[index]) * facing * (0.1 if track.bridged[index] else 1.0)


def _thumbnail(plate: Plate, number: int, mesh: NDArray[np.float32], exposure: float) -> bytes:
    """A square around a face for a screen, RGBA of 8 bits; empty where the frame cannot be read any more."""
    points = mesh[:SURFACE, :2].astype(np.float64)
    middle, side = (points.min(0) + points.max(0)) / 2.0, AROUND * float(np.ptp(points, axis=0).max())
    scale = THUMBNAIL / side
    crop = Crop(np.column_stack([np.eye(2) * scale, THUMBNAIL / 2.0 - scale * middle]), (THUMBNAIL, THUMBNAIL))
    low, high = np.floor(middle - side / 2.0).astype(int), np.ceil(middle + side / 2.0).astype(int)
    wanted = Box(int(low[0]), int(low[1]), int(high[0]), int(high[1]))
    try:
        frame = plate.read(number, picture_only=True, reach=wanted.intersect)
    except PlateError:
        return b""
    box = wanted.intersect(frame.loaded)
    if box.empty:
        return b""
    linear = warp_affine(frame.rgb(box), invert(crop.from_box(box)), crop.size, "linear")
    seen = view(linear, make_view(plate.color.plate_to_rec709, exposure))
    rgba = np.full((THUMBNAIL, THUMBNAIL, 4), 255, np.uint8)
    rgba[..., :3] = np.round(seen * 255.0)
    return rgba.tobytes()


def _rate(text: str) -> float:
    """Frames a second of `PlateInfo.rate`, such as "24" or "24000/1001 (23.976)"."""
    found = re.match(r"([0-9.]+)(?:/([0-9]+))?", text)
    return float(found[1]) / float(found[2] or 1) if found else 0.0
