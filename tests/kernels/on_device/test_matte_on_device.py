import numpy as np
import pytest

from kernels.distance import polygon_distance, signed_distance
from kernels.launch import empty
from kernels.matte import combine, feather, grow, maximum, minimum, polygon_coverage, subtract

RANDOM = np.random.default_rng(4)
SIZE = (19, 35)
STAR = np.array([[17.0, -3.0], [21.3, 7.1], [33.0, 8.0], [24.5, 12.2], [27.0, 22.0], [16.1, 15.0], [3.2, 17.7]])


@pytest.mark.parametrize("density", [0.0, 0.02, 0.5, 1.0])
def test_signed_distance(device, agree, density):
    inside = RANDOM.random(SIZE) < density
    agree(signed_distance(device(inside)), signed_distance(inside))


def test_polygon(device, agree):
    frame = device(np.zeros(SIZE, np.float32))
    agree(polygon_distance(STAR, out=empty(frame, SIZE)), polygon_distance(STAR, SIZE), "polygon")
    agree(polygon_coverage(device(STAR), SIZE), polygon_coverage(STAR, SIZE))


def test_feather_and_grow(device, agree):
    distance = RANDOM.uniform(-6.0, 9.0, SIZE).astype(np.float16)
    distance[2, 3:6] = [np.nan, np.inf, -np.inf]
    for width in (0.0, 5.0):
        agree(feather(grow(device(distance), -1.5), width), feather(grow(distance, -1.5), width))


@pytest.mark.parametrize("way", [combine, minimum, maximum, subtract])
def test_combine(device, agree, way):
    a, b, c = RANDOM.random((3, *SIZE)).astype(np.float32)
    a[3, 3] = b[4, 4] = np.nan
    b = b.astype(np.float16)
    agree(way(device(a), device(b), device(c)), way(a, b, c))
