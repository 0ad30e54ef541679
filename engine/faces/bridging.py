"""Fill the frames in which a face was not seen, from the frames on both sides."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from engine.faces.linking import Chain
from engine.faces.mesh import SURFACE
from engine.faces.pose import fit_similarity

Float64 = NDArray[np.float64]

# A bridged frame is believed this much less than the worse of the frames that it lies between.
BRIDGED_CONFIDENCE = 0.5
# Frames on each side that the speed at a gap is measured over.
RUN_UP = 3


class Filled(NamedTuple):
    """A chain without gaps: steps (n,), meshes (n, 478, 3) float64, confidence (n,) [0, 1], bridged (n,)."""

    steps: NDArray[np.int64]
    meshes: Float64
    confidence: Float64
    bridged: NDArray[np.bool_]


def bridge(chain: Chain, steps: Sequence[int]) -> Filled:
    """The chain at each of the plate's `steps` between its first and its last frame.

    A face between two frames has its pose interpolated (its place by a cubic that keeps the speed of both sides, its
    turn and size evenly) and its shape mixed.
    """
    wanted = np.array([step for step in steps if chain.steps[0] <= step <= chain.steps[-1]], np.int64)
    seen = np.array(chain.steps, np.int64)
    meshes = np.stack([sighting.mesh for sighting in chain.sightings]).astype(np.float64)
    sure = np.array([sighting.score * sighting.presence for sighting in chain.sightings])
    places = meshes[:, :SURFACE].mean(axis=1)
    result = Filled(wanted, np.empty((len(wanted), *meshes.shape[1:])), np.empty(len(wanted)), ~np.isin(wanted, seen))
    for index, step in enumerate(wanted):
        after = int(np.searchsorted(seen, step))
        if seen[after] == step:
            result.meshes[index], result.confidence[index] = meshes[after], sure[after]
            continue
        before = after - 1
        share = float((step - seen[before]) / (seen[after] - seen[before]))
        gap = float(seen[after] - seen[before])
        start, end = _speed(seen, places, before, -RUN_UP), _speed(seen, places, after, RUN_UP)
        place = _cubic(places[before], places[after], start * gap, end * gap, share)
        result.meshes[index] = _between(meshes[before], meshes[after], share) + place
        result.confidence[index] = BRIDGED_CONFIDENCE * min(sure[before], sure[after])
    return result


def _between(first: Float64, second: Float64, share: float) -> Float64:
    """The mesh (478, 3) part of the way from one to another, about its own middle."""
    first, second = first - first[:SURFACE].mean(axis=0), second - second[:SURFACE].mean(axis=0)
    change = fit_similarity(first[:SURFACE], second[:SURFACE])
    shape = (1.0 - share) * first + share * change.back(second)
    turns = Slerp([0.0, 1.0], Rotation.from_matrix(np.stack([np.eye(3), change.rotation])))
    return change.scale**share * shape @ turns(share).as_matrix().T


def _speed(steps: NDArray[np.int64], places: Float64, at: int, reach: int) -> Float64:
    """The speed (3,) per step of a face over up to `reach` frames before (negative) or after frame `at`."""
    other = int(np.clip(at + reach, 0, len(steps) - 1))
    # Only frames in an unbroken run say how fast the face was.
    while other != at and abs(int(steps[other] - steps[at])) != abs(other - at):
        other += 1 if other < at else -1
    if other == at:
        return np.zeros(3)
    return (places[other] - places[at]) / float(steps[other] - steps[at])


def _cubic(first: Float64, second: Float64, start: Float64, end: Float64, share: float) -> Float64:
    """Hermite's cubic from `first` to `second` with the given slopes over the whole way."""
    s = share
    rest = 1.0 - s
    return (
        (1.0 + 2.0 * s) * rest * rest * first
        + s * rest * rest * start
        + s * s * (3.0 - 2.0 * s) * second
        - s * s * rest * end
    )
