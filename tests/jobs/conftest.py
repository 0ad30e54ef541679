"""The plate, the identity and a finished job that the tests of whole jobs share."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import skimage.data

from engine import core
from engine.shot import Plate, Shot
from tests.jobs.place import CONSENT, FRAMES, LAYERS, REPOSITORY, Begin, Command, Record, shot_of, write_frame
from tests.plates.conftest import corpus
from tests.wire.engines import client, engine, raw

__all__ = ["client", "corpus", "engine", "raw"]


@pytest.fixture(scope="session")
def originals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plate in `plate/`, the identity in `grace/`, and the tracks of the plate in `sh.tracks`."""
    folder = tmp_path_factory.mktemp("originals")
    (folder / "plate").mkdir()
    (folder / "grace").mkdir()
    encoded = skimage.data.astronaut()[:272, 90:362].astype(np.float64) / 255.0
    linear = np.where(encoded <= 0.04045, encoded / 12.92, ((encoded + 0.055) / 1.055) ** 2.4)
    for index, number in enumerate(FRAMES):
        grain = np.random.default_rng(number).normal(0.0, 0.004, linear.shape)
        write_frame(folder / f"plate/sh.{number}.exr", np.roll(linear, index, axis=1) + grain)
    shutil.copy(Path(matplotlib.get_data_path()) / "sample_data/grace_hopper.jpg", folder / "grace")
    (folder / "grace/consent.toml").write_text(CONSENT)
    core.solve_shot(Shot(plate=Plate(path=str(folder / "plate"))), folder / "sh.tracks", Record())
    return folder


@pytest.fixture
def work(originals: Path, tmp_path: Path) -> Path:
    """A copy of the originals that a test may spoil, times of change included."""
    return Path(shutil.copytree(originals, tmp_path / "work"))


@pytest.fixture(scope="session")
def whole(originals: Path) -> tuple[Path, Record]:
    """One undisturbed run of the originals, with layers: its folder, and what it reported."""
    report = Record()
    core.run(shot_of(originals, "whole", *LAYERS), report)
    return originals / "whole", report


@pytest.fixture
def environment(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Of commands and an engine of this checkout, with a place of their own."""
    place = tmp_path_factory.mktemp("place")
    return os.environ | {
        "FACEPLATE_RUNTIME": str(place / "run"),
        "FACEPLATE_LOGS": str(place / "log"),
        "PYTHONPATH": str(REPOSITORY),
    }


@pytest.fixture
def begin(environment: dict[str, str], work: Path) -> Begin:
    """Begin `faceplate` in the folder of the work."""

    def begin(*arguments: object) -> "subprocess.Popen[str]":
        line = [sys.executable, "-m", "engine.cli", *map(str, arguments)]
        return subprocess.Popen(
            line, cwd=work, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    return begin


@pytest.fixture
def command(begin: Begin) -> Iterator[Command]:
    """Run `faceplate` to its end; the engine is ended afterwards."""

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        with begin(*arguments) as process:
            output, errors = process.communicate(timeout=120)
        return subprocess.CompletedProcess(process.args, process.returncode, output, errors)

    yield run
    run("engine", "stop")
