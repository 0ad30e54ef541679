"""The pictures that count for a frame change slowly, whatever the face does and however many there are."""

import msgspec
import numpy as np
import pytest

from engine.faces.course import REACH, SIGMA, course_at, moment
from engine.faces.pose import Mouth, fit_pose
from engine.faces.tracks import Track
from engine.swappers.choice import BLURRED, HARD_LIGHT, LEAST, OBSTRUCTED, fault, shares, spaced
from engine.swappers.references import Likeness
from engine.swappers.texture import carry

# The largest share of one frame in a course.
PEAK = 1.0 / (SIGMA * np.sqrt(2.0 * np.pi))
LIPS = [14, 87, 317, 17, 84, 314, 15, 16, 86, 85, 316, 315]


@pytest.fixture
def rng():
    return np.random.default_rng(11)


@pytest.fixture(scope="module")
def plain(astronaut_reference):
    """A picture from the front, against which nothing is held."""
    light = astronaut_reference.portrait.light._replace(contrast=1.0)
    return msgspec.structs.replace(
        astronaut_reference.portrait, angles=(0.0, 0.0, 0.0), mouth=Mouth(0.1, 1.0, 0.0), sharpness=1.0, light=light
    )


def posed(plain, yaw, pitch=0.0, openness=0.1, **others):
    return msgspec.structs.replace(plain, angles=(yaw, pitch, 0.0), mouth=Mouth(openness, 1.0, 0.0), **others)


def many(plain, rng, count):
    """Pictures from all sides, some with glasses, some blurred."""
    found = []
    for _ in range(count):
        covered = ("glasses",) if rng.random() < 0.3 else ()
        place = rng.uniform(-40.0, 40.0), rng.uniform(-20.0, 20.0), rng.uniform(0.0, 0.5)
        found.append(posed(plain, *place, obstructions=covered, sharpness=float(rng.uniform(0.3, 1.0))))
    return found


def turned(mesh, yaw, pitch=0.0, openness=0.0):
    """A mesh with its pose undone, then turned, and its lower lip moved down by a part of its mouth's width."""
    upright = fit_pose(mesh).canonical_to_picture.back(mesh)
    upright[LIPS, 1] += openness * np.linalg.norm(upright[291] - upright[61])
    a, b = -np.radians([yaw, pitch])
    across = np.array([[np.cos(a), 0.0, np.sin(a)], [0.0, 1.0, 0.0], [-np.sin(a), 0.0, np.cos(a)]])
    down = np.array([[1.0, 0.0, 0.0], [0.0, np.cos(b), -np.sin(b)], [0.0, np.sin(b), np.cos(b)]])
    return 12.0 * (upright @ (across @ down).T) + [150.0, 150.0, 0.0]


def track_of(meshes):
    count = len(meshes)
    return Track(
        id=0,
        person=0,
        frames=np.arange(count, dtype=np.int32),
        mesh=np.array(meshes, np.float32),
        pose=np.zeros((count, 3), np.float32),
        confidence=np.ones(count, np.float32),
        bridged=np.zeros(count, np.bool_),
        identity=np.zeros(128, np.float32),
    )


def over_time(portraits, track):
    """The shares of each picture in each frame, (frames, n)."""
    return np.array([shares(portraits, course_at(track, int(frame))) for frame in track.frames])


def alone(portraits, track):
    """The same if each frame were looked at alone."""
    return np.array([shares(portraits, moment(mesh.astype(np.float64))) for mesh in track.mesh])


def steps(weights):
    """The largest change of a share from each frame to the next."""
    return np.abs(np.diff(weights, axis=0)).max(1)


MOVES = {
    "turns slowly": lambda t: (-40.0 + t, 0.0, 0.0),
    "turns fast": lambda t: (40.0 * np.sin(t / 2.0), 10.0 * np.sin(t / 3.0), 0.0),
    "talks": lambda t: (2.0 * np.sin(t / 20.0), 0.0, 0.2 + 0.2 * np.sin(2.0 * np.pi * t / 6.0)),
    "jumps": lambda t: (35.0 if t % 20 < 10 else -35.0, 0.0, 0.0),
}


@pytest.mark.parametrize("move", MOVES)
def test_no_share_jumps(plain, astronaut_reference, rng, move):
    """Of 60 pictures in 81 frames; a face that is followed by frames on both sides."""
    portraits = many(plain, rng, 60)
    used = [portraits[at] for at in sorted(set(spaced(portraits)))]
    track = track_of([turned(astronaut_reference.mesh, *MOVES[move](t)) for t in range(81)])
    weights = over_time(used, track)
    np.testing.assert_allclose(weights.sum(1), 1.0)
    # What falls to 0 under LEAST raises the rest a little.
    assert steps(weights)[REACH : -REACH - 1].max() < 1.25 * PEAK
    assert steps(weights).max() < 2.5 * PEAK


def test_a_frame_alone_would_jump(plain, astronaut_reference, rng):
    """The bound above is no property of the faces."""
    portraits = many(plain, rng, 60)
    track = track_of([turned(astronaut_reference.mesh, *MOVES["turns fast"](t)) for t in range(81)])
    assert steps(alone(portraits, track)).max() > 3.0 * PEAK


@pytest.mark.parametrize("yaw", [0.0, 5.0, 14.0, 27.0])
def test_a_track_that_trembles_makes_no_picture_flicker(plain, astronaut_reference, rng, yaw):
    """By 0.3 degrees, and by a hundredth of the mouth's width."""
    portraits = [posed(plain, at) for at in (-10.0, 0.0, 10.0, 20.0, 34.0)]
    noise = rng.normal(0.0, 1.0, (80, 3)) * [0.3, 0.3, 0.01]
    track = track_of([turned(astronaut_reference.mesh, yaw + one[0], *one[1:]) for one in noise])
    weights = over_time(portraits, track)[REACH:-REACH]
    assert steps(weights).max() < 0.02
    assert weights.std(0).max() < 0.02


@pytest.mark.parametrize("seed", range(4))
def test_many_pictures_do_not_flicker_either(plain, astronaut_reference, seed):
    """Sixty, from all sides, some with glasses, of a face that is held still by a trembling track."""
    rng = np.random.default_rng(seed)
    portraits = many(plain, rng, 60)
    used = [portraits[at] for at in sorted(set(spaced(portraits)))]
    noise = rng.normal(0.0, 1.0, (50, 3)) * [0.3, 0.3, 0.01] + [5.0 * seed, 0.0, 0.0]
    weights = over_time(used, track_of([turned(astronaut_reference.mesh, *one) for one in noise]))[REACH:-REACH]
    assert steps(weights).max() < 0.02
    assert np.count_nonzero(weights, axis=1).max() <= 8


def test_a_turn_of_a_degree_changes_the_shares_by_little(plain):
    """Also in a frame of which only itself is known."""
    portraits = [posed(plain, at) for at in (-10.0, 0.0, 10.0, 30.0)]
    course = moment(np.array(plain.mesh))
    sweep = [course._replace(angles=np.array([[yaw, 0.0]]), mouths=np.array([[0.1, 1.0, 0.0]]))
             for yaw in np.arange(-15.0, 35.0, 0.1)]  # fmt: skip
    weights = np.array([shares(portraits, one) for one in sweep])
    assert steps(weights).max() < 0.016
    assert (weights.max(0) > 0.99).all()


def test_a_course_ends_with_its_track(plain, astronaut_reference):
    """Tracks end at a cut: what is beyond it has no say."""
    meshes = [turned(astronaut_reference.mesh, yaw) for yaw in np.linspace(-30.0, 30.0, 30)]
    first, last = (course_at(track_of(meshes), frame) for frame in (0, 29))
    assert len(first.shares) == len(last.shares) == REACH + 1
    assert first.shares.argmax() == 0 and last.shares.argmax() == REACH
    assert first.shares.sum() == pytest.approx(1.0)
    single = course_at(track_of(meshes[:1]), 0)
    np.testing.assert_allclose(single.angles, moment(meshes[0].astype(np.float32).astype(np.float64)).angles)


def test_a_blurred_and_a_hard_lit_picture_count_less_but_boundedly(plain):
    faults = [fault(posed(plain, 0.0, sharpness=sharpness)) for sharpness in np.linspace(0.0, 1.0, 11)]
    assert (np.diff(faults) < 0.0).all() and faults[0] == pytest.approx(BLURRED) and faults[-1] == 0.0
    lights = [plain.light._replace(contrast=contrast) for contrast in np.linspace(0.0, 9.0, 91)]
    faults = np.array([fault(posed(plain, 0.0, light=light)) for light in lights])
    assert faults.min() == 0.0 and faults.max() == pytest.approx(HARD_LIGHT)
    assert np.abs(np.diff(faults)).max() < 0.02
    assert fault(posed(plain, 0.0, obstructions=("glasses",))) == OBSTRUCTED
    sharp, blurred = posed(plain, -6.0), posed(plain, 6.0, sharpness=0.0)
    course = moment(np.array(plain.mesh))
    middle = course._replace(angles=np.zeros((1, 2)), mouths=np.array([[0.1, 1.0, 0.0]]))
    assert shares([sharp, blurred], middle)[0] > 0.9
    # A blurred picture from the right side is better than a sharp one from the wrong side.
    assert shares([posed(plain, -40.0), blurred], middle)[1] > 0.9


def test_of_pictures_alike_the_best_is_used(plain):
    portraits = [
        posed(plain, 0.0, sharpness=0.5),
        posed(plain, 1.0, sharpness=0.9),
        posed(plain, 2.0, sharpness=0.9, width=plain.width * 2.0),
        posed(plain, 30.0, sharpness=0.2),
        posed(plain, 0.0, openness=0.5),
    ]
    assert spaced(portraits) == [2, 2, 2, 3, 4]


def test_a_share_too_small_to_see_is_none(plain):
    portraits = [posed(plain, at) for at in (0.0, 8.9)]
    course = moment(np.array(plain.mesh))
    there = course._replace(angles=np.zeros((1, 2)), mouths=np.array([[0.1, 1.0, 0.0]]))
    assert shares(portraits, there)[1] == 0.0
    few = shares([posed(plain, at) for at in np.linspace(-0.1, 0.1, 80)], there)
    assert few.sum() == pytest.approx(1.0) and LEAST > 1.0 / 80.0


def test_the_texture_does_not_pop(plain, astronaut_reference, hopper_reference):
    """A face turns by a degree in each frame, from where one picture is nearest to where another is.

    The texture is laid over one still mesh, so that only the choice changes it; in stops.
    """
    references, portraits = [astronaut_reference, hopper_reference], [posed(plain, -10.0), posed(plain, 10.0)]
    mesh = astronaut_reference.mesh
    track = track_of([turned(mesh, yaw) for yaw in np.arange(-25.0, 26.0)])
    # The mouth of the mesh is not the portraits'; it is as far from one as from the other.
    weights, still = over_time(portraits, track), turned(mesh, 0.0)

    def changes(weights):
        found = []
        for share in weights:
            near = np.flatnonzero(share)
            texture = carry(Likeness([references[at] for at in near], share[near]), still, 0.0, (300, 300))
            found.append(np.log2(np.maximum(texture.light[texture.covered], 1e-3)))
        return np.abs(np.diff(np.array(found), axis=0)).mean((1, 2))

    assert weights[0, 0] > 0.95 and weights[-1, 1] > 0.95
    blended, hard = changes(weights), changes(np.eye(2)[weights.argmax(1)])
    assert blended.max() < 0.25 * hard.max()
    # In the end it has changed as much.
    assert blended.sum() > 0.9 * hard.sum()
