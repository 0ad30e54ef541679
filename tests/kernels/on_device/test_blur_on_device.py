import numpy as np
import pytest

from kernels.blur import gaussian, masked_gaussian
from kernels.fill import pull_push
from kernels.launch import MixedArrays

RANDOM = np.random.default_rng(2)
PICTURE = RANDOM.uniform(0.1, 3.0, (18, 37, 3)).astype(np.float32)
WEIGHT = np.where(RANDOM.random((18, 37)) < 0.4, RANDOM.random((18, 37)), 0.0).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.0, 1.4, 9.0])
def test_gaussian(device, agree, sigma):
    agree(gaussian(device(PICTURE), sigma), gaussian(PICTURE, sigma))


def test_gaussian_of_halves_into_a_box_of_a_frame(device, agree):
    half = PICTURE[..., 0].astype(np.float16)
    frame, frame_on_device = np.zeros((20, 40), np.float16), device(np.zeros((20, 40), np.float16))
    gaussian(half, 1.2, out=frame[1:-1, 2:-1])
    gaussian(device(half), 1.2, out=frame_on_device[1:-1, 2:-1])
    agree(frame_on_device, frame, "half")


@pytest.mark.parametrize("sigma", [1.4, 9.0])
def test_masked_gaussian(device, agree, sigma):
    broken = PICTURE.copy()
    broken[3, 4], broken[5, 6, 1] = np.nan, np.inf
    agree(masked_gaussian(device(broken), device(WEIGHT), sigma), masked_gaussian(broken, WEIGHT, sigma))


def test_pull_push(device, agree):
    weight = (WEIGHT > 0.7).astype(np.float16)
    agree(pull_push(device(PICTURE), device(weight)), pull_push(PICTURE, weight))


def test_a_picture_and_a_weight_on_different_devices(device):
    if device(PICTURE) is PICTURE:
        return
    with pytest.raises(MixedArrays):
        masked_gaussian(device(PICTURE), WEIGHT, 2.0)
