"""A small plate with a real face for whole jobs, and what looks at the results.

The plate is three frames cut out of scikit-image's astronaut, made linear; the identity is matplotlib's portrait of
Grace Hopper. Both are in the public domain.
"""

import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
import OpenEXR

from engine import recipe
from engine.events import Event
from engine.shot import Output, Plate, Replace, Shot
from engine.wire.client import Client
from engine.wire.messages import Failure, State, Status, Swap

FRAMES = (1001, 1002, 1003)
CONSENT = 'person = "Grace"\nscope = "tests"\ngranted_by = "public domain"\nuntil = 2999-01-01\n'
LAYERS = ("output.layers=patch,matte",)
REPOSITORY = Path(__file__).parents[2]

Command = Callable[..., subprocess.CompletedProcess[str]]
Begin = Callable[..., "subprocess.Popen[str]"]


class Record(list[Event]):
    """Keeps every event, and can do something when one comes."""

    def __call__(self, event: Event) -> None:
        self.append(event)

    def of(self, kind: type[Event]) -> list:
        return [event for event in self if isinstance(event, kind)]


def write_frame(path: Path, rgb: np.ndarray) -> None:
    """Half RGBA and a float Z, linear Rec.709."""
    height, width = rgb.shape[:2]
    channels = {name: rgb[..., index].astype(np.float16) for index, name in enumerate("RGB")}
    channels |= {"A": np.ones((height, width), np.float16)}
    channels |= {"Z": np.arange(height * width, dtype=np.float32).reshape(height, width)}
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION, "type": OpenEXR.scanlineimage}, channels).write(str(path))


def read_exr(path: Path) -> tuple[dict[str, np.ndarray], dict]:
    with OpenEXR.File(str(path), separate_channels=True) as file:
        return {name: channel.pixels.copy() for name, channel in file.channels().items()}, dict(file.header())


def read_layers(path: Path) -> dict[str, np.ndarray]:
    """The layers beside a frame."""
    return read_exr(path.with_name(path.name.replace("sh.", "sh.layers.")))[0]


def bytes_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*")) if path.is_file()}


def shot_of(work: Path, output: str | Path = "out", *settings: str) -> Shot:
    shot = Shot(
        plate=Plate(path=str(work / "plate")),
        replace=(Replace(identity=str(work / "grace")),),
        tracks=str(work / "sh.tracks"),
        output=Output(path=str(work / output)),
    )
    return recipe.with_settings(shot, settings)


def swap(shot: Shot, **options) -> Swap:
    """The request for a job that an engine does."""
    return Swap(msgspec.to_builtins(shot), **options)


def works_on(client: Client, work: Path, whole: Path) -> None:
    """The engine answers, and does a job with the bytes of an undisturbed run."""
    assert client.ask(Status(), State).pid == client.welcome.pid
    shutil.rmtree(work / "good", ignore_errors=True)
    assert client.work(swap(shot_of(work, "good", *LAYERS)), lambda told: None).failure is None
    assert bytes_of(work / "good") == bytes_of(whole)


def is_typed(failure: Failure | None) -> bool:
    """Whether a failure has a code of its own, a sentence, and a remedy."""
    return (
        failure is not None
        and failure.code not in ("internal", "error")
        and failure.message.endswith(".")
        and len(failure.message) < 5000
        and bool(failure.remedy)
    )


def faceplate(*arguments: object, **options) -> subprocess.Popen:
    command = [sys.executable, "-m", "engine.cli", *map(str, arguments)]
    return subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)
