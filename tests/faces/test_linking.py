"""Tracks by place and identity, people by identity, and the frames between."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from engine.faces.analyse import Face
from engine.faces.bridging import bridge
from engine.faces.linking import LONGEST_GAP, Chain, Sighting, link, people
from engine.faces.mesh import face_width

Float64 = NDArray[np.float64]


def person(seed: int) -> NDArray[np.float32]:
    """An identity; two seeds are about 0.85 apart."""
    vector = np.random.default_rng(seed).normal(0, 1, 128)
    return (0.6 * vector / np.linalg.norm(vector)).astype(np.float32)


def sighting(
    x: float, y: float = 100.0, who: int = 0, size: float = 50.0, score: float = 0.9, seed: int = 0
) -> Sighting:
    """A face at a place; its identity wavers a little with `seed`."""
    mesh = np.random.default_rng(1).uniform(-0.5, 0.5, (478, 3)) * size + [x, y, 0.0]
    waver = np.random.default_rng(seed).normal(0, 0.01, 128)
    return Sighting(mesh.astype(np.float32), score, 1.0, (person(who) + waver).astype(np.float32))


def test_two_people_who_cross_keep_their_tracks() -> None:
    seen = [[sighting(100 + 10 * t, who=1, seed=t), sighting(400 - 10 * t, who=2, seed=t)] for t in range(31)]
    chains = link(seen, range(31), [])
    assert [len(chain.steps) for chain in chains] == [31, 31]
    for chain in chains:
        identity = chain.sightings[0].embedding
        assert all(np.linalg.norm(s.embedding - identity) < 0.4 for s in chain.sightings)


def test_the_order_in_which_faces_are_found_does_not_matter() -> None:
    seen = [[sighting(100, who=1), sighting(300, who=2)][:: (-1) ** t] for t in range(10)]
    assert [len(chain.steps) for chain in link(seen, range(10), [])] == [10, 10]


def test_a_short_gap_is_one_track_and_a_long_one_is_two_of_one_person() -> None:
    def shot(gap: int) -> list[Chain]:
        seen = [[] if 10 <= t < 10 + gap else [sighting(100, who=1, seed=t)] for t in range(40)]
        return link(seen, range(40), [])

    assert len(shot(LONGEST_GAP)) == 1
    parts = shot(LONGEST_GAP + 1)
    assert len(parts) == 2
    assert people(parts) == [0, 0]


def test_frames_that_are_missing_count_as_time() -> None:
    seen = [[sighting(100, seed=t)] for t in range(20)]
    assert len(link(seen, [*range(10), *range(30, 40)], [])) == 2


def test_a_cut_ends_every_track_and_people_go_on() -> None:
    seen = [[sighting(100, who=1), sighting(300, who=2)] for _ in range(10)]
    seen += [[sighting(100, who=2), sighting(300, who=1)] for _ in range(10)]
    chains = link(seen, range(20), [10])
    assert [chain.steps[0] for chain in chains] == [0, 0, 10, 10]
    left, right, left_after, right_after = people(chains)
    assert left != right
    assert (left_after, right_after) == (right, left)


def test_somebody_else_in_the_same_place_is_another_track() -> None:
    seen = [[sighting(100, who=1, seed=t)] for t in range(8)] + [[sighting(100, who=2, seed=t)] for t in range(8)]
    assert [len(chain.steps) for chain in link(seen, range(16), [])] == [8, 8]


@pytest.mark.parametrize(("beside", "tracks"), [(None, 1), (110, 2)])
def test_a_face_that_looks_unlike_itself_is_followed_only_when_it_is_alone(beside: int | None, tracks: int) -> None:
    turned = (0.22 * person(1) + 0.78 * person(5)).astype(np.float32)
    seen = [[sighting(100, who=1)] for _ in range(10)]
    seen += [[sighting(100)._replace(embedding=turned)]]
    if beside is not None:
        seen = [[*faces, sighting(beside, who=3)] for faces in seen]
    chains = [chain for chain in link(seen, range(11), []) if np.linalg.norm(chain.identity() - person(3)) > 0.5]
    assert len(chains) == tracks


def test_a_face_cannot_leap_across_the_picture() -> None:
    seen = [[sighting(100)] for _ in range(10)] + [[sighting(600)] for _ in range(10)]
    assert len(link(seen, range(20), [])) == 2


def test_a_doubtful_flicker_is_dropped_but_not_from_a_single_frame() -> None:
    seen = [[sighting(100, who=1)] for _ in range(10)]
    seen[4] = [*seen[4], sighting(500, who=2, score=0.55)]
    assert len(link(seen, range(10), [])) == 1
    assert len(link([[sighting(500, score=0.55)]], [0], [])) == 1


def test_a_bridge_follows_an_even_motion_exactly(astronaut_face: Face) -> None:
    mesh, width = astronaut_face.mesh, face_width(astronaut_face.mesh)
    centre = mesh[:468].mean(axis=0)

    def at(step: int) -> Float64:
        turned = Rotation.from_rotvec(np.radians([0.5, 2.0, 3.0]) * step).apply(mesh - centre)
        return 1.02**step * turned + centre + [4.0 * step, -2.0 * step, 0.0]

    steps = [*range(6), *range(14, 20)]
    chain = Chain(0, Sighting(at(0).astype(np.float32), 0.9, 1.0, person(0)))
    for step in steps[1:]:
        chain.add(step, Sighting(at(step).astype(np.float32), 0.9, 1.0, person(0)))
    filled = bridge(chain, range(20))
    truth = np.stack([at(step) for step in range(20)])
    np.testing.assert_allclose(filled.meshes, truth, atol=0.002 * width)
    assert filled.bridged.tolist() == [step not in steps for step in range(20)]
    assert filled.confidence[8] == pytest.approx(0.45)
    assert filled.confidence[3] == pytest.approx(0.9)


def test_a_bridge_only_fills_frames_that_the_plate_has() -> None:
    chain = Chain(2, sighting(100))
    chain.add(8, sighting(160))
    assert bridge(chain, [0, 2, 4, 6, 8, 10]).steps.tolist() == [2, 4, 6, 8]
