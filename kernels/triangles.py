"""Triangles over a pixel grid: which pixels they own, and how near they are there; the same bits on every device.

Corners are rounded to 1/4096 of a pixel, and a pixel is owned by the sign of three edge functions in whole numbers, so
that of two triangles that share an edge exactly one owns a pixel on it: the one whose top or left edge it is (Pineda,
"A Parallel Algorithm for Polygon Rasterization", 1988). Depth is summed in float64, every product fused with its sum,
for a GPU's compiler would fuse some as it likes; of two triangles with the same depth in float32, the one with the
lower index is drawn.

Tables of m triangles: corners (m, 3) int32, in the order that makes the area positive; edges (m, 3, 4) int64: across,
down and constant of the edge function against each corner, and the least value that is inside; boxes (m, 4) int32: top,
bottom, left, right, of pixels; planes (m, 5) float64: depth of the first corner, its differences to the second and the
third, 1 / area, and facing.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir
from numba import float32, float64, int64, njit, types
from numba.core import cgutils
from numba.extending import intrinsic

from kernels.launch import INTERPRETED

# Steps to a pixel; and how far outside a corner may lie, in pixels, for products of differences to fit 64 bits.
STEPS = 4096
FARTHEST = 131072.0


@intrinsic
def _fused(typing_context, factor, value, addend):
    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(ir.DoubleType(), [ir.DoubleType()] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.fma.f64"), arguments)

    return types.float64(types.float64, types.float64, types.float64), generate


# factor · value + addend in float64, rounded once (twice where Numba's compiler is switched off).
fused: Any = (lambda factor, value, addend: factor * value + addend) if INTERPRETED else _fused


@njit(cache=True, inline="always")
def steps_of(coordinate):
    return int64(math.floor(float64(coordinate) * float64(STEPS) + float64(0.5)))


@njit(cache=True, inline="always")
def first_centre(steps):
    """The first pixel whose centre is not before a place in steps."""
    return -((STEPS // 2 - steps) // STEPS)


@njit(cache=True, inline="always")
def lay_edge(x, y, to_x, to_y, edge):
    """The edge function of the pixels' centres, positive on the right of the way from one corner to the next."""
    across, down = to_x - x, to_y - y
    half = STEPS // 2
    edge[0], edge[1] = -down * STEPS, across * STEPS
    edge[2] = across * (half - y) - down * (half - x)
    edge[3] = 0 if down < 0 or (down == 0 and across > 0) else 1


@njit(cache=True, inline="always")
def lay_triangle(vertices, triangle, height, width, corners, edges, box, plane):
    """Fill in a triangle's tables; its box is empty where it has no area, or a corner that is no place."""
    a, b, c = triangle[0], triangle[1], triangle[2]
    box[0], box[1], box[2], box[3] = 0, 0, 0, 0
    corners[0], corners[1], corners[2] = a, b, c
    for corner in (a, b, c):
        if not (abs(vertices[corner, 0]) < FARTHEST and abs(vertices[corner, 1]) < FARTHEST):
            return
    ax, ay, bx, by = (
        steps_of(vertices[a, 0]),
        steps_of(vertices[a, 1]),
        steps_of(vertices[b, 0]),
        steps_of(vertices[b, 1]),
    )
    cx, cy = steps_of(vertices[c, 0]), steps_of(vertices[c, 1])
    area = (bx - ax) * (cy - ay) - (cx - ax) * (by - ay)
    if area == 0:
        return
    plane[4] = facing_of(vertices, a, b, c)
    if area < 0:
        b, c, bx, by, cx, cy, area = c, b, cx, cy, bx, by, -area
        corners[1], corners[2] = b, c
    lay_edge(bx, by, cx, cy, edges[0])
    lay_edge(cx, cy, ax, ay, edges[1])
    lay_edge(ax, ay, bx, by, edges[2])
    z = float64(vertices[a, 2])
    plane[0], plane[1], plane[2] = z, float64(vertices[b, 2]) - z, float64(vertices[c, 2]) - z
    plane[3] = float64(1.0) / float64(area)
    box[0], box[1] = max(0, first_centre(min(ay, by, cy))), min(height, first_centre(max(ay, by, cy) + 1))
    box[2], box[3] = max(0, first_centre(min(ax, bx, cx))), min(width, first_centre(max(ax, bx, cx) + 1))


@njit(cache=True, inline="always")
def facing_of(vertices, a, b, c):
    """Minus the z of a triangle's unit normal."""
    ux, uy = float64(vertices[b, 0]) - vertices[a, 0], float64(vertices[b, 1]) - vertices[a, 1]
    vx, vy = float64(vertices[c, 0]) - vertices[a, 0], float64(vertices[c, 1]) - vertices[a, 1]
    uz, vz = float64(vertices[b, 2]) - vertices[a, 2], float64(vertices[c, 2]) - vertices[a, 2]
    nx, ny, nz = uy * vz - uz * vy, uz * vx - ux * vz, ux * vy - uy * vx
    length = math.sqrt(nx * nx + ny * ny + nz * nz)
    return -nz / length if length > float64(0.0) else float64(0.0)


@njit(cache=True, inline="always")
def edge_at(edges, triangle, corner, x, y):
    """An edge function at a pixel's centre; divided by the area it is the weight of the corner against it."""
    return edges[triangle, corner, 0] * x + edges[triangle, corner, 1] * y + edges[triangle, corner, 2]


@njit(cache=True, inline="always")
def owns(edges, triangle, x, y):
    """Whether a pixel belongs to a triangle."""
    return (
        (edge_at(edges, triangle, 0, x, y) >= edges[triangle, 0, 3])
        & (edge_at(edges, triangle, 1, x, y) >= edges[triangle, 1, 3])
        & (edge_at(edges, triangle, 2, x, y) >= edges[triangle, 2, 3])
    )


@njit(cache=True, inline="always")
def depth_line(edges, planes, triangle, left, y):
    """The depth at the first pixel of a triangle's box in a row, and its change from a pixel to the next, float64."""
    second, third, inverse = planes[triangle, 1], planes[triangle, 2], planes[triangle, 3]
    at_second, at_third = edge_at(edges, triangle, 1, left, y), edge_at(edges, triangle, 2, left, y)
    start = fused(float64(at_second), second, float64(at_third) * third)
    step = fused(float64(edges[triangle, 1, 0]), second, float64(edges[triangle, 2, 0]) * third)
    return fused(start, inverse, planes[triangle, 0]), step * inverse


@njit(cache=True, inline="always")
def depth_on(start, step, distance):
    """The depth at a distance, in pixels, from the start of a line of `depth_line`."""
    return float32(fused(float64(distance), step, start))


@njit(cache=True, inline="always")
def weights_at(edges, planes, triangle, x, y):
    """The weights of a triangle's second and third corner at a pixel's centre."""
    inverse = planes[triangle, 3]
    second = float64(edge_at(edges, triangle, 1, x, y)) * inverse
    return float32(second), float32(float64(edge_at(edges, triangle, 2, x, y)) * inverse)


@njit(cache=True, inline="always")
def blended(values, corners, triangle, second, third, k):
    """An attribute where the second and third corner have these weights."""
    return values[corners[triangle, 0], k] + blended_step(values, corners, triangle, second, third, k)


@njit(cache=True, inline="always")
def blended_step(values, corners, triangle, second, third, k):
    """The change of an attribute where the weights of the second and third corner change by so much."""
    first = values[corners[triangle, 0], k]
    return second * (values[corners[triangle, 1], k] - first) + third * (values[corners[triangle, 2], k] - first)


@njit(cache=True, inline="always")
def nearest_at(edges, boxes, planes, listed, count, x, y):
    """The triangle of a list, in rising order, that is drawn at a pixel, or -1, and its depth."""
    nearest, found = float32(np.inf), -1
    for k in range(count):
        t = listed[k]
        inside = (boxes[t, 0] <= y) & (y < boxes[t, 1]) & (boxes[t, 2] <= x) & (x < boxes[t, 3])
        if inside and owns(edges, t, x, y):
            start, step = depth_line(edges, planes, t, boxes[t, 2], y)
            z = depth_on(start, step, x - boxes[t, 2])
            closer = z < nearest
            nearest, found = z if closer else nearest, t if closer else found
    return found, nearest


@njit(cache=True, inline="always")
def touches(boxes, triangle, top, bottom, left, right):
    """Whether a triangle's box meets a tile."""
    return (
        (boxes[triangle, 0] < bottom)
        & (boxes[triangle, 1] > top)
        & (boxes[triangle, 2] < right)
        & (boxes[triangle, 3] > left)
    )


@njit(cache=True, error_model="numpy")
def span_of(edges, triangle, y, left, right):
    """The first pixel of a row that a triangle owns, and the one past its last, within [left, right)."""
    for corner in range(3):
        across = edges[triangle, corner, 0]
        rest = edges[triangle, corner, 1] * y + edges[triangle, corner, 2] - edges[triangle, corner, 3]
        if across > 0:
            left = max(left, -(rest // across))
        elif across < 0:
            right = min(right, rest // -across + 1)
        elif rest < 0:
            return left, left
    return left, max(left, right)
