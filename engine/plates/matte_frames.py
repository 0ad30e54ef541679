"""Mattes that an artist has drawn or rendered: frames beside the plate's, or channels of the plate's own file.

They are data, not pictures: no colour space applies to them.
"""

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import FrameMissing, MatteError, PlateUnsupported
from engine.events import shown
from engine.geometry import Box
from engine.plates.cryptomatte import coverage, find_ids
from engine.plates.exr import check_memory, windows
from engine.plates.frame import Frame
from engine.plates.matte_channels import find_channel, names_near
from engine.plates.naming import EXR_SUFFIX, split_number
from engine.plates.rows import Pixels
from engine.plates.sequence import find_sequence
from engine.plates.splice import ExrFile
from engine.plates.still import open_still, reason_of, unreadable

Float32 = NDArray[np.float32]


class Wanted(NamedTuple):
    """What of a file is the matte: a channel, or names in a Cryptomatte, whose layer `channel` then names."""

    channel: str = ""
    cryptomatte: str = ""


# The first channel of a file.
FIRST = Wanted()


class MatteFrames:
    """The frames of a matte. Reading is safe from several threads at once."""

    def __init__(self, pattern: str, wanted: Wanted = FIRST, called: str = "matte") -> None:
        """`pattern` as a plate's; one file that has no number in its name holds for every frame. Raises PlateError.

        `called` is what errors call it.
        """
        self._sequence = find_sequence(pattern)
        numbered = split_number(Path(pattern).name) is not None
        self._alone = Path(pattern) if Path(pattern).is_file() and not numbered else None
        self._wanted, self._called = wanted, called

    def path(self, frame: int) -> Path:
        """The file of a frame, or the name that a missing one would have; of one frame of a sequence, its neighbour."""
        return self._alone or self._sequence.path(frame)

    def read(self, frame: int, box: Box, display: Box, plate: Box) -> Float32:
        """The matte, [0, 1], (height, width) of `box` in a plate of this display window; 0 where it has no pixels.

        Of whole numbers all but 0 are white; those of stills are parts of their largest.
        A file of the size of the plate's data window, `plate`, lies there: some hosts take that for the whole picture.
        Where both windows have that size, it does so unless its own data window is another than its display window.
        Raises FrameMissing, FrameUnreadable, MatteError, or PlateUnsupported for a file of another size.
        """
        path = self.path(frame)
        if not path.exists():
            raise FrameMissing(
                f"The {self._called} has no frame {frame}: {shown(path)}.", "Render it, or leave it away."
            )

        def place(data: Box, own: Box) -> tuple[int, int]:
            return self._place(path, data, own, display, plate)

        if path.suffix.lower() == EXR_SUFFIX:
            return _of_exr(ExrFile(path), self._wanted, box, place)
        return _of_still(path, self._wanted, box, place)

    def _place(self, path: Path, data: Box, own: Box, display: Box, plate: Box) -> tuple[int, int]:
        """How far a file with these windows is moved in the plate."""
        fits = [one for one in (display, plate) if (one.width, one.height) == (own.width, own.height)]
        if not fits:
            raise PlateUnsupported(
                f"The {self._called} {shown(path)} is {own.width}×{own.height}, "
                f"and the plate is {display.width}×{display.height}.",
                "Render it in the plate's size.",
            )
        whole = fits[-1] if data == own else fits[0]
        return whole.x0 - own.x0, whole.y0 - own.y0


def read_own(frame: Frame, wanted: Wanted, box: Box) -> Float32:
    """The matte in a frame's own file, as `MatteFrames.read` gives it; what was read of that file is not read again.

    Raises MatteError also for a frame that has no file.
    """
    if frame.path == Path():
        raise MatteError(
            "The matte is a channel of the plate's file, and this picture comes from memory.",
            "Give the matte a path of its own.",
        )

    def place(data: Box, own: Box) -> tuple[int, int]:
        return -own.x0, -own.y0

    if frame.path.suffix.lower() != EXR_SUFFIX:
        return _of_still(frame.path, wanted, box, place)
    return _of_exr(ExrFile(frame.path) if frame.source is None else frame.source.file, wanted, box, place, frame)


def _of_exr(
    file: ExrFile, wanted: Wanted, box: Box, place: Callable[[Box, Box], tuple[int, int]], frame: Frame | None = None
) -> Float32:
    """`frame` is the one that was read from the file, if any."""

    def planes(number: int, names: Sequence[str]) -> tuple[Box, list[Pixels]]:
        """The channels of a part in what it has of `box`; none where that is nothing."""
        data, own = windows(file.path, file.layout.parts[number])
        data = data.moved(*place(data, own))
        both = data.intersect(box)
        if both.empty:
            return both, []
        return both, _loaded(frame, number, names, both) or _read(file, number, names, both, data)

    total = np.zeros((box.height, box.width), np.float32)
    if not wanted.cryptomatte:
        number, name = find_channel(file.path, file.layout, wanted.channel)
        both, found = planes(number, [name])
        if found:
            total[both.slices(box)] = found[0]
        return _in_range(total)
    ids = find_ids(file.path, file.layout, wanted.cryptomatte, wanted.channel)
    for number, names in ids.ranks:
        both, found = planes(number, names)
        if found:
            total[both.slices(box)] += coverage(found, ids.ids)
    return _in_range(total)


def _loaded(frame: Frame | None, part: int, names: Sequence[str], box: Box) -> list[Pixels] | None:
    """The channels in `box` where the frame has them all. Those of the picture change as faces are replaced in it."""
    if frame is None or frame.source is None or frame.source.window.part != part or box.intersect(frame.loaded) != box:
        return None
    if not frame.channels.keys() - set(frame.picture) >= set(names):
        return None
    return [frame.channels[name][box.slices(frame.loaded)] for name in names]


def _read(file: ExrFile, number: int, names: Sequence[str], box: Box, data: Box) -> list[Pixels]:
    """`data` is the part's data window where it lies in the plate."""
    part = file.layout.parts[number]
    inside = box.moved(part.window.x0 - data.x0, part.window.y0 - data.y0)
    check_memory(file.path, part, inside, set(names))
    window = file.read(number, inside, names)
    return [window.planes[name][inside.slices(window.box)] for name in names]


def _of_still(path: Path, wanted: Wanted, box: Box, place: Callable[[Box, Box], tuple[int, int]]) -> Float32:
    if wanted.cryptomatte:
        raise MatteError(f"{shown(path)} holds no Cryptomatte: it is not an OpenEXR file.", "Name the EXR that does.")
    source = open_still(path)
    with contextlib.closing(source):
        spec = source.spec()
        channels = list(spec.channelnames)
        if wanted.channel and wanted.channel not in channels:
            raise MatteError(
                f"{shown(path)} has no channel `{shown(wanted.channel)}`; it has {names_near('', channels)}.",
                "Name one of those.",
            )
        index = channels.index(wanted.channel) if wanted.channel else 0
        own = Box(spec.full_x, spec.full_y, spec.full_x + spec.full_width, spec.full_y + spec.full_height)
        data = Box(spec.x, spec.y, spec.x + spec.width, spec.y + spec.height)
        data = data.moved(*place(data, own))
        stored = source.read_image(0, 0, index, index + 1, "float")
        if stored is None or source.has_error:
            raise unreadable(path, reason_of(source.geterror) or "its pixels are damaged")
    matte = np.zeros((box.height, box.width), np.float32)
    both = data.intersect(box)
    if not both.empty:
        values = np.asarray(stored, np.float32).reshape(data.height, data.width)
        matte[both.slices(box)] = _in_range(values[both.slices(data)])
    return matte


def _in_range(values: Float32) -> Float32:
    return np.clip(np.nan_to_num(values), 0.0, 1.0)
