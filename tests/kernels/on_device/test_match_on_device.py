import numpy as np

from kernels.match import channel_mean, log_light, match_light
from kernels.transfer import monge_kantorovich, statistics, transfer

RANDOM = np.random.default_rng(6)
MIX = np.array([[0.6, 0.2, 0.1], [0.1, 0.7, 0.2], [0.0, 0.2, 0.5]])
PATCH = (RANDOM.gamma(4.0, 0.08, (11, 35, 3)) @ MIX).astype(np.float32)
PLATE = (RANDOM.gamma(5.0, 0.05, (11, 35, 3)) @ MIX[::-1]).astype(np.float32)
MASK = RANDOM.random((11, 35)) < 0.7
BROKEN = PATCH.copy()
BROKEN[2, 2, 1], BROKEN[3, 3] = np.nan, np.inf


def test_log_light_and_channel_mean(device, agree):
    light = BROKEN - np.float32(0.1)
    log = log_light(device(light))
    agree(log, log_light(light))
    agree(channel_mean(log), channel_mean(log_light(light)))


def test_match_light(device, agree):
    for low_frequency in (0.0, 0.5):
        options = {"radius": 0.8, "contrast": 0.7, "low_frequency": low_frequency}
        ours = match_light(device(BROKEN), device(PLATE), device(MASK), **options)
        agree(ours, match_light(BROKEN, PLATE, MASK, **options))


def test_transfer(device, agree):
    weight = (MASK * RANDOM.random(MASK.shape)).astype(np.float16)
    ours = monge_kantorovich(statistics(BROKEN, weight), statistics(PLATE, samples=200))
    theirs = monge_kantorovich(statistics(device(BROKEN), device(weight)), statistics(device(PLATE), samples=200))
    np.testing.assert_allclose(theirs.matrix, ours.matrix, rtol=1e-6, atol=1e-9)
    agree(transfer(device(BROKEN), theirs, 0.8), transfer(BROKEN, ours, 0.8))
