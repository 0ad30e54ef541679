"""What joins a patch to its plate: the seam's gain, and grain as strong as the plate's own.

`kernels.composite` lays them over the plate. All arrays lie over the same box of it. Distances are in face widths,
so that a near face and a far one are joined alike.
"""

import numpy as np
from numba import float32, njit, prange
from numpy.typing import NDArray

from kernels.elementary import exp
from kernels.grain import synthesize_grain
from kernels.grain_measure import measure_grain
from kernels.launch import FUSED, run
from kernels.matte import signed_distance, smoothstep
from kernels.membrane import EPSILON, seam_correction
from kernels.view import ModelView, exposed, held, unview
from kernels.workspace import Workspace

Float32 = NDArray[np.float32]

# The seam's difference is smoothed along the seam by this much, in face widths, so that grain does not streak inwards.
SEAM_SMOOTHING = 0.02
# The seam lies where the hull falls to this: thin enough not to be seen, and still on the patch.
SEAM_MATTE = np.float32(0.004)
# The seam's correction fades out over this distance from the seam, in face widths.
SEAM_REACH = 0.3
# A larger gain than exp(this) is no difference of light but of things: a shadow of hair, a collar. The second is for
# what one channel gets more than the others.
SEAM_LIMIT, SEAM_COLOR_LIMIT = np.float32(0.25), np.float32(0.06)


def seam_gain(
    plate: Float32,
    patch: Float32,
    hull: Float32,
    skin: NDArray[np.bool_],
    model_view: ModelView,
    face_width: float,
    amount: float = 1.0,
    *,
    out: Float32 | None = None,
    workspace: Workspace | None = None,
) -> Float32 | None:
    """The logarithm of the gain on exposed light (h, w, 3) that makes the patch meet the plate at the hull's edge.

    plate: (h, w, 3) plate-linear, unpremultiplied. patch: (h, w, 3) model view. hull: (h, w) [0, 1]. skin: (h, w),
    where their difference is one of light. face_width: in pixels. None where there is nothing to correct, or no skin
    to tell by; to know that, a GPU is waited for.
    """
    inside = hull > SEAM_MATTE
    if amount == 0.0 or not inside.any() or not skin.any():
        return None
    scratch = Workspace() if workspace is None else workspace
    light = held(plate, model_view, out=scratch.empty("blend.plate", plate, plate.shape))
    own = exposed(patch, model_view, out=scratch.empty("blend.patch", plate, plate.shape))
    smooth = SEAM_SMOOTHING * face_width
    correction = seam_correction(light, own, inside, skin, EPSILON, smooth, out=out, workspace=scratch)
    distance = scratch.empty("blend.distance", plate, inside.shape)
    signed_distance(inside, out=distance, workspace=scratch)
    # The light inside has been matched already; what is left at the edge is the edge's business.
    reach = np.float32(SEAM_REACH * face_width)
    run(_shape_gain, inside.shape, correction, distance, reach, np.float32(amount), correction)
    return correction


def matching_grain(
    plate: Float32,
    patch: Float32,
    matte: Float32,
    skin: NDArray[np.bool_],
    model_view: ModelView,
    frame: int,
    seed: int,
    origin: tuple[int, int],
    amount: float = 1.0,
    *,
    out: Float32 | None = None,
    workspace: Workspace | None = None,
) -> Float32 | None:
    """Plate-linear grain (h, w, 3), as strong as the plate's own was before the patch covered it; None for amount 0.

    Arrays as in `seam_gain`; matte: (h, w) [0, 1]. origin: the absolute pixel (x, y) of the first sample.
    """
    if amount == 0.0:
        return None
    model = measure_grain(plate, skin, workspace=workspace)
    light = unview(patch, model_view, out=out)
    return synthesize_grain(
        model, light, frame, seed, origin, amount=amount, matte=matte, out=light, workspace=workspace
    )


@njit(cache=True, inline="always")
def bent(value, limit):
    """A value bent smoothly to stay within plus and minus a limit: limit · tanh(value / limit)."""
    # tanh(t) = 1 − 2 / (exp(2t) + 1); far out `exp` is clamped, and the fraction is 0 or 2.
    return limit * (float32(1.0) - float32(2.0) / (exp(float32(2.0) * value / limit) + float32(1.0)))


@njit(cache=True, inline="always")
def shaped_gain(r, g, b, distance, reach, amount):
    """A seam's gain, faded out with the distance from the seam, and limited in brightness and in colour."""
    fade = float32(1.0) - smoothstep(distance / reach)
    r, g, b = r * fade, g * fade, b * fade
    brightness = (r + g + b) * float32(1.0 / 3.0)
    whole = bent(brightness, float32(SEAM_LIMIT))
    r = amount * (whole + bent(r - brightness, float32(SEAM_COLOR_LIMIT)))
    g = amount * (whole + bent(g - brightness, float32(SEAM_COLOR_LIMIT)))
    b = amount * (whole + bent(b - brightness, float32(SEAM_COLOR_LIMIT)))
    return r, g, b


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _shape_gain(gain, distance, reach, amount, out):
    for y in prange(distance.shape[0]):
        for x in range(distance.shape[1]):
            r, g, b = shaped_gain(gain[y, x, 0], gain[y, x, 1], gain[y, x, 2], distance[y, x], reach, amount)
            out[y, x, 0], out[y, x, 1], out[y, x, 2] = r, g, b
