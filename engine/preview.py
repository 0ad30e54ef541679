"""Makes one frame as a recipe has it, without writing anything: what a person looks at while choosing the settings.

It is the same code as a job's, over the same pixels, so that the frame which is written later is what was seen. What
does not change between two previews is kept: the frame, its tracks, the people, and every stage of the swapper.
"""

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.core import check_consents
from engine.errors import ColorError, FrameMissing, LeaseError, NoFace, TracksError
from engine.events import shown, unheard
from engine.faces.tracks import Tracks
from engine.geometry import Box
from engine.kept import Kept, files_key
from engine.layers import MATTE
from engine.leases import Picture
from engine.models.used import check_licences
from engine.plates.color import PlateColor, named_color, plate_color
from engine.plates.frame import Frame
from engine.plates.plate import Plate
from engine.render import Renderer, read_identities
from engine.shot import Shot
from engine.solve import solve
from engine.solved import known_tracks
from engine.wire.messages import Shows

Float32 = NDArray[np.float32]


@dataclass(frozen=True)
class Still:
    """One frame that is read already, as footage that can be solved."""

    frame: Frame
    name: str
    key: object

    @property
    def frames(self) -> Sequence[int]:
        return (self.frame.number,)

    @property
    def color(self) -> PlateColor:
        return self.frame.color

    @property
    def display_window(self) -> Box:
        return self.frame.display_window

    def read(self, frame: int, picture_only: bool = False) -> Frame:
        return self.frame


class Looked(NamedTuple):
    """A frame that is to be shown, and the tracks of its shot, where there are any."""

    still: Still
    tracks: Tracks | None


class Made(NamedTuple):
    """A preview in the linear space `color`; `faces` were replaced in it. `milliseconds` is of each stage."""

    frame: Frame
    color: PlateColor
    shows: Shows
    faces: int
    solved: Literal["shot", "frame"]
    milliseconds: dict[str, float]

    def shape(self, rgba: bool) -> tuple[int, int, int]:
        """Height and width of the display window, and channels: with `rgba`, four of a matte, too."""
        window = self.frame.display_window
        return window.height, window.width, 4 if rgba or self.shows != "matte" else 1

    @property
    def colorspace(self) -> str:
        return shown(self.color.name)

    def fill(self, out: Float32) -> None:
        """Write the picture into `out`, float32 of a `shape`: premultiplied RGBA, or the matte in all channels.

        It is clear where there is no data window. The first row is the top one.
        """
        frame, window = self.frame, self.frame.display_window
        box = frame.loaded.intersect(window)
        if box != window:
            out[...] = 0.0
        if box.empty:
            return
        inside = out[box.slices(window)]
        if self.shows == "matte":
            inside[...] = frame.added[MATTE[0]][box.slices(frame.loaded)][..., None]
            return
        alpha = frame.alpha_of(box)
        inside[..., 3] = 1.0 if alpha is None else alpha
        matrix = np.linalg.solve(self.color.plate_to_rec709, frame.color.plate_to_rec709)
        if not np.allclose(matrix, np.eye(3), atol=1e-6):
            np.matmul(frame.rgb(box), matrix.T.astype(np.float32), out=inside[..., :3])
            return
        planes = frame.planes(box)
        for index, plane in enumerate(np.moveaxis(frame.rgb(box), 2, 0) if planes is None else planes):
            inside[..., index] = plane


def look(
    shot: Shot, number: int, shows: Shows, source: Picture | None, kept: Kept, room: Callable[[Box], None]
) -> Looked:
    """Read what a preview needs: the plate's frame, or `source` in its place. Raises a `FaceplateError`.

    `room` is called before anything is read, and raises where a picture of that size cannot be handed over.
    """
    if shows != "plate":
        check_consents(shot)
        check_licences(shot)
    if source is not None:
        room(Box(0, 0, source.pixels.shape[1], source.pixels.shape[0]))
        still = kept.get(("picture", source.key, number), lambda: _still_of_picture(source, number))
        return Looked(still, _tracks_of_picture(shot, still))
    plate = Plate.open(shot.plate.path, shot.plate.frames, shot.plate.colorspace)
    room(plate.display_window)
    tracks = None if shows == "plate" else known_tracks(shot, plate, kept)
    return Looked(_still_of_plate(plate, number, kept), tracks)


def linear_space(name: str) -> PlateColor:
    """The colour space of that name. Raises ColorError where there is none, or it is not linear light."""
    color = named_color(name)
    if not color.is_linear:
        raise ColorError(f"{shown(color.name)} is not linear light.", "Ask for a preview in a linear space.")
    return color


def make(
    looked: Looked, shot: Shot, shows: Shows, kept: Kept, cancelled: Callable[[], bool], color: PlateColor | None = None
) -> Made:
    """Replace the faces of a frame that `look` has read, for `shows`; `color` is the plate's own where it is None.

    Raises a `FaceplateError`.
    """
    still, tracks = looked
    color = still.color.decoded() if color is None else color
    if shows == "plate":
        return Made(still.frame, color, shows, 0, "shot" if tracks else "frame", {})
    start = time.perf_counter()
    if tracks is not None and still.frame.number not in tracks.frames:
        raise TracksError(f"Frame {still.frame.number} was not solved.", "Solve the whole plate again.")
    whole = tracks is not None
    if tracks is None:
        tracks = _solved_alone(still, shot, kept, cancelled)
    solving = (time.perf_counter() - start) * 1e3
    renderer = _renderer(still, shot, shows, tracks, whole, kept)
    frame = _copy(still.frame)
    done = renderer.render(frame)
    return Made(frame, color, shows, done.faces, "shot" if whole else "frame", {"solve": solving, **done.milliseconds})


def _renderer(still: Still, shot: Shot, shows: Shows, tracks: Tracks, whole: bool, kept: Kept) -> Renderer:
    layers = ("matte",) if shows == "matte" else ()
    shot = msgspec.structs.replace(shot, output=msgspec.structs.replace(shot.output, layers=layers))
    try:
        return Renderer(shot, tracks, still.color, read_identities(shot, kept), kept)
    except NoFace:
        if whole:
            raise
        # This frame alone was looked at: who is not in it may well be in others.
        shot = msgspec.structs.replace(shot, replace=tuple(one for one in shot.replace if _is_in(tracks, one.face)))
        return Renderer(shot, tracks, still.color, read_identities(shot, kept), kept)


def _is_in(tracks: Tracks, face: str) -> bool:
    try:
        return bool(tracks.select(face))
    except NoFace:
        return False


def _still_of_plate(plate: Plate, number: int, kept: Kept) -> Still:
    path = plate.path(number)
    try:
        files = files_key([path])
    except OSError as error:
        raise FrameMissing(f"The plate has no frame {number}.", "Check the range of frames.") from error
    key = ("frame", files, plate.color.name)

    def read() -> Frame:
        # Without its file, which would stay open for as long as the frame is kept.
        return dataclasses.replace(plate.read(number, picture_only=True), source=None)

    return Still(read() if files is None else kept.get(key, read), plate.name, files and key)


def _still_of_picture(source: Picture, number: int) -> Still:
    pixels = source.pixels
    if pixels.shape[2] not in (3, 4):
        raise LeaseError("A picture to replace a face in has three or four channels.", "Lease RGB or RGBA.")
    if pixels.dtype == np.uint8:
        pixels = pixels.astype(np.float32) / np.float32(255.0)
    channels = {name: pixels[..., index] for index, name in enumerate("RGBA"[: pixels.shape[2]])}
    window = Box(0, 0, pixels.shape[1], pixels.shape[0])
    frame = Frame.new(number, channels, window)
    color = plate_color("exr", "float", {}, source.colorspace)
    return Still(dataclasses.replace(frame, color=color), "picture", ("picture", source.key, number))


def _tracks_of_picture(shot: Shot, still: Still) -> Tracks | None:
    if not shot.tracks:
        return None
    tracks = Tracks.load(Path(shot.tracks))
    size = still.display_window.width, still.display_window.height
    if tuple(tracks.size) != size:
        raise TracksError(f"{shown(shot.tracks)} holds the tracks of another plate.", "Solve again, or leave it away.")
    return tracks


def _solved_alone(still: Still, shot: Shot, kept: Kept, cancelled: Callable[[], bool]) -> Tracks:
    def solved() -> Tracks:
        return solve(still, shot.solve, unheard, cancelled)

    return solved() if still.key is None else kept.get(("solve", still.key, shot.solve), solved)


def _copy(frame: Frame) -> Frame:
    """A frame whose picture may be changed."""
    own = {name: plane.copy() if name in frame.picture else plane for name, plane in frame.channels.items()}
    return dataclasses.replace(frame, channels=own, added={}, attributes={}, changed=None)
