# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine works on for this Blender: solving the shot of a clip, and replacing faces in it."""

from collections.abc import Callable

import bpy

from engine.wire.errors import HostChanged
from engine.wire.messages import Solve, Swap
from engine.wire.sequence import numbers_in
from engine.wire.work import Work, stretches

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
    return Work(engine, [Solve(plain, plain["tracks"])], lambda work: engine.forget())


def swap(clip: bpy.types.MovieClip, wanted: str, redo: bool, ended: Callable[[Work], None]) -> Work:
    """Replaces the faces in a clip, or in some of its frames: `wanted` is a range of numbers of files."""
    if not settings.animated_values(clip, 0):
        return Work(engine, [Swap(settings.plain_shot(clip), wanted, redo)], ended)
    some = wanted or settings.settings_of(clip).plate.frames
    numbers, uid = numbers_in(some) if some else list(frames.clip_numbers(clip)), clip.session_uid

    def found() -> bpy.types.MovieClip:
        clip = settings.clip_with(uid)
        if clip is None:
            raise HostChanged("The clip has been removed.", "The frames that are done stay.")
        return clip

    def values(number: int) -> list[float]:
        return settings.animated_values(found(), frames.clip_frame(found(), number))

    def request(number: int, same: str) -> Swap:
        return Swap(settings.plain_shot(found(), frames.clip_frame(found(), number)), same, redo)

    return Work(engine, stretches(numbers, values, request), ended, len(numbers))
