import numpy as np
import pytest

from kernels.view import held, make_view, unview, view

MATRIX = np.array([[1.7, -0.6, -0.1], [-0.1, 1.1, 0.0], [0.0, -0.1, 1.1]])


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_view_and_unview(device, agree, dtype):
    light = np.random.default_rng(3).uniform(-0.2, 3.0, (9, 35, 3)).astype(dtype)
    light[2, 3] = [np.nan, np.inf, -0.0]
    model_view = make_view(MATRIX, 1.3)
    seen, seen_there = np.empty_like(light), device(np.empty_like(light))
    view(light, model_view, out=seen)
    agree(view(device(light), model_view, out=seen_there), seen, "devices" if dtype == np.float32 else "half")
    agree(unview(seen_there, model_view), unview(seen, model_view), "devices" if dtype == np.float32 else "half")
    agree(held(device(light), model_view), held(light, model_view))
