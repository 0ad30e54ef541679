"""CUDA kernels of `kernels.distance`."""

# pyright: reportCallIssue=false

import math

from numba import cuda, float32, float64, int32

from kernels.distance import crossing, edge_distance, rise_of, segment_square, stretch
from kernels.half import narrowed


@cuda.jit
def _vertical_distance(mask, distance):
    x = cuda.grid(1)
    height, width = mask.shape
    if x < width:
        none = int32(height + width + 1)
        distance[0, x] = none
        for y in range(1, height):
            same = mask[y, x] == mask[y - 1, x]
            distance[y, x] = min(distance[y - 1, x] + int32(1), none) if same else int32(1)
        for y in range(height - 2, -1, -1):
            same = mask[y, x] == mask[y + 1, x]
            below = min(distance[y + 1, x] + int32(1), none) if same else int32(1)
            distance[y, x] = min(distance[y, x], below)


@cuda.jit
def _nearest(mask, vertical, distance):
    x, y = cuda.grid(2)
    height, width = mask.shape
    if y < height and x < width:
        none, kind = int32(height + width + 1), mask[y, x]
        # Squares of whole numbers: exact in float32 up to 4096 pixels, and then as exact as the result.
        rise = float32(vertical[y, x])
        square = rise * rise if vertical[y, x] < none else float32(math.inf)
        for step in range(1, width):
            along = float32(step) * float32(step)
            if along >= square or (x - step < 0 and x + step >= width):
                break
            for q in (x - step, x + step):
                if 0 <= q < width:
                    found = rise_of(mask, vertical, y, q, kind)
                    if found < none:
                        square = min(square, along + float32(found) * float32(found))
        distance[y, x] = narrowed(edge_distance(square, kind), distance[y, x])


@cuda.jit
def _distance_to_edges(corners, distance):
    x, y = cuda.grid(2)
    if y < distance.shape[0] and x < distance.shape[1]:
        px, py = float64(x) + 0.5, float64(y) + 0.5
        square, turns = float32(math.inf), 0
        for i in range(corners.shape[0]):
            j = i + 1 if i + 1 < corners.shape[0] else 0
            ax, ay, bx, by = corners[i, 0] - px, corners[i, 1] - py, corners[j, 0] - px, corners[j, 1] - py
            dx, dy = float32(bx - ax), float32(by - ay)
            inverse = stretch(dx, dy)
            here = segment_square(float32(0.0), float32(0.0), float32(ax), float32(ay), dx, dy, inverse)
            square = min(square, here)
            at, turn = crossing(ax, ay, bx, by)
            if at <= 0.0:
                turns += turn
        length = float32(math.sqrt(square))
        distance[y, x] = narrowed(length if turns != 0 else -length, distance[y, x])
