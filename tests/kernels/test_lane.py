"""The lane to a GPU: only where there is one."""

from importlib import import_module, util

import numpy as np
import pytest

from kernels.lane import Lane


def _a_gpu_is_there() -> bool:
    return util.find_spec("cupy") is not None and bool(import_module("cupy").cuda.is_available())


pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not _a_gpu_is_there(), reason="there is no GPU")]


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_there_and_back(dtype):
    lane, source = Lane(), np.random.default_rng(1).uniform(size=(37, 53, 3)).astype(dtype)
    for _ in range(3):
        with lane:
            there = lane.upload("plate", source[3:30])
            there *= 2
            back = lane.download("plate", there, np.empty((27, 53, 3), dtype))
        np.testing.assert_array_equal(back, source[3:30] * dtype(2))
        source = source + dtype(1)


def test_a_replayed_graph_does_what_its_calls_did():
    lane = Lane()
    with lane:
        numbers = lane.upload("numbers", np.zeros(1000, np.float32))

        def work() -> None:
            numbers.__iadd__(1.0)

        for _ in range(5):
            lane.replay("count", work)
        found = lane.download("numbers", numbers, np.empty(1000, np.float32))
    np.testing.assert_array_equal(found, 5.0)
