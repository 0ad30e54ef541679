"""Pictures of the result for a person to look at: a contact sheet, and a moving one.

Frames are seen through the same print curve that was taken off the photo (`photos.PRINT`): linear light, a soft
shoulder that shows 16.0 as white, the sRGB curve, in the plate's own Rec.709.
"""

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from engine.demo.measure import display_pictures
from engine.demo.photos import PRINT
from engine.demo.plate import RATE
from engine.geometry import Box
from engine.layers import PATCH
from engine.plates.naming import companion_path
from engine.plates.plate import Plate
from engine.plates.splice import ExrFile
from kernels.view import view

Float32 = NDArray[np.float32]
Picture = NDArray[np.uint8]

CELL = (480, 270)
CAPTION = 24
INK = (205, 205, 205)
PAPER = (24, 24, 26)
COLUMNS = ("plate", "result", "matte", "patch")
WATCH = (640, 360)


def write_contact_sheet(path: Path, plate: Plate, result: Plate, frames: Sequence[int], close: Box) -> None:
    """Write a PNG: a row for each of `frames`, then the last of them close up in the box `close` of the plate.

    Columns are plate, result, matte and patch.
    """
    rows = [(f"frame {number}", _columns(plate, result, number)) for number in frames]
    whole = rows[-1][1]
    rows.append((f"frame {frames[-1]}, close", [picture[close.slices(_full(picture))] for picture in whole]))
    width, height = CELL[0] * len(COLUMNS), (CELL[1] + CAPTION) * len(rows)
    sheet = Image.new("RGB", (width, height), PAPER)
    draw = ImageDraw.Draw(sheet)
    font = ImageFont.load_default(14)
    for row, (title, pictures) in enumerate(rows):
        top = row * (CELL[1] + CAPTION)
        for column, (name, picture) in enumerate(zip(COLUMNS, pictures, strict=True)):
            draw.text((column * CELL[0] + 8, top + 4), f"{name} · {title}", INK, font)
            sheet.paste(Image.fromarray(_fitted(picture, CELL)), (column * CELL[0], top + CAPTION))
    sheet.save(path)


def write_watch(path: Path, plate: Plate, result: Plate, frames: Sequence[int]) -> None:
    """Write an animated WebP at the plate's rate: plate on the left, result on the right."""
    pictures = []
    for number in frames:
        pair = [_fitted(_signal(display_pictures(side, number)[1]), WATCH) for side in (plate, result)]
        pictures.append(Image.fromarray(np.hstack(pair)))
    # WebP counts whole milliseconds: round the moments, not the durations, so that the rate holds.
    moments = np.round(np.arange(len(pictures) + 1) * 1000 / RATE).astype(int)
    durations = [int(duration) for duration in np.diff(moments)]
    pictures[0].save(path, save_all=True, append_images=pictures[1:], duration=durations, loop=0, quality=85, method=2)


def _columns(plate: Plate, result: Plate, number: int) -> list[Picture]:
    frame = result.read(number)
    window = frame.display_window.slices(frame.data_window)
    beside = ExrFile(companion_path(result.path(number)))
    layers = beside.read(0, beside.layout.parts[0].window, ("matte.V", *PATCH)).planes
    matte = layers["matte.V"][window].astype(np.float32)
    patch = np.stack([layers[name][window] for name in PATCH], axis=-1).astype(np.float32)
    # Where there is no patch the paper shows.
    covered = view(np.ascontiguousarray(patch[..., :3]), PRINT)
    paper = np.array(PAPER, np.float32) / np.float32(255)
    covered += (1 - patch[..., 3:]) * (paper - covered)
    return [
        _signal(display_pictures(plate, number)[1]),
        _signal(view(frame.rgb(frame.display_window), PRINT)),
        _signal(np.repeat(matte[..., None], 3, axis=-1)),
        _signal(covered),
    ]


def _full(picture: Picture) -> Box:
    return Box(0, 0, picture.shape[1], picture.shape[0])


def _signal(seen: Float32) -> Picture:
    return np.round(np.clip(seen, 0, 1) * 255).astype(np.uint8)


def _fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """Resized to (width, height); the aspect is the same."""
    shrinks = size[0] < picture.shape[1]
    resized = cv2.resize(picture, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)
    return resized.astype(np.uint8, copy=False)
