"""The face's regions, drawn once in the texture space of the canonical mesh.

Every matte of a face (hull, eyes, mouth, brows, forehead) is a function of the distance to a contour of the canonical
mesh. The distances are measured once, in texture space, and carried to each frame by the raster of the mesh, so that
a matte sticks to the face: it turns, blinks and scales with it, and does not crawl with the noise of an image.

Distances are in texture units; the face is 0.985 units wide.
"""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.models.catalogue import canonical_mesh
from kernels.matte import polygon_distance
from kernels.mesh import rasterize
from kernels.warp import warp_dense

Float32 = NDArray[np.float32]

RESOLUTION = 512

RIGHT_BROW = (70, 63, 105, 66, 107, 55, 65, 52, 53, 46)
LEFT_BROW = (300, 293, 334, 296, 336, 285, 295, 282, 283, 276)
RIGHT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
LEFT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
INNER_LIPS = (78, 95, 88, 178, 87, 14, 317, 402, 318, 324, 308, 415, 310, 311, 312, 13, 82, 81, 80, 191)
OUTER_LIPS = (61, 146, 91, 181, 84, 17, 314, 405, 321, 375, 291, 409, 270, 269, 267, 0, 37, 39, 40, 185)
# The nose's underside: dark in every light, so neither skin to sample nor a place to doubt.
NOSTRILS = (48, 64, 98, 97, 2, 326, 327, 294, 278, 275, 4, 45)
# From the bridge between the eyes, down its sides and round its wings.
NOSE = (168, 193, 245, 188, 174, 217, 209, 49, 64, 98, 97, 2, 326, 327, 294, 279, 429, 437, 399, 412, 465, 417)
# Brows, nose, lips and the front of the cheeks: what makes a face somebody's.
INNER_FACE = (70, 63, 105, 66, 107, 9, 336, 296, 334, 293, 300, 346, 280, 425, 287, 405, 17, 181, 57, 205, 50, 117)
BROW_LINE = (105, 66, 107, 336, 296, 334)
HAIR_LINE = 10


class Regions(NamedTuple):
    """Fields over the pixels of a frame, each (h, w) float32; signed distances are positive inside the region."""

    hull: Float32
    eyes: Float32
    inner_lips: Float32
    lips: Float32
    brows: Float32
    nostrils: Float32
    inner_face: Float32
    forehead: Float32
    """How far up from the brows (0) to the hair line (1) a pixel lies; negative below the brows."""


def regions(texture: Float32) -> Regions:
    """The fields at texture coordinates (h, w, 2), u right and v down; where those are NaN, all is far outside."""
    fields = warp_dense(_atlas(), texture * np.float32(RESOLUTION), "linear")
    fields[np.isnan(texture[..., 0])] = -1.0
    return Regions(*np.ascontiguousarray(np.moveaxis(fields, 2, 0)))


def picture_regions(mesh: NDArray[np.floating], size: tuple[int, int]) -> Regions:
    """The fields over a picture of (height, width) that holds a face with this 478-point mesh, in its pixels."""
    canonical = canonical_mesh()
    raster = rasterize(mesh[: len(canonical.vertices)], canonical.triangles, canonical.uv, size)
    raster.attributes[~raster.covered] = np.nan
    return regions(raster.attributes)


def distance(*rings: tuple[int, ...] | NDArray[np.int32]) -> Float32:
    """The signed distance (RESOLUTION, RESOLUTION) to contours of the canonical mesh, over the texture space."""
    points, size = canonical_mesh().uv.astype(np.float64) * RESOLUTION, (RESOLUTION, RESOLUTION)
    return np.max([polygon_distance(points[list(ring)], size) for ring in rings], axis=0) / RESOLUTION


@cache
def _atlas() -> Float32:
    mesh = canonical_mesh()
    v = (np.arange(RESOLUTION, dtype=np.float32)[:, None] + 0.5) / RESOLUTION
    brow, hair = mesh.uv[list(BROW_LINE), 1].min(), mesh.uv[HAIR_LINE, 1]
    forehead = np.broadcast_to((brow - v) / (brow - hair), (RESOLUTION, RESOLUTION))
    fields = (
        distance(mesh.oval),
        distance(RIGHT_EYE, LEFT_EYE),
        distance(INNER_LIPS),
        distance(OUTER_LIPS),
        distance(RIGHT_BROW, LEFT_BROW),
        distance(NOSTRILS),
        distance(INNER_FACE),
        forehead,
    )
    return np.ascontiguousarray(np.stack(fields, axis=2), np.float32)
