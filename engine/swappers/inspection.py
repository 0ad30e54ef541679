"""What in a reference would be painted onto the plate's face: glasses and facial hair.

The face is unwrapped into texture space, where every face has its features in the same place, and measured there. The
thresholds lie between portraits with and without; they are warnings, not proofs.
"""

import numpy as np
from numpy.typing import NDArray

from engine.models.catalogue import canonical_mesh
from kernels.blur import gaussian
from kernels.match import log_light
from kernels.mesh import rasterize
from kernels.warp import warp_dense

Float32 = NDArray[np.float32]

SIZE = 256
# The nose's bridge between the eyes, in texture units (left, right, top, bottom): bare skin has no edge across it.
BRIDGE = (0.46, 0.54, 0.30, 0.47)
# Change of log light from row to row, averaged across the bridge. Portraits without glasses: up to 0.07; with: 0.24.
GLASSES = 0.12
CHEEKS, CHIN = (50, 280, 205, 425, 101, 330), (199, 200, 175, 421, 201)
# Log light of the chin under that of the cheeks. Shaven chins: down to -0.41.
FACIAL_HAIR = -0.5


def obstructions(picture: Float32, mesh: NDArray[np.floating], scale: float) -> tuple[str, ...]:
    """What covers the skin, of "glasses" and "facial hair", in exposed linear `picture` (h, w, 3 or more)."""
    log = log_light(_unwrap(picture, mesh, scale))
    found = []
    left, right, top, bottom = (round(edge * SIZE) for edge in BRIDGE)
    brightness = gaussian(np.ascontiguousarray(log.mean(2)), 1.0)
    if np.abs(np.gradient(brightness, axis=0))[top:bottom, left:right].mean(1).max() > GLASSES:
        found.append("glasses")
    if _median_at(log, CHIN) - _median_at(log, CHEEKS) < FACIAL_HAIR:
        found.append("facial hair")
    return tuple(found)


def _unwrap(picture: Float32, mesh: NDArray[np.floating], scale: float) -> Float32:
    canonical = canonical_mesh()
    flat = np.column_stack([canonical.uv * SIZE, np.zeros(len(canonical.uv))])
    raster = rasterize(flat, canonical.triangles, mesh[: len(flat), :2], (SIZE, SIZE))
    raster.attributes[~raster.covered] = np.nan
    return warp_dense(picture, raster.attributes, "cubic", scale)[..., :3]


def _median_at(log: Float32, vertices: tuple[int, ...]) -> float:
    places = np.round(canonical_mesh().uv[list(vertices)] * SIZE).astype(int)
    return float(np.median([log[y - 4 : y + 5, x - 4 : x + 5].mean() for x, y in places]))
