"""How far a kernel may be from its reference, and one device from another. One table, so that none grows unseen.

Each entry is (relative, absolute), as NumPy's assert_allclose takes them.
"""

from typing import Any

import numpy as np

TOLERANCES = {
    # A device against another: the order of the operations is the same, the rounding of products may be fused.
    "devices": (2e-5, 2e-6),
    # float16 has 11 significant bits: half a step of rounding, taken twice.
    "half": (1e-3, 1e-6),
    # A solver's sweeps, some hundred in a row, each of which adds its rounding.
    "membrane": (1e-4, 1e-5),
    # The view's curve against colour-science's, in float64.
    "view": (0.0, 2e-6),
    # The composite against float64: sampling, curve, exponential and two matrices in float32.
    "composite": (2e-5, 5e-6),
    # A deviate is a product of polynomials of about 3e-7 each; a sigma is near 0.03.
    "grain": (1e-5, 1e-6),
    # Sums of a blur's products in float32, of light over four decades, against float64.
    "bands": (2e-5, 2e-5),
    # Means of 64 products in float32, which a device adds up in an order of its own.
    "grain table": (1e-4, 2e-6),
    # Distances to a polygon: float32 coordinates, relative to a tile of 64 pixels on a CPU and to a pixel on a GPU.
    "polygon": (2e-5, 2e-5),
    # A logarithm and an exponential in float32, against NumPy's in float64.
    "match": (1e-5, 1e-6),
    # A colour matrix in float32, whose products nearly cancel, against NumPy's in float64.
    "transfer": (1e-5, 5e-6),
    # A warp's sum of weights against float64's, on light up to 4: kernels are polynomials, places are float64.
    "warp": (2e-5, 2e-5),
    # The depth of a mesh decides what is seen: it has the same bits everywhere.
    "exact": (0.0, 0.0),
    # A picture sampled where a mesh says: places are rounded to 1e-6 of a pixel, and the picture's slope multiplies it.
    "mesh": (1e-4, 1e-4),
}


def assert_close(ours: Any, reference: Any, what: str) -> None:
    """Compare within the table's tolerance; NaN equals NaN."""
    relative, absolute = TOLERANCES[what]
    np.testing.assert_allclose(ours, reference, rtol=relative, atol=absolute)
