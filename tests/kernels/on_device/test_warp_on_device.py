import numpy as np
import pytest

from kernels.view import make_view
from kernels.warp import pixels_of_st, st_of_pixels, warp_affine, warp_dense

TURNED = np.array([[0.8, 0.3, -2.0], [-0.3, 0.8, 6.0]])
SHRUNK = np.array([[2.1, 0.6, -3.0], [-0.6, 2.1, 4.0]])


def picture(channels=3, dtype: type = np.float32):
    values = np.random.default_rng(4).uniform(0.05, 2.0, (19, 23, channels))
    return values.astype(dtype)


@pytest.mark.parametrize(
    "kind, edge, matrix",
    [
        ("linear", "continue", SHRUNK),
        ("linear", "mirror", TURNED),
        ("cubic", "zero", TURNED),
        ("cubic", "continue", SHRUNK),
        ("lanczos", "mirror", TURNED),
    ],
)
def test_affine(device, agree, kind, edge, matrix):
    agree(
        warp_affine(device(picture()), matrix, (9, 11), kind, edge=edge),
        warp_affine(picture(), matrix, (9, 11), kind, edge=edge),
    )


@pytest.mark.parametrize("scale", [1.0, 1.7, None])
def test_dense(device, agree, scale):
    y, x = np.mgrid[:9, :11].astype(np.float32)
    coordinates = np.stack([1.9 * x - 0.2 * y - 3.0, 1.3 * y + 0.03 * x * x], axis=2)
    coordinates[4:6, 3:7] = np.nan
    coordinates[7, 9] = [np.inf, -4e4]
    ours = warp_dense(device(picture(5)), device(coordinates), "cubic", scale)
    agree(ours, warp_dense(picture(5), coordinates, "cubic", scale))


def test_half_in_and_out(device, agree):
    source, out = picture(dtype=np.float16), np.zeros((9, 11, 3), np.float16)
    ours = warp_affine(device(source), TURNED, (9, 11), "cubic", device(out))
    agree(ours, warp_affine(source, TURNED, (9, 11), "cubic", out), "half")


@pytest.mark.parametrize("alpha", ["straight", "premultiplied"])
@pytest.mark.parametrize("channels", [2, 4])
def test_alpha_and_finishes(device, agree, alpha, channels):
    source = picture(channels)
    source[..., -1] = np.clip(source[..., -1] - 0.6, 0.0, 1.0)
    model_view = make_view([[1.2, -0.1, -0.1], [0.0, 1.1, -0.1], [0.0, -0.1, 1.1]], 1.2)
    finishes = (
        [{}] if channels == 2 else [{}, {"to_view": model_view}, {"from_view": model_view}, {"colour": np.eye(3)}]
    )
    for finish in finishes:
        ours = warp_affine(device(source), SHRUNK, (9, 11), alpha=alpha, **finish)
        agree(ours, warp_affine(source, SHRUNK, (9, 11), alpha=alpha, **finish))


def test_not_finite(device, agree):
    source = picture()
    source[9, 11] = [np.nan, np.inf, 1e4]
    agree(warp_affine(device(source), TURNED, (9, 11)), warp_affine(source, TURNED, (9, 11)))
    agree(warp_affine(device(source), np.eye(3), (9, 11), "cubic"), source[:9, :11])


def test_st_maps(device, agree):
    st = np.random.default_rng(2).uniform(0.0, 1.0, (9, 11, 2)).astype(np.float32)
    agree(pixels_of_st(device(st), (19, 23)), pixels_of_st(st, (19, 23)))
    agree(st_of_pixels(device(st), (19, 23)), st_of_pixels(st, (19, 23)))
