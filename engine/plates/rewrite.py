"""EXR frames written whole by the OpenEXR module: those that did not come from an EXR file, or cannot stay in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

import numpy as np
import OpenEXR
from numpy.typing import NDArray

from engine.errors import PlateUnsupported, UsageError
from engine.events import shown
from engine.geometry import Box
from engine.plates.excerpt import FOREIGN
from engine.plates.exr import DERIVED, for_library
from engine.plates.frame import Frame
from engine.plates.header import WINDOW
from engine.plates.layout import unreadable
from engine.plates.rows import Pixels
from engine.plates.splice import ExrFile, loses

# Compressions that a recipe may ask for. All give back the same bits.
LOSSLESS: dict[str, OpenEXR.Compression] = {
    "none": OpenEXR.NO_COMPRESSION,
    "rle": OpenEXR.RLE_COMPRESSION,
    "zips": OpenEXR.ZIPS_COMPRESSION,
    "zip": OpenEXR.ZIP_COMPRESSION,
    "piz": OpenEXR.PIZ_COMPRESSION,
}


@dataclass(slots=True)
class WholePart:
    """A part with all its pixels: its attributes in the module's types, its channels, and which are marked linear."""

    header: dict[str, Any]
    channels: dict[str, Pixels]
    perceptually_linear: frozenset[str] = frozenset()


def whole_parts(frame: Frame, layers: bool, window: Box | None = None) -> list[WholePart]:
    """Every part of the file that a frame makes; with `layers` those that were added are in the picture's part.

    `window` is the box, in the file's coordinates, that the header declares as changed. Reads what was not loaded.
    Raises FrameUnreadable, PlateUnsupported for a file that has deep or subsampled parts, and UsageError where a layer
    has the name of a channel that is there.
    """
    added = _over_data_window(frame, frame.added) if layers else {}
    marks = frame.attributes | ({} if window is None else {WINDOW: _corners(window)})
    if frame.source is None:
        header = {"dataWindow": _corners(frame.data_window), "displayWindow": _corners(frame.display_window)}
        return [_with_layers(WholePart(header | frame.header | marks, dict(frame.channels)), added)]
    file, loaded = frame.source.file, frame.source.window
    parts = read_whole(file.path)
    picture = parts[loaded.part]
    outer = file.layout.parts[loaded.part].window
    for name, plane in loaded.planes.items():
        picture.channels[name] = picture.channels[name].copy()
        picture.channels[name][loaded.box.slices(outer)] = plane
    # A plate that is itself a result declares another window.
    picture.header.pop(WINDOW, None)
    picture.header |= marks
    parts[loaded.part] = _with_layers(picture, added)
    return parts


def encode_parts(parts: list[WholePart], stream: IO[bytes], compression: str) -> None:
    """Write parts to a binary stream, which must be able to seek. OSError of the stream comes through.

    `compression` is `same` or a name in LOSSLESS. `same` keeps each part's own unless that would change pixels that
    nobody touched; then it is zip.
    """
    OpenEXR.File([_part(part, compression) for part in parts]).write(stream)


def read_whole(path: Path) -> list[WholePart]:
    """Every part of an EXR file with all its pixels. Raises FrameUnreadable, PlateUnsupported."""
    layout = ExrFile(path).layout
    if any(part.deep or part.subsampled for part in layout.parts):
        raise PlateUnsupported(
            f"{shown(path)} has deep or subsampled channels, which cannot be written anew.",
            "Keep its own compression and put the layers into a file of their own.",
        )
    try:
        file = OpenEXR.File(for_library(path), separate_channels=True)
        headers = [dict(part.header) for part in file.parts]
        pixels = [{name: channel.pixels for name, channel in part.channels.items()} for part in file.parts]
    except FOREIGN as error:
        raise unreadable(path, "its header is damaged") from error
    # The module warns on its own, drops what it could not decode, and carries on.
    whole = len(pixels) == len(layout.parts) and all(
        values.keys() == {channel.name for channel in part.channels}
        and all(array.shape == part.size[::-1] for array in values.values())
        for values, part in zip(pixels, layout.parts, strict=True)
    )
    if not whole:
        raise unreadable(path, "some of its pixels are damaged")
    marked = [frozenset(one.name for one in part.channels if one.perceptually_linear) for part in layout.parts]
    return [WholePart(*each) for each in zip(headers, pixels, marked, strict=True)]


def check_compression(compression: str) -> None:
    """Raise UsageError for a compression that is neither `same` nor lossless."""
    if compression != "same" and compression not in LOSSLESS:
        raise UsageError(
            f"The compression {shown(compression)!r} is unknown, or changes pixels.",
            f"Use same, {', '.join(LOSSLESS)}.",
        )


def _with_layers(part: WholePart, added: Mapping[str, Pixels]) -> WholePart:
    taken = sorted(part.channels.keys() & added.keys())
    if taken:
        raise UsageError(
            f"The plate already has a channel {taken[0]}.", "Put the layers into a file of their own, or ask for fewer."
        )
    part.channels |= added
    return part


def _over_data_window(frame: Frame, layers: Mapping[str, Pixels]) -> dict[str, Pixels]:
    found = {}
    for name, values in layers.items():
        found[name] = np.zeros((frame.data_window.height, frame.data_window.width), values.dtype)
        found[name][frame.loaded.slices(frame.data_window)] = values
    return found


def _part(part: WholePart, compression: str) -> OpenEXR.Part:
    attributes = {name: value for name, value in part.header.items() if name not in DERIVED}
    attributes.setdefault("type", OpenEXR.scanlineimage)
    own = attributes.get("compression", OpenEXR.ZIP_COMPRESSION)
    attributes["compression"] = _compression(own, part.channels, compression)
    if "tiles" in attributes:
        # Only the full resolution is read; the smaller levels would show what is no longer there.
        tiles = OpenEXR.TileDescription()
        tiles.xSize, tiles.ySize = attributes["tiles"].xSize, attributes["tiles"].ySize
        attributes["tiles"] = tiles
    channels = {
        name: OpenEXR.Channel(name, np.ascontiguousarray(pixels), 1, 1, name in part.perceptually_linear)
        for name, pixels in part.channels.items()
    }
    return OpenEXR.Part(attributes, channels, str(attributes.get("name", "")))


def _corners(box: Box) -> tuple[NDArray[np.int32], NDArray[np.int32]]:
    return np.array([box.x0, box.y0], np.int32), np.array([box.x1 - 1, box.y1 - 1], np.int32)


def _compression(own: OpenEXR.Compression, channels: Mapping[str, Pixels], asked: str) -> OpenEXR.Compression:
    if asked != "same":
        return LOSSLESS[asked]
    floats = any(pixels.dtype == np.float32 for pixels in channels.values())
    return OpenEXR.ZIP_COMPRESSION if loses(own.value, floats) else own
