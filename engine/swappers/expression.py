"""What is kept of the plate's own expression: its eyes, and its inner mouth."""

import numpy as np
from numpy.typing import NDArray

from engine.swappers.atlas import Regions
from engine.swappers.hull import smoothstep

Float32 = NDArray[np.float32]


def keep_eyes(regions: Regions, coordinates: Float32, closing: NDArray[np.floating], eyes: float) -> Float32:
    """1 on the patch (h, w), falling to 1 − `eyes` in the plate's eyes, and over its lids as far as they close.

    coordinates: (h, w, 2) of the canonical texture. closing: (2,) [0, 1], first of the eye at the picture's left.
    """
    side = np.where(coordinates[..., 0] < 0.5, np.float32(closing[0]), np.float32(closing[1]))
    outside = -regions.eyes
    kept = 1.0 - smoothstep((outside - 0.004 - 0.04 * side) / (0.018 + 0.05 * side))
    return np.asarray(1.0 - eyes * kept, np.float32)


def keep_mouth(regions: Regions, differing: np.float32 | Float32, mouth: float) -> Float32:
    """1 on the patch (h, w), falling to 1 − `mouth` in the plate's inner mouth, and over its lips as they differ.

    differing: [0, 1], how far the plate's mouth does what the new face's cannot.
    """
    inner = smoothstep(-regions.inner_lips / 0.006)
    lips = 1.0 - differing * (1.0 - smoothstep((-regions.lips - 0.01) / 0.05))
    return np.asarray(1.0 - mouth * (1.0 - inner * lips), np.float32)
