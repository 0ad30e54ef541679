"""The model view: what a network was trained on, and its exact inverse.

`view` takes scene-linear plate pixels to [0, 1]: primaries and exposure (one matrix), a shoulder that bends highlights
under 1, the sRGB curve, and a clip. `unview` undoes all of it but the clip, so that inside the view's range
`unview(view(x)) == x` up to float32 rounding. Exposure and curve are fixed for a shot: a view that changed from frame
to frame would be flicker.

Sources: the sRGB curve is IEC 61966-2-1; the shoulder is Reinhard's extended operator ("Photographic Tone
Reproduction for Digital Images", 2002), started at the knee so that everything below it stays linear.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from numba import float32, njit, prange
from numpy.typing import ArrayLike, NDArray

from kernels.elementary import power
from kernels.half import loadable, narrowed, widened
from kernels.launch import FUSED, empty, run

Float32 = NDArray[np.float32]
Pixels = NDArray[Any]


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


def view(linear: Pixels, model_view: ModelView, out: Pixels | None = None) -> Pixels:
    """Model view [0, 1] of scene-linear pixels (h, w, 3). Negatives clip to 0, values over white to 1, NaN gives 0.

    Pixels and `out` (float32 when None) may be float16 or float32, as in the functions below.
    """
    result = empty(linear, linear.shape) if out is None else out
    run(_view, linear.shape[:2], loadable(linear), *parameters(model_view.to_view, model_view), loadable(result))
    return result


def unview(seen: Pixels, model_view: ModelView, out: Pixels | None = None) -> Pixels:
    """Scene-linear plate pixels (h, w, 3) of a model view [0, 1]; the exact inverse of `view` inside its range."""
    result = empty(seen, seen.shape) if out is None else out
    run(_unview, seen.shape[:2], loadable(seen), *parameters(model_view.from_view, model_view), loadable(result))
    return result


def exposed(seen: Pixels, model_view: ModelView, out: Pixels | None = None) -> Pixels:
    """Exposed linear Rec.709 [0, white] of a model view [0, 1]: light, for statistics and blending in linear."""
    return unview(seen, model_view._replace(from_view=np.eye(3, dtype=np.float32)), out)


def seen_of_exposed(linear: Pixels, model_view: ModelView, out: Pixels | None = None) -> Pixels:
    """Model view [0, 1] of exposed linear Rec.709; the inverse of `exposed`."""
    return view(linear, model_view._replace(to_view=np.eye(3, dtype=np.float32)), out)


def held(linear: Pixels, model_view: ModelView, out: Pixels | None = None) -> Pixels:
    """Exposed linear Rec.709 [0, white] of scene-linear pixels (h, w, 3), as far as the view holds it: NaN gives 0.

    The same as `exposed(view(linear))`, without the two curves, which undo each other.
    """
    result = empty(linear, linear.shape) if out is None else out
    white = np.float32(model_view.white)
    run(_held, linear.shape[:2], loadable(linear), flat(model_view.to_view), white, loadable(result))
    return result


def flat(matrix: ArrayLike) -> tuple[np.float32, ...]:
    """A matrix row by row as scalars, which is how loops and CUDA kernels take it."""
    return tuple(np.asarray(matrix, np.float32).ravel())


def parameters(matrix: Float32, model_view: ModelView) -> tuple[tuple[np.float32, ...], np.float32, np.float32]:
    """A (3, 3) matrix and a view's knee and white as loops and CUDA kernels take them."""
    return flat(matrix), np.float32(model_view.knee), np.float32(model_view.white)


@njit(cache=True, inline="always")
def transform(matrix, r, g, b):
    """A row-by-row (3, 3) matrix times a colour."""
    return (
        matrix[0] * r + matrix[1] * g + matrix[2] * b,
        matrix[3] * r + matrix[4] * g + matrix[5] * b,
        matrix[6] * r + matrix[7] * g + matrix[8] * b,
    )


@njit(cache=True, inline="always")
def srgb_encode(x):
    """sRGB signal of linear light; x is at least 0."""
    high = float32(1.055) * power(max(x, float32(0.0031308)), float32(1.0 / 2.4)) - float32(0.055)
    return high if x > float32(0.0031308) else x * float32(12.92)


@njit(cache=True, inline="always")
def srgb_decode(x):
    """Linear light of an sRGB signal; x is at least 0."""
    high = power((x + float32(0.055)) * float32(1.0 / 1.055), float32(2.4))
    return high if x > float32(0.04045) else x * float32(1.0 / 12.92)


@njit(cache=True, inline="always", error_model="numpy")
def shoulder(x, knee, white):
    """Bend values over the knee so that white maps to 1; slope 1 at the knee."""
    room = float32(1.0) - knee
    # What is the same for all pixels is divided once, outside their loop.
    share = float32(1.0) / room
    top = (white - knee) * share
    curve = float32(1.0) / (top * top)
    u = (x - knee) * share
    bent = knee + room * (u * (float32(1.0) + u * curve) / (float32(1.0) + u))
    return bent if x > knee else x


@njit(cache=True, inline="always", error_model="numpy")
def unshoulder(y, knee, white):
    """Inverse of `shoulder`: the positive root of its quadratic, in the form that does not cancel."""
    room = float32(1.0) - knee
    share = float32(1.0) / room
    top = (white - knee) * share
    curve = float32(4.0) / (top * top)
    v = max(y - knee, float32(0.0)) * share
    rest = float32(1.0) - v
    root = math.sqrt(rest * rest + v * curve)
    return knee + room * (float32(2.0) * v / (rest + root)) if y > knee else y


@njit(cache=True, inline="always")
def view_channel(x, knee, white):
    """One channel of exposed linear light to model view."""
    x = x if x > float32(0.0) else float32(0.0)
    seen = min(srgb_encode(shoulder(min(x, white), knee, white)), float32(1.0))
    return seen if x < white else float32(1.0)


@njit(cache=True, inline="always")
def unview_channel(v, knee, white):
    """One channel of model view to exposed linear light."""
    return unshoulder(srgb_decode(min(max(v, float32(0.0)), float32(1.0))), knee, white)


@njit(cache=True, inline="always")
def held_channel(x, white):
    """One channel of exposed linear light, clamped to what a view holds."""
    return min(x, white) if x > float32(0.0) else float32(0.0)


@njit(cache=True, inline="always")
def view_pixel(r, g, b, to_view, knee, white):
    """Plate-linear light to model view."""
    r, g, b = transform(to_view, r, g, b)
    return view_channel(r, knee, white), view_channel(g, knee, white), view_channel(b, knee, white)


@njit(cache=True, inline="always")
def unview_pixel(r, g, b, from_view, knee, white):
    """Model view to plate-linear light."""
    r, g, b = unview_channel(r, knee, white), unview_channel(g, knee, white), unview_channel(b, knee, white)
    return transform(from_view, r, g, b)


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _view(linear, to_view, knee, white, out):
    height, width, _ = out.shape
    for y in prange(height):
        # The curves run over a line of numbers, three to a pixel, which is what vector instructions like.
        line = np.empty(3 * width, np.float32)
        for x in range(width):
            r, g, b = widened(linear[y, x, 0]), widened(linear[y, x, 1]), widened(linear[y, x, 2])
            line[3 * x], line[3 * x + 1], line[3 * x + 2] = transform(to_view, r, g, b)
        for i in range(3 * width):
            line[i] = view_channel(line[i], knee, white)
        _store(line, out[y])


@njit(cache=True, parallel=True, error_model="numpy", fastmath=FUSED)
def _unview(seen, from_view, knee, white, out):
    height, width, _ = out.shape
    for y in prange(height):
        line = np.empty(3 * width, np.float32)
        for x in range(width):
            for c in range(3):
                line[3 * x + c] = widened(seen[y, x, c])
        for i in range(3 * width):
            line[i] = unview_channel(line[i], knee, white)
        for x in range(width):
            r, g, b = transform(from_view, line[3 * x], line[3 * x + 1], line[3 * x + 2])
            line[3 * x], line[3 * x + 1], line[3 * x + 2] = r, g, b
        _store(line, out[y])


@njit(cache=True, parallel=True, fastmath=FUSED)
def _held(linear, to_view, white, out):
    height, width, _ = out.shape
    for y in prange(height):
        for x in range(width):
            r, g, b = transform(to_view, widened(linear[y, x, 0]), widened(linear[y, x, 1]), widened(linear[y, x, 2]))
            like = out[y, x, 0]
            out[y, x, 0], out[y, x, 1] = narrowed(held_channel(r, white), like), narrowed(held_channel(g, white), like)
            out[y, x, 2] = narrowed(held_channel(b, white), like)


@njit(cache=True)
def _store(line, row):
    for x in range(row.shape[0]):
        like = row[x, 0]
        row[x, 0], row[x, 1] = narrowed(line[3 * x], like), narrowed(line[3 * x + 1], like)
        row[x, 2] = narrowed(line[3 * x + 2], like)
