"""The demo's plate: a photo's scene seen by a virtual film camera, written as a scene-linear EXR sequence.

The camera pushes in, drifts, rolls and breathes in exposure, all smooth and below a pixel, and its film has grain
that is new in every frame. The frames hold what real plates hold: overscan, alpha, depth, timecode, chromaticities.
"""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import cv2
import numpy as np
import OpenEXR
from numpy.typing import NDArray

from engine.demo.photos import Photo, Scene
from engine.geometry import Box
from engine.plates.frame import Frame
from engine.plates.write import write_frame
from kernels.warp import warp_affine

Float32 = NDArray[np.float32]

RATE = 24
FIRST_FRAME = 1001
DISPLAY = Box(0, 0, 1280, 720)
OVERSCAN = 16
DATA = DISPLAY.grown(OVERSCAN)
# ITU-R BT.709: red, green, blue, white.
REC709 = (0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290)


def plate_to_photo(photo: Photo, index: int) -> NDArray[np.float64]:
    """What the camera does: plate pixels of frame `index` (0 is the first) to photo pixels, (2, 3)."""
    second = index / RATE
    wave = 2 * np.pi * second
    zoom = photo.zoom * (1 + 0.07 * second + 0.002 * np.sin(1.3 * wave + 1))
    roll = np.radians(-0.7 + 1.5 * second + 0.12 * np.sin(1.7 * wave))
    # The drift is in plate pixels, so that both photos move alike: 30 across, and a hand that is not quite still.
    drift_x = 30 * second + 1.5 * np.sin(1.1 * wave + 2) + 0.6 * np.sin(2.9 * wave)
    drift_y = -9 * second + 1.2 * np.sin(1.5 * wave) + 0.5 * np.sin(3.1 * wave + 1)
    turn = np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]]) / zoom
    middle = np.array([DISPLAY.width / 2 + drift_x, DISPLAY.height / 2 + drift_y])
    return np.column_stack([turn, np.array(photo.aim) - turn @ middle])


def exposure(index: int) -> float:
    """The gain of frame `index`: half a stop from the darkest to the brightest frame, over one second."""
    return float(2.0 ** (0.25 * np.sin(2 * np.pi * index / RATE)))


def expose(scene: Scene, photo: Photo, index: int, seed: int = 0) -> tuple[Float32, Float32, Float32]:
    """One frame over DATA: linear Rec.709 light (h, w, 3), premultiplied; alpha (h, w); depth (h, w) in metres."""
    to_scene = scene.photo_to_scene[:, :2] @ plate_to_photo(photo, index)
    to_scene[:, 2] += scene.photo_to_scene[:, 2]
    from_corner = to_scene @ np.array([[1.0, 0, DATA.x0], [0, 1.0, DATA.y0], [0, 0, 1.0]])
    size = (DATA.height, DATA.width)
    light = warp_affine(scene.light, from_corner, size)
    depth = warp_affine(scene.depth, from_corner, size)[..., 0]
    light *= np.float32(exposure(index)) * _vignette()[..., None]
    light += _grain(light, np.random.default_rng([seed, index]))
    alpha = _alpha()
    light *= alpha[..., None]
    return light, alpha, depth


def write_plate(scene: Scene, photo: Photo, folder: Path, frames: int) -> Iterator[int]:
    """Write `frames` frames plate.1001.exr … into `folder`, which exists; yields each number once its file is whole.

    Raises OutputError.
    """
    for index in range(frames):
        number = FIRST_FRAME + index
        light, alpha, depth = expose(scene, photo, index)
        channels = dict(zip("RGB", np.moveaxis(light, -1, 0).astype(np.float16), strict=True))
        channels |= {"A": alpha.astype(np.float16), "Z": depth}
        frame = Frame.new(number, channels, DISPLAY, DATA, _header(photo, index))
        write_frame(frame, folder / f"plate.{number}.exr", "zip")
        yield number


def _header(photo: Photo, index: int) -> dict[str, object]:
    seconds, frame = divmod(index, RATE)
    return {
        "chromaticities": REC709,
        "framesPerSecond": Fraction(RATE),
        # One o'clock, as a first reel begins; the flags and the user's bits are all 0.
        "timeCode": OpenEXR.TimeCode(1, seconds // 60, seconds % 60, frame, *[0] * 14),
        "comments": f"Made by faceplate demo. {photo.person}: {photo.origin}.",
    }


def _vignette() -> Float32:
    """The lens loses a third of a stop in the corners, by the cosine-fourth law: cos⁴ = (1 + tan²)⁻²."""
    x = (np.arange(DATA.x0, DATA.x1) + 0.5 - DISPLAY.width / 2)[None]
    y = (np.arange(DATA.y0, DATA.y1) + 0.5 - DISPLAY.height / 2)[:, None]
    tangent_squared = 0.1 * (x * x + y * y) / (DISPLAY.width / 2) ** 2
    return ((1 + tangent_squared) ** -2).astype(np.float32)


def _alpha() -> Float32:
    """1 in the display window; it falls to 0 over the outer half of the overscan."""
    rows, columns = np.ogrid[: DATA.height, : DATA.width]
    inset = np.minimum(np.minimum(rows, DATA.height - 1 - rows), np.minimum(columns, DATA.width - 1 - columns))
    return np.clip((inset + 0.5) / (OVERSCAN / 2), 0, 1).astype(np.float32)


def _grain(light: Float32, random: np.random.Generator) -> Float32:
    """Film grain for `light`: its variance grows with the light, and neighbouring pixels share a little of it."""
    noise = random.standard_normal(light.shape, np.float32)
    noise = cv2.GaussianBlur(noise, (5, 5), 0.6, borderType=cv2.BORDER_REFLECT_101)
    # What the blur left of the unit deviation, from the same kernel in both directions.
    noise /= np.float32(np.square(cv2.getGaussianKernel(5, 0.6)).sum())
    noise *= np.sqrt(np.float32(2.5e-6) + np.float32(4.0e-4) * np.maximum(light, 0))
    # Blue is the coarsest layer of film, green the finest.
    return np.asarray(noise * np.array([1.1, 1.0, 1.4], np.float32), np.float32)
