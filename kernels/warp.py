"""Resample pictures: by an affine matrix, or by a dense map.

Convention: coordinates are pixels with centres at half-integers, x right, y down; a matrix or a map takes an output
pixel's centre to a place in the source. Outside its border the source continues with its edge pixels.

Where the output is smaller than the source, the kernel is widened to the output's pixel spacing, so that a face of
1500 pixels taken into a crop of 128 does not alias (a tent or cubic as in Mitchell & Netravali, "Reconstruction
Filters in Computer Graphics", 1988; Keys' a = -1/2 cubic is Catmull-Rom).
"""

from typing import Literal

import numpy as np
from numba import float32, njit, prange
from numpy.typing import ArrayLike, NDArray

Float32 = NDArray[np.float32]
Kind = Literal["linear", "cubic"]


def warp_affine(
    source: Float32,
    out_to_source: ArrayLike,
    size: tuple[int, int],
    kind: Kind = "linear",
    out: Float32 | None = None,
) -> Float32:
    """Sample `source` (h, w, c) under a (2, 3) matrix into (height, width, c), anti-aliased when it shrinks.

    An isotropic prefilter is used: the widening is the larger singular value of the matrix.
    """
    matrix = np.asarray(out_to_source, np.float64)
    scale = max(1.0, float(np.linalg.svd(matrix[:, :2], compute_uv=False)[0]))
    out = np.empty((*size, source.shape[2]), np.float32) if out is None else out
    _affine(source, matrix, np.float32(scale), kind == "cubic", out)
    return out


def warp_dense(
    source: Float32, coordinates: Float32, kind: Kind = "cubic", scale: float = 1.0, out: Float32 | None = None
) -> Float32:
    """Sample `source` (h, w, c) at `coordinates` (height, width, 2), source pixels (x, y); NaN coordinates give 0.

    scale: source pixels from one output pixel to the next; above 1 the kernel is widened by it against aliasing.
    """
    out = np.empty((*coordinates.shape[:2], source.shape[2]), np.float32) if out is None else out
    _dense(source, coordinates, np.float32(max(1.0, scale)), kind == "cubic", out)
    return out


@njit(cache=True, inline="always")
def tent(d):
    return max(float32(0.0), float32(1.0) - abs(d))


@njit(cache=True, inline="always")
def catmull_rom(d):
    d = abs(d)
    if d < float32(1.0):
        return (float32(1.5) * d - float32(2.5)) * d * d + float32(1.0)
    if d < float32(2.0):
        return ((float32(-0.5) * d + float32(2.5)) * d - float32(4.0)) * d + float32(2.0)
    return float32(0.0)


@njit(cache=True)
def sample(source, x, y, scale, cubic, out):
    """Write the filtered value of `source` at (x, y) into `out` (c); `scale` >= 1 widens the kernel."""
    h, w, channels = source.shape
    radius = scale * (float32(2.0) if cubic else float32(1.0))
    # Far outside, the edge pixel is the answer; the clamp keeps the loop short and the integers small.
    x = min(max(x, -radius), float32(w) + radius)
    y = min(max(y, -radius), float32(h) + radius)
    first_x = int(np.ceil(x - float32(0.5) - radius))
    last_x = int(np.floor(x - float32(0.5) + radius))
    first_y = int(np.ceil(y - float32(0.5) - radius))
    last_y = int(np.floor(y - float32(0.5) + radius))
    inverse = float32(1.0) / scale
    total = float32(0.0)
    for c in range(channels):
        out[c] = float32(0.0)
    for j in range(first_y, last_y + 1):
        dy = (float32(j) + float32(0.5) - y) * inverse
        wy = catmull_rom(dy) if cubic else tent(dy)
        if wy == float32(0.0):
            continue
        row = min(max(j, 0), h - 1)
        for i in range(first_x, last_x + 1):
            dx = (float32(i) + float32(0.5) - x) * inverse
            weight = wy * (catmull_rom(dx) if cubic else tent(dx))
            if weight == float32(0.0):
                continue
            column = min(max(i, 0), w - 1)
            total += weight
            for c in range(channels):
                out[c] += weight * source[row, column, c]
    if total != float32(0.0):
        normal = float32(1.0) / total
        for c in range(channels):
            out[c] *= normal


@njit(cache=True, parallel=True)
def _affine(source, matrix, scale, cubic, out):
    for y in prange(out.shape[0]):
        for x in range(out.shape[1]):
            px, py = x + 0.5, y + 0.5
            u = matrix[0, 0] * px + matrix[0, 1] * py + matrix[0, 2]
            v = matrix[1, 0] * px + matrix[1, 1] * py + matrix[1, 2]
            sample(source, float32(u), float32(v), scale, cubic, out[y, x])


@njit(cache=True, parallel=True)
def _dense(source, coordinates, scale, cubic, out):
    for y in prange(out.shape[0]):
        for x in range(out.shape[1]):
            u, v = coordinates[y, x, 0], coordinates[y, x, 1]
            if np.isnan(u) or np.isnan(v):
                for c in range(out.shape[2]):
                    out[y, x, c] = float32(0.0)
            else:
                sample(source, u, v, scale, cubic, out[y, x])
