"""Finds the `faceplate` command from within a host program, and the environment to run it in."""

import os
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from engine.wire.errors import CommandMissing

VARIABLE = "FACEPLATE_COMMAND"
_NAME = "faceplate"
# A host's own Python and libraries, which another Python must not be given: it would load parts of the host in place of
# its own, and fail in ways that nobody can explain. Whose engine needs one of them names a script that sets it.
_LIBRARIES = ("LD_LIBRARY_PATH", "LD_PRELOAD", "__PYVENV_LAUNCHER__")
_FAMILIES = ("PYTHON", "DYLD_", "_PYI_")
# Where `pip install --user` was told to put the command's own packages.
_KEPT = ("PYTHONUSERBASE",)


def find_command(command: str | None = None) -> str:
    """The command's file: `command` where it is given; else what FACEPLATE_COMMAND names; else where it is installed.

    Looks through PATH and then where pip, pipx and uv put a user's commands. `command` is a path, or a name in PATH.
    Raises CommandMissing; what is named and is not there is not replaced by another.
    """
    for named, where in ((command, "the preferences"), (os.environ.get(VARIABLE), VARIABLE)):
        if named:
            found = _named(named)
            if found is None:
                raise CommandMissing(f"There is no command {named}.", f"Correct it in {where}.")
            return found
    found = next(_among(_NAME, [*_path(), *_usual_folders()]), None)
    if found is None:
        raise CommandMissing(
            "The faceplate command was not found.", f"Install Faceplate, or name its command in {VARIABLE}."
        )
    return found


def clean_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """The environment without what a host has put there for its own Python and its own libraries.

    All else stays: the colour configuration, folders, and what a person has set for Faceplate.
    """
    return {
        name: value
        for name, value in environment.items()
        if name in _KEPT or (name not in _LIBRARIES and not name.startswith(_FAMILIES))
    }


def _named(command: str) -> str | None:
    path = Path(command).expanduser()
    if path.is_absolute():
        return shutil.which(str(path))
    return next(_among(command, _path()), None) if path.name == command else None


def _among(name: str, folders: list[Path]) -> Iterator[str]:
    # With a folder before it, Windows does not look into the current one, where anybody's project may lie.
    return (found for folder in folders if (found := shutil.which(str(folder / name))))


def _path() -> list[Path]:
    parts = os.environ.get("PATH", "").split(os.pathsep)
    return [folder for part in parts if (folder := Path(part)).is_absolute()]


def _usual_folders() -> Iterator[Path]:
    """A program that was started from a desktop often has not the PATH of the user's shell."""
    for name in ("UV_TOOL_BIN_DIR", "PIPX_BIN_DIR", "XDG_BIN_HOME"):
        if Path(os.environ.get(name, "")).is_absolute():
            yield Path(os.environ[name])
    home = Path.home()
    inner = "Scripts" if sys.platform == "win32" else "bin"
    yield home / ".local" / "bin"
    tools = [home / ".local" / "share" / "uv" / "tools", home / ".local" / "share" / "pipx" / "venvs"]
    tools += [home / ".local" / "pipx" / "venvs", home / "pipx" / "venvs"]
    match sys.platform:
        case "win32":
            roaming = Path(os.environ.get("APPDATA") or home / "AppData" / "Roaming")
            local = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
            tools += [roaming / "uv" / "tools", local / "pipx" / "pipx" / "venvs"]
            yield from sorted((roaming / "Python").glob("Python3*/Scripts"), reverse=True)
            yield from sorted((local / "Programs" / "Python").glob("Python3*/Scripts"), reverse=True)
        case "darwin":
            tools += [home / "Library" / "Application Support" / "pipx" / "venvs"]
            yield from sorted((home / "Library" / "Python").glob("3.*/bin"), reverse=True)
            yield from (Path("/opt", "homebrew", "bin"), Path("/usr/local/bin"))
        case _:
            yield Path("/usr/local/bin")
    yield from (folder / _NAME / inner for folder in tools)
