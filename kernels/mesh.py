"""Rasterise a triangle mesh over a pixel grid: interpolated attributes or a sampled texture, depth and facing.

A pixel belongs to a triangle when its centre lies inside; of several, the one nearest to the camera wins (z grows away
from the camera), and of equally near ones the first of the list. See `kernels.triangles` for what lies on an edge, and
for why that is the same on every device. Attributes are interpolated affinely, as suits a mesh that is small against
its distance.
"""

from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit, prange
from numpy.typing import ArrayLike, NDArray

from kernels.filters import Kind
from kernels.half import loadable, narrowed
from kernels.launch import empty, on_gpu, place, run
from kernels.triangles import (
    blended,
    blended_step,
    depth_line,
    depth_on,
    lay_triangle,
    span_of,
    touches,
    weights_at,
)
from kernels.view import ModelView
from kernels.warp import Alpha, dense_band, manner_of
from kernels.windows import scratch_for, side_of
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]

# A tile whose triangles are listed: a thread of the CPU takes whole rows, a block of a GPU a part of them.
BAND, DRAWN_BAND = 16, 64
TILE = (16, 64)


class Raster(NamedTuple):
    """attributes (h, w, k) and facing (h, w) in [-1, 1] are 0, and depth (h, w) infinite, where nothing covers."""

    attributes: NDArray[Any]
    depth: NDArray[Any]
    facing: NDArray[Any]

    @property
    def covered(self) -> NDArray[np.bool_]:
        return np.isfinite(self.depth)


class Drawn(NamedTuple):
    """As `Raster`, with the sampled picture (h, w, c), 0 where nothing covers."""

    picture: NDArray[Any]
    depth: NDArray[Any]
    facing: NDArray[Any]

    @property
    def covered(self) -> NDArray[np.bool_]:
        return np.isfinite(self.depth)


def rasterize(
    vertices: NDArray[np.floating],
    triangles: NDArray[np.int32],
    attributes: NDArray[np.floating],
    size: tuple[int, int],
    out: Raster | None = None,
    *,
    workspace: Workspace | None = None,
) -> Raster:
    """Raster `triangles` (m, 3) of `vertices` (n, 3), in pixels, over (height, width), carrying `attributes` (n, k).

    Facing is minus the z of the triangle's unit normal: 1 looks at the camera, 0 is grazing. Triangles that face away
    (wound the other way on screen) are drawn too, with a negative facing, and hide what is behind them. One with a
    corner that is NaN or 131072 pixels away is not drawn. The vertices say where the work runs; the lists may lie on
    the host. out: float32 or float16.
    """
    values = _moved(vertices, attributes)
    raster = out or Raster(empty(vertices, (*size, values.shape[1])), empty(vertices, size), empty(vertices, size))
    tables = _tables(vertices, triangles, size, BAND, workspace)
    run(_raster, size, *tables, values, *map(loadable, raster))
    return raster


def draw(
    vertices: NDArray[np.floating],
    triangles: NDArray[np.int32],
    coordinates: NDArray[np.floating],
    source: NDArray[Any],
    size: tuple[int, int],
    kind: Kind = "cubic",
    scale: float = 1.0,
    out: Drawn | None = None,
    *,
    limit: bool = True,
    alpha: Alpha | None = None,
    colour: ArrayLike | None = None,
    to_view: ModelView | None = None,
    from_view: ModelView | None = None,
    workspace: Workspace | None = None,
) -> Drawn:
    """Raster a mesh as `rasterize`, with `source` (h, w, c) sampled at the `coordinates` (n, 2) of its vertices.

    In one pass: what `rasterize` and `kernels.warp.warp_dense` give one after the other, without a picture of
    coordinates between. coordinates: source pixels (x, y). The rest as in `warp_dense`.
    """
    manner, matrix = manner_of(source.shape[2], kind, "continue", limit, alpha, colour, to_view, from_view)
    drawn = out or Drawn(empty(source, (*size, source.shape[2])), empty(source, size), empty(source, size))
    tables = _tables(_moved(source, vertices), triangles, size, DRAWN_BAND, workspace)
    places, widening = _moved(source, coordinates), np.float32(max(1.0, scale))
    run(_draw, size, *tables, places, loadable(source), widening, manner, matrix, *map(loadable, drawn))
    return drawn


def vertex_facing(vertices: NDArray[np.floating], triangles: NDArray[np.int32]) -> Float32:
    """How much each vertex (n,) looks at the camera: minus z of its area-weighted unit normal, in [-1, 1].

    A list of points, not a picture: on the host.
    """
    corners = vertices[triangles].astype(np.float64)
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    total = np.zeros((len(vertices), 3))
    for corner in range(3):
        np.add.at(total, triangles[:, corner], normals)
    length = np.linalg.norm(total, axis=1)
    return (-total[:, 2] / np.maximum(length, 1e-12)).astype(np.float32)


def _tables(
    vertices: NDArray[np.floating],
    triangles: NDArray[np.int32],
    size: tuple[int, int],
    band: int,
    workspace: Workspace | None,
) -> tuple[Any, ...]:
    """The tables of `kernels.triangles`, the triangles of each tile (down, across, m), how many, and a tile's size."""
    room, m = workspace or Workspace(), len(triangles)
    points, listed = _moved(vertices, vertices), _moved(vertices, triangles, np.int32)
    tile = TILE if on_gpu(points) else (band, max(1, size[1]))
    tiles = tuple(-(-length // part) for length, part in zip(size, tile, strict=True))
    corners = room.empty("mesh.corners", points, (m, 3), np.int32)
    edges = room.empty("mesh.edges", points, (m, 3, 4), np.int64)
    boxes = room.empty("mesh.boxes", points, (m, 4), np.int32)
    planes = room.empty("mesh.planes", points, (m, 5), np.float64)
    run(_lay, m, points, listed, *map(np.int64, size), corners, edges, boxes, planes)
    lists = room.empty("mesh.lists", points, (*tiles, m), np.int32)
    counts = room.zeros("mesh.counts", points, tiles, np.int32)
    run(_list, tiles, boxes, *map(np.int64, tile), lists, counts)
    return corners, edges, boxes, planes, lists, counts, *map(np.int64, tile)


def _moved(like: Any, table: Any, dtype: Any = np.float32) -> Any:
    """A table in this type where `like` lies; one that lies on a GPU stays there."""
    if not on_gpu(table):
        return place(like, table, dtype)
    held = empty(table, table.shape, dtype)
    held[...] = table
    return held


@njit(cache=True)
def _lay(vertices, triangles, height, width, corners, edges, boxes, planes):
    for t in range(triangles.shape[0]):
        lay_triangle(vertices, triangles[t], height, width, corners[t], edges[t], boxes[t], planes[t])


@njit(cache=True, parallel=True)
def _list(boxes, tile_height, tile_width, lists, counts):
    for down in prange(counts.shape[0]):
        top = int(down) * tile_height
        for across in range(counts.shape[1]):
            left, count = across * tile_width, 0
            for t in range(boxes.shape[0]):
                if touches(boxes, t, top, top + tile_height, left, left + tile_width):
                    lists[down, across, count] = t
                    count += 1
            counts[down, across] = count


@njit(cache=True, parallel=True, error_model="numpy")
def _raster(corners, edges, boxes, planes, lists, counts, tile_height, tile_width, values, attributes, depth, facing):
    height, width = depth.shape
    for band in prange(counts.shape[0]):
        owners, nearest = np.empty(width, np.int32), np.empty(width, np.float32)
        listed = lists[band, 0, : counts[band, 0]]
        for y in range(int(band) * tile_height, min(height, (int(band) + 1) * tile_height)):
            find_owners(edges, boxes, planes, listed, y, owners, nearest)
            write_row(owners, nearest, planes, depth[y], facing[y])
            blend_row(owners, corners, edges, planes, values, y, float32(0.0), attributes[y])


@njit(cache=True, parallel=True, error_model="numpy")
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
    for band in prange(counts.shape[0]):
        _draw_band(
            corners,
            edges,
            boxes,
            planes,
            lists[band, 0, : counts[band, 0]],
            int(band) * tile_height,
            min(depth.shape[0], (int(band) + 1) * tile_height),
            coordinates,
            source,
            scale,
            manner,
            colour,
            picture,
            depth,
            facing,
        )


@njit(cache=True, error_model="numpy")
def _draw_band(
    corners,
    edges,
    boxes,
    planes,
    listed,
    top,
    bottom,
    coordinates,
    source,
    scale,
    manner,
    colour,
    picture,
    depth,
    facing,
):
    """Draw rows [top, bottom), which some triangles meet."""
    width = depth.shape[1]
    owners, nearest = np.empty(width, np.int32), np.empty(width, np.float32)
    places = np.empty((bottom - top, width, 2), np.float32)
    for y in range(top, bottom):
        find_owners(edges, boxes, planes, listed, y, owners, nearest)
        write_row(owners, nearest, planes, depth[y], facing[y])
        blend_row(owners, corners, edges, planes, coordinates, y, float32(np.nan), places[y - top])
    spread = 1.5 * scale
    side = min(side_of(spread, spread, scale, scale, manner.kind, depth.shape[0]), bottom - top)
    scratch = scratch_for(side, spread, spread, scale, scale, scale, manner.kind)
    for row in range(0, bottom - top, side):
        dense_band(source, places, scale, manner, colour, picture[top:bottom], side, row, scratch)


@njit(cache=True, error_model="numpy")
def find_owners(edges, boxes, planes, listed, y, owners, nearest):
    """The triangle (w,) drawn at each pixel of a row, -1 for none, and its depth (w,), infinite for none."""
    for x in range(owners.shape[0]):
        owners[x], nearest[x] = -1, float32(np.inf)
    for k in range(listed.shape[0]):
        t = listed[k]
        if y < boxes[t, 0] or y >= boxes[t, 1]:
            continue
        left = boxes[t, 2]
        first, last = span_of(edges, t, y, left, boxes[t, 3])
        start, step = depth_line(edges, planes, t, left, y)
        line, own, ahead = nearest[first:last], owners[first:last], first - left
        for i in range(last - first):
            z = depth_on(start, step, ahead + i)
            closer = z < line[i]
            line[i], own[i] = z if closer else line[i], t if closer else own[i]


@njit(cache=True)
def write_row(owners, nearest, planes, depth, facing):
    like_depth, like_facing = depth[0], facing[0]
    for x in range(owners.shape[0]):
        depth[x] = narrowed(nearest[x], like_depth)
        facing[x] = narrowed(float32(planes[owners[x], 4]) if owners[x] >= 0 else float32(0.0), like_facing)


@njit(cache=True, error_model="numpy")
def blend_row(owners, corners, edges, planes, values, y, nothing, out):
    """The attributes (w, k) of a row, a run of pixels of one triangle at a time; `nothing` where there is none."""
    x, width, like = 0, owners.shape[0], out[0, 0]
    while x < width:
        t, end = owners[x], x + 1
        while end < width and owners[end] == t:
            end += 1
        run_of = out[x:end]
        for k in range(values.shape[1]):
            base, step = nothing, float32(0.0)
            if t >= 0:
                second, third = weights_at(edges, planes, t, x, y)
                base = blended(values, corners, t, second, third, k)
                inverse = planes[t, 3]
                second, third = float32(edges[t, 1, 0] * inverse), float32(edges[t, 2, 0] * inverse)
                step = blended_step(values, corners, t, second, third, k)
            for i in range(end - x):
                run_of[i, k] = narrowed(base + float32(i) * step, like)
        x = end
