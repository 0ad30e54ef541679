"""Makes the Blender extension: its own files, the contract with the engine, the settings, and the libraries.

What Blender loads may not take the name `engine` from other add-ons. So the contract is carried as a part of the
extension, and imports of it, in both, are made relative as they are copied.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec
import platformdirs

from engine import __version__
from engine.errors import FaceplateError
from engine.events import shown
from engine.forms import Form, form_of, label_of
from engine.settings import settings
from engine.wire.recipe import PEOPLE

NAME = "faceplate_blender"
SOURCE = Path(__file__).parents[2] / "host_addons" / "blender"
SETTINGS = "settings.json"

# Seconds.
_PATIENCE = 300.0
# What the clip says itself, and what is said on the command line or where a model is installed.
_LEFT_OUT = ("plate.path", "accepted_licences")
_PATHS = {
    "tracks": "FILE_PATH",
    "output.path": "DIR_PATH",
    "replace.identity": "DIR_PATH",
    "matte.holdout": "FILE_PATH",
}
_WIRE = Path(__file__).parents[1] / "wire"
_IMPORT = re.compile(r"^( *from )engine\.wire(\.?)", re.MULTILINE)
_MANIFEST = "blender_manifest.toml"


class HostError(FaceplateError):
    """A host, or what is put into it, is missing or does not work."""

    code = "host"


def run(command: Sequence[str], failure: str) -> str:
    """What a command prints. Raises HostError, which begins with `failure`, where it cannot be run or fails."""
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise HostError(f"{failure}: {shown(command[0])} did not end within {_PATIENCE:g} s.") from error
    except OSError as error:
        raise HostError(f"{failure}: {shown(command[0])} cannot be run, {error.strerror}.") from error
    if done.returncode:
        said = [line.strip() for line in (done.stdout + done.stderr).splitlines() if line.strip()]
        raise HostError(f"{failure}: {shown(said[-1]) if said else f'status {done.returncode}'}.")
    return done.stdout


def build(builder: Sequence[str], output: Path, wheels: Path) -> Path:
    """Make the extension's zip in the folder `output`; its path.

    `builder` is the command line of Blender's own builder, without its options; libraries are downloaded to `wheels`
    unless they are there. Raises HostError.
    """
    with tempfile.TemporaryDirectory() as folder:
        assemble(Path(folder), wheels)
        output.mkdir(parents=True, exist_ok=True)
        run([*builder, "--source-dir", folder, "--output-dir", str(output)], "The extension cannot be built")
    return output / f"{NAME}-{__version__}.zip"


def assemble(folder: Path, wheels: Path) -> None:
    """Put everything that the extension consists of into an empty folder. Raises HostError."""
    if not (SOURCE / _MANIFEST).is_file():
        raise HostError("The files of the Blender extension are not here.", "Install Faceplate again.")
    for path in SOURCE.iterdir():
        if path.is_file():
            copy(path, folder / path.name, ".wire")
    copy_wire(folder)
    (folder / SETTINGS).write_bytes(msgspec.json.format(msgspec.json.encode(properties()), indent=1))
    manifest = tomllib.loads((SOURCE / _MANIFEST).read_text(encoding="utf-8"))
    for entry in manifest["wheels"]:
        (folder / entry).parent.mkdir(exist_ok=True)
        (folder / entry).write_bytes(wheel_file(Path(entry).name, wheels).read_bytes())


def copy(source: Path, target: Path, wire: str) -> None:
    """Copy a file; `wire` is the contract as Python sees it from there, relative to what carries it."""
    if source.suffix != ".py":
        target.write_bytes(source.read_bytes())
        return
    text = source.read_text(encoding="utf-8")
    target.write_text(_IMPORT.sub(rf"\1{wire or '.'}" + (r"\2" if wire else ""), text), encoding="utf-8")


def copy_wire(folder: Path) -> None:
    """Make the contract a part of the package in a folder."""
    (folder / "wire").mkdir()
    for path in _WIRE.glob("*.py"):
        copy(path, folder / "wire" / path.name, "")


def own_wheels() -> Path:
    """The folder in which what was downloaded is kept for the next time."""
    return platformdirs.user_cache_path("faceplate") / "wheels"


def wheel_file(wheel: str, folder: Path) -> Path:
    """This very file in a folder, whichever system it is for; pip fetches it if it is not there. Raises HostError."""
    found = folder / wheel
    if found.is_file():
        return found
    name, version, python, abi, platforms = wheel.removesuffix(".whl").split("-")
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary=:all:"]
    command += ["--implementation", python[:2], "--python-version", python[2:], "--abi", abi]
    for platform in platforms.split("."):
        command += ["--platform", platform]
    run([*command, "--dest", str(folder), f"{name}=={version}"], f"{wheel} cannot be downloaded")
    if not found.is_file():
        raise HostError(f"{wheel} is not what the package index has.", "Update Faceplate.")
    return found


def properties() -> list[dict[str, Any]]:
    """Every setting of a recipe as Blender declares it: its dotted name, Blender's kind of property, and its options.

    A number that can also be a word for having it found has a switch of its own before it, which stands for that word.
    """
    made: list[dict[str, Any]] = []
    for setting in settings().values():
        section = setting.name.rpartition(".")[0]
        if setting.name in _LEFT_OUT or (setting.listed and section != PEOPLE):
            continue
        form = form_of(setting)
        common = {"name": label_of(setting.name), "description": setting.description.rstrip(".")}
        kind, options = _property(form, setting.name)
        if kind == "StringProperty" and setting.expects != "text":
            common["description"] += f": {setting.expects}"
        if form.word:
            switch = {"name": "Automatic", "description": common["description"], "default": True}
            made.append(_entry(f"{setting.name}_automatic", "BoolProperty", switch) | {"stands_for": form.word})
            options["default"] = 1.0
        animatable = ["ANIMATABLE"] if setting.keyable else []
        made.append(_entry(setting.name, kind, {"default": setting.default, "options": animatable} | common | options))
    return made


def _entry(name: str, kind: str, options: dict[str, Any]) -> dict[str, Any]:
    return {"name": name, "property": kind, "with": {"options": []} | options}


def _property(form: Form, name: str) -> tuple[str, dict[str, Any]]:
    """Blender's kind of property for a setting, and the options that others do not have."""
    match form.kind:
        case "switch":
            return "BoolProperty", {}
        case "integer":
            return "IntProperty", {"min": form.least, "max": form.most}
        case "number":
            subtype = "FACTOR" if form.most == 1 else "NONE"
            return "FloatProperty", {
                "min": form.least, "max": form.most, "precision": 3, "step": 5, "subtype": subtype,
            }  # fmt: skip
        case "choice":
            return "EnumProperty", {"items": _items(form)}
        case "choices":
            return "EnumProperty", {"items": _items(form), "options": ["ENUM_FLAG"], "default": []}
        case _:
            return "StringProperty", {"subtype": _PATHS.get(name, "NONE")}


def _items(form: Form) -> list[tuple[str, str, str, int]]:
    """The choices, numbered as Blender keeps them in its files: those that come later must be added at the end."""
    return [(choice, label_of(choice), "", 1 << number) for number, choice in enumerate(form.choices)]
