"""The smoothing on a real still face with grain, and on motions that must be followed."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from engine.faces.analyse import Face
from engine.faces.mesh import face_width, fit_mesh, region_of_mesh
from engine.faces.pose import LEFT_LIDS, RIGHT_LIDS, eye_aperture
from engine.faces.smoothing import smooth_meshes

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]
FRAMES = 40


@pytest.fixture(scope="module")
def still(astronaut: Float32, astronaut_face: Face) -> Float64:
    """Meshes (40, 478, 3) of one still picture under film grain that is new in every frame, each found on its own."""
    rng = np.random.default_rng(7)
    meshes, region = [], region_of_mesh(astronaut_face.mesh)
    for _ in range(FRAMES):
        grain = rng.normal(0, 3 / 255, astronaut.shape).astype(np.float32)
        mesh = fit_mesh(np.clip(astronaut + grain, 0, 1), region).mesh
        region = region_of_mesh(mesh)
        meshes.append(mesh)
    return np.stack(meshes)


def smoothed(meshes: Float64, strength: float = 1.0) -> Float64:
    return smooth_meshes(meshes, np.arange(len(meshes)), np.zeros(len(meshes), bool), strength)


def jitter(meshes: Float64) -> float:
    """The mean over landmarks of their deviation over time, as a fraction of the face's width."""
    return float(meshes[:, :468, :2].std(axis=0).mean()) / face_width(meshes[0])


def error(meshes: Float64, truth: Float64) -> Float64:
    """The mean distance of the landmarks in each frame, as a fraction of the face's width."""
    return np.linalg.norm((meshes - truth)[:, :468, :2], axis=2).mean(axis=1) / face_width(truth[0])


def test_a_still_face_with_grain_is_still(still: Float64) -> None:
    assert jitter(smoothed(still)) < 0.0005
    assert jitter(smoothed(still)) < 0.6 * jitter(still)
    drift = smoothed(still).mean(axis=0) - still.mean(axis=0)
    assert np.abs(drift).max() < 0.001 * face_width(still[0])


def test_strength(still: Float64) -> None:
    np.testing.assert_array_equal(smoothed(still, 0.0), still)
    assert jitter(still) > jitter(smoothed(still, 0.3)) > jitter(smoothed(still, 1.0))


@pytest.mark.parametrize("period", [12, 24, 48])
def test_a_face_that_swings_is_followed_without_lag(still: Float64, period: int) -> None:
    base, width = still.mean(axis=0), face_width(still[0])
    swing = 0.2 * width * np.sin(2 * np.pi * np.arange(FRAMES) / period)
    truth = base + swing[:, None, None] * np.array([1.0, 0.3, 0.0])
    result = smoothed(still - base + truth)
    assert error(result, truth).mean() < 0.0015
    assert error(result, truth).max() < 0.003
    assert lag(result[:, 4, 0], truth[:, 4, 0]) == 0


@pytest.mark.parametrize("period", [12, 24])
def test_a_head_that_shakes_is_followed_without_lag(still: Float64, period: int) -> None:
    base = still.mean(axis=0)
    centre = base.mean(axis=0)
    angles = 0.6 * np.sin(2 * np.pi * np.arange(FRAMES) / period)
    truth = np.stack([Rotation.from_euler("y", angle).apply(base - centre) + centre for angle in angles])
    result = smoothed(still - base + truth)
    assert error(result, truth).max() < 0.003
    assert lag(result[:, 4, 0], truth[:, 4, 0]) == 0


@pytest.mark.parametrize("shape", [(1.0,), (0.5, 1.0, 0.5), (0.5, 0.87, 1.0, 0.87, 0.5)])
def test_a_blink_stays_whole(still: Float64, shape: tuple[float, ...]) -> None:
    truth = np.repeat(still.mean(axis=0)[None], FRAMES, axis=0)
    for offset, closed in enumerate(shape):
        for upper, lower in (*RIGHT_LIDS, *LEFT_LIDS):
            truth[18 + offset, upper] += closed * (truth[0, lower] - truth[0, upper])
    result = smoothed(still - still.mean(axis=0) + truth)

    def drop(meshes: Float64) -> float:
        apertures = [np.mean(eye_aperture(mesh)) for mesh in meshes]
        return float(apertures[0] - min(apertures[14:28]))

    assert drop(result) > 0.85 * drop(truth)
    # The rest of the face stays calm while the lids move.
    assert (result[14:28, 152, 1].std()) < 0.0005 * face_width(truth[0])


def test_a_step_is_neither_rounded_nor_overshot(still: Float64) -> None:
    width = face_width(still[0])
    truth = np.repeat(still.mean(axis=0)[None], FRAMES, axis=0)
    truth[20:, :, 0] += 0.05 * width
    result = smoothed(still - still.mean(axis=0) + truth)
    assert error(result, truth).max() < 0.004


def test_a_roll_through_a_whole_turn(still: Float64) -> None:
    base = still.mean(axis=0)
    centre = base.mean(axis=0)
    angles = np.linspace(0, 4 * np.pi, FRAMES)
    truth = np.stack([Rotation.from_euler("z", angle).apply(base - centre) + centre for angle in angles])
    assert error(smoothed(truth), truth).max() < 0.003


def test_frames_that_are_missing_keep_their_place_in_time(still: Float64) -> None:
    kept = np.r_[0:12, 17:FRAMES]
    truth = still.mean(axis=0) + (0.02 * face_width(still[0]) * kept)[:, None, None] * np.array([1.0, 0.0, 0.0])
    noisy = still[kept] - still.mean(axis=0) + truth
    result = smooth_meshes(noisy, kept, np.zeros(len(kept), bool))
    assert error(result, truth).max() < 0.002


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_short_tracks(still: Float64, count: int) -> None:
    result = smoothed(still[:count])
    assert result.shape == (count, 478, 3)
    assert error(result, still[:count]).max() < 0.004


def test_it_does_not_depend_on_place_or_size(still: Float64) -> None:
    moved = smoothed(4.0 * still + [1000.0, -500.0, 0.0])
    np.testing.assert_allclose((moved - [1000.0, -500.0, 0.0]) / 4.0, smoothed(still), atol=1e-6)


def lag(result: Float64, truth: Float64) -> int:
    inner = slice(6, -6)
    shifts = range(-4, 5)
    return max(shifts, key=lambda shift: np.corrcoef(result[inner], np.roll(truth, shift)[inner])[0, 1])
