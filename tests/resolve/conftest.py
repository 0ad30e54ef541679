"""The scripts as they are installed, run by a fake Resolve, with a real engine beside them."""

import importlib
import os
import runpy
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.hosts import resolve
from tests.jobs.conftest import originals, work
from tests.jobs.place import REPOSITORY
from tests.resolve.fake import FakeResolve
from tests.resolve.fake.item import Item
from tests.resolve.fake.media import Folder

__all__ = ["originals", "work"]

Menu = Callable[..., str]


@pytest.fixture(scope="session")
def fusion(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Fusion folder with the scripts in it. What libraries they need are this Python's own."""
    folder = tmp_path_factory.mktemp("Fusion")
    resolve.assemble(folder, Path(), [], [str(folder / "Faceplate")])
    return folder


@pytest.fixture(scope="session")
def command(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The faceplate command of this checkout, for an engine that all tests share."""
    folder = tmp_path_factory.mktemp("command")
    script = folder / "faceplate"
    variables = f'FACEPLATE_RUNTIME="{folder}/run" FACEPLATE_LOGS="{folder}/log" PYTHONPATH="{REPOSITORY}"'
    script.write_text(f'#!/bin/sh\n{variables} exec "{sys.executable}" -m engine.cli "$@"\n')
    script.chmod(0o755)
    yield script
    subprocess.run([script, "engine", "stop"], check=False, timeout=120, capture_output=True)


@pytest.fixture
def home(tmp_path: Path, command: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's home: `log` and `settings` are in it."""
    variables = {"HOME": tmp_path, "FACEPLATE_LOGS": tmp_path / "log", "FACEPLATE_SETTINGS": tmp_path / "settings"}
    variables |= {"FACEPLATE_COMMAND": command, "FACEPLATE_RUNTIME": command.parent / "run"}
    for name, value in variables.items():
        monkeypatch.setenv(name, os.fspath(value))
    return tmp_path


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that were opened in the browser."""
    opened: list[str] = []
    monkeypatch.setattr("webbrowser.open", lambda url: opened.append(url) or True)
    return opened


@pytest.fixture
def menu(fusion: Path, home: Path, pages: list[str], capsys: pytest.CaptureFixture[str]) -> Iterator[Menu]:
    """Choose an entry of the menu; what the console shows."""

    def choose(entry: str, fake: FakeResolve | None, person: bool = False, patience: float = 600.0) -> str:
        _forget()
        if person:
            _run_as_it_stands(fusion)
        if patience != 600.0:
            sys.path.insert(0, str(fusion / "Faceplate"))
            importlib.import_module("faceplate_resolve.deliver").PATIENCE = patience  # pyright: ignore
        capsys.readouterr()
        script = fusion / "Scripts/Utility/Faceplate" / f"{entry}.py"
        runpy.run_path(str(script), {"resolve": fake.resolve if fake else None})
        if fake:
            fake.verify()
        return capsys.readouterr().out

    yield choose
    _forget()
    sys.path[:] = [path for path in sys.path if path != str(fusion / "Faceplate")]


def _run_as_it_stands(fusion: Path) -> None:
    """In place of the engine's page: a person who has the recipe run that the page begins with."""
    sys.path.insert(0, str(fusion / "Faceplate"))
    script = importlib.import_module("faceplate_resolve.wire.script").Script
    script.review = lambda self, shot, title: (shot, self.swap(shot))


def _forget() -> None:
    """Each time a script is chosen it runs in a process of its own."""
    for name in [name for name in sys.modules if name.partition(".")[0] == "faceplate_resolve"]:
        del sys.modules[name]


@pytest.fixture
def recipe(home: Path, work: Path) -> dict[str, Any]:
    """The recipe that was used last: Grace, whoever is in the plate."""
    made = {"replace": [{"identity": str(work / "grace"), "face": "largest"}], "seed": 7}
    write_json(home / "settings/resolve/recipe.json", made)
    return made


def write_json(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(msgspec.json.encode(value))


def read_json(path: Path) -> Any:
    return msgspec.json.decode(path.read_bytes())


def state(fake: FakeResolve) -> dict[str, Any]:
    """All of a project that a script could change."""
    project = fake.project
    found: dict[str, Any] = {
        "page": fake.world.page,
        "settings": dict(project.settings),
        "render": (project.format, project.codec, project.mode, project.render_settings),
        "presets": list(project.presets),
        "jobs": list(project.jobs),
        "bin": project.pool.current.uid,
        "bins": _bin(project.pool.root),
        "timeline": project.current and project.current.uid,
    }
    for timeline in project.timelines:
        tracks = [
            (track.name, track.enabled, [_item(item) for item in track.items]) for track in timeline.tracks["video"]
        ]
        found[f"timeline {timeline.name}"] = tracks, timeline.markers, timeline.marks
    return msgspec.json.decode(msgspec.json.encode(found))


def _item(item: Item) -> Any:
    takes = [(take.media and take.media.uid, take.first, take.end) for take in item.takes]
    shown = (item.start, item.duration, item.left, item.media and item.media.uid, item.enabled)
    return item.uid, shown, list(item.markers.items()), takes, item.selected


def _bin(folder: Folder) -> Any:
    clips = [(clip.uid, clip.frames and clip.frames.shown, clip.set, clip.rate, clip.length) for clip in folder.clips]
    return folder.uid, folder.name, clips, [_bin(one) for one in folder.folders]
