"""Put a patch into a plate, in the plate's own pixels and in scene-linear light.

    plate' = plate + alpha · matte · (gain · linear(patch) + grain − linear(view(plate)))

`view(plate)` is taken at the plate's own pixel, so inside the view's range the result is the patch, and what the view
could not hold (highlights over its white, negatives) stays in the plate. Where the matte is 0 nothing is written, so
not one bit changes: NaN, infinity and negative zero included. A pixel that is not finite is left as it is everywhere.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, njit, prange
from numpy.typing import ArrayLike, NDArray

from kernels.view import ModelView, unview_channel, view_channel
from kernels.warp import sample

Float32 = NDArray[np.float32]

# Shared with the seam correction, which works in log(light + EPSILON).
EPSILON = 1e-3


class Counts(NamedTuple):
    """What a composite met under the matte: pixels written, of them those whose view clipped, pixels left alone because
    they were not finite, and written ones with a negative value afterwards.
    """

    written: int
    clipped: int
    not_finite: int
    negative: int


def composite(
    plate: Float32,
    patch: Float32,
    matte: Float32,
    plate_to_patch: ArrayLike,
    model_view: ModelView,
    correction: Float32 | None = None,
    grain: Float32 | None = None,
    alpha: Float32 | None = None,
) -> Counts:
    """Composite into `plate` in place.

    plate: (h, w, 3) scene-linear, premultiplied where `alpha` is given. patch: (ph, pw, 3) model view [0, 1].
    matte: (h, w) [0, 1]. plate_to_patch: (2, 3), plate pixels to patch pixels. correction: (h, w, 3), the logarithm of
    the gain on exposed light, see `kernels.membrane.seam_correction`. grain: (h, w, 3), plate-linear.
    alpha: (h, w) [0, 1].
    """
    nothing = np.zeros((0, 0, 3), np.float32)
    whole = np.zeros((0, 0), np.float32)
    rows = np.zeros((plate.shape[0], 4), np.int64)
    _composite(
        plate,
        patch,
        matte,
        np.asarray(plate_to_patch, np.float64),
        model_view.to_view,
        model_view.from_view,
        np.float32(model_view.knee),
        np.float32(model_view.white),
        nothing if correction is None else correction,
        nothing if grain is None else grain,
        whole if alpha is None else alpha,
        rows,
    )
    return Counts(*(int(n) for n in rows.sum(0)))


@njit(cache=True, parallel=True)
def _composite(plate, patch, matte, plate_to_patch, to_view, from_view, knee, white, correction, grain, alpha, rows):
    height, width = matte.shape
    corrected, grained, premultiplied = correction.size > 0, grain.size > 0, alpha.size > 0
    epsilon, one = float32(EPSILON), float32(1.0)
    for y in prange(height):
        light = np.empty(3, np.float32)
        seen = np.empty(3, np.float32)
        for x in range(width):
            opacity = matte[y, x]
            coverage = one
            if premultiplied:
                coverage = alpha[y, x]
            if not (opacity > float32(0.0) and coverage > float32(0.0)):
                continue
            px, py = x + 0.5, y + 0.5
            u = plate_to_patch[0, 0] * px + plate_to_patch[0, 1] * py + plate_to_patch[0, 2]
            v = plate_to_patch[1, 0] * px + plate_to_patch[1, 1] * py + plate_to_patch[1, 2]
            sample(patch, float32(u), float32(v), one, False, light)
            r, g, b = plate[y, x, 0] / coverage, plate[y, x, 1] / coverage, plate[y, x, 2] / coverage
            if not (np.isfinite(r) and np.isfinite(g) and np.isfinite(b)):
                rows[y, 2] += 1
                continue
            clipped = False
            for c in range(3):
                light[c] = unview_channel(light[c], knee, white)
                if corrected:
                    light[c] = (light[c] + epsilon) * np.exp(correction[y, x, c]) - epsilon
                exposed = to_view[c, 0] * r + to_view[c, 1] * g + to_view[c, 2] * b
                clipped = clipped or exposed > white or exposed < float32(0.0)
                seen[c] = unview_channel(view_channel(exposed, knee, white), knee, white)
                light[c] -= seen[c]
            negative = False
            for c in range(3):
                change = from_view[c, 0] * light[0] + from_view[c, 1] * light[1] + from_view[c, 2] * light[2]
                if grained:
                    change += grain[y, x, c]
                plate[y, x, c] += coverage * opacity * change
                negative = negative or plate[y, x, c] < float32(0.0)
            rows[y, 0] += 1
            rows[y, 1] += clipped
            rows[y, 3] += negative
