"""The consent record: who allowed the use of a face, for what, and until when.

Each identity folder holds a `consent.toml`. Nothing is rendered with a face whose record is missing, cannot be read,
or does not cover today.
"""

import os
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any

import msgspec
import tomlkit
from msgspec import Meta

from engine import toml_file
from engine.errors import ConsentError
from engine.events import shown
from engine.folders import is_folder

NAME = "consent.toml"
LONGEST = 500


class Consent(msgspec.Struct, frozen=True, kw_only=True):
    """One person's consent. `until` is the last day that it covers."""

    person: Annotated[str, Meta(description="Whose face it is.")]
    scope: Annotated[str, Meta(description="What it may be used for.")]
    granted_by: Annotated[str, Meta(description="Who gave the consent: the person, or who may speak for them.")]
    until: Annotated[date, Meta(description="The last day that the consent covers, as YYYY-MM-DD.")]
    contact: Annotated[str, Meta(description="How to reach whoever gave the consent.")] = ""
    note: Annotated[str, Meta(description="Anything else.")] = ""


def read_consent(folder: Path) -> Consent:
    """The record of an identity folder, whether or not it covers today. Raises `ConsentError`."""
    path = folder / NAME
    if not is_folder(folder):
        raise ConsentError(
            f"There is no identity folder {shown(folder)}.",
            "Make it, with pictures of one person and their consent.",
        )
    try:
        plain = toml_file.read(path)
    except FileNotFoundError as error:
        raise _refused(folder, f"There is no consent record {shown(path)}.") from error
    except toml_file.TomlError as error:
        raise _refused(folder, f"The consent record {shown(path)} {error}.") from error
    return parse_consent(plain, folder)


def parse_consent(plain: dict[str, Any], folder: Path) -> Consent:
    """The record from plain values; `folder` is where they come from. Raises `ConsentError` that names the entry."""
    where = f"The consent record {shown(folder / NAME)}"
    known = {field.name: field for field in msgspec.structs.fields(Consent)}
    for name in plain:
        if name not in known:
            raise _refused(folder, f"{where} has an unknown entry `{shown(name)}`; it may have {', '.join(known)}.")
    values = {}
    for name, field in known.items():
        if name not in plain and field.required:
            raise _refused(folder, f"{where} has no entry `{name}`.")
        if name in plain:
            wrong = problem(name, plain[name], field.required)
            if wrong:
                raise _refused(folder, f"{where}: `{name}` {wrong}.")
            values[name] = day(plain[name]) if name == "until" else plain[name].strip()
    return Consent(**values)


def check_consent(folder: Path, today: date | None = None) -> Consent:
    """The record of an identity folder, if it covers `today` (by default the local date). Raises `ConsentError`."""
    consent = read_consent(folder)
    if consent.until < (today or date.today()):
        raise _refused(folder, f"The consent of {consent.person} ended on {consent.until.isoformat()}.")
    return consent


def write_consent(folder: Path, consent: Consent) -> Path:
    """Write the record into the folder, which must exist, and return its path. Raises `ConsentError`."""
    document = tomlkit.document()
    for field in msgspec.structs.fields(Consent):
        value = getattr(consent, field.name)
        if value or field.required:
            document.add(field.name, value)
    path = folder / NAME
    parse_consent(document.unwrap(), folder)
    try:
        toml_file.write(path, document.as_string())
    except OSError as error:
        raise ConsentError(
            f"{shown(path)} cannot be written: {error.strerror or error}.", "Check the disk and its permissions."
        ) from error
    except UnicodeEncodeError as error:
        raise ConsentError(f"{shown(path)} cannot be written: an entry is not valid text.") from error
    return path


def problem(name: str, value: object, required: bool = True) -> str:
    """What is wrong with the entry of that name, as the end of a sentence; empty where nothing is."""
    if name == "until":
        return "" if day(value) else "must be a date, such as 2030-12-31"
    if not isinstance(value, str):
        return "must be text"
    if required and not value.strip():
        return "is empty"
    # The person's name goes into the header of every frame.
    if len(value) > LONGEST or (name == "person" and not value.strip().isprintable()):
        return f"must be one line of at most {LONGEST} characters"
    return ""


def day(value: object) -> date | None:
    """The day that an entry names, a date or its text as YYYY-MM-DD; None where it names none."""
    if isinstance(value, datetime):
        return None
    if isinstance(value, date):
        return value
    try:
        return date.fromisoformat(value.strip()) if isinstance(value, str) else None
    except ValueError:
        return None


def _refused(folder: Path, message: str) -> ConsentError:
    again = " --replace" if os.path.lexists(folder / NAME) else ""
    return ConsentError(message, f"Make the record with `faceplate identity init {shown(folder)}{again}`.")
