"""Carry a person's references over the triangles of the canonical mesh to the plate's mesh."""

from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.faces.mesh import SURFACE, face_width
from engine.faces.pose import fit_similarity
from engine.models.catalogue import canonical_mesh
from engine.swappers.references import Likeness
from engine.swappers.smooth_mesh import smooth_facing
from kernels.mesh import rasterize
from kernels.warp import warp_dense

Float32 = NDArray[np.float32]

# Vertices nearer than this (cm) to the hull, the eyes or the lips keep, in proportion, the plate's own place.
SHAPE_REACH = 1.5


class Texture(NamedTuple):
    """The person over the crop, each (h, w) or (h, w, n).

    light: exposed linear. likelihood: of skin, in the references. facing, source_facing: how much the plate's face and
    the references' looked at their cameras, [-1, 1]. coordinates: of the canonical texture, NaN where not covered.
    """

    light: Float32
    likelihood: Float32
    facing: Float32
    source_facing: Float32
    coordinates: Float32
    covered: NDArray[np.bool_]


def carry(person: Likeness, plate: NDArray[np.float64], shape: float, size: tuple[int, int]) -> Texture:
    """The person's texture over (height, width), on the plate's mesh (468 or more, 3).

    shape: how far the inner face moves to the person's own shape, [0, 1].
    """
    target = move_shape(plate[:SURFACE], person, shape)
    canonical = canonical_mesh()
    places = [reference.mesh[:SURFACE, :2] for reference in person.references]
    facings = [reference.facing for reference in person.references]
    facing = smooth_facing(target)
    source_facing = np.tensordot(person.weights, np.array(facings), 1)
    attributes = np.column_stack([canonical.uv, facing, source_facing, *places])
    raster = rasterize(target, canonical.triangles, attributes, size)
    raster.attributes[~raster.covered] = np.nan
    sampled = np.zeros((*size, 4), np.float32)
    for index, (reference, weight) in enumerate(zip(person.references, person.weights, strict=True)):
        place = raster.attributes[..., 4 + 2 * index : 6 + 2 * index]
        for level in reference.levels(face_width(target)):
            coordinates = np.ascontiguousarray(place * level.shrink)
            sampled += np.float32(weight * level.weight) * warp_dense(level.picture, coordinates, "cubic", level.scale)
    return Texture(
        np.maximum(sampled[..., :3], 0.0),
        np.clip(sampled[..., 3], 0.0, 1.0),
        np.nan_to_num(raster.attributes[..., 2]),
        np.nan_to_num(raster.attributes[..., 3]),
        np.ascontiguousarray(raster.attributes[..., :2]),
        raster.covered,
    )


def move_shape(plate: NDArray[np.float64], person: Likeness, amount: float) -> NDArray[np.float64]:
    """The plate's mesh (468, 3) with its inner face moved towards the person's, laid over it by a similarity."""
    weights = canonical_mesh().procrustes_weights.astype(np.float64)
    moved = plate
    for reference, weight in zip(person.references, person.weights, strict=True):
        own = reference.mesh[:SURFACE]
        laid = fit_similarity(own, plate, weights)(own)
        moved = moved + amount * weight * _shape_weights()[:, None] * (laid - plate)
    return moved


@cache
def _shape_weights() -> NDArray[np.float64]:
    mesh = canonical_mesh()
    fixed = np.concatenate([mesh.oval, mesh.lips, mesh.right_eye, mesh.left_eye])
    gaps = np.linalg.norm(mesh.vertices[:, None] - mesh.vertices[None, fixed], axis=2).min(1)
    return np.clip(gaps / SHAPE_REACH, 0.0, 1.0)
