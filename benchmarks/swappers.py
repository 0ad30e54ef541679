"""Swappers with a network on two cores: frames a second by family and stage, and what the network's own part of it is.

The plate, in memory, is a face 196 pixels wide at 1080p, and 392 wide at 4K. The networks have the layers of what
people bring and weights by chance (`benchmarks.networks`). Rows of a stage compare it with its whole frame, rows of a
frame with its network. The peer of a batch are single runs of the same network on the same pictures, as FaceFusion does
them.
"""

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import skimage.data

from benchmarks import networks
from benchmarks.report import Row, main
from benchmarks.timing import compare
from engine.faces.analyse import analyse_picture
from engine.faces.tracks import Track, Tracks
from engine.geometry import Box
from engine.models.brought import Brought
from engine.models.locate import open_named
from engine.plates.color import LINEAR_REC709
from engine.plates.frame import Frame
from engine.render import Renderer
from engine.shot import MESH, Replace, Shot
from engine.swappers.boost import split
from engine.swappers.portrait import Cut, Pyramid, describe
from engine.swappers.references import Identity, Reference
from kernels.view import make_view, view

SIZES = {"1080p": (1080, 1920), "4K": (2160, 4096)}
NAMES = {MESH: "mesh", "embedding": "light embedding 128²", "image": "image 256²", "dfm": "DFM 224²",
         "heavy": "heavy embedding 128²"}  # fmt: skip
# Time outside the network, of a 128² embedding swapper's frame at 1080p; time of a batch, of as many single runs.
MOST_OUTSIDE, MOST_OF_SINGLE = 0.25, 0.5
REPEATS = 5


class _Plate(NamedTuple):
    light: np.ndarray
    mesh: np.ndarray


class _Times(NamedTuple):
    """Milliseconds of a frame, of its network, and by stage; medians."""

    frame: float
    network: float
    stages: dict[str, float]


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--no-heavy", action="store_true", help="leave out the network of 554 MB")


def measure(options: argparse.Namespace) -> Sequence[Row]:
    with tempfile.TemporaryDirectory() as name:
        os.environ["FACEPLATE_MODELS"] = name
        networks.install(Path(name))
        identity, rows = _identity(), []
        for size, shape in SIZES.items():
            plate = _plate(shape)
            for family in (MESH, "embedding", "image", "dfm"):
                rows += _family_rows(size, family, plate, identity, REPEATS)
        if not options.no_heavy:
            rows += _family_rows("1080p", "heavy", _plate(SIZES["1080p"]), identity, 2)
        return [*rows, _batch_row(4), _batch_row(2)]


def _family_rows(size: str, family: str, plate: _Plate, identity: Identity, repeats: int) -> list[Row]:
    times = _times(family, plate, identity, repeats)
    what = f"{size}, {NAMES[family]}"
    rate = f"{what}: a frame, {1e3 / times.frame:.2f} a second"
    stages = [Row(f"{what}: {stage}", "the frame", times.frame, each, None) for stage, each in times.stages.items()]
    if family == MESH:
        return [Row(rate, "itself", times.frame, times.frame, None), *stages]
    target = MOST_OUTSIDE if size == "1080p" and family in ("embedding", "heavy") else None
    outside = Row(f"{what}: outside the network", "the frame", times.frame, times.frame - times.network, target)
    return [Row(rate, "its network", times.network, times.frame, None), outside, *stages]


def _times(family: str, plate: _Plate, identity: Identity, repeats: int) -> _Times:
    shot = Shot(swapper=family, replace=(Replace(identity="nobody"),))
    renderer = Renderer(shot, _tracks(plate), LINEAR_REC709, [identity])
    frames, inside, stages = [], [], []
    with _measured(family) as spent:
        for _ in range(repeats + 1):
            frame = _frame(plate)
            spent.clear()
            start = time.perf_counter()
            report = renderer.render(frame)
            frames.append((time.perf_counter() - start) * 1e3)
            inside.append(sum(spent))
            stages.append(report.milliseconds)
            if report.faces != 1:
                raise SystemExit(f"no face was replaced by {family}: this is no measurement")
    # The first frame compiles, and asks for memory that the others have.
    medians = {name: statistics.median(each[name] for each in stages[1:]) for name in stages[0]}
    return _Times(statistics.median(frames[1:]), statistics.median(inside[1:]), medians)


@contextmanager
def _measured(family: str) -> Iterator[list[float]]:
    """Milliseconds of the runs of the family's network, meanwhile."""
    spent: list[float] = []
    if family == MESH:
        yield spent
        return
    network: Any = open_named(family, "embedding", "image", "dfm")

    def run(feeds: Any) -> Any:
        start = time.perf_counter()
        results = Brought.run(network, feeds)
        spent.append((time.perf_counter() - start) * 1e3)
        return results

    network.run = run
    try:
        yield spent
    finally:
        del network.run


def _batch_row(boost: int) -> Row:
    """The same pictures, made ready for the network and taken from it, in one run and one by one."""
    network = open_named("embedding", "embedding")
    side = network.size * boost
    crop = cv2.resize(skimage.data.astronaut()[30:200, 140:310].astype(np.float32) / 255.0, (side, side))
    pictures, source = split(crop, boost), np.ones((1, networks.NUMBERS), np.float32) / 22.6

    def together() -> None:
        network.faces(network.run({"target": network.target(pictures), "source": source})["face"], pictures)

    def apart() -> None:
        for number in range(len(pictures)):
            one = pictures[number : number + 1]
            network.faces(network.run({"target": network.target(one), "source": source})["face"], one)

    what = f"boost ×{boost} of {NAMES['embedding']}, {len(pictures)} pictures as a batch"
    target = 1.0 / MOST_OF_SINGLE if boost == 4 else 1.0
    row = compare(what, "single runs", apart, together, target, 3)
    return row if boost == 4 else row._replace(target=None)


def _plate(shape: tuple[int, int]) -> _Plate:
    """The astronaut with grain, as large as the plate is high, and her mesh."""
    light, scale = _linear(skimage.data.astronaut()), shape[0] / 512.0
    matrix = np.array([[scale, 0.0, 0.25 * shape[1]], [0.0, scale, 0.0]])
    light = cv2.warpAffine(light, matrix, shape[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
    light += np.random.default_rng(1).normal(0.0, 0.008, light.shape).astype(np.float32)
    return _Plate(light, _face(light).mesh)


def _linear(picture: np.ndarray) -> np.ndarray:
    value = picture.astype(np.float32) / 255.0
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4).astype(np.float32)


def _face(light: np.ndarray) -> Any:
    return max(analyse_picture(view(light, make_view())), key=lambda face: np.ptp(face.mesh[:, 0]))


def _identity() -> Identity:
    """A person whose pictures are the plate's own: what counts is the time."""
    light = _linear(cv2.resize(skimage.data.astronaut(), (1024, 1024), interpolation=cv2.INTER_CUBIC))
    face = _face(light)
    portrait = describe(light, face.mesh, face.embedding, Cut(0, 0, 1024, 1024, 1024, 1024, 1.0))
    return Identity([Reference("nobody", portrait, lambda: Pyramid(light, face.mesh))], "nobody")


def _tracks(plate: _Plate) -> Tracks:
    track = Track(
        id=0,
        person=0,
        frames=np.array([1], np.int32),
        mesh=plate.mesh[None].astype(np.float32),
        pose=np.zeros((1, 3), np.float32),
        confidence=np.ones(1, np.float32),
        identity=np.zeros(128, np.float32),
        bridged=np.zeros(1, np.bool_),
    )
    size = plate.light.shape[1], plate.light.shape[0]
    return Tracks(plate="plate", frames=(1,), size=size, exposure=1.0, cuts=(), tracks=(track,))


def _frame(plate: _Plate) -> Frame:
    height, width = plate.light.shape[:2]
    planes = np.moveaxis(plate.light, 2, 0).astype(np.float16)
    return Frame.new(1, dict(zip("RGB", planes, strict=True)), Box(0, 0, width, height))


if __name__ == "__main__":
    main(__doc__ or "", measure, add_options)
