# SPDX-License-Identifier: GPL-3.0-or-later
"""Which file Blender shows at a frame of the scene, as its movie clips and its image sequences count.

`frame` is a frame of the scene, `number` that in the name of a file, as the engine counts.
"""

import os
from pathlib import Path
from typing import Any

import bpy

from engine.wire.messages import Footage
from engine.wire.sequence import number_of, pattern


def plate_path(clip: bpy.types.MovieClip) -> str:
    """The clip's footage as the engine names it: a sequence with # for each digit of its number."""
    path = Path(whole_path(clip, clip.filepath))
    return str(pattern(path)) if clip.source == "SEQUENCE" else str(path)


def whole_path(clip: bpy.types.MovieClip, path: str) -> str:
    """A path without Blender's // for the folder of the file, and without dots; an empty one stays empty."""
    return os.path.normpath(bpy.path.abspath(path, library=clip.library)) if path else ""


def clip_number(clip: bpy.types.MovieClip, frame: int) -> int:
    """The number of the file that a movie clip shows at a frame of the scene."""
    return _first_number(clip) + frame - clip.frame_start + clip.frame_offset


def clip_numbers(clip: bpy.types.MovieClip) -> range:
    """The numbers of all files of a movie clip."""
    first = clip_number(clip, clip.frame_start)
    return range(first, first + clip.frame_duration)


def clip_frame(clip: bpy.types.MovieClip, number: int) -> int:
    """The frame of the scene at which a movie clip shows a file."""
    return number - _first_number(clip) + clip.frame_start - clip.frame_offset


def plate_corner(clip: Any, footage: Footage) -> tuple[int, int] | None:
    """Where in the plate the top left of Blender's picture is: of an EXR, it shows the data window as the whole.

    None where the picture is neither that nor the display window.
    """
    for left, top, right, bottom in (footage.data, (0, 0, footage.width, footage.height)):
        if tuple(clip.size) == (right - left, bottom - top):
            return left, top
    return None


def _first_number(clip: bpy.types.MovieClip) -> int:
    """The number in the name of the file that the clip was opened by; a movie's first frame is 1."""
    return number_of(Path(clip.filepath)) if clip.source == "SEQUENCE" else 1
