import numpy as np

from kernels.detail import _ring_sums
from kernels.workspace import Workspace


def test_ring_sums(device, agree):
    spectrum = np.fft.rfft2(np.random.default_rng(3).standard_normal((12, 140)).astype(np.float32)).astype(np.complex64)
    ours, reference = (_ring_sums(s, [12, 140], (0.7, 0.4), Workspace()) for s in (device(spectrum), spectrum))
    agree(device(ours), reference)
