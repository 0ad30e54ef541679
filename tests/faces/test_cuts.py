"""Cuts are found between real pictures; camera moves, flashes and ramps are none."""

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from skimage import data

from engine.faces.cuts import find_cuts, make_proxy

Float32 = NDArray[np.float32]


@pytest.fixture(scope="module")
def scenes() -> list[Float32]:
    """Real pictures in linear light."""
    pictures = (data.astronaut(), data.coffee(), data.chelsea(), data.rocket())
    return [(picture.astype(np.float32) / 255.0) ** np.float32(2.2) for picture in pictures]


def camera(
    scene: Float32, x: float = 0.5, y: float = 0.5, zoom: float = 2.0, gain: float = 1.0, seed: int = 0
) -> Float32:
    """A frame (180, 320, 3) around (x, y), fractions of the scene, with grain that is new for each seed."""
    height, width = scene.shape[:2]
    scale = min(height / 180, width / 320) / zoom
    matrix = np.array([[scale, 0, width * x - 160 * scale], [0, scale, height * y - 90 * scale]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    frame = cv2.warpAffine(scene, matrix, (320, 180), flags=flags, borderMode=cv2.BORDER_REFLECT)
    grain = np.random.default_rng(seed).normal(0, 0.004, frame.shape)
    return (gain * frame + grain).astype(np.float32)


def cuts(frames: list[Float32]) -> list[int]:
    return find_cuts([make_proxy(frame, np.eye(3)) for frame in frames])


def test_cuts_between_pictures_are_found(scenes: list[Float32]) -> None:
    frames = [camera(scene, x=0.45 + 0.01 * t, seed=t) for scene in scenes for t in range(5)]
    assert cuts(frames) == [5, 10, 15]


def test_a_cut_one_frame_from_the_end_is_found(scenes: list[Float32]) -> None:
    assert cuts([camera(scenes[0], seed=t) for t in range(5)] + [camera(scenes[1])]) == [5]


@pytest.mark.parametrize("speed", [0.005, 0.02, 0.05])
def test_a_pan_is_no_cut(scenes: list[Float32], speed: float) -> None:
    for scene in scenes:
        assert cuts([camera(scene, x=0.3 + speed * t, zoom=2.5, seed=t) for t in range(8)]) == []


def test_a_zoom_is_no_cut(scenes: list[Float32]) -> None:
    for scene in scenes:
        assert cuts([camera(scene, zoom=1.2 * 1.1**t, seed=t) for t in range(10)]) == []


def test_an_exposure_ramp_and_a_jump_of_exposure_are_no_cuts(scenes: list[Float32]) -> None:
    for scene in scenes:
        ramp = [camera(scene, gain=2.0 ** (0.5 * t / 24), seed=t) for t in range(12)]
        assert cuts([*ramp, camera(scene, gain=4.0)]) == []


@pytest.mark.parametrize("length", [1, 2])
def test_a_flash_is_no_cut(scenes: list[Float32], length: int) -> None:
    for scene in scenes:
        frames = [camera(scene, seed=t) for t in range(8)]
        for index in range(3, 3 + length):
            frames[index] = 8.0 * frames[index] + 2.0
        assert cuts(frames) == []


def test_a_frame_of_something_else_is_no_scene(scenes: list[Float32]) -> None:
    frames = [camera(scenes[0], seed=t) for t in range(8)]
    frames[4] = camera(scenes[1])
    assert cuts(frames) == []


def test_darkness_with_grain_is_one_scene() -> None:
    rng = np.random.default_rng(0)
    assert cuts([rng.normal(0, 1e-4, (90, 160, 3)).astype(np.float32) for _ in range(6)]) == []
