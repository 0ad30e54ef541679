"""Rasterise a triangle mesh over a pixel grid: interpolated attributes, depth and facing.

A pixel belongs to a triangle when its centre lies inside; of several, the one nearest to the camera wins (z grows away
from the camera). Attributes are interpolated affinely, as suits a mesh that is small against its distance.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

Float32 = NDArray[np.float32]

# Rows of a band. A band is rastered by one thread, so that no two threads write the same pixel.
BAND = 32


class Raster(NamedTuple):
    """attributes (h, w, k) and facing (h, w) in [-1, 1] are 0, and depth (h, w) infinite, where nothing covers."""

    attributes: Float32
    depth: Float32
    facing: Float32

    @property
    def covered(self) -> NDArray[np.bool_]:
        return np.isfinite(self.depth)


def rasterize(
    vertices: NDArray[np.floating],
    triangles: NDArray[np.int32],
    attributes: NDArray[np.floating],
    size: tuple[int, int],
) -> Raster:
    """Raster `triangles` (m, 3) of `vertices` (n, 3), in pixels, over (height, width), carrying `attributes` (n, k).

    Facing is minus the z of the triangle's unit normal: 1 looks at the camera, 0 is grazing. Triangles that face away
    (wound the other way on screen) are drawn too, with a negative facing, and hide what is behind them.
    """
    height, width = size
    values = np.ascontiguousarray(attributes, np.float32)
    raster = Raster(
        np.zeros((height, width, values.shape[1]), np.float32),
        np.full((height, width), np.inf, np.float32),
        np.zeros((height, width), np.float32),
    )
    _raster(np.ascontiguousarray(vertices, np.float32), np.ascontiguousarray(triangles, np.int32), values, *raster)
    return raster


def vertex_facing(vertices: NDArray[np.floating], triangles: NDArray[np.int32]) -> Float32:
    """How much each vertex (n,) looks at the camera: minus z of its area-weighted unit normal, in [-1, 1]."""
    corners = vertices[triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(total, triangles[:, corner], normals)
    length = np.linalg.norm(total, axis=1)
    return (-total[:, 2] / np.maximum(length, 1e-12)).astype(np.float32)


@njit(cache=True)
def _draw(vertices, a, b, c, values, attributes, depth, facing, first_row, last_row):
    ax, ay, az = vertices[a, 0], vertices[a, 1], vertices[a, 2]
    bx, by, bz = vertices[b, 0], vertices[b, 1], vertices[b, 2]
    cx, cy, cz = vertices[c, 0], vertices[c, 1], vertices[c, 2]
    top = max(first_row, int(np.ceil(min(ay, by, cy) - float32(0.5))))
    bottom = min(last_row, int(np.floor(max(ay, by, cy) - float32(0.5))) + 1)
    left = max(0, int(np.ceil(min(ax, bx, cx) - float32(0.5))))
    right = min(depth.shape[1], int(np.floor(max(ax, bx, cx) - float32(0.5))) + 1)
    double_area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    if top >= bottom or left >= right or abs(double_area) < float32(1e-9):
        return
    inverse = float32(1.0) / double_area
    nx = (by - ay) * (cz - az) - (bz - az) * (cy - ay)
    ny = (bz - az) * (cx - ax) - (bx - ax) * (cz - az)
    cosine = -double_area / np.sqrt(nx * nx + ny * ny + double_area * double_area)
    # A hair of slack closes the cracks that rounding would leave between neighbours.
    slack = float32(-1e-4)
    for y in range(top, bottom):
        py = float32(y) + float32(0.5)
        for x in range(left, right):
            px = float32(x) + float32(0.5)
            wb = ((px - ax) * (cy - ay) - (cx - ax) * (py - ay)) * inverse
            wc = ((bx - ax) * (py - ay) - (px - ax) * (by - ay)) * inverse
            wa = float32(1.0) - wb - wc
            if wa < slack or wb < slack or wc < slack:
                continue
            z = wa * az + wb * bz + wc * cz
            if z >= depth[y, x]:
                continue
            depth[y, x] = z
            facing[y, x] = cosine
            for k in range(values.shape[1]):
                attributes[y, x, k] = wa * values[a, k] + wb * values[b, k] + wc * values[c, k]


@njit(cache=True, parallel=True)
def _raster(vertices, triangles, values, attributes, depth, facing):
    height = depth.shape[0]
    for band in prange((height + BAND - 1) // BAND):
        first, last = band * BAND, min(height, (band + 1) * BAND)
        for t in range(triangles.shape[0]):
            a, b, c = triangles[t, 0], triangles[t, 1], triangles[t, 2]
            _draw(vertices, a, b, c, values, attributes, depth, facing, first, last)
