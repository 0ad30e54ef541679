"""The raster of a face's mesh, against NumPy and OpenCV: ids painted back to front, then one affine look-up a pixel."""

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.growth import Case
from benchmarks.report import Row
from benchmarks.timing import Call, compare
from engine.models.catalogue import canonical_mesh
from kernels.mesh import Drawn, Raster, draw, rasterize
from kernels.workspace import Workspace

FACES = (188, 751, 1502)
# Bits of a pixel that OpenCV's corners keep.
SHIFT = 4


def rows() -> list[Row]:
    return [*(_raster(width) for width in FACES), _drawn(1502)]


def _face(width: int) -> tuple[NDArray[np.float64], tuple[int, int]]:
    """The canonical mesh (468, 3) looking at the camera, this many pixels wide, and a picture's size that holds it."""
    vertices = canonical_mesh().vertices * [1.0, -1.0, -1.0]
    vertices = (vertices - vertices.min(0)) * (width / np.ptp(vertices[:, 0])) + [8.0, 8.0, 0.0]
    height, across = np.ceil(vertices[:, 1::-1].max(0)).astype(int) + 8
    return vertices, (int(height), int(across))


def _painted(
    vertices: NDArray[np.float64],
    triangles: NDArray[np.int32],
    values: NDArray[np.float32],
    size: tuple[int, int],
    out: NDArray[np.float32],
) -> NDArray[np.float32]:
    """What `rasterize` carries (h, w, 2), by a painter: the far triangles first."""
    corners = vertices[triangles]
    ids = np.full(size, -1, np.int32)
    points = np.round((corners[..., :2] - 0.5) * (1 << SHIFT)).astype(np.int32)
    for triangle in np.argsort(-corners[..., 2].mean(1)):
        cv2.fillConvexPoly(ids, points[triangle], int(triangle), lineType=cv2.LINE_8, shift=SHIFT)
    places = np.concatenate([corners[..., :2], np.ones((len(corners), 3, 1))], axis=2)
    solvable = np.abs(np.linalg.det(places)) > 1e-6
    affine = np.zeros((len(corners), 3, 2))
    affine[solvable] = np.linalg.solve(places[solvable], values[triangles][solvable])
    y, x = np.nonzero(ids >= 0)
    chosen = affine.astype(np.float32)[ids[y, x]]
    x_centre, y_centre = x.astype(np.float32) + np.float32(0.5), y.astype(np.float32) + np.float32(0.5)
    out[...] = 0.0
    for k in range(2):
        out[y, x, k] = chosen[:, 0, k] * x_centre + chosen[:, 1, k] * y_centre + chosen[:, 2, k]
    return out


def _raster(width: int) -> Row:
    mesh, (vertices, size), workspace = canonical_mesh(), _face(width), Workspace()
    out, result = _empty(size), np.empty((*size, 2), np.float32)
    return compare(
        f"raster of a face of {width} pixels",
        "NumPy + OpenCV, painted ids",
        lambda: _painted(vertices, mesh.triangles, mesh.uv, size, result),
        lambda: rasterize(vertices, mesh.triangles, mesh.uv, size, out, workspace=workspace),
        6,
    )


def _drawn(width: int) -> Row:
    mesh, (vertices, size), workspace = canonical_mesh(), _face(width), Workspace()
    source = np.random.default_rng(2).uniform(0.0, 2.0, (width, width, 3)).astype(np.float32)
    places, none = mesh.uv * np.float32(width), np.empty(0, np.float32)
    result, picture = np.empty((*size, 2), np.float32), np.empty((*size, 3), np.float32)
    out = Drawn(np.empty((*size, 3), np.float32), np.empty(size, np.float32), np.empty(size, np.float32))

    def peer() -> object:
        _painted(vertices, mesh.triangles, places, size, result)
        return cv2.remap(source, result - np.float32(0.5), none, cv2.INTER_LINEAR, dst=picture)

    return compare(
        f"face of {width} pixels drawn with a texture, linear",
        "NumPy + OpenCV, painted ids, remap",
        peer,
        lambda: draw(vertices, mesh.triangles, places, source, size, "linear", out=out, workspace=workspace),
        6,
    )


def _empty(size: tuple[int, int]) -> Raster:
    return Raster(np.empty((*size, 2), np.float32), np.empty(size, np.float32), np.empty(size, np.float32))


def _growth(side: int) -> Call:
    """A face that fills a square of this side."""
    mesh, workspace = canonical_mesh(), Workspace()
    vertices, _ = _face(round(0.8 * side))
    out = _empty((side, side))
    return lambda: rasterize(vertices, mesh.triangles, mesh.uv, (side, side), out, workspace=workspace)


GROWTH: list[Case] = [("mesh raster", _growth)]
