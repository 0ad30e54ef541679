"""Small TOML files that people write: read whole or refused with a reason, written whole or not at all."""

import os
import stat
import tomllib
from pathlib import Path
from typing import Any

LIMIT = 1_000_000
"""Bytes; a recipe with a hundred people in it has a tenth of this."""


class TomlError(ValueError):
    """Says, as the end of a sentence that begins with the file's name, why it cannot be used."""


def read(path: Path) -> dict[str, Any]:
    """The tables of a TOML file. A byte-order mark is allowed; `FileNotFoundError` and `TomlError` otherwise."""
    try:
        # The kind is looked at first: to open a named pipe would wait for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise TomlError("is not a file")
        with path.open("rb") as file:
            data = file.read(LIMIT + 1)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise TomlError(f"cannot be read: {error.strerror or error}") from error
    if len(data) > LIMIT:
        raise TomlError("is too large to be what it should be")
    try:
        return tomllib.loads(data.decode("utf-8-sig").replace("\r\n", "\n"))
    except UnicodeDecodeError as error:
        raise TomlError("is not UTF-8 text") from error
    except RecursionError as error:
        raise TomlError("is nested too deeply") from error
    except ValueError as error:
        raise TomlError(f"is not TOML: {error}") from error


def write(path: Path, text: str) -> None:
    """Write the text as UTF-8 under its final name only once it is whole. Raises `OSError`, `UnicodeEncodeError`."""
    data = text.encode("utf-8")
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_bytes(data)
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
