"""Which pictures of a person are used for a frame, and by what shares.

How far a picture is from a face is its *gap*: how far the head must turn and the mouth must change, and what is held
against the picture itself. The nearest counts fully, others that are almost as near by shares that rise from 0, so that
none comes in with a jump. The shares of a frame are the mean of those of the frames around it (`engine.faces.course`):
a face that talks or turns fast, or a track that trembles, changes them no faster than that mean allows.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from engine.faces.course import Course
from engine.swappers.portrait import Portrait

Float64 = NDArray[np.float64]

# A turn by so many degrees weighs as much as a mouth that is wholly different.
DEGREES_LIKE_A_MOUTH = 60.0
# Pictures whose gaps differ by less than this are mixed.
CROSS_FADE = 0.15
# A picture with glasses or facial hair is taken only when the others are this much worse.
OBSTRUCTED = 0.5
# What is held, at most, against a blurred picture, and against one in hard light: as much as a turn by 9 degrees each.
BLURRED = 0.15
HARD_LIGHT = 0.15
# Contrast of the light on the skin, in stops, from which it counts as hard, and at which it counts fully. Portraits in
# even light: 0.8 to 1.4; with one half of the face in the shade: 2.1 to 2.5.
HARD = (1.4, 2.4)
# Of pictures nearer to each other than this one is used: more of them would only blur each other.
SPACING = 0.1
# Shares fall to 0 here: a picture is not read, and carried over the mesh, for less.
LEAST = 0.02


def fault(portrait: Portrait) -> float:
    """What is held against a picture, in the unit of a gap; it grows evenly with the light's contrast and the blur."""
    hard = float(np.clip((portrait.light.contrast - HARD[0]) / (HARD[1] - HARD[0]), 0.0, 1.0))
    blurred = 1.0 - portrait.sharpness
    return OBSTRUCTED * len(portrait.obstructions) + HARD_LIGHT * hard + BLURRED * blurred


def spaced(portraits: Sequence[Portrait]) -> list[int]:
    """For each picture the one that is used in its place: itself, or a better one of nearly the same pose and mouth.

    The better one has less against it; of two alike the wider face, then the first, counts as better.
    """
    order = sorted(range(len(portraits)), key=lambda at: (fault(portraits[at]), -portraits[at].width, at))
    distances, instead = _distances(_angles(portraits), _mouths(portraits), portraits), list(range(len(portraits)))
    used: list[int] = []
    for at in order:
        near = [other for other in used if distances[at, other] < SPACING]
        if near:
            instead[at] = min(near, key=lambda other: distances[at, other])
        else:
            used.append(at)
    return instead


def shares(portraits: Sequence[Portrait], course: Course) -> Float64:
    """How much each of some pictures counts for the frame in the middle of a course, (n,), which sum to 1.

    A turn of the whole course by a degree moves a share by 0.15 at most, where two pictures change places.
    """
    gaps = _distances(course.angles, course.mouths, portraits) + [fault(portrait) for portrait in portraits]
    nearness = np.clip(1.0 - (gaps - gaps.min(1, keepdims=True)) / CROSS_FADE, 0.0, 1.0) ** 2
    mean = course.shares @ (nearness / nearness.sum(1, keepdims=True))
    # Of many pictures none may have that much; the largest stays.
    kept = np.maximum(mean - min(LEAST, 0.5 * float(mean.max())), 0.0)
    return kept / kept.sum()


def _distances(angles: Float64, mouths: Float64, portraits: Sequence[Portrait]) -> Float64:
    """From poses (k, 2) and mouths (k, 3) to those of pictures, (k, n)."""
    turns = np.linalg.norm(angles[:, None] - _angles(portraits)[None], axis=2) / DEGREES_LIKE_A_MOUTH
    return turns + np.linalg.norm(mouths[:, None] - _mouths(portraits)[None], axis=2)


def _angles(portraits: Sequence[Portrait]) -> Float64:
    return np.array([portrait.angles[:2] for portrait in portraits], np.float64)


def _mouths(portraits: Sequence[Portrait]) -> Float64:
    return np.array([portrait.mouth for portrait in portraits], np.float64)
