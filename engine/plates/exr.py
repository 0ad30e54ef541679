"""EXR frames as they are read: native pixel types, the window that is wanted, nothing converted."""

import io
import os
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import OpenEXR

from engine.errors import PlateUnsupported
from engine.events import shown
from engine.geometry import Box
from engine.plates.channels import NoPictureError, Picture, pick_picture
from engine.plates.chunks import covering
from engine.plates.color import PlateColor
from engine.plates.excerpt import FOREIGN
from engine.plates.frame import Frame, Header, Source
from engine.plates.header import single_header
from engine.plates.layout import Attributes, ExrLayout, PartLayout, read_layout, unreadable
from engine.plates.naming import is_utf8
from engine.plates.rows import packed_bytes
from engine.plates.splice import ExrFile, is_plain

# Of the whole data window, in the display window's coordinates, the box that is wanted.
Reach = Callable[[Box], Box]

_TYPES = ("uint", "half", "float")
# The writer makes these anew from the pixels.
DERIVED = frozenset({"channels", "chunkCount"})
# Without these the library reads no header.
_NEEDED = frozenset(
    {"channels", "compression", "dataWindow", "displayWindow", "lineOrder", "pixelAspectRatio", "screenWindowCenter"}
    | {"screenWindowWidth", "tiles", "type"}
)
_MOST_BYTES = 1 << 32


def read_exr_header(path: Path) -> Header:
    """Read an EXR header, no pixels. Raises FrameUnreadable, or PlateUnsupported where the frame cannot be edited."""
    layout = read_layout(path)
    chosen = choose_picture(path, layout)
    part = layout.parts[chosen.part]
    data_window, display_window = windows(path, part)
    attributes = part_attributes(path, part)
    return Header(
        kind="exr",
        data_window=data_window,
        display_window=display_window,
        channels={channel.name: _TYPES[channel.pixel_type] for channel in part.channels},
        picture=chosen.names,
        alpha=chosen.alpha,
        compression=OpenEXR.Compression(part.compression).name.removesuffix("_COMPRESSION").lower(),
        attributes=attributes,
        parts=tuple(one.name for one in layout.parts) if len(layout.parts) > 1 else (),
        tiles=None if part.tiles is None else part.tiles[:2],
    )


def read_exr(
    path: Path, number: int, color: PlateColor, picture_only: bool = False, reach: Reach | None = None
) -> Frame:
    """Read an EXR frame: whole, or what `reach` says that is wanted of its data window, widened to whole blocks.

    With `picture_only` just the picture and its alpha are read, and the frame is not `whole`. Raises FrameUnreadable
    for a file that is cut off or damaged where it is read, PlateUnsupported for one of another kind.
    """
    file = ExrFile(path)
    chosen = choose_picture(path, file.layout)
    part = file.layout.parts[chosen.part]
    data_window, display_window = windows(path, part)
    origin = part.window.x0 - data_window.x0, part.window.y0 - data_window.y0
    wanted = data_window if reach is None else reach(data_window).intersect(data_window)
    if wanted.empty:
        wanted = Box(data_window.x0, data_window.y0, data_window.x0, data_window.y0)
    names = {*chosen.names, *([] if chosen.alpha is None else [chosen.alpha])}
    looks = picture_only or (reach is not None and is_plain(part))
    check_memory(path, part, wanted.moved(*origin), names if looks else None)
    window = file.read(chosen.part, wanted.moved(*origin), names if looks else None)
    full = {channel.name for channel in part.channels if channel.sampling == (1, 1)}
    return Frame(
        number=number,
        path=path,
        data_window=data_window,
        display_window=display_window,
        channels={name: plane for name, plane in window.planes.items() if name in full},
        picture=chosen.names,
        loaded=window.box.moved(-origin[0], -origin[1]),
        alpha=chosen.alpha,
        color=color,
        source=Source(file, window),
        whole=not picture_only,
    )


def part_attributes(path: Path, part: PartLayout) -> dict[str, Any]:
    """A part's attributes as the library gives them, without those that come from its pixels.

    Those that it does not know or takes for wrong are left out: files have them, and keep them. Raises FrameUnreadable.
    """
    try:
        return _by_library(part, part.attributes)
    except FOREIGN:
        pass
    needed = {name: value for name, value in part.attributes.items() if name in _NEEDED}
    try:
        found = _by_library(part, needed)
    except FOREIGN as error:
        raise unreadable(path, "its header is damaged") from error
    for name in part.attributes.keys() - needed.keys():
        with suppress(*FOREIGN):
            found |= _by_library(part, needed | {name: part.attributes[name]})
    return found


def _by_library(part: PartLayout, attributes: Attributes) -> dict[str, Any]:
    head = io.BytesIO(single_header(attributes, part.tiles is not None))
    header = OpenEXR.File(head, separate_channels=True, header_only=True).parts[0].header
    return {name: value for name, value in header.items() if name not in DERIVED}


def choose_picture(path: Path, layout: ExrLayout) -> Picture:
    """Which part and channels of a file are its picture: never deep, subsampled or whole-number ones.

    `path` is the name that errors give. Raises PlateUnsupported where there is none, or where it cannot be told.
    """
    floats = [
        (part.name, [one.name for one in part.channels if _TYPES[one.pixel_type] != "uint" and one.sampling == (1, 1)])
        for part in layout.parts
    ]
    flat = [(name, [] if part.deep else channels) for (name, channels), part in zip(floats, layout.parts, strict=True)]
    try:
        return pick_picture(flat)
    except NoPictureError as error:
        if any(part.deep for part in layout.parts):
            raise PlateUnsupported(
                f"{shown(path)} holds deep pixels.", "Flatten it first (DeepToImage in Nuke)."
            ) from error
        if any(part.subsampled for part in layout.parts):
            raise PlateUnsupported(
                f"{shown(path)} has subsampled channels, as luminance-chroma files do.",
                "Save it with full R, G and B channels.",
            ) from error
        raise PlateUnsupported(f"{shown(path)} {error}.", "Save it with one picture in channels R, G and B.") from error


def for_library(path: Path) -> str:
    """A path as the OpenEXR module takes it: bytes for a name that is not UTF-8, which its type stubs do not say."""
    return os.fspath(path) if is_utf8(path) else os.fsencode(path)  # type: ignore[return-value]


def windows(path: Path, part: PartLayout) -> tuple[Box, Box]:
    """Data and display window, half-open, from the top left of the display window."""
    try:
        x0, y0, x1, y1 = struct.unpack("<4i", part.attributes["displayWindow"][1])
    except (KeyError, struct.error) as error:
        raise unreadable(path, "its header is damaged: it has no display window") from error
    return part.window.moved(-x0, -y0), Box(0, 0, x1 + 1 - x0, y1 + 1 - y0)


def check_memory(path: Path, part: PartLayout, wanted: Box, names: set[str] | None) -> None:
    """Raise PlateUnsupported where reading `wanted`, in the file's coordinates, would take far too much memory.

    Blocks are read whole, and the library decodes all channels of them.
    """
    named = [channel for channel in part.channels if names is None or channel.name in names]
    total = packed_bytes(named, wanted)
    if not is_plain(part):
        held = covering(part, wanted)[1]
        blocks = covering(part, Box(held.x0, held.y0, held.x1, held.y0 + 1))[1]
        total = max(packed_bytes(named, held), packed_bytes(part.channels, blocks))
    if total > _MOST_BYTES:
        raise PlateUnsupported(
            f"{shown(path)} would take {total / 2**30:.0f} GiB of memory, or its header is damaged.",
            "Crop it, or render it again.",
        )
