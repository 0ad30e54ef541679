"""Who most pictures show, on vectors as far apart as the network's are: 0.45 within a person, 0.85 between two."""

import numpy as np
import pytest

from engine.faces.identity import NEARLY_THE_SAME, SAME_PERSON, independent_votes, majority, robust_mean


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def people(rng, *counts, within=0.45, between=0.75):
    """For each count so many embeddings (n, 128) of one person; distances are about those given."""
    found = []
    for count in counts:
        person = rng.standard_normal(128) / np.sqrt(128) * between / np.sqrt(2.0)
        found.append(person + rng.standard_normal((count, 128)) / np.sqrt(128) * within / np.sqrt(2.0))
    return np.concatenate(found).astype(np.float32)


def test_strangers_are_told_from_the_person(rng):
    members = majority(people(rng, 20, 3, 3, 2))
    assert members is not None
    assert members.tolist() == [True] * 20 + [False] * 8


def test_strangers_of_one_person_are_left_out_up_to_nearly_a_half(rng):
    members = majority(people(rng, 6, 5))
    assert members is not None
    assert members.tolist() == [True] * 6 + [False] * 5


@pytest.mark.parametrize("counts", [(1, 1), (3, 3), (2, 1, 1, 1), (4, 3, 2)])
def test_no_majority_is_no_person(rng, counts):
    assert majority(people(rng, *counts)) is None


@pytest.mark.parametrize("count", [1, 2, 60])
def test_pictures_of_one_person_are_all_theirs(rng, count):
    members = majority(people(rng, count))
    assert members is not None and members.all()


def test_a_burst_of_one_moment_does_not_outvote_the_rest(rng):
    """Twelve frames of a take show a stranger, three pictures the person."""
    person, stranger = people(rng, 3), people(rng, 1)
    burst = stranger + rng.standard_normal((12, 128)).astype(np.float32) * 0.05 / np.sqrt(128)
    found = np.concatenate([person, burst])
    members = majority(found)
    assert members is not None and members.tolist() == [True] * 3 + [False] * 12
    np.testing.assert_allclose(independent_votes(found), [1.0] * 3 + [1.0 / 12.0] * 12)
    assert NEARLY_THE_SAME < 0.45 < SAME_PERSON


def test_the_order_of_pictures_does_not_matter(rng):
    found = people(rng, 9, 2, 2)
    order = rng.permutation(len(found))
    straight, shuffled = majority(found), majority(found[order])
    assert straight is not None and shuffled is not None
    assert (straight[order] == shuffled).all()


def test_the_robust_mean_is_the_point_of_the_least_distances(rng):
    """Against a general minimiser."""
    from scipy.optimize import minimize

    samples = people(rng, 7, 2)[:, :6].astype(np.float64)
    votes = rng.uniform(0.2, 1.0, len(samples))

    def whole(point):
        return float(votes @ np.linalg.norm(samples - point, axis=1))

    best = minimize(whole, samples.mean(0), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}).fun
    assert whole(robust_mean(samples, votes)) == pytest.approx(best, abs=1e-6)


def test_the_robust_mean_leaves_a_sample_that_is_the_mean():
    """The mean of these is the first one; their median is the second."""
    samples = np.array([[0.0], [1.0], [1.0], [1.0], [-3.0]])
    assert robust_mean(samples)[0] == pytest.approx(1.0, abs=1e-4)


def test_the_robust_mean_stays_where_most_are():
    samples = np.array([[2.0, 1.0]] * 5 + [[0.0, 0.0], [9.0, 3.0]])
    np.testing.assert_allclose(robust_mean(samples), [2.0, 1.0], atol=1e-4)


def test_strangers_move_the_robust_mean_less_than_the_mean(rng):
    found = people(rng, 14, 6)
    middle = found[:14].mean(0)
    moved = np.linalg.norm(robust_mean(found) - middle)
    assert moved < 0.75 * np.linalg.norm(found.mean(0) - middle)
    assert moved < SAME_PERSON / 2.0
