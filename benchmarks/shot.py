"""A whole swap at 1080p, solve and render, EXR zip in and out, against reading and writing the same frames.

The peer is OpenImageIO, which decodes and encodes each frame once and does nothing else: what any tool pays before it
has looked for a face. The target is two frames a second where that costs 190 ms a frame (two idle cores).
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO
import skimage.data

from benchmarks.report import Row, main
from engine import core
from engine.demo.photos import PHOTOS
from engine.demo.run import write_identity
from engine.geometry import Box
from engine.plates.frame import Frame
from engine.plates.write import write_frame
from engine.shot import Output, Plate, Replace, Shot

FRAMES = 12
SIZE = (1080, 1920)
TARGET = 500.0 / 190.0


def measure(_: argparse.Namespace) -> Sequence[Row]:
    """Make a plate, warm both up on two frames, then time the rest."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "plate").mkdir()
        (folder / "identity").mkdir()
        write_identity(PHOTOS["hopper"], folder / "identity")
        paths = [write_plate_frame(folder / "plate", number) for number in range(1001, 1001 + FRAMES)]
        _swap(folder, "warm", "1001-1002")
        ours = _swap(folder, "result", f"1001-{1000 + FRAMES}")
        peer = statistics.median([_copy(path, folder / "copy.exr") for path in paths])
    return [Row("swap of a frame, 1920x1080 RGBA half zip", "OpenImageIO read + write", peer, ours, TARGET)]


def write_plate_frame(folder: Path, number: int) -> Path:
    """The astronaut, 1080 pixels wide and drifting, with new grain in every frame."""
    picture = skimage.data.astronaut().astype(np.float32) / 255.0
    linear = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4).astype(np.float32)
    drift = float(number % 100)
    matrix = np.array([[2.1, 0.0, 420.0 + drift], [0.0, 2.1, 0.5 * drift]])
    light = cv2.warpAffine(linear, matrix, SIZE[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    light += np.random.default_rng(number).normal(0.0, 0.008, light.shape).astype(np.float32)
    channels = dict(zip("RGB", np.moveaxis(light, 2, 0).astype(np.float16), strict=True))
    channels["A"] = np.ones(SIZE, np.float16)
    path = folder / f"plate.{number}.exr"
    write_frame(Frame.new(number, channels, Box(0, 0, SIZE[1], SIZE[0])), path, "zip")
    return path


def _swap(folder: Path, result: str, frames: str) -> float:
    """Milliseconds a frame of a whole swap, everything that is done once included."""
    shot = Shot(
        plate=Plate(path=str(folder / "plate"), frames=frames),
        replace=(Replace(identity=str(folder / "identity")),),
        output=Output(path=str(folder / result)),
    )
    start = time.perf_counter()
    finished = core.run(shot, lambda event: None)
    seconds = time.perf_counter() - start
    if finished.failed:
        raise SystemExit("a frame failed: this is no measurement")
    return seconds * 1e3 / finished.done


def _copy(source: Path, target: Path) -> float:
    start = time.perf_counter()
    picture = OpenImageIO.ImageBuf(str(source))
    if not (picture.read(force=True) and picture.write(str(target))):
        raise SystemExit(f"OpenImageIO could not copy {source}")
    return (time.perf_counter() - start) * 1e3


if __name__ == "__main__":
    main(__doc__ or "", measure)
