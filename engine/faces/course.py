"""What a face does around a frame: its pose and its mouth, and how near in time each of them is.

A choice that is made for all of a course, each moment by its share, changes little from one frame to the next whatever
the face does, and a frame can still be rendered alone: the tracks say all of it.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.faces.pose import fit_pose, mouth_shape
from engine.faces.tracks import Track

Float64 = NDArray[np.float64]

# Sigma, in frames, of the shares over time, and the most distant frame: a choice changes by at most 0.14 per frame.
SIGMA = 3.0
REACH = 8


class Course(NamedTuple):
    """angles: (k, 2) yaw and pitch in degrees. mouths: (k, 3) as in `pose.Mouth`. shares: (k,), which sum to 1."""

    angles: Float64
    mouths: Float64
    shares: Float64


def moment(mesh: NDArray[np.floating]) -> Course:
    """The course of a face of which only this 478-point mesh is known."""
    return Course(fit_pose(mesh).angles[None, :2], np.array([mouth_shape(mesh)]), np.ones(1))


def course_at(track: Track, frame: int) -> Course:
    """The course of a track around a frame, of what lies within REACH frames of it; the track must have some."""
    near = np.flatnonzero(np.abs(track.frames.astype(np.int64) - frame) <= REACH)
    shares = np.exp(-0.5 * ((track.frames[near].astype(np.float64) - frame) / SIGMA) ** 2)
    moments = [moment(mesh) for mesh in track.mesh[near].astype(np.float64)]
    angles, mouths = (np.concatenate(parts) for parts in zip(*[one[:2] for one in moments], strict=True))
    return Course(angles, mouths, shares / shares.sum())
