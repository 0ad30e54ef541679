"""The extension's zip: what Blender's validator says of it, what that one misses, and how it gets into a Blender."""

import os
import re
import subprocess
import sys
import tomllib
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import engine
from engine.hosts import extension as hosts_extension
from engine.hosts.extension import SOURCE, properties
from engine.settings import settings
from tests.blender.conftest import Blender
from tests.jobs.place import REPOSITORY

PLATFORMS = {
    "linux-x64": r"manylinux.*_x86_64",
    "windows-x64": r"win_amd64",
    "macos-arm64": r"macosx_\d+_\d+_(arm64|universal2)",
    "macos-x64": r"macosx_\d+_\d+_(x86_64|universal2)",
}
LIBRARIES = ("msgspec", "pyzmq")
# What the whole of the add-on may have.
MOST_LINES = 1500

Hosts = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def manifest() -> dict[str, Any]:
    return tomllib.loads((SOURCE / "blender_manifest.toml").read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def pins() -> dict[str, str]:
    lines = (REPOSITORY / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))


def test_it_is_of_this_version(manifest: dict[str, Any]) -> None:
    assert manifest["version"] == engine.__version__ and manifest["blender_version_min"] == "4.2.0"


def test_each_system_has_each_library_in_the_pinned_version(manifest: dict[str, Any], pins: dict[str, str]) -> None:
    """The validator does not miss a wheel that is not listed, nor a platform that nobody has."""
    assert manifest["platforms"] == list(PLATFORMS)
    listed = [Path(wheel).name for wheel in manifest["wheels"]]
    for library in LIBRARIES:
        for platform in PLATFORMS.values():
            pattern = rf"{library}-{re.escape(pins[library])}-cp311-cp311-.*{platform}\.whl"
            assert [name for name in listed if re.fullmatch(pattern, name)], pattern
    assert all(re.match(rf"({'|'.join(LIBRARIES)})-", name) for name in listed)


def test_licence_and_permissions_are_what_blender_asks_for(manifest: dict[str, Any]) -> None:
    assert all(re.fullmatch(r"SPDX:[A-Za-z0-9.-]+", licence) for licence in manifest["license"])
    assert manifest["license"][0] == "SPDX:GPL-3.0-or-later"
    assert set(manifest["permissions"]) == {"files", "network"}
    assert all(len(reason) <= 64 and not reason.endswith(".") for reason in manifest["permissions"].values())
    for path in SOURCE.glob("*.py"):
        first = path.read_text(encoding="utf-8").partition("\n")[0]
        assert first == "# SPDX-License-Identifier: GPL-3.0-or-later", path


def test_it_is_thin() -> None:
    """Empty lines and comments do not count."""
    texts = [path.read_text(encoding="utf-8") for path in SOURCE.glob("*.py")]
    lines = [line.strip() for text in texts for line in text.splitlines()]
    assert sum(bool(line) and not line.startswith("#") for line in lines) < MOST_LINES


def test_every_setting_has_its_property() -> None:
    """Each is described by the recipe itself, and is within Blender's limits for what it shows."""
    made = {entry["name"]: entry for entry in properties()}
    known = settings()
    lists = {name for name, setting in known.items() if setting.listed and not name.startswith("replace.")}
    assert set(known) - set(made) == {"plate.path", "accepted_licences"} | lists and "key.frame" in lists
    for name, setting in known.items():
        if name in made:
            assert made[name]["with"]["description"].startswith(setting.description.rstrip("."))
            assert made[name]["with"]["options"] in ([], ["ANIMATABLE"], ["ENUM_FLAG"])
    assert "like:PHOTO" in made["replace.face"]["with"]["description"]
    assert made["view.exposure_automatic"]["stands_for"] == "auto"


@pytest.mark.blender
def test_blender_s_validator_accepts_it(blender: Blender, extension: Path) -> None:
    command = [*blender.builder, "validate", str(extension)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "warn" not in (done.stdout + done.stderr).lower()


@pytest.mark.blender
def test_blender_knows_its_tags(blender: Blender, manifest: dict[str, Any]) -> None:
    libraries = Path(blender.builder[1]).parents[3]
    tags = (libraries / "modules/_bpy_internal/extensions/tags.py").read_text(encoding="utf-8")
    assert all(f'"{tag}"' in tags for tag in manifest["tags"])


@pytest.mark.blender
def test_the_zip_stands_alone(extension: Path) -> None:
    """It has what its manifest lists, and imports nothing by the engine's name."""
    with zipfile.ZipFile(extension) as packed:
        names = packed.namelist()
        texts = {name: packed.read(name).decode() for name in names if name.endswith(".py")}
        listed = tomllib.loads(packed.read("blender_manifest.toml").decode())["wheels"]
    assert {wheel.removeprefix("./") for wheel in listed} == {name for name in names if name.endswith(".whl")}
    assert {"LICENSE", "settings.json", "wire/client.py", "wire/__init__.py"} <= set(names)
    assert not [
        name for name, text in texts.items() if re.search(r"^\s*(from|import) (engine|host_addons)", text, re.M)
    ]
    assert not [name for name in names if "__pycache__" in name]


def test_a_library_that_the_index_does_not_have(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts_extension, "run", lambda command, failure: "")
    with pytest.raises(hosts_extension.HostError, match="is not what the package index has"):
        hosts_extension.assemble(tmp_path, tmp_path / "wheels")


@pytest.fixture
def hosts(blender: Blender, tmp_path: Path, extension: Path) -> Hosts:
    """Run `faceplate hosts` on a machine with one Blender."""
    del extension  # Its libraries are downloaded by then.
    program = tmp_path / "bin" / "blender"
    program.parent.mkdir()
    script = Path(__file__).with_name("blender_command.py")
    program.write_text(f'#!/bin/sh\nPYTHONPATH= exec "{blender.python}" "{script}" "$@"\n')
    program.chmod(0o755)
    environment = os.environ | {
        "PATH": f"{program.parent}:/usr/bin:/bin",
        "HOME": str(tmp_path),
        "PYTHONPATH": str(REPOSITORY),
        "BLENDER_USER_RESOURCES": str(tmp_path / "blender"),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
    }
    (tmp_path / "cache" / "faceplate").mkdir(parents=True)
    (tmp_path / "cache" / "faceplate" / "wheels").symlink_to(REPOSITORY / "build" / "wheels")

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine.cli", "hosts", "install", "blender", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.mark.blender
@pytest.mark.slow
def test_it_is_installed_looked_for_and_removed(hosts: Hosts, blender: Blender, tmp_path: Path) -> None:
    files = tmp_path / "blender/extensions/user_default/faceplate_blender"
    before = hosts("--check")
    assert before.returncode == 1 and "not installed" in before.stdout, before
    done = hosts()
    assert done.returncode == 0 and f"Blender {blender.version}" in done.stdout and "sidebar" in done.stdout, done
    assert (files / "wire" / "client.py").exists()
    assert hosts("--check").returncode == 0
    assert "removed" in hosts("--remove").stdout and not files.exists()
    assert "it was not there" in hosts("--remove").stdout


def test_where_no_blender_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from engine.hosts import blender

    monkeypatch.setattr(blender, "find_host", lambda name: [])
    with pytest.raises(blender.HostError, match="No Blender was found") as raised:
        blender.find_blenders()
    assert "--at" in raised.value.remedy
    old = tmp_path / "blender"
    old.write_text("#!/bin/sh\necho Blender 3.4.1\n")
    old.chmod(0o755)
    (found,) = blender.find_blenders(str(old))
    assert found.version == (3, 4) and not found.fits
    with pytest.raises(blender.HostError, match="does not say its version"):
        blender.find_blenders(str(tmp_path / "nothing"))
