"""Looks for folders, and makes those that results go to."""

from pathlib import Path

from engine.errors import OutputError, OutputRefused
from engine.events import shown


def is_folder(path: Path) -> bool:
    """Whether there is such a folder; `Path.is_dir` raises for a name that is too long."""
    try:
        return path.is_dir()
    except OSError:
        return False


def is_other_than_file(path: Path) -> bool:
    """Whether something is there that is no file: to open a named pipe, or to read a device, might never end.

    Raises OSError.
    """
    return path.exists() and not path.is_file()


def make_folder(folder: Path) -> None:
    """Make the folder and those above it. Raises `OutputRefused` where a file is in the way, else `OutputError`."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError) as error:
        raise OutputRefused(
            f"{shown(folder)} cannot be a folder: a file is in the way.", "Choose another place."
        ) from error
    except OSError as error:
        raise OutputError(
            f"The folder {shown(folder)} cannot be made: {error.strerror or error}.", "Choose another place."
        ) from error
