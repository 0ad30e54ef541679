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
}


def assert_close(ours: Any, reference: Any, what: str) -> None:
    """Compare within the table's tolerance; NaN equals NaN."""
    relative, absolute = TOLERANCES[what]
    np.testing.assert_allclose(ours, reference, rtol=relative, atol=absolute)
