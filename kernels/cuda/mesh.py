"""CUDA kernels of `kernels.mesh`."""

# pyright: reportCallIssue=false

import numpy as np
from numba import cuda, float32, float64, int32

from kernels.half import narrowed
from kernels.sample import finished, sampled, write
from kernels.triangles import blended, lay_triangle, nearest_at, touches, weights_at


@cuda.jit
def _lay(vertices, triangles, height, width, corners, edges, boxes, planes):
    t = cuda.grid(1)
    if t < triangles.shape[0]:
        lay_triangle(vertices, triangles[t], height, width, corners[t], edges[t], boxes[t], planes[t])


@cuda.jit
def _list(boxes, tile_height, tile_width, lists, counts):
    across, down = cuda.grid(2)
    if down < counts.shape[0] and across < counts.shape[1]:
        top, left, count = down * tile_height, across * tile_width, int32(0)
        for t in range(boxes.shape[0]):
            if touches(boxes, t, top, top + tile_height, left, left + tile_width):
                lists[down, across, count] = t
                count += int32(1)
        counts[down, across] = count


@cuda.jit
def _raster(corners, edges, boxes, planes, lists, counts, tile_height, tile_width, values, attributes, depth, facing):
    x, y = cuda.grid(2)
    if y < depth.shape[0] and x < depth.shape[1]:
        down, across = y // tile_height, x // tile_width
        t, z = nearest_at(edges, boxes, planes, lists[down, across], counts[down, across], x, y)
        depth[y, x] = narrowed(z, depth[y, x])
        facing[y, x] = narrowed(float32(planes[t, 4]) if t >= 0 else float32(0.0), facing[y, x])
        for k in range(values.shape[1]):
            value = float32(0.0)
            if t >= 0:
                second, third = weights_at(edges, planes, t, x, y)
                value = blended(values, corners, t, second, third, k)
            attributes[y, x, k] = narrowed(value, attributes[y, x, k])


@cuda.jit
def _draw(
    corners,
    edges,
    boxes,
    planes,
    lists,
    counts,
    tile_height,
    tile_width,
    coordinates,
    source,
    scale,
    manner,
    colour,
    picture,
    depth,
    facing,
):
    x, y = cuda.grid(2)
    if y < depth.shape[0] and x < depth.shape[1]:
        down, across = y // tile_height, x // tile_width
        t, z = nearest_at(edges, boxes, planes, lists[down, across], counts[down, across], x, y)
        depth[y, x] = narrowed(z, depth[y, x])
        facing[y, x] = narrowed(float32(planes[t, 4]) if t >= 0 else float32(0.0), facing[y, x])
        u, v = float64(np.nan), float64(np.nan)
        if t >= 0:
            second, third = weights_at(edges, planes, t, x, y)
            u = float64(blended(coordinates, corners, t, second, third, 0))
            v = float64(blended(coordinates, corners, t, second, third, 1))
        for channel in range(0, picture.shape[2], 4):
            a, b, c, d = sampled(source, u, v, scale, scale, manner, channel)
            if channel == 0:
                a, b, c, d = finished(a, b, c, d, picture.shape[2], manner, colour)
            write(picture[y, x], channel, a, b, c, d)
