"""The model view: what a network was trained on, and its exact inverse.

`view` takes scene-linear plate pixels to [0, 1]: primaries and exposure (one matrix), a shoulder that bends highlights
under 1, the sRGB curve, and a clip. `unview` undoes all of it but the clip, so that inside the view's range
`unview(view(x)) == x` up to float32 rounding. Exposure and curve are fixed for a shot: a view that changed from frame
to frame would be flicker.

Sources: the sRGB curve is IEC 61966-2-1; the shoulder is Reinhard's extended operator ("Photographic Tone
Reproduction for Digital Images", 2002), started at the knee so that everything below it stays linear.
"""

from typing import NamedTuple

import numpy as np
from numba import float32, njit, prange
from numpy.typing import ArrayLike, NDArray

Float32 = NDArray[np.float32]


class ModelView(NamedTuple):
    """The four numbers of a view.

    to_view: (3, 3) float32, plate-linear RGB to linear Rec.709 RGB times the exposure; from_view: its inverse.
    knee: the exposed linear value at which the shoulder begins, in (0, 1).
    white: the exposed linear value that the view shows as 1.0; higher values clip.
    """

    to_view: Float32
    from_view: Float32
    knee: float
    white: float


def make_view(
    plate_to_rec709: ArrayLike | None = None, exposure: float = 1.0, knee: float = 0.6, white: float = 2.5
) -> ModelView:
    """Build a view from a (3, 3) matrix (identity when None) and an exposure gain (linear, 2.0 is one stop up)."""
    if not 0.0 < knee < 1.0 < white:
        raise ValueError("a view needs 0 < knee < 1 < white")
    if not exposure > 0.0:
        raise ValueError("an exposure gain is positive")
    matrix = np.eye(3) if plate_to_rec709 is None else np.asarray(plate_to_rec709, np.float64)
    to_view = matrix * exposure
    return ModelView(to_view.astype(np.float32), np.linalg.inv(to_view).astype(np.float32), knee, white)


def view(linear: Float32, model_view: ModelView, out: Float32 | None = None) -> Float32:
    """Model view [0, 1] of scene-linear pixels (h, w, 3). Negatives clip to 0, values over white to 1, NaN gives 0."""
    out = np.empty(linear.shape, np.float32) if out is None else out
    _view(linear, model_view.to_view, np.float32(model_view.knee), np.float32(model_view.white), out)
    return out


def unview(seen: Float32, model_view: ModelView, out: Float32 | None = None) -> Float32:
    """Scene-linear plate pixels (h, w, 3) of a model view [0, 1]; the exact inverse of `view` inside its range."""
    out = np.empty(seen.shape, np.float32) if out is None else out
    _unview(seen, model_view.from_view, np.float32(model_view.knee), np.float32(model_view.white), out)
    return out


def exposed(seen: Float32, model_view: ModelView, out: Float32 | None = None) -> Float32:
    """Exposed linear Rec.709 [0, white] of a model view [0, 1]: light, for statistics and blending in linear."""
    return unview(seen, model_view._replace(from_view=np.eye(3, dtype=np.float32)), out)


def seen_of_exposed(linear: Float32, model_view: ModelView, out: Float32 | None = None) -> Float32:
    """Model view [0, 1] of exposed linear Rec.709; the inverse of `exposed`."""
    return view(linear, model_view._replace(to_view=np.eye(3, dtype=np.float32)), out)


@njit(cache=True, inline="always")
def srgb_encode(x):
    """sRGB signal of linear light; x is at least 0."""
    if x <= float32(0.0031308):
        return x * float32(12.92)
    return float32(1.055) * x ** float32(1.0 / 2.4) - float32(0.055)


@njit(cache=True, inline="always")
def srgb_decode(x):
    """Linear light of an sRGB signal; x is at least 0."""
    if x <= float32(0.04045):
        return x * float32(1.0 / 12.92)
    return ((x + float32(0.055)) * float32(1.0 / 1.055)) ** float32(2.4)


@njit(cache=True, inline="always")
def shoulder(x, knee, white):
    """Bend values over the knee so that white maps to 1; slope 1 at the knee."""
    if x <= knee:
        return x
    room = float32(1.0) - knee
    u = (x - knee) / room
    top = (white - knee) / room
    return knee + room * (u * (float32(1.0) + u / (top * top)) / (float32(1.0) + u))


@njit(cache=True, inline="always")
def unshoulder(y, knee, white):
    """Inverse of `shoulder`: the positive root of its quadratic, in the form that does not cancel."""
    if y <= knee:
        return y
    room = float32(1.0) - knee
    v = (y - knee) / room
    top = (white - knee) / room
    rest = float32(1.0) - v
    root = (rest * rest + float32(4.0) * v / (top * top)) ** float32(0.5)
    return knee + room * (float32(2.0) * v / (rest + root))


@njit(cache=True, inline="always")
def view_channel(x, knee, white):
    """One channel of exposed linear light to model view."""
    if not x > float32(0.0):
        return float32(0.0)
    if x >= white:
        return float32(1.0)
    return min(srgb_encode(shoulder(x, knee, white)), float32(1.0))


@njit(cache=True, inline="always")
def unview_channel(v, knee, white):
    """One channel of model view to exposed linear light."""
    v = min(max(v, float32(0.0)), float32(1.0))
    return unshoulder(srgb_decode(v), knee, white)


@njit(cache=True, parallel=True)
def _view(linear, matrix, knee, white, out):
    for y in prange(linear.shape[0]):
        for x in range(linear.shape[1]):
            r, g, b = linear[y, x, 0], linear[y, x, 1], linear[y, x, 2]
            for c in range(3):
                out[y, x, c] = view_channel(matrix[c, 0] * r + matrix[c, 1] * g + matrix[c, 2] * b, knee, white)


@njit(cache=True, parallel=True)
def _unview(seen, matrix, knee, white, out):
    for y in prange(seen.shape[0]):
        for x in range(seen.shape[1]):
            r = unview_channel(seen[y, x, 0], knee, white)
            g = unview_channel(seen[y, x, 1], knee, white)
            b = unview_channel(seen[y, x, 2], knee, white)
            for c in range(3):
                out[y, x, c] = matrix[c, 0] * r + matrix[c, 1] * g + matrix[c, 2] * b
