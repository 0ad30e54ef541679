import numpy as np
import pytest

from kernels.mesh import Raster, draw, rasterize
from kernels.view import make_view

SIZE = (18, 70)


def crossing():
    """Three sheets that cross, two of them the same: corners (n, 3), triangles (m, 3) wound either way."""
    rng = np.random.default_rng(6)
    corners = rng.uniform([-6.0, -4.0, 0.0], [78.0, 24.0, 9.0], (30, 3))
    triangles = rng.integers(0, 30, (24, 3)).astype(np.int32)
    return np.concatenate([corners, corners]), np.concatenate([triangles, triangles[:8] + 30]).astype(np.int32)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_rasterize(device, agree, dtype):
    corners, triangles = crossing()
    values = np.random.default_rng(7).uniform(1.0, 9.0, (60, 3))
    out = [np.zeros((*SIZE, 3), dtype), np.zeros(SIZE, dtype), np.zeros(SIZE, dtype)]
    ours = rasterize(device(corners), triangles, values, SIZE, Raster(*map(device, out)))
    for mine, reference in zip(ours, rasterize(corners, triangles, values, SIZE, Raster(*out)), strict=True):
        agree(mine, reference, "devices" if dtype == np.float32 else "half")


def test_depth_has_the_same_bits(device, agree):
    corners, triangles = crossing()
    ours = rasterize(device(corners), triangles, corners, SIZE)
    agree(ours.depth, rasterize(corners, triangles, corners, SIZE).depth, "exact")


@pytest.mark.parametrize("finish", [False, True])
def test_draw(device, agree, finish):
    corners, triangles = crossing()
    source = np.random.default_rng(8).uniform(0.1, 2.0, (20, 25, 3)).astype(np.float32)
    places = np.random.default_rng(9).uniform(0.0, 20.0, (60, 2))
    options = {"kind": "linear", "scale": 1.3, "to_view": make_view() if finish else None}
    ours = draw(corners, triangles, places, device(source), SIZE, **options)
    for mine, reference in zip(ours, draw(corners, triangles, places, source, SIZE, **options), strict=True):
        agree(mine, reference, "mesh")
