"""Averages values over the canonical mesh, so that what is interpolated between its vertices shows no triangles."""

from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from engine.faces.mesh import SURFACE
from engine.models.catalogue import canonical_mesh
from kernels.mesh import vertex_facing

Float32 = NDArray[np.float32]

# Passes of the average over the mesh; eight reach about a nose's width.
SMOOTHINGS = 8


def smooth_over_mesh(values: Float32) -> Float32:
    """Vertex values (468,) averaged with their neighbours', again and again.

    Their interpolation then shows no triangles, and the sides of a nose count as the cheeks around them.
    """
    for _ in range(SMOOTHINGS):
        values = _neighbour_average() @ values
    return values


def smooth_facing(mesh: NDArray[np.float64]) -> Float32:
    """How much each vertex of a mesh (468 or more, 3) looks at the camera, (468,) [-1, 1], smoothed."""
    return smooth_over_mesh(vertex_facing(mesh[:SURFACE], canonical_mesh().triangles))


@cache
def _neighbour_average() -> csr_matrix:
    triangles = canonical_mesh().triangles
    pairs = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    rows, columns = np.concatenate([pairs, pairs[:, ::-1]]).T
    links = csr_matrix((np.ones(len(rows), np.float32), (rows, columns)), (SURFACE, SURFACE))
    links.data[:] = 1.0
    links = links + csr_matrix(np.eye(SURFACE, dtype=np.float32))
    return csr_matrix(links / links.sum(1))
