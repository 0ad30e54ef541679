"""PNG, TIFF, JPEG and DPX frames through OpenImageIO, taken to scene-linear half as they are read."""

import contextlib
import os
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import OpenImageIO
from numpy.typing import NDArray

from engine.errors import FrameUnreadable, PlateUnsupported
from engine.events import shown
from engine.geometry import Box
from engine.plates.color import PlateColor
from engine.plates.frame import Frame, Header
from engine.plates.naming import is_utf8
from engine.plates.rows import Pixels
from engine.plates.timecode import make_timecode

# A picture bomb must not be able to take the machine: a frame of 16384 x 16384 RGBA in 16 bits is the largest.
OpenImageIO.attribute("limits:imagesize_MB", 2048)
OpenImageIO.attribute("limits:channels", 64)
OpenImageIO.attribute("limits:resolution", 65536)
# A file is opened as what its name says, and not tried with every reader there is.
OpenImageIO.attribute("try_all_readers", 0)

_KINDS = {".png": "png", ".tif": "tiff", ".tiff": "tiff", ".jpg": "jpeg", ".jpeg": "jpeg", ".dpx": "dpx"}
_DTYPES = {"uint8": np.uint8, "uint16": np.uint16, "half": np.float16, "float": np.float32}
# How a file stored its pixels, and what the new header says in its own way.
_STORAGE = ("oiio:", "icc", "png:", "jpeg:", "tiff:", "dpx:", "smpte:", "thumbnail", "exif:colorspace", "exif:pixel")
_STORAGE_NAMES = frozenset(
    {"orientation", "compression", "planarconfig", "resolutionunit", "xresolution", "yresolution", "pixelaspectratio"}
    | {"framespersecond", "chromaticities"}
)
_BLOCK_ROWS = 128
_HALF_MAX = 65504.0
# Arrays as stored, by EXIF orientation (TIFF 6.0, tag 274), to the picture as it is meant to be seen.
_UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    2: lambda a: a[:, ::-1],
    3: lambda a: a[::-1, ::-1],
    4: lambda a: a[::-1],
    5: lambda a: a.transpose(1, 0, 2),
    6: lambda a: a.transpose(1, 0, 2)[:, ::-1],
    7: lambda a: a.transpose(1, 0, 2)[::-1, ::-1],
    8: lambda a: a.transpose(1, 0, 2)[::-1],
}


def read_still_header(path: Path) -> Header:
    """Read a still's header, no pixels. Raises FrameUnreadable or PlateUnsupported."""
    source = open_still(path)
    try:
        return _header(path, source.spec())
    finally:
        source.close()


def read_still(path: Path, number: int, color: PlateColor) -> Frame:
    """Read a still as a scene-linear frame: half R, G, B and A (premultiplied), turned upright, data = display window.

    Whole numbers are scaled to 0..1 and decoded by `color`; grey becomes three equal channels. Raises FrameUnreadable
    for a file that is damaged or ends early, PlateUnsupported for one of a kind that is not known.
    """
    source = open_still(path)
    try:
        spec = source.spec()
        header = _header(path, spec)
        stored = source.read_image(0, 0, 0, spec.nchannels, spec.format)
        # OpenImageIO gives the pixels of a JPEG that ends early, and an error beside them.
        if stored is None or source.has_error:
            raise unreadable(path, reason_of(source.geterror) or "its pixels are damaged")
    finally:
        source.close()
    names = list(spec.channelnames)
    wanted = [names.index(name) for name in (*header.picture, header.alpha) if name is not None]
    pixels = np.asarray(stored).reshape(spec.height, spec.width, spec.nchannels)[..., wanted]
    pixels = _UPRIGHT.get(_orientation(spec), lambda a: a)(pixels)
    return Frame(
        number=number,
        path=path,
        data_window=header.data_window,
        display_window=header.display_window,
        channels=_linear(pixels, color, associated=not spec.get_int_attribute("oiio:UnassociatedAlpha", 0)),
        picture=("R", "G", "B"),
        loaded=header.data_window,
        alpha=None if header.alpha is None else "A",
        color=color.decoded(),
        header=_exr_attributes(header.attributes, color),
    )


def open_still(path: Path) -> OpenImageIO.ImageInput:
    """Open a picture; close it afterwards. Raises FrameUnreadable or PlateUnsupported."""
    if not is_utf8(path):
        raise PlateUnsupported(
            f"The path {shown(path)} is not UTF-8, which only that of an EXR frame may be.",
            "Rename it, or reach it through a link.",
        )
    if not path.is_file():
        raise FrameUnreadable(
            f"{shown(path)} is not a file, or may not be read.", "Check the path and its permissions."
        )
    # Alpha is multiplied after decoding, where light adds up.
    hints = OpenImageIO.ImageSpec()
    hints.attribute("oiio:UnassociatedAlpha", 1)
    source = OpenImageIO.ImageInput.open(os.fspath(path), hints)
    if source is None:
        raise unreadable(path, reason_of(OpenImageIO.geterror) or "it is not a picture of the kind that its name says")
    return source


def reason_of(error: Callable[[], str]) -> str:
    """The library's own words on one line; none where they are not even text."""
    try:
        return " ".join(error().split())[:200].rstrip(". ")
    except UnicodeDecodeError:
        return ""


def unreadable(path: Path, reason: str) -> FrameUnreadable:
    """The error of a frame that is damaged."""
    return FrameUnreadable(f"{shown(path)} cannot be read: {reason}.", "Copy or render the frame again.")


def _orientation(spec: OpenImageIO.ImageSpec) -> int:
    return spec.get_int_attribute("Orientation", 1)


def _header(path: Path, spec: OpenImageIO.ImageSpec) -> Header:
    pixel_type = str(spec.format)
    names = list(spec.channelnames)
    if pixel_type not in _DTYPES or spec.width < 1 or spec.height < 1 or spec.depth > 1 or spec.deep:
        raise PlateUnsupported(f"{shown(path)} has pixels of a kind that cannot be read ({pixel_type}).", "Convert it.")
    if {"R", "G", "B"} <= set(names):
        picture = ("R", "G", "B")
    elif "Y" in names or len(names) == 1:
        grey = "Y" if "Y" in names else names[0]
        picture = (grey, grey, grey)
    else:
        raise PlateUnsupported(f"{shown(path)} has no R, G and B (it has {', '.join(names)}).", "Convert it to RGB.")
    turned = _orientation(spec) >= 5
    window = Box(0, 0, spec.height, spec.width) if turned else Box(0, 0, spec.width, spec.height)
    alpha = "A" if "A" in names else None
    return Header(
        kind=_KINDS[path.suffix.lower()],
        data_window=window,
        display_window=window,
        channels=dict.fromkeys(names, pixel_type),
        picture=picture,
        alpha=alpha,
        compression=spec.get_string_attribute("compression", "none"),
        attributes=_attributes(path, spec, turned),
    )


def _attributes(path: Path, spec: OpenImageIO.ImageSpec, turned: bool) -> dict[str, Any]:
    try:
        own: dict[str, Any] = {item.name: item.value for item in spec.extra_attribs if item.name.isprintable()}
        timecode = spec.get_string_attribute("smpte:TimeCode", "")
    except UnicodeDecodeError as error:
        raise unreadable(path, "its header holds text that is not UTF-8") from error
    aspect = spec.get_float_attribute("PixelAspectRatio", 1.0)
    own["pixelAspectRatio"] = 1.0 / aspect if turned and aspect > 0 else aspect if aspect > 0 else 1.0
    rate = spec.get_float_attribute("FramesPerSecond", 0.0)
    if np.isfinite(rate) and 0 < rate < 1e6:
        own["framesPerSecond"] = Fraction(rate).limit_denominator(1001)
    with contextlib.suppress(ValueError):
        own["timeCode"] = make_timecode(timecode)
    return own


def _exr_attributes(attributes: dict[str, Any], color: PlateColor) -> dict[str, Any]:
    """The header of the EXR that is made of a still: what the camera said, and the colour of the linear pixels."""
    kept: dict[str, Any] = {
        name: value
        for name, value in attributes.items()
        if isinstance(value, str | int | float)
        and not name.lower().startswith(_STORAGE)
        and name.lower() not in _STORAGE_NAMES
    }
    kept.update({name: attributes[name] for name in ("timeCode", "framesPerSecond") if name in attributes})
    kept["pixelAspectRatio"] = float(attributes["pixelAspectRatio"])
    if color.chromaticities is not None:
        kept["chromaticities"] = color.chromaticities
    return kept


def _linear(pixels: Pixels, color: PlateColor, associated: bool) -> dict[str, Pixels]:
    """Half R, G, B (and A) of stored pixels (height, width, 3 or 4)."""
    height, width, count = pixels.shape
    channels: dict[str, Pixels] = {name: np.empty((height, width), np.float16) for name in "RGBA"[:count]}
    opaque = count == 3 or (pixels.dtype.kind == "u" and bool((pixels[..., 3] == np.iinfo(pixels.dtype).max).all()))
    if opaque and pixels.dtype.kind == "u" and color.channelwise:
        table = _table(pixels.dtype, color)
        for index, name in enumerate("RGB"):
            np.take(table, pixels[..., index], out=channels[name])
        if count == 4:
            channels["A"].fill(1.0)
        return channels
    for top in range(0, height, _BLOCK_ROWS):
        rows = slice(top, top + _BLOCK_ROWS)
        block = _linear_block(pixels[rows], color, associated)
        for index, name in enumerate(channels):
            channels[name][rows] = block[..., index]
    return channels


def _table(dtype: np.dtype[Any], color: PlateColor) -> NDArray[np.float16]:
    levels = np.linspace(0.0, 1.0, np.iinfo(dtype).max + 1).astype(np.float32)
    decoded = color.to_linear(np.repeat(levels[:, None], 3, axis=1))[:, 1]
    return np.clip(decoded, -_HALF_MAX, _HALF_MAX).astype(np.float16)


def _linear_block(stored: Pixels, color: PlateColor, associated: bool) -> NDArray[np.float32]:
    values = stored.astype(np.float32)
    if stored.dtype.kind == "u":
        values /= np.float32(np.iinfo(stored.dtype).max)
    alpha = values[..., 3:]
    if associated and alpha.size and not color.is_linear:
        # Multiplied while encoded: undone before decoding, except where nothing is left to undo.
        np.divide(values[..., :3], alpha, out=values[..., :3], where=alpha > 0)
    values[..., :3] = color.to_linear(values[..., :3])
    if alpha.size and not (associated and color.is_linear):
        values[..., :3] *= alpha
    return np.clip(values, -_HALF_MAX, _HALF_MAX)
