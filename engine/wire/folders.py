"""For hosts: where a user's logs and settings are, as the engine has them; a log, and what is kept as JSON.

Needs the standard library alone, of a Python that may be too old for all else.
"""

from __future__ import annotations

import json
import logging
import logging.handlers
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# Bytes of one file of a log, and how many older ones are kept.
_FILE_BYTES, _OLDER = 1 << 20, 3


def log_folder() -> Path:
    """FACEPLATE_LOGS, or where the system keeps a user's logs."""
    return _folder("FACEPLATE_LOGS", ("Logs",), ("Library", "Logs"), "XDG_STATE_HOME", (".local", "state"), ("log",))


def settings_folder(host: str) -> Path:
    """A host's own folder in FACEPLATE_SETTINGS, or where the system keeps a user's settings."""
    mac = ("Library", "Application Support")
    return _folder("FACEPLATE_SETTINGS", (), mac, "XDG_CONFIG_HOME", (".config",), ()) / host


@contextmanager
def logging_to(path: Path, log: logging.Logger) -> Iterator[None]:
    """Keep what is logged, from INFO, in a file of bounded size. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    file = logging.handlers.RotatingFileHandler(path, maxBytes=_FILE_BYTES, backupCount=_OLDER, encoding="utf-8")
    file.setFormatter(logging.Formatter("%(asctime)s %(process)d %(levelname)s: %(message)s"))
    log.addHandler(file)
    log.setLevel(logging.INFO)
    try:
        yield
    finally:
        log.removeHandler(file)
        file.close()


def read_kept(path: Path) -> dict[str, Any]:
    """What was kept in a file; empty where nothing was, or it cannot be read."""
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}


def keep(path: Path, value: dict[str, Any]) -> Path:
    """Keep plain values in a file, which is whole whenever it is read; its path. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f"{path.name}.part")
    unfinished.write_text(json.dumps(value, indent=1), encoding="utf-8")
    return unfinished.replace(path)


def _folder(
    variable: str,
    windows: tuple[str, ...],
    mac: tuple[str, ...],
    xdg: str,
    linux: tuple[str, ...],
    below: tuple[str, ...],
) -> Path:
    named = os.environ.get(variable)
    if named:
        return Path(named).absolute()
    home = Path.home()
    if sys.platform == "win32":
        local = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
        return local.joinpath("faceplate", *windows)
    if sys.platform == "darwin":
        return home.joinpath(*mac, "faceplate")
    return Path(os.environ.get(xdg) or home.joinpath(*linux)).joinpath("faceplate", *below)
