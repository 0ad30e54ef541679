"""How long a person waits for a frame while choosing the settings, with a warm engine.

A 1080p frame, half RGBA zip, by a real engine process, through shared memory, until the client has its array. The
peer of the first row is what a person without an engine has: `faceplate swap --local` of the same frame in a new
process. The peer of the others is the first preview of the same frame, in a shot that has been solved.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from benchmarks.report import Row, main
from benchmarks.shot import write_plate_frame
from benchmarks.timing import seconds
from engine import core, recipe
from engine.demo.photos import PHOTOS
from engine.demo.run import write_identity
from engine.shot import Output, Plate, Replace, Shot
from engine.wire.client import Client
from engine.wire.connect import connect
from engine.wire.frames import attach
from engine.wire.messages import Done, Preview, Previewed, Release

FRAMES = range(1001, 1010)
PEER = "the first preview of that frame"
COMMAND = [sys.executable, "-m", "engine.cli"]


def measure(_: argparse.Namespace) -> Sequence[Row]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        for part in ("plate", "identity"):
            (folder / part).mkdir()
        write_identity(PHOTOS["hopper"], folder / "identity")
        paths = [write_plate_frame(folder / "plate", number) for number in FRAMES]
        with _engine(folder), connect("benchmark") as client:
            alone = _by_command(folder, paths[0])
            one = _shot(folder, paths[0])
            _preview(client, one, FRAMES[0])
            again = statistics.median(_preview(client, one, FRAMES[0]) for _ in range(15))
            rows = _after_changes(client, folder)
        peer = "faceplate swap --local in a new process"
        return [Row("a frame's second preview, nothing changed", peer, alone * 1e3, again * 1e3, 1 / 15), *rows]


def _after_changes(client: Client, folder: Path) -> list[Row]:
    """Every frame anew, and again with one setting changed; what changed is another one in each row."""
    shot = msgspec.structs.replace(_shot(folder, folder / "plate"), tracks=str(folder / "plate.tracks"))
    core.solve_shot(shot, folder / "plate.tracks", lambda event: None)
    changes = ["composite.opacity=0.8", "composite.grain=0.5", "composite.seam=0.2", "matte.feather=0.1"]
    changes.append("match.amount=0.5")
    firsts: list[float] = []
    changed: dict[str, list[float]] = {change: [] for change in changes}
    # The first is for what the process has to load.
    for number in FRAMES:
        firsts.append(_preview(client, shot, number))
        for change, times in changed.items():
            times.append(_preview(client, recipe.with_settings(shot, [change]), number))
    first = statistics.median(firsts[1:]) * 1e3
    return [
        Row(
            f"after {change}", PEER, first, statistics.median(times[1:]) * 1e3, 1 / 3 if "composite" in change else None
        )
        for change, times in changed.items()
    ]


def _shot(folder: Path, plate: Path) -> Shot:
    return Shot(
        plate=Plate(path=str(plate)),
        replace=(Replace(identity=str(folder / "identity")),),
        output=Output(path=str(folder / "result")),
    )


def _preview(client: Client, shot: Shot, number: int) -> float:
    """Seconds until the picture is an array of the client's."""
    told: list[Previewed] = []

    def ask() -> None:
        told.append(client.ask(Preview(msgspec.to_builtins(shot), number), Previewed))
        attach(told[0], told[0], writing=False)

    took = seconds(ask)
    client.ask(Release(told[0].lease), Done)
    if not told[0].faces:
        raise SystemExit("no face was replaced: this is no measurement")
    return took


def _by_command(folder: Path, frame: Path) -> float:
    """Seconds of the whole command, the median of five."""
    command = [*COMMAND, "swap", str(frame), str(folder / "identity"), "--local", "--redo", "-o", str(folder / "alone")]

    def run() -> None:
        subprocess.run(command, check=True, capture_output=True)

    run()
    return statistics.median(seconds(run) for _ in range(5))


@contextmanager
def _engine(folder: Path) -> Iterator[None]:
    """An engine of its own, warm."""
    os.environ |= {"FACEPLATE_RUNTIME": str(folder / "run"), "FACEPLATE_LOGS": str(folder / "log")}
    subprocess.run([*COMMAND, "engine", "start"], check=True, capture_output=True)
    try:
        yield
    finally:
        subprocess.run([*COMMAND, "engine", "stop"], check=True, capture_output=True)


if __name__ == "__main__":
    main(__doc__ or "", measure)
