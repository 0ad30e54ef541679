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
    # The view's curve against colour-science's, in float64.
    "view": (0.0, 2e-6),
    # A deviate is a product of polynomials of about 3e-7 each; a sigma is near 0.03.
    "grain": (1e-5, 1e-6),
    # Sums of a blur's products in float32, of light over four decades, against float64.
    "bands": (2e-5, 2e-5),
    # Means of 64 products in float32, which a device adds up in an order of its own.
    "grain table": (1e-4, 2e-6),
    # Distances to a polygon: float32 coordinates, relative to a tile of 64 pixels on a CPU and to a pixel on a GPU.
    "polygon": (2e-5, 2e-5),
}


def assert_close(ours: Any, reference: Any, what: str) -> None:
    """Compare within the table's tolerance; NaN equals NaN."""
    relative, absolute = TOLERANCES[what]
    np.testing.assert_allclose(ours, reference, rtol=relative, atol=absolute)
