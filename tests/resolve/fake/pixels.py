"""Media on disk: sequences that are really read and written, and a movie that only the fake can read."""

import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO

from .color import Pixels

# The module has no type information.
oiio: Any = OpenImageIO

_PRINTF = re.compile(r"(.*)%0(\d+)d([^%]*)$", re.DOTALL)
_RANGE = re.compile(r"(.*)\[(\d+)-(\d+)\](\.\w+)$", re.DOTALL)
_NUMBERED = re.compile(r"(.*?)(\d+)(\.\w+)$", re.DOTALL)


@dataclass(frozen=True)
class Frames:
    """Files with a number: `first` to `last`, as on disk. `movie` is the file that stands for them, if one does."""

    head: str
    digits: int
    tail: str
    first: int
    last: int
    movie: str = ""

    @property
    def length(self) -> int:
        return self.last - self.first + 1

    @property
    def shown(self) -> str:
        """As the property File Path has it."""
        if self.movie:
            return self.movie
        return f"{self.head}[{self.first:0{self.digits}d}-{self.last:0{self.digits}d}]{self.tail}"

    def path(self, number: int) -> Path:
        return Path(f"{self.head}{number:0{self.digits}d}{self.tail}")

    def exist(self) -> bool:
        return self.last >= self.first and all(self.path(at).is_file() for at in range(self.first, self.last + 1))


def from_printf(pattern: str, first: int, last: int) -> Frames | None:
    """A sequence that is named with %04d, if it is on disk."""
    found = _PRINTF.match(pattern)
    frames = found and Frames(found[1], int(found[2]), found[3], first, last)
    return frames if frames and frames.exist() else None


def from_file(path: str) -> Frames | None:
    """A movie, or the sequence that begins with a file, if it is on disk."""
    if path.endswith(".mov"):
        return _from_movie(path)
    found = _NUMBERED.match(path)
    if not found or not Path(path).is_file():
        return None
    first = last = int(found[2])
    frames = Frames(found[1], len(found[2]), found[3], first, last)
    while frames.path(last + 1).is_file():
        last += 1
    return Frames(found[1], len(found[2]), found[3], first, last)


def from_form(text: str, form: str) -> Frames | None:
    """A sequence as `ReplaceClip` may want it named: its `first` file, `printf` or `range`."""
    if form == "first":
        return from_file(text)
    found = (_PRINTF if form == "printf" else _RANGE).match(text)
    if not found:
        return None
    if form == "range":
        frames = Frames(found[1], len(found[2]), found[4], int(found[2]), int(found[3]))
        return frames if frames.exist() else None
    paths = sorted(Path(found[1] + "x").parent.glob(Path(found[1] + "x").name[:-1] + "[0-9]*" + found[3]))
    return from_file(str(paths[0])) if paths else None


def write_movie(path: Path, frames: Frames) -> None:
    """A file that stands for a codec which nothing but Resolve reads."""
    path.write_text(json.dumps([frames.head, frames.digits, frames.tail, frames.first, frames.last]))


def _from_movie(path: str) -> Frames | None:
    return Frames(*json.loads(Path(path).read_text()), movie=path) if Path(path).is_file() else None


def read(path: Path) -> Pixels:
    """(height, width, 3) of the display window, as the numbers are in the file; black outside of its data window."""
    image = oiio.ImageBuf(str(path))
    if image.has_error:
        raise OSError(f"{path}: {image.geterror()}")
    window = image.roi_full
    window.chbegin, window.chend = 0, image.nchannels
    pixels = image.get_pixels(oiio.FLOAT, window)
    names = list(image.spec().channelnames)
    wanted = [names.index(name) for name in "RGB"] if set("RGB") <= set(names) else [0] * 3
    return np.ascontiguousarray(pixels[..., wanted], np.float32)


def write_exr(path: Path, pixels: Pixels) -> None:
    """RGB as halves, in the codec that compresses without loss."""
    height, width = pixels.shape[:2]
    spec = oiio.ImageSpec(width, height, 3, oiio.HALF)
    spec.attribute("compression", "zip")
    image = oiio.ImageBuf(spec)
    image.set_pixels(oiio.ROI(0, width, 0, height, 0, 1, 0, 3), np.ascontiguousarray(pixels, np.float32))
    if not image.write(str(path), oiio.HALF):
        raise OSError(f"{path}: {image.geterror()}")
