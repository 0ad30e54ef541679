import numpy as np
import pytest

from kernels.composite import composite
from kernels.view import make_view
from tests.kernels.test_composite import COARSE, IDENTITY, MATRIX, TURNED, whole_scene


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_the_whole_formula(device, agree, dtype):
    plate, patch, matte, correction, grain, alpha = whole_scene()
    plate = np.ascontiguousarray(np.moveaxis(plate, 2, 0)).astype(dtype)
    plate[:, 20, 20], plate[1, 22, 22], plate[0, 0, 0] = np.nan, np.inf, -0.0
    model_view = make_view(MATRIX, 1.3)

    def run(plate, patch, matte, correction, grain, alpha):
        planes, options = tuple(plate), {"plate_to_correction": COARSE}
        return composite(planes, patch, matte, TURNED, model_view, correction, grain, alpha, **options)

    layers = [array.astype(dtype) for array in (patch, matte, correction, grain, alpha)]
    there, layers_there = device(plate.copy()), [device(array) for array in layers]
    agree(run(there, *layers_there), run(plate, *layers))
    agree(there, plate, "devices" if dtype == np.float32 else "half")


def test_a_patch_on_the_plate_s_own_grid(device, agree):
    plate, _, matte, _, _, _ = whole_scene()
    patch = np.random.default_rng(8).uniform(0.0, 1.0, plate.shape).astype(np.float32)
    there = device(plate.copy())
    counts = composite(there, device(patch), device(matte), IDENTITY, make_view())
    agree(counts, composite(plate, patch, matte, IDENTITY, make_view()))
    agree(there, plate)
