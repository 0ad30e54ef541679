"""For hosts: where a user's logs and settings are, in the same places as the engine's; the standard library alone."""

import os
import sys
from pathlib import Path


def log_folder() -> Path:
    """FACEPLATE_LOGS, or where the system keeps a user's logs."""
    return _folder("FACEPLATE_LOGS", ("Logs",), ("Library", "Logs"), "XDG_STATE_HOME", (".local", "state"), ("log",))


def settings_folder(host: str) -> Path:
    """A host's own folder in FACEPLATE_SETTINGS, or where the system keeps a user's settings."""
    mac = ("Library", "Application Support")
    return _folder("FACEPLATE_SETTINGS", (), mac, "XDG_CONFIG_HOME", (".config",), ()) / host


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
