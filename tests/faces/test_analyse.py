"""Detection, mesh and identity on real pictures."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.io import imread

from engine.faces.analyse import Face, analyse_picture
from engine.faces.detect import detect, overlap
from engine.faces.identity import SAME_PERSON, distance, embed, robust_mean
from engine.faces.mesh import Region, face_width, fit_mesh, region_of_mesh

Float32 = NDArray[np.float32]
PORTRAITS = Path(__file__).parents[2].parent / "shared" / "testdata" / "portraits"


def test_a_face_is_found_with_its_points_inside(astronaut: Float32) -> None:
    (face,) = detect(astronaut)
    x0, y0, x1, y1 = face.box
    assert face.score > 0.8
    assert 75 < x1 - x0 < 110
    assert ((face.points > [x0, y0]) & (face.points < [x1, y1])).all()
    right_eye, left_eye, nose, right_corner, left_corner = face.points
    assert right_eye[0] < nose[0] < left_eye[0]
    assert right_corner[0] < left_corner[0]
    assert right_eye[1] < nose[1] < right_corner[1]


def test_a_picture_without_a_face_has_none() -> None:
    noise = np.random.default_rng(0).uniform(0, 1, (200, 300, 3)).astype(np.float32)
    assert analyse_picture(noise) == []


def test_detection_has_no_preferred_side(astronaut: Float32) -> None:
    mirrored = detect(np.ascontiguousarray(astronaut[:, ::-1]))[0].box
    box = detect(astronaut)[0].box
    np.testing.assert_allclose(512 - mirrored[[2, 0]], box[[0, 2]], atol=1.5)


@pytest.mark.parametrize("quarter_turns", [1, 2, 3])
def test_turned_faces_are_found_and_come_back_upright(
    astronaut: Float32, astronaut_face: Face, quarter_turns: int
) -> None:
    turned = np.ascontiguousarray(np.rot90(astronaut, quarter_turns))
    (face,) = analyse_picture(turned, turned=True)
    centred = face.mesh[:, :2] - 256
    for _ in range(quarter_turns):
        centred = np.stack([-centred[:, 1], centred[:, 0]], axis=1)
    np.testing.assert_allclose(centred + 256, astronaut_face.mesh[:, :2], atol=0.3)
    np.testing.assert_allclose(face.pose.angles[:2], astronaut_face.pose.angles[:2], atol=0.5)


def test_many_small_faces(astronaut: Float32) -> None:
    head = np.asarray(cv2.resize(astronaut[20:220, 120:320], (80, 80), interpolation=cv2.INTER_AREA), np.float32)
    wall = np.tile(head, (4, 6, 1))
    faces = analyse_picture(wall)
    assert len(faces) == 24
    boxes = [face.box for face in faces]
    assert all(overlap(a, b) < 0.1 for i, a in enumerate(boxes) for b in boxes[:i])


def test_a_face_that_fills_the_picture(astronaut: Float32, astronaut_face: Face) -> None:
    x0, y0, x1, y1 = astronaut_face.box.astype(int)
    close = np.ascontiguousarray(astronaut[y0 + 5 : y1 - 5, x0 + 5 : x1 - 5])
    close = np.asarray(cv2.resize(close, None, fx=8, fy=8, interpolation=cv2.INTER_CUBIC), np.float32).clip(0, 1)
    (face,) = analyse_picture(close)
    expected = 8 * (astronaut_face.mesh[:468, :2] - [x0 + 5, y0 + 5])
    assert np.linalg.norm(face.mesh[:468, :2] - expected, axis=1).mean() < 0.05 * face_width(face.mesh)


def test_pixel_centres_survive_a_change_of_size(astronaut: Float32, astronaut_face: Face) -> None:
    # Half a pixel of error in any of the coordinates would show as 0.5 here; OpenCV's resize keeps the corners.
    double = np.asarray(cv2.resize(astronaut, (1024, 1024), interpolation=cv2.INTER_LINEAR), np.float32)
    region = region_of_mesh(astronaut_face.mesh)
    doubled = Region(2 * region.x, 2 * region.y, 2 * region.side, region.angle)
    once = fit_mesh(astronaut, region, passes=1).mesh
    mesh = fit_mesh(double, doubled, passes=1).mesh
    offset = (mesh[:468, :2] - 2 * once[:468, :2]).mean(axis=0)
    np.testing.assert_allclose(offset, 0.0, atol=0.2)


def test_the_mesh_is_not_shifted_to_one_side(astronaut: Float32, astronaut_face: Face) -> None:
    mirrored = analyse_picture(np.ascontiguousarray(astronaut[:, ::-1]))[0]
    mean = astronaut_face.mesh[:468, 0].mean()
    assert 512 - mirrored.mesh[:468, 0].mean() == pytest.approx(mean, abs=0.005 * face_width(astronaut_face.mesh))


def test_the_fit_settles_wherever_it_began(astronaut: Float32, astronaut_face: Face) -> None:
    settled = region_of_mesh(astronaut_face.mesh)
    width = face_width(astronaut_face.mesh)

    def spread(passes: int) -> float:
        starts = [
            Region(settled.x + dx * width, settled.y - dx * width, settled.side * grown, settled.angle + turn)
            for dx, grown, turn in ((0.1, 1.0, 0.2), (-0.1, 1.2, 0.0), (0.05, 0.85, -0.2))
        ]
        meshes = np.stack([fit_mesh(astronaut, start, passes=passes).mesh for start in starts])
        return float(meshes[:, :468, :2].std(axis=0).mean()) / width

    assert spread(5) < 0.0015
    assert spread(1) > 4 * spread(5)


def test_identity_tells_people_apart(
    astronaut: Float32, astronaut_face: Face, officer: Float32, officer_face: Face
) -> None:
    darker = embed(astronaut * np.float32(0.7), astronaut_face.mesh)
    assert distance(darker, astronaut_face.embedding) < 0.25
    assert distance(officer_face.embedding, astronaut_face.embedding) > SAME_PERSON


def test_the_robust_mean_ignores_a_few_wrong_identities(astronaut_face: Face, officer_face: Face) -> None:
    noise = np.random.default_rng(0).normal(0, 0.01, (20, 128))
    samples = astronaut_face.embedding + noise
    samples[:5] = officer_face.embedding
    middle = robust_mean(samples)
    assert distance(middle, astronaut_face.embedding) < 0.06
    assert distance(samples.mean(axis=0), astronaut_face.embedding) > 0.15


@pytest.mark.corpus
@pytest.mark.skipif(not PORTRAITS.is_dir(), reason="needs ../shared/testdata/portraits")
def test_people_are_recognised_in_another_picture() -> None:
    people = [folder for folder in sorted(PORTRAITS.iterdir()) if folder.is_dir()]

    def identities(name: str) -> list[Float32]:
        pictures = [imread(folder / name).astype(np.float32) / 255.0 for folder in people]
        return [analyse_picture(picture)[0].embedding for picture in pictures]

    studio, work = identities("portrait.jpg"), identities("in_situ.jpg")
    table = np.array([[distance(a, b) for b in studio] for a in work])
    assert (table.argmin(axis=1) == np.arange(len(people))).all()
