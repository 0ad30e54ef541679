"""Pictures for a screen: linear light to sRGB of 8 bits, and those as files that a browser reads.

Only NumPy and OpenCV: the kernels belong to whoever has the turn on the device, and this runs beside jobs.
"""

from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from engine.wire.frames import attach
from engine.wire.messages import Previewed

# The space that a preview must be in to be shown.
LINEAR = "Linear Rec.709 (sRGB)"
# The side of a person's picture, in pixels.
PERSON = 96
# Above that many bytes a picture is decoded at a quarter of its size.
_LARGE = 1 << 20
_FAST = (cv2.IMWRITE_PNG_COMPRESSION, 1)
Bytes = NDArray[np.uint8]


def preview_png(told: Previewed, width: int) -> bytes:
    """A preview as PNG, no wider than `width` pixels; a colour picture must have been asked for in `LINEAR`.

    Light over 1.0 is white; what is clear is black. A matte is shown as it is: 0 black, 1 white. Raises EngineGone.
    """
    picture: NDArray[Any] = attach(told, told, writing=False)
    if told.width > width > 0:
        size = width, max(1, round(told.height * width / told.width))
        smaller = cv2.resize(np.nan_to_num(picture), size, interpolation=cv2.INTER_AREA)
        picture = smaller.reshape(size[1], size[0], told.channels)
    if told.channels == 1:
        levels = np.clip(np.nan_to_num(picture[..., 0], nan=0.0), 0.0, 1.0)
        return _png(np.round(levels * 255.0).astype(np.uint8))
    return _png(srgb(picture[..., 2::-1]))


def face_png(side: int, rgba: bytes) -> bytes:
    """A face's thumbnail as PNG."""
    pixels = np.frombuffer(rgba, np.uint8).reshape(side, side, 4)
    return _png(pixels[..., 2::-1])


def person_png(path: Path) -> bytes:
    """The upper middle of a picture, square, as PNG; empty where it cannot be read as an ordinary picture."""
    try:
        data = np.fromfile(path, np.uint8)
        reduced = cv2.IMREAD_REDUCED_COLOR_4 if data.size > _LARGE else cv2.IMREAD_COLOR
        picture = cv2.imdecode(data, reduced) if data.size else None
    except (OSError, cv2.error):
        return b""
    if picture is None or picture.dtype != np.uint8:
        return b""
    height, width = picture.shape[:2]
    side = min(height, width)
    left, top = (width - side) // 2, (height - side) // 4
    square = picture[top : top + side, left : left + side]
    return _png(cv2.resize(square, (PERSON, PERSON), interpolation=cv2.INTER_AREA).astype(np.uint8))


def srgb(linear: NDArray[Any]) -> Bytes:
    """8 bits of the sRGB curve (IEC 61966-2-1) for linear light; NaN is 0."""
    light = np.nan_to_num(linear, nan=0.0, posinf=1.0, neginf=0.0)
    steps = np.round(np.clip(light, 0.0, 1.0) * 65535.0).astype(np.uint16)
    return _curve()[steps]


@cache
def _curve() -> Bytes:
    light = np.arange(65536) / 65535.0
    encoded = np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1.0 / 2.4) - 0.055)
    return np.round(encoded * 255.0).astype(np.uint8)


def _png(pixels: Bytes) -> bytes:
    """Grey, or blue, green and red, as PNG."""
    return cv2.imencode(".png", np.ascontiguousarray(pixels), _FAST)[1].tobytes()
