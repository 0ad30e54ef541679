"""The demo's plate is what it says: read by OpenImageIO, and measured against the camera that made it."""

from pathlib import Path

import cv2
import numpy as np
import OpenImageIO
import pytest

from engine.demo.photos import PHOTOS, PRINT, Scene, build_scene
from engine.demo.plate import DATA, DISPLAY, OVERSCAN, expose, exposure, plate_to_photo, write_plate
from engine.faces.analyse import analyse_picture
from kernels.view import view
from kernels.warp import warp_affine

ASTRONAUT = PHOTOS["astronaut"]


@pytest.fixture(scope="module")
def scene() -> Scene:
    return build_scene(ASTRONAUT)


@pytest.fixture(scope="module")
def folder(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plate")
    assert list(write_plate(scene, ASTRONAUT, folder, 2)) == [1001, 1002]
    return folder


def read(path: Path) -> tuple[OpenImageIO.ImageSpec, dict[str, np.ndarray]]:
    file = OpenImageIO.ImageInput.open(str(path))
    assert file is not None, OpenImageIO.geterror()
    spec = file.spec()
    pixels = file.read_image(OpenImageIO.FLOAT)
    file.close()
    assert pixels is not None
    return spec, {name: pixels[..., index] for index, name in enumerate(spec.channelnames)}


def test_the_files_are_what_a_film_scanner_would_deliver(folder: Path):
    spec, _ = read(folder / "plate.1002.exr")
    assert (spec.full_x, spec.full_y, spec.full_width, spec.full_height) == (0, 0, 1280, 720)
    assert (spec.x, spec.y, spec.width, spec.height) == (-16, -16, 1312, 752)
    assert dict(zip(spec.channelnames, map(str, spec.channelformats), strict=True)) == {
        "R": "half",
        "G": "half",
        "B": "half",
        "A": "half",
        "Z": "float",
    }
    assert spec["compression"] == "zip"
    assert spec["framesPerSecond"] == (24, 1)
    # Binary-coded decimal, frames in the lowest byte: 01:00:00:01.
    assert spec["smpte:TimeCode"] == (0x01000001, 0)
    assert spec["chromaticities"] == pytest.approx((0.64, 0.33, 0.30, 0.60, 0.15, 0.06, 0.3127, 0.3290))


def test_light_goes_over_one_and_alpha_and_depth_are_plausible(folder: Path):
    _, channels = read(folder / "plate.1001.exr")
    assert all(np.isfinite(values).all() for values in channels.values())
    assert channels["R"].max() > 10
    assert (channels["G"] > 4).sum() > 500
    # The grain of the darkest places goes below zero, as on a real scan.
    assert -0.05 < channels["B"].min() < 0
    inside = slice(OVERSCAN, -OVERSCAN)
    assert (channels["A"][inside, inside] == 1).all()
    assert channels["A"][0].max() < 0.1
    assert np.abs(channels["R"][0]).max() < 0.1 * channels["R"][OVERSCAN].max()
    face = DATA.height // 2, int((ASTRONAUT.face[0] - ASTRONAUT.aim[0]) * ASTRONAUT.zoom) + DATA.width // 2
    assert channels["Z"][face] == pytest.approx(1.6, abs=0.01)
    assert channels["Z"][40, DATA.width // 2 + 300] == pytest.approx(4.0, abs=0.01)


def test_a_frame_is_the_same_whenever_it_is_made(scene: Scene):
    first = expose(scene, ASTRONAUT, 5)
    for again, once in zip(expose(scene, ASTRONAUT, 5), first, strict=True):
        np.testing.assert_array_equal(again, once)


def test_grain_is_new_in_every_frame_and_grows_with_the_light(scene: Scene):
    frames = {(index, seed): expose(scene, ASTRONAUT, index, seed)[0] for index in (0, 24) for seed in (0, 1)}
    grain = {index: (frames[index, 0] - frames[index, 1])[OVERSCAN:-OVERSCAN, OVERSCAN:-OVERSCAN] for index in (0, 24)}
    assert abs(np.corrcoef(grain[0].ravel(), grain[24].ravel())[0, 1]) < 0.01
    light = frames[0, 0][OVERSCAN:-OVERSCAN, OVERSCAN:-OVERSCAN, 1]
    deviations = [
        grain[0][..., 1][(light > low) & (light < low * 1.2)].std() / np.sqrt(2) for low in (0.01, 0.1, 0.5, 1.0)
    ]
    expected = [np.sqrt(2.5e-6 + 4e-4 * low * 1.1) for low in (0.01, 0.1, 0.5, 1.0)]
    np.testing.assert_allclose(deviations, expected, rtol=0.05)


def test_the_camera_moves_smoothly_and_breathes_half_a_stop():
    corners = np.array([[0, 0, 1], [1280, 0, 1], [640, 360, 1], [0, 720, 1]], float).T
    places = np.array([ASTRONAUT.zoom * plate_to_photo(ASTRONAUT, index) @ corners for index in range(48)])
    steps = np.linalg.norm(np.diff(places, axis=0), axis=1)
    jerks = np.linalg.norm(np.diff(places, n=2, axis=0), axis=1)
    assert np.median(steps) > 0.2 and steps.max() < 6
    assert jerks.max() < 1
    gains = [exposure(index) for index in range(24)]
    assert np.log2(max(gains) / min(gains)) == pytest.approx(0.5, abs=0.01)


def test_the_camera_is_known_exactly(scene: Scene):
    """Frames a second apart, taken back to the photo by the camera's own matrices, lie on each other."""
    stills = []
    for index in (0, 23):
        light = expose(scene, ASTRONAUT, index)[0][OVERSCAN:-OVERSCAN, OVERSCAN:-OVERSCAN]
        to_plate = np.linalg.inv(np.vstack([plate_to_photo(ASTRONAUT, index), [0, 0, 1]]))
        corner = np.array([[0.5, 0, 160], [0, 0.5, 60], [0, 0, 1]])
        still = warp_affine(np.ascontiguousarray(light), (to_plate @ corner)[:2], (256, 256))
        stills.append(view(still / np.float32(exposure(index)), PRINT)[..., 1])
    shift, certainty = cv2.phaseCorrelate(stills[0], stills[1], cv2.createHanningWindow((256, 256), cv2.CV_32F))
    assert certainty > 0.5
    assert np.hypot(shift[0], shift[1]) < 0.1


@pytest.mark.parametrize("key", sorted(PHOTOS))
def test_one_face_fills_a_quarter_of_the_frame(key: str):
    photo = PHOTOS[key]
    light, _, _ = expose(build_scene(photo), photo, 12)
    picture = view(light, PRINT)[OVERSCAN:-OVERSCAN, OVERSCAN:-OVERSCAN]
    faces = analyse_picture(np.ascontiguousarray(picture))
    assert len(faces) == 1
    x0, y0, x1, y1 = faces[0].box
    assert 220 < x1 - x0 < 320
    assert min(x0, y0) > 30 and x1 < DISPLAY.width - 30 and y1 < DISPLAY.height - 30
