import numpy as np

from kernels.detail import _ring_sums, match_detail, sharpness
from kernels.workspace import Workspace


def test_ring_sums(device, agree):
    spectrum = np.fft.rfft2(np.random.default_rng(3).standard_normal((12, 140)).astype(np.float32)).astype(np.complex64)
    ours, reference = (_ring_sums(s, [12, 140], (0.7, 0.4), Workspace()) for s in (device(spectrum), spectrum))
    agree(device(ours), reference)


def test_sharpness_and_its_match(device, agree):
    random = np.random.default_rng(5)
    patch, plate = random.uniform(0.1, 0.9, (2, 40, 42, 3)).astype(np.float32)
    weight = np.ones((40, 42), np.float32)
    weight[:2], patch[1, 1] = 0.0, np.nan
    there = device(patch), device(plate), device(weight)
    agree(device(sharpness(there[0], there[2], 1e-3)), sharpness(patch, weight, 1e-3), "bands")
    agree(match_detail(*there, most_gain=1.0), match_detail(patch, plate, weight, most_gain=1.0), "bands")
