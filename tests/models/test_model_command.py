"""`faceplate models` from outside: what it prints, its exit statuses, and nothing left of what was refused."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
from test_model_library import MANIFEST, TWIN, WRONG, beside, left, save

from engine.models.manifest import known, to_text

Models = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "models"


@pytest.fixture
def models(tmp_path: Path, folder: Path) -> Models:
    environment = os.environ | {
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "COLUMNS": "120",
        "FACEPLATE_MODELS": str(folder),
        # Nobody listens there, so that nothing is brought from outside.
        "HTTPS_PROXY": "http://127.0.0.1:9",
    }

    def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine.cli", "models", *map(str, arguments)]
        done = subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


def test_the_list_has_every_model_with_its_licence(models):
    rows = models("list").stdout.splitlines()
    (row,) = [row for row in rows if row.startswith("inswapper_128 ")]
    assert row.split() == ["inswapper_128", "absent", "embedding", "non-commercial", "no"]
    entries = [json.loads(line) for line in models("list", "--json").stdout.splitlines()]
    assert {entry["name"] for entry in entries if entry["state"] == "absent"} == set(known())
    assert {entry["state"] for entry in entries} == {"bundled", "absent"}
    assert all(entry["licence"] for entry in entries)


def test_a_model_is_added_shown_checked_and_removed(models, folder, tmp_path):
    path = beside(save(tmp_path / "twin.onnx", TWIN), commercial=False, licence="for research")
    refused = models("add", path)
    assert (refused.returncode, refused.stdout, left(folder)) == (2, "", [])
    assert "for research" in refused.stderr
    assert "--accept-licence" in refused.stderr
    added = models("add", path, "--as", "mine", "--accept-licence")
    assert (added.returncode, added.stderr) == (0, "")
    assert "installed as mine: embedding, for research" in added.stdout
    shown = models("show", "mine").stdout
    for part in ("installed", "for research", "target: target [1, 3, 16, 16] float", "person", "accepted", "UTC"):
        assert part in shown
    assert json.loads(models("show", "mine", "--json").stdout)["accepted"]["licence"] == "for research"
    assert models("check").returncode == 0
    with (folder / "mine.onnx").open("ab") as file:
        file.write(b"more")
    checked = models("check")
    assert checked.returncode == 1
    assert "fault mine" in checked.stdout
    assert models("remove", "mine").returncode == 0
    assert left(folder) == []


@pytest.mark.parametrize("wrong", ["nan", "constant", "swapped"])
def test_a_wrong_model_ends_with_its_reason(models, folder, tmp_path, wrong):
    nodes, inputs, _ = WRONG[wrong]
    path = save(
        tmp_path / "wrong.onnx", nodes, inputs, {"output": inputs["source" if wrong == "swapped" else "target"]}
    )
    refused = models("add", beside(path))
    assert (refused.returncode, refused.stdout, left(folder)) == (1, "", [])
    assert refused.stderr.startswith("error: ")


def test_what_cannot_be_brought_is_named(models):
    refused = models("get", "ghost_1_256", "--accept-licence")
    assert refused.returncode == 1
    assert "faceplate models add ghost_1_256.onnx --as ghost_1_256" in refused.stderr
    as_json = models("get", "ghost_1_256", "--accept-licence", "--json")
    assert json.loads(as_json.stdout)["code"] == "model"
    assert models("get", "nobody").returncode == 2


def test_offline_a_published_model_is_named_with_its_pin_and_its_place(models, folder):
    refused = models("get", "xseg_3", "--accept-licence", "--json")
    assert refused.returncode == 1
    told = json.loads(refused.stdout)
    assert told["code"] == "download"
    for part in ("xseg_3.onnx", known()["xseg_3"].sha256, known()["xseg_3"].url, str(folder / "xseg_3.onnx")):
        assert part in told["remedy"]
    assert left(folder) == []


def test_a_broken_manifest_of_an_installed_model_is_an_error(models, folder, tmp_path):
    folder.mkdir()
    save(folder / "twin.onnx", TWIN)
    (folder / "twin.toml").write_text("name = 3", encoding="utf-8")
    listed = models("list")
    assert listed.returncode == 1
    assert "twin.toml" in listed.stderr
    (folder / "twin.toml").write_text(to_text(msgspec.structs.replace(MANIFEST, name="twin")), encoding="utf-8")
    assert models("list").returncode == 0
