import numpy as np

from kernels.grain import GrainModel, synthesize_grain
from kernels.grain_blocks import block_table
from kernels.grain_measure import measure_grain
from kernels.philox import white_noise
from kernels.workspace import Workspace

MODEL = GrainModel(
    np.array([[1e-4, 1e-3, 0.0], [0.0, 2e-3, 1e-3], [1e-5, 0.0, 4e-3]]),
    np.array([0.9, 0.8, 0.7]),
    np.array([[0.6, 0.8], [0.0, 0.5], [1.1, 0.0]]),
    np.linalg.cholesky(np.array([[1.0, 0.4, 0.2], [0.4, 1.0, 0.3], [0.2, 0.3, 1.0]])),
)


def plate(dtype: type[np.floating] = np.float32):
    random = np.random.default_rng(3)
    light = np.linspace(0.1, 0.9, 29)[None, :, None] + 0.05 * random.standard_normal((27, 29, 3))
    return light.astype(dtype)


def test_white_noise(device, agree):
    ours, reference = device(np.empty((3, 6, 11), np.float32)), np.empty((3, 6, 11), np.float32)
    for planes in (ours, reference):
        white_noise(-7, 1 << 40, (-5, 3), planes, MODEL.mixing)
    agree(ours, reference)


def test_synthesis(device, agree):
    signal = plate()[:12, :14]
    signal[2, 3] = [np.nan, np.inf, -1.0]
    agree(synthesize_grain(MODEL, device(signal), 5, 6, (-9, 40)), synthesize_grain(MODEL, signal, 5, 6, (-9, 40)))


def test_synthesis_under_a_matte_in_half(device, agree):
    signal = plate(np.float16)[:9, :10]
    matte = np.linspace(0.0, 1.0, 90, dtype=np.float32).reshape(9, 10)
    ours, reference = device(np.empty_like(signal)), np.empty_like(signal)
    for out, s, m in ((ours, device(signal), device(matte)), (reference, signal, matte)):
        synthesize_grain(MODEL, s, 5, 6, (0, 0), amount=0.5, matte=m, out=out, workspace=Workspace())
    agree(ours, reference, "half")


def test_table(device, agree):
    light, weight = plate(), np.ones((27, 29), np.float32)
    light[5, 20], weight[12:, :7] = np.nan, 0.0
    ours = block_table(device(light), device(weight), Workspace())
    agree(ours, block_table(light, weight, Workspace()), "grain table")


def test_measurement_of_half(device, agree):
    light, weight = plate(np.float16), np.ones((27, 29), np.bool_)
    ours, reference = measure_grain(device(light), device(weight)), measure_grain(light, weight)
    for a, b in zip(ours, reference, strict=True):
        agree(device(a), b, "grain table")
