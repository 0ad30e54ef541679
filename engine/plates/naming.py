"""How plates are named: frame numbers inside file names, and names that can be printed whatever their bytes are."""

import os
import re
from pathlib import Path

EXR_SUFFIX = ".exr"
STILL_SUFFIXES = (".png", ".tif", ".tiff", ".jpg", ".jpeg", ".dpx")
SUFFIXES = (EXR_SUFFIX, *STILL_SUFFIXES)

# The last run of digits before the extension. A minus sign belongs to the number only right after a dot or an
# underscore: "plate-0010.exr" is frame 10.
_NUMBERED = re.compile(r"(?P<base>.*?)(?P<number>(?:(?<=[._])-)?[0-9]+)(?P<suffix>\.[^.]+)", re.DOTALL)
_MAX_DIGITS = 18


def is_utf8(path: str | os.PathLike[str]) -> bool:
    """Whether the name is UTF-8, which foreign libraries take for granted."""
    try:
        os.fspath(path).encode("utf-8")
    except UnicodeEncodeError:
        return False
    return True


def split_number(file_name: str) -> tuple[str, str, str] | None:
    """Base, frame number as written, and extension of a numbered file name, or None.

    Digits count as a frame number when something separates them from the base, or when there are four or more:
    `sh010.1001.exr`, `shot0001.exr` and `0001.exr` are numbered, `still_v2.png` and `rec709.exr` are not.
    """
    found = _NUMBERED.fullmatch(file_name)
    if found is None:
        return None
    base, number, suffix = found["base"], found["number"], found["suffix"]
    if len(number) > _MAX_DIGITS or (base and base[-1] not in "._- " and len(number) < 4):
        return None
    return base, number, suffix


def frame_number(file_name: str) -> int:
    """The frame number in a file name; 1 where there is none."""
    parts = split_number(file_name)
    return int(parts[1]) if parts else 1


def plate_name(base: str, folder: Path) -> str:
    """The name of a plate: the file name without frame and extension; the folder's where nothing is left."""
    return base.rstrip("._- ") or folder.resolve().name or "plate"


def companion_path(path: Path) -> Path:
    """The file of a frame's layers: sh010.1001.exr has sh010.layers.1001.exr."""
    numbered = split_number(path.name)
    if numbered is None:
        return path.with_name(f"{path.stem}.layers{path.suffix}")
    base, number, suffix = numbered
    joint = base[-1:] if base[-1:] in ("_", "-", " ") else "."
    return path.with_name(f"{base.rstrip('._- ')}{joint if base else ''}layers{joint}{number}{suffix}")
