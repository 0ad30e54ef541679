"""The folder of the models that a person has brought: each file beside its manifest, and beside what was accepted.

`NAME.onnx` is the model, `NAME.toml` its manifest with the file's own SHA-256, and `NAME.licence.toml` says who
accepted its licence, where that was needed. A model is installed once the first two are there.
"""

import getpass
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import msgspec
import platformdirs
import tomlkit

from engine import toml_file
from engine.errors import ModelError, UsageError
from engine.events import shown
from engine.folders import make_folder
from engine.models.files import writing

VARIABLE = "FACEPLATE_MODELS"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,99}")


class Acceptance(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Who accepted a model's licence, and when: for a recipe or a header to quote.

    `sha256` is the model file's, so that it is known what was accepted; `accepted_by` is the user's name on this
    machine.
    """

    model: str
    licence: str
    sha256: str
    accepted_by: str
    accepted_at: datetime


class Place(NamedTuple):
    """The files of one model, whether or not they are there; `part` is its unfinished download."""

    model: Path
    manifest: Path
    licence: Path
    part: Path


def models_folder() -> Path:
    """Where models are: in FACEPLATE_MODELS, or where the system keeps a user's data. It need not be there."""
    named = os.environ.get(VARIABLE, "")
    return Path(named).absolute() if named else platformdirs.user_data_path("faceplate", appauthor=False) / "models"


def place_of(name: str) -> Place:
    """The files of a model by its name. Raises UsageError when that can be no model's name."""
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"{shown(name)} cannot be a model's name.",
            "Use up to 100 letters, digits, _ and -, beginning with neither.",
        )
    folder = models_folder()
    return Place(*(folder / f"{name}{ending}" for ending in (".onnx", ".toml", ".licence.toml", ".onnx.part")))


def installed() -> list[str]:
    """The names of the models that are installed, sorted. Raises ModelError when the folder cannot be read."""
    folder = models_folder()
    try:
        names = {path.stem for path in folder.glob("*.onnx") if _NAME.fullmatch(path.stem)}
    except OSError as error:
        raise ModelError(
            f"The models' folder {shown(folder)} cannot be read: {error.strerror}.", f"Name another one in {VARIABLE}."
        ) from error
    return sorted(name for name in names if place_of(name).manifest.exists())


def prepare() -> None:
    """Make the models' folder. Raises OutputRefused, OutputError."""
    make_folder(models_folder())


@contextmanager
def newcomer() -> Iterator[Path]:
    """A place in the models' folder to copy a file to; whatever is there in the end goes, unless it was renamed.

    Raises OutputRefused or OutputError where the folder cannot be made.
    """
    prepare()
    unfinished = models_folder() / f".incoming.{os.getpid()}"
    try:
        yield unfinished
    finally:
        with writing(unfinished):
            unfinished.unlink(missing_ok=True)


def settle(name: str, unfinished: Path, manifest: str, acceptance: Acceptance | None) -> None:
    """Install a file that was found good: its manifest's text and what was accepted first, itself last.

    Raises DiskFull, OutputError.
    """
    place = place_of(name)
    with writing(place.model):
        if acceptance is not None:
            toml_file.write(place.licence, tomlkit.dumps(msgspec.to_builtins(acceptance, builtin_types=(datetime,))))
        toml_file.write(place.manifest, manifest)
        unfinished.replace(place.model)


def accept(name: str, licence: str, sha256: str) -> Acceptance:
    """The person's acceptance of a licence, now; `settle` keeps it."""
    try:
        user = getpass.getuser()
    except (OSError, KeyError):
        # As in a container whose user has a number and no name.
        user = str(os.getuid()) if hasattr(os, "getuid") else "unknown"
    return Acceptance(name, licence, sha256, user, datetime.now(UTC).replace(microsecond=0))


def acceptance_of(name: str) -> Acceptance | None:
    """Who accepted the licence of an installed model; None where nobody had to. Raises ModelError."""
    path = place_of(name).licence
    try:
        return msgspec.convert(toml_file.read(path), Acceptance)
    except FileNotFoundError:
        return None
    except (toml_file.TomlError, msgspec.ValidationError) as error:
        remedy = f"Remove the model and add it again: faceplate models remove {name}"
        raise ModelError(f"{shown(path)} cannot be used: {error}.", remedy) from error


def acceptance_of_content(sha256: str) -> Acceptance | None:
    """Who accepted the licence of an installed model of this content, by any name; None where nobody is known to.

    Raises ModelError when the folder cannot be read.
    """
    for name in installed():
        try:
            kept = acceptance_of(name)
        except ModelError:
            # What another model's file says cannot be held against this one.
            continue
        if kept is not None and kept.sha256 == sha256:
            return kept
    return None


def remove(name: str) -> list[Path]:
    """Remove a model with all its files, an unfinished download too; those that were there. Raises OutputError."""
    there = [path for path in place_of(name) if os.path.lexists(path)]
    for path in there:
        with writing(path):
            path.unlink()
    return there
