"""The pose of a mesh against SciPy's rotations, and what eyes and mouth do whatever the pose."""

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from engine.faces.analyse import Face
from engine.faces.pose import (
    CANONICAL_TO_PICTURE,
    LEFT_LIDS,
    RIGHT_LIDS,
    eye_aperture,
    fit_pose,
    fit_similarity,
    mouth_shape,
)
from engine.models.catalogue import canonical_mesh

Float64 = NDArray[np.float64]


def posed(yaw: float, pitch: float, roll: float, scale: float = 12.0) -> Float64:
    """The canonical face at an angle; with y down and z away, a turn to the right is a negative one about y."""
    turn = Rotation.from_euler("yxz", [-yaw, -pitch, roll], degrees=True)
    return scale * turn.apply(canonical_mesh().vertices * CANONICAL_TO_PICTURE) + [300.0, 200.0, 5.0]


@pytest.mark.parametrize("angles", [(0, 0, 0), (30, 0, 0), (0, 20, 0), (0, 0, -40), (-50, 15, 120), (25, -30, -170)])
def test_the_pose_comes_back(angles: tuple[float, float, float]) -> None:
    pose = fit_pose(posed(*angles))
    np.testing.assert_allclose(pose.angles, angles, atol=1e-3)
    assert pose.canonical_to_picture.scale == pytest.approx(12.0, rel=1e-5)
    assert pose.residual < 1e-5


def test_the_signs_are_as_documented() -> None:
    tip, brow = 4, 10

    def nose(mesh: Float64) -> Float64:
        return mesh[tip] - mesh.mean(axis=0)

    assert nose(posed(30, 0, 0))[0] > nose(posed(0, 0, 0))[0]
    assert nose(posed(0, 30, 0))[1] < nose(posed(0, 0, 0))[1]
    assert posed(0, 0, 30)[brow, 0] > posed(0, 0, 0)[brow, 0]


def test_the_similarity_agrees_with_scipy() -> None:
    rng = np.random.default_rng(0)
    source, weights = rng.normal(0, 1, (40, 3)), rng.uniform(0.1, 2.0, 40)
    target = 3.0 * Rotation.random(rng=rng).apply(source) + [1, 2, 3] + rng.normal(0, 0.2, (40, 3))
    found = fit_similarity(source, target, weights)
    share = weights / weights.sum()
    expected = Rotation.align_vectors(target - share @ target, source - share @ source, weights=weights)[0]
    np.testing.assert_allclose(found.rotation, expected.as_matrix(), atol=1e-9)
    np.testing.assert_allclose(found.back(found(source)), source, atol=1e-12)


def test_a_mirrored_shape_is_not_mirrored_by_the_fit() -> None:
    source = np.random.default_rng(0).normal(0, 1, (20, 2))
    assert np.linalg.det(fit_similarity(source, source * [-1, 1]).rotation) == pytest.approx(1.0)


def test_weights_of_zero_have_no_say() -> None:
    mesh = posed(20, 10, 5)
    mesh[canonical_mesh().procrustes_weights == 0.0] += 100.0
    np.testing.assert_allclose(fit_pose(mesh).angles, [20, 10, 5], atol=1e-3)


def test_open_and_closed_eyes(astronaut_face: Face) -> None:
    right, left = eye_aperture(astronaut_face.mesh)
    assert 0.2 < right < 0.45
    assert 0.2 < left < 0.45
    closed = astronaut_face.mesh.copy()
    for upper, lower in RIGHT_LIDS:
        closed[upper] = closed[lower]
    assert eye_aperture(closed)[0] < 0.02
    assert eye_aperture(closed)[1] == pytest.approx(left)
    assert len(LEFT_LIDS) == len(RIGHT_LIDS)


def test_eyes_and_mouth_are_measured_without_the_pose_and_the_size(astronaut_face: Face) -> None:
    turn = Rotation.from_euler("yxz", [35, -20, 60], degrees=True)
    turned = 2.5 * turn.apply(astronaut_face.mesh) + [10, 20, 30]
    np.testing.assert_allclose(eye_aperture(turned), eye_aperture(astronaut_face.mesh), rtol=1e-9)
    np.testing.assert_allclose(mouth_shape(turned), mouth_shape(astronaut_face.mesh), rtol=1e-9)


def test_a_smile_is_wide_open_and_lifted(astronaut_face: Face, officer_face: Face) -> None:
    smile, calm = mouth_shape(astronaut_face.mesh), mouth_shape(officer_face.mesh)
    assert smile.openness > calm.openness + 0.05
    assert smile.width > calm.width
    assert smile.lift > calm.lift
