"""How long a real engine process takes to answer, while it does jobs all the time: for benchmarks.wire."""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import msgspec
import numpy as np
import skimage.data
from numpy.typing import NDArray

from engine.demo.photos import PHOTOS
from engine.demo.run import write_identity
from engine.geometry import Box
from engine.plates.frame import Frame
from engine.plates.write import write_frame
from engine.shot import Output, Plate, Replace, Shot
from engine.wire.client import Client, Link
from engine.wire.connect import link_to
from engine.wire.messages import Ended, JobList, Jobs, State, Status, Swap
from engine.wire.place import read_connection

# How many are asked for, and the seconds between two, as from somebody who draws a progress bar and moves a slider.
COUNT, PAUSE = 5000, 0.003
# Frames of the plate, and their height and width.
FRAMES, SIZE = 24, (540, 960)
# Jobs that are asked for at once, so that there is no gap between two.
JOBS = 2
START, WARM = 30.0, 600.0


def milliseconds() -> NDArray[np.float64]:
    """Of each answer to an empty request: all of them were given while a job was running."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        shot = _shot(folder)
        with _engine(folder / "run") as link:
            _until_warm(link, shot)
            return _answers(link, shot)


@contextmanager
def _engine(place: Path) -> Iterator[Link]:
    """An engine as users have it, in a place of its own."""
    place.mkdir(mode=0o700)
    own = os.environ | {"FACEPLATE_RUNTIME": str(place), "FACEPLATE_LOGS": str(place)}
    process = subprocess.Popen([sys.executable, "-m", "engine.cli", "engine", "run", "--quiet"], env=own)
    try:
        end = time.monotonic() + START
        while (connection := read_connection(place)) is None:
            if time.monotonic() > end or process.poll() is not None:
                raise SystemExit("the engine does not start")
            time.sleep(0.05)
        link = link_to(connection)
        yield link
        link.close()
    finally:
        process.terminate()
        process.wait(60)


def _until_warm(link: Link, shot: Shot) -> None:
    client = Client(link, "benchmark", patience=WARM)
    while client.ask(Status(), State).warm < 1.0:
        time.sleep(0.2)
    if client.work(_swap(shot), lambda told: None).failure is not None:
        raise SystemExit("a job failed: this is no measurement")


def _swap(shot: Shot) -> Swap:
    return Swap(msgspec.to_builtins(shot), redo=True)


def _answers(link: Link, shot: Shot) -> NDArray[np.float64]:
    """Ask again and again; an answer that shows no job at work is not counted."""
    taken: list[float] = []
    working = {link.send(_swap(shot)) for _ in range(JOBS)}
    while len(taken) < COUNT:
        start = time.perf_counter()
        number, answer = link.send(Jobs()), None
        while answer is None:
            for of, reply in link.poll(1.0):
                if of == number and isinstance(reply, JobList):
                    answer = reply
                elif isinstance(reply, Ended):
                    if reply.failure is not None:
                        raise SystemExit("a job failed: this is no measurement")
                    working.remove(of)
                    working.add(link.send(_swap(shot)))
        took = time.perf_counter() - start
        if any(job.state == "running" for job in answer.jobs):
            taken.append(took * 1e3)
        time.sleep(PAUSE)
    return np.array(taken)


def _shot(folder: Path) -> Shot:
    """The astronaut, drifting, with new grain in every frame; the person in the place is Grace Hopper."""
    for name in ("plate", "identity"):
        (folder / name).mkdir()
    write_identity(PHOTOS["hopper"], folder / "identity")
    picture = skimage.data.astronaut().astype(np.float32) / 255.0
    linear = np.where(picture <= 0.04045, picture / 12.92, ((picture + 0.055) / 1.055) ** 2.4).astype(np.float32)
    for number in range(1001, 1001 + FRAMES):
        matrix = np.array([[1.05, 0.0, 210.0 + number % 100], [0.0, 1.05, 0.0]])
        light = cv2.warpAffine(linear, matrix, SIZE[::-1], flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REFLECT)
        light += np.random.default_rng(number).normal(0.0, 0.008, light.shape).astype(np.float32)
        channels = dict(zip("RGB", np.moveaxis(light, 2, 0).astype(np.float16), strict=True))
        write_frame(
            Frame.new(number, channels, Box(0, 0, SIZE[1], SIZE[0])), folder / f"plate/plate.{number}.exr", "zip"
        )
    return Shot(
        plate=Plate(path=str(folder / "plate")),
        replace=(Replace(identity=str(folder / "identity")),),
        output=Output(path=str(folder / "result")),
    )
