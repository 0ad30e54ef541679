import numpy as np
import pytest

from kernels.blur import gaussian, masked_gaussian
from kernels.fill import pull_push
from kernels.launch import MixedArrays

RANDOM = np.random.default_rng(2)
PICTURE = RANDOM.uniform(0.1, 3.0, (13, 35, 3)).astype(np.float32)
WEIGHT = np.where(RANDOM.random((13, 35)) < 0.4, RANDOM.random((13, 35)), 0.0).astype(np.float32)


@pytest.mark.parametrize("sigma", [0.0, 1.4])
def test_gaussian(device, agree, sigma):
    agree(gaussian(device(PICTURE), sigma), gaussian(PICTURE, sigma))


def test_gaussian_of_halves(device, agree):
    half = PICTURE[:9, :, 0].astype(np.float16)
    blurred = device(np.zeros(half.shape, np.float16))
    gaussian(device(half), 1.2, out=blurred)
    agree(blurred, gaussian(half, 1.2, out=np.zeros(half.shape, np.float16)), "half")


def test_a_wide_masked_gaussian(device, agree):
    broken = PICTURE[..., :2].copy()
    broken[3, 4], broken[5, 6, 1] = np.nan, np.inf
    agree(masked_gaussian(device(broken), device(WEIGHT), 9.0), masked_gaussian(broken, WEIGHT, 9.0))


def test_pull_push(device, agree):
    weight = (WEIGHT > 0.7).astype(np.float16)
    agree(pull_push(device(PICTURE), device(weight)), pull_push(PICTURE, weight))


def test_a_picture_and_a_weight_on_different_devices(device):
    if device(PICTURE) is PICTURE:
        return
    with pytest.raises(MixedArrays):
        masked_gaussian(device(PICTURE), WEIGHT, 2.0)
