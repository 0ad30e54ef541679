"""Who is who from frame to frame: faces become tracks, tracks become people.

In each frame the faces are assigned to the tracks so far by the least total cost (Kuhn 1955; SciPy's
`linear_sum_assignment`), where both the place and the identity must fit: two people who cross do not swap, and one
person's head that turns away is not lost.
"""

import itertools
from collections.abc import Collection, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from engine.faces.detect import overlap
from engine.faces.identity import SAME_PERSON, distance, robust_mean
from engine.faces.mesh import mesh_box

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# A face that is not seen for more frames than this begins a new track when it returns.
LONGEST_GAP = 12
# The identity of a track, to compare with, is that of its last frames: it follows a turn of the head.
RECENT = 5
# Alone in its place, and missed for no more than a frame, a face may look this unlike itself (turned away, blurred,
# half hidden) and still be followed. Two people are about 0.8 apart.
UNLIKE_ITSELF, AT_ONCE = 0.72, 2
# A face moves by less than this fraction of its size from frame to frame.
FARTHEST = 0.6
# A track shorter than this, of faces that scored less, is a false alarm, unless the scene itself is shorter.
BRIEF, DOUBTFUL = 3, 0.7
# No pair costs this much.
IMPOSSIBLE = 1e6


class Sighting(NamedTuple):
    """A face in a frame: mesh (478, 3) float32 in plate pixels, score and presence [0, 1], embedding (128,)."""

    mesh: Float32
    score: float
    presence: float
    embedding: Float32


class Chain:
    """Sightings of one face in rising order; `steps` are positions in time, one for each frame of the plate's step."""

    def __init__(self, step: int, sighting: Sighting) -> None:
        self.steps = [step]
        self.sightings = [sighting]

    def add(self, step: int, sighting: Sighting) -> None:
        self.steps.append(step)
        self.sightings.append(sighting)

    def expected(self, step: int) -> Float64:
        """The box (4,) where the face should be at `step`, if it goes on as it went between its last two frames."""
        last = mesh_box(self.sightings[-1].mesh)
        if len(self.steps) < 2:
            return last
        before = mesh_box(self.sightings[-2].mesh)
        # A motion that was measured once is not trusted for long.
        ahead = min(2.0, (step - self.steps[-1]) / (self.steps[-1] - self.steps[-2]))
        middle = ((last[:2] + last[2:]) - (before[:2] + before[2:])) / 2 * ahead
        return last + np.tile(middle, 2)

    def recent_identity(self) -> Float64:
        recent = np.stack([sighting.embedding for sighting in self.sightings[-RECENT:]])
        return recent.astype(np.float64).mean(axis=0)

    def identity(self) -> Float32:
        return robust_mean(np.stack([sighting.embedding for sighting in self.sightings]))


def link(seen: Sequence[Sequence[Sighting]], steps: Sequence[int], cuts: Collection[int]) -> list[Chain]:
    """Tracks of the faces `seen` in each frame, in order of their beginning.

    steps: where each frame lies in time, rising. cuts: the frames, as indices of `seen`, that begin a new scene.
    """
    finished: list[Chain] = []
    live: list[Chain] = []
    bounds = [0, *sorted(cuts), len(seen)]
    for first, end in itertools.pairwise(bounds):
        done: list[Chain] = []
        for index in range(first, end):
            gone = [chain for chain in live if steps[index] - chain.steps[-1] > LONGEST_GAP + 1]
            done += gone
            live = [chain for chain in live if chain not in gone]
            _extend(live, steps[index], seen[index])
        shortest = min(BRIEF, end - first)
        finished += [chain for chain in done + live if not _false_alarm(chain, shortest)]
        live = []
    return sorted(finished, key=lambda chain: (chain.steps[0], float(chain.sightings[0].mesh[0, 0])))


def people(chains: Sequence[Chain]) -> list[int]:
    """A number for each chain: chains that never share a frame and have near identities are one person."""
    numbers = [-1] * len(chains)
    identities = [chain.identity() for chain in chains]
    members: list[list[int]] = []
    for index in sorted(range(len(chains)), key=lambda i: (-len(chains[i].steps), i)):
        options = []
        for person, others in enumerate(members):
            if any(_share_time(chains[index], chains[other]) for other in others):
                continue
            options.append((min(distance(identities[index], identities[other]) for other in others), person))
        if options and min(options)[0] < SAME_PERSON:
            numbers[index] = min(options)[1]
            members[numbers[index]].append(index)
        else:
            numbers[index] = len(members)
            members.append([index])
    return numbers


def _extend(live: list[Chain], step: int, sightings: Sequence[Sighting]) -> None:
    """Give each sighting to the chain that it continues, and begin a chain for each that is left."""
    taken: set[int] = set()
    if live and sightings:
        costs = _costs(live, step, sightings)
        rows, columns = linear_sum_assignment(costs)
        for row, column in zip(rows, columns, strict=True):
            if costs[row, column] < IMPOSSIBLE:
                live[row].add(step, sightings[column])
                taken.add(int(column))
    live += [Chain(step, sighting) for column, sighting in enumerate(sightings) if column not in taken]


def _costs(live: Sequence[Chain], step: int, sightings: Sequence[Sighting]) -> Float64:
    boxes = [mesh_box(sighting.mesh) for sighting in sightings]
    near = np.zeros((len(live), len(sightings)))
    unlike = np.zeros_like(near)
    for row, chain in enumerate(live):
        place, identity = chain.expected(step), chain.recent_identity()
        for column, box in enumerate(boxes):
            near[row, column] = _nearness(place, box, step - chain.steps[-1])
            unlike[row, column] = distance(sightings[column].embedding, identity)
    possible = near > 0.0
    # Where two faces claim one place, the identity decides; a face alone in its place has the benefit of the doubt.
    alone = (possible.sum(0, keepdims=True) == 1) & (possible.sum(1, keepdims=True) == 1)
    at_once = np.array([[step - chain.steps[-1] <= AT_ONCE] for chain in live])
    possible &= unlike < np.where(alone & at_once, UNLIKE_ITSELF, SAME_PERSON)
    return np.where(possible, (1.0 - near) + unlike / SAME_PERSON, IMPOSSIBLE)


def _nearness(expected: Float64, box: Float64, gap: int) -> float:
    """How well a box fits its expected place: its overlap, a little where it is only near, 0 where it is not."""
    size = max(expected[2] - expected[0], expected[3] - expected[1])
    apart = float(np.linalg.norm((box[:2] + box[2:]) - (expected[:2] + expected[2:]))) / 2
    grown = max(box[2] - box[0], box[3] - box[1]) / max(size, 1e-6)
    reach = FARTHEST * min(gap, 3)
    if apart > reach * size or not 1 / (1 + reach) < grown < 1 + reach:
        return 0.0
    return max(overlap(expected, box), 0.05)


def _false_alarm(chain: Chain, shortest: int) -> bool:
    scores = [sighting.score for sighting in chain.sightings]
    return len(chain.steps) < shortest and float(np.mean(scores)) < DOUBTFUL


def _share_time(first: Chain, second: Chain) -> bool:
    return first.steps[0] <= second.steps[-1] and second.steps[0] <= first.steps[-1]
