# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file Blender shows at a frame of the scene, as its movie clips and its image sequences count.

`frame` is a frame of the scene, `number` that in the name of a file, as the engine counts.
"""

import os
import re
from pathlib import Path

import bpy

# Blender takes the last digits of a name, before its suffix, for the number.
_NUMBER = re.compile(r"(?P<head>.*?)(?P<digits>\d+)(?P<tail>\D*)$")


def plate_path(clip: bpy.types.MovieClip) -> str:
    """The clip's footage as the engine names it: a sequence with # for each digit of its number."""
    path = Path(whole_path(clip, clip.filepath))
    return pattern(path) if clip.source == "SEQUENCE" else str(path)


def pattern(path: Path) -> str:
    """The sequence that a file is of, with # for each digit of its number."""
    found = _NUMBER.match(path.stem)
    return str(path if found is None else _named(path, found, "#" * len(found["digits"])))


def numbered(path: Path, number: int) -> Path:
    """The file of the same sequence that has this number; a file without one stays itself."""
    found = _NUMBER.match(path.stem)
    return path if found is None else _named(path, found, f"{number:0{len(found['digits'])}d}")


def number_of(path: Path) -> int:
    """The number in the name of a file; 1 where there is none."""
    found = _NUMBER.match(path.stem)
    return int(found["digits"]) if found else 1


def numbers_beside(path: Path) -> list[int]:
    """The numbers of the files of the same sequence that are there."""
    found = _NUMBER.match(path.stem)
    if found is None:
        return [1]
    names = re.compile(re.escape(found["head"]) + r"(\d+)" + re.escape(found["tail"] + path.suffix))
    return sorted(int(named[1]) for one in path.parent.iterdir() if (named := names.fullmatch(one.name)))


def _named(path: Path, found: re.Match[str], digits: str) -> Path:
    return path.with_name(f"{found['head']}{digits}{found['tail']}{path.suffix}")


def whole_path(clip: bpy.types.MovieClip, path: str) -> str:
    """A path without Blender's // for the folder of the file, and without dots; an empty one stays empty."""
    return os.path.normpath(bpy.path.abspath(path, library=clip.library)) if path else ""


def clip_number(clip: bpy.types.MovieClip, frame: int) -> int:
    """The number of the file that a movie clip shows at a frame of the scene."""
    return _first_number(clip) + frame - clip.frame_start + clip.frame_offset


def clip_frame(clip: bpy.types.MovieClip, number: int) -> int:
    """The frame of the scene at which a movie clip shows a file."""
    return number - _first_number(clip) + clip.frame_start - clip.frame_offset


def image_number(user: bpy.types.ImageUser | bpy.types.CompositorNodeImage, frame: int) -> int:
    """The number of the file that an image sequence shows at a frame of the scene, within its duration."""
    return frame - user.frame_start + 1 + user.frame_offset


def image_frame(user: bpy.types.ImageUser | bpy.types.CompositorNodeImage, number: int) -> int:
    """The frame of the scene at which an image sequence shows a file."""
    return number + user.frame_start - 1 - user.frame_offset


def _first_number(clip: bpy.types.MovieClip) -> int:
    """The number in the name of the file that the clip was opened by; a movie's first frame is 1."""
    return number_of(Path(clip.filepath)) if clip.source == "SEQUENCE" else 1
