import numpy as np

from kernels.view import make_view, unview, view

MATRIX = np.array([[1.7, -0.6, -0.1], [-0.1, 1.1, 0.0], [0.0, -0.1, 1.1]])


def test_view_and_unview(device, agree):
    light = np.random.default_rng(3).uniform(-0.2, 3.0, (9, 35, 3)).astype(np.float32)
    light[2, 3] = [np.nan, np.inf, -0.0]
    model_view = make_view(MATRIX, 1.3)
    seen = view(light, model_view)
    on_device = view(device(light), model_view)
    agree(on_device, seen)
    agree(unview(on_device, model_view), unview(seen, model_view))
