# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine works on for this Blender: solving the shot of a clip, and replacing faces in it."""

from collections.abc import Callable

import bpy

from engine.wire.messages import Solve, Swap
from engine.wire.work import Work

from . import frames, settings
from .connection import engine

# The last that was begun, whether or not it is over; at most one.
latest: list[Work] = []


def is_working() -> bool:
    """Whether the engine works on something for this Blender."""
    return any(not work.outcome for work in latest)


def begin(work: Work) -> Work:
    """Have it done."""
    latest[:] = [work]
    work.start()
    return work


def solve(clip: bpy.types.MovieClip) -> Work:
    """Finds the faces of a clip's shot, and follows them."""
    plain = settings.plain_shot(clip)
    return Work(engine, Solve(plain, plain["tracks"]), lambda work: engine.forget())


def swap(clip: bpy.types.MovieClip, wanted: str, redo: bool, ended: Callable[[Work], None]) -> Work:
    """Replaces the faces in a clip, or in some of its frames: `wanted` is a range of numbers of files."""
    numbers = frames.clip_numbers(clip)
    plain = settings.plain_shot(clip)
    plain["key"] = settings.keys(clip, ((number, frames.clip_frame(clip, number)) for number in numbers))
    return Work(engine, Swap(plain, wanted, redo), ended)
