"""A face written into a 4096×2160 EXR frame in place, against reading and writing the frame with the usual libraries.

The face is 900 × 900 pixels; reading, changing R, G and B, and writing are timed, warm, peer and ours in turns. The
limit is what no tool can go under that leaves the rest of the frame as it is: `cp` of the file, and packing the rows
that change on all cores.
"""

import argparse
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import OpenEXR
import OpenImageIO
import skimage.data

from benchmarks.report import Row, main
from benchmarks.timing import seconds
from engine.geometry import Box
from engine.plates.edit import write_edited
from engine.plates.plate import Plate
from engine.plates.rows import Pixels
from engine.plates.splice import ExrFile, encode_blocks, is_plain
from engine.plates.write import write_frame
from engine.shot import Chunks

WIDTH, HEIGHT = 4096, 2160
FACE = Box(1500, 630, 2400, 1530)
PATCH = np.random.default_rng(0).random((FACE.height, FACE.width), np.float32).astype(np.float16)
COMPRESSIONS = {
    "none": OpenEXR.NO_COMPRESSION,
    "zip": OpenEXR.ZIP_COMPRESSION,
    "piz": OpenEXR.PIZ_COMPRESSION,
    "dwaa": OpenEXR.DWAA_COMPRESSION,
}


class Case(NamedTuple):
    """A frame, and at most how much of OpenImageIO's time ours may take with chunks=same and with chunks=stored."""

    channels: int
    compression: str
    same: float
    stored: float | None


CASES = (
    Case(4, "none", 0.40, None),
    Case(4, "zip", 0.35, 0.12),
    Case(4, "piz", 0.30, 0.20),
    Case(4, "dwaa", 0.30, 0.10),
    Case(24, "none", 0.08, None),
    Case(24, "zip", 0.20, 0.11),
    Case(24, "piz", 0.20, 0.11),
    Case(24, "dwaa", 0.20, 0.11),
)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--repeats", type=int, default=3, help="runs of each, of which the median counts")
    parser.add_argument("--channels", type=int, choices=(4, 24), help="measure only frames of so many channels")
    parser.add_argument("--folder", type=Path, help="where the frames are made, to choose the disk")


def measure(options: argparse.Namespace) -> Sequence[Row]:
    OpenEXR.set_global_thread_count(os.cpu_count() or 1)
    rows: list[Row] = []
    with tempfile.TemporaryDirectory(dir=options.folder) as name:
        folder = Path(name)
        for channels in (4, 24) if options.channels is None else (options.channels,):
            pixels = picture(channels)
            for case in (case for case in CASES if case.channels == channels):
                path = folder / "plate.0001.exr"
                header = {"compression": COMPRESSIONS[case.compression], "type": OpenEXR.scanlineimage}
                OpenEXR.File(header, dict(pixels)).write(str(path))
                rows += case_rows(case, path, options.repeats)
                path.unlink()
    return rows


def case_rows(case: Case, path: Path, repeats: int) -> Iterator[Row]:
    """The rows of one frame; each call is timed with nothing left to be written to the disk."""
    out = path.with_name("out.exr")
    plain = case.compression == "none"
    calls: dict[str, Callable[[], object]] = {
        "oiio": partial(through_openimageio, path, out),
        "openexr": partial(through_openexr, path, out),
        "cp": lambda: subprocess.run(["cp", path, out], check=True),
        "same": partial(in_place, path, out, "same"),
        "proven": partial(proven, path, out),
    }
    if not plain:
        calls |= {"stored": partial(in_place, path, out, "stored"), "pack": packing(path)}
    times: dict[str, list[float]] = {name: [] for name in calls}
    calls["same"]()
    for _ in range(repeats):
        for name, call in calls.items():
            out.unlink(missing_ok=True)
            os.sync()
            times[name].append(seconds(call) * 1e3)
    out.unlink(missing_ok=True)
    ms = {name: statistics.median(values) for name, values in times.items()}
    what = f"{case.channels} channels, {case.compression}"
    yield Row(f"{what}{'' if plain else ', same'}", "OpenImageIO read + write", ms["oiio"], ms["same"], case.same)
    yield Row(f"{what}{'' if plain else ', same'}", "OpenEXR module", ms["openexr"], ms["same"], 1.0)
    if not plain:
        yield Row(f"{what}, stored", "OpenImageIO read + write", ms["oiio"], ms["stored"], case.stored)
        yield Row(f"{what}, stored", "the limit: cp", ms["cp"], ms["stored"], None)
    yield Row(f"{what}, same", "the limit: cp + packing", ms["cp"] + ms.get("pack", 0.0), ms["same"], None)
    yield Row(f"{what}, proven, on the disk", "OpenImageIO, not proven", ms["oiio"], ms["proven"], None)


def picture(channels: int) -> dict[str, Pixels]:
    """A photo with grain as RGBA half; with 24, also depth, normals, positions, an id, and four lights."""
    photo = skimage.data.astronaut().astype(np.float32) / 255.0
    linear = np.where(photo <= 0.04045, photo / 12.92, ((photo + 0.055) / 1.055) ** 2.4).astype(np.float32)
    light = cv2.resize(linear, (WIDTH, WIDTH), interpolation=cv2.INTER_CUBIC)[200 : 200 + HEIGHT].clip(0.0) * 1.3
    rng = np.random.default_rng(1)
    grain = cv2.GaussianBlur(rng.standard_normal(light.shape, np.float32), (0, 0), 0.7)
    light += grain / grain.std() * (0.004 + 0.01 * np.sqrt(light))
    found: dict[str, Pixels] = {name: np.ascontiguousarray(light[..., i], np.float16) for i, name in enumerate("RGB")}
    found["A"] = np.ones((HEIGHT, WIDTH), np.float16)
    if channels == 4:
        return found
    y, x = np.mgrid[:HEIGHT, :WIDTH].astype(np.float32)
    found["Z"] = (5.0 + np.hypot(x - 2000, y - 900) / 500 + 0.2 * light[..., 0]).astype(np.float32)
    found["N.X"], found["N.Y"] = np.sin(x / 300), np.cos(y / 200)
    found["N.Z"] = np.sqrt(np.maximum(0.0, 1.0 - 0.5 * found["N.X"] ** 2 - 0.5 * found["N.Y"] ** 2))
    for index, name in enumerate(("P.X", "P.Y", "P.Z")):
        found[name] = (0.01 * (x, y, x + y)[index] + light[..., index]).astype(np.float32)
    found["id"] = ((x // 200) + (y // 200) * 40).astype(np.uint32)
    for layer, share in (("diffuse", 0.7), ("specular", 0.2), ("sss", 0.1), ("coat", 0.05)):
        for index, name in enumerate("RGB"):
            noise = rng.standard_normal((HEIGHT, WIDTH), np.float32) * np.float32(0.002)
            found[f"{layer}.{name}"] = (share * light[..., index] + noise).astype(np.float16)
    return found


def in_place(path: Path, out: Path, how: Chunks) -> None:
    out.unlink(missing_ok=True)
    file = ExrFile(path)
    part = file.layout.parts[0]
    window = file.read(0, FACE, "RGB" if is_plain(part) else None)
    _change({name: window.planes[name][FACE.slices(window.box)] for name in "RGB"})
    write_edited(file, out, window, FACE, {"made by": "a benchmark"}, how)


def proven(path: Path, out: Path) -> None:
    """As a job does it: read back, compared, and on the disk."""
    frame = Plate.open(path).read(1, reach=lambda window: FACE)
    _change({name: frame.channels[name][FACE.slices(frame.loaded)] for name in "RGB"})
    frame.changes_in(FACE)
    write_frame(frame, out)


def packing(path: Path) -> Callable[[], object]:
    """Packing of the rows that change, and nothing else."""
    file = ExrFile(path)
    window = file.read(0, FACE)
    return lambda: list(encode_blocks(file.layout.parts[0], window, FACE, "same")[1])


def through_openimageio(path: Path, out: Path) -> None:
    picture = OpenImageIO.ImageBuf(str(path))
    region = OpenImageIO.ROI(FACE.x0, FACE.x1, FACE.y0, FACE.y1)
    picture.read(force=True)
    pixels = np.asarray(picture.get_pixels(OpenImageIO.FLOAT, region))
    for name in "RGB":
        pixels[..., picture.spec().channelindex(name)] = PATCH
    picture.set_pixels(region, pixels)
    if not picture.write(str(out)):
        raise SystemExit(f"OpenImageIO could not copy {path}")


def through_openexr(path: Path, out: Path) -> None:
    file = OpenEXR.File(str(path), separate_channels=True)
    channels = file.channels()
    _change({name: channels[name].pixels[FACE.y0 : FACE.y1, FACE.x0 : FACE.x1] for name in "RGB"})
    file.write(str(out))


def _change(planes: dict[str, Pixels]) -> None:
    """Lay the patch into the face's part of each plane: what a composite leaves behind, and none of its work."""
    for plane in planes.values():
        plane[...] = PATCH


if __name__ == "__main__":
    main(__doc__ or "", measure, add_options)
