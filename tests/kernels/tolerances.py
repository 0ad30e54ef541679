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
