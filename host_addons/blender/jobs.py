# SPDX-License-Identifier: GPL-3.0-or-later
"""What the engine works on for this Blender: solving the shot of a clip, and replacing faces in it."""

from collections.abc import Callable, Iterator
from itertools import groupby

import bpy

from engine.wire.messages import Solve, Swap
from engine.wire.sequence import numbers_in
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
    return Work(engine, [Solve(plain, plain["tracks"])], lambda work: engine.forget())


def swap(clip: bpy.types.MovieClip, wanted: str, redo: bool, ended: Callable[[Work], None]) -> Work:
    """Replaces the faces in a clip, or in some of its frames: `wanted` is a range of numbers of files."""
    if not settings.animated_values(clip, 0):
        return Work(engine, [Swap(settings.plain_shot(clip), wanted, redo)], ended)
    numbers = _numbers(clip, wanted or settings.settings_of(clip).plate.frames)
    return Work(engine, _stretches(clip, numbers, redo), ended, len(numbers))


def _stretches(clip: bpy.types.MovieClip, numbers: list[int], redo: bool) -> Iterator[Swap]:
    """A request for each stretch of frames that have the same settings."""

    def values(number: int) -> list[float]:
        return settings.animated_values(clip, frames.clip_frame(clip, number))

    for _, stretch in groupby(numbers, values):
        same = list(stretch)
        yield Swap(settings.plain_shot(clip, frames.clip_frame(clip, same[0])), ",".join(map(str, same)), redo)


def _numbers(clip: bpy.types.MovieClip, text: str) -> list[int]:
    """The numbers in a range such as 1001-1024x2,1030; of an empty one, those of the whole clip."""
    return numbers_in(text) if text else list(frames.clip_numbers(clip))
