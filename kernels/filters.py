"""The kernels that a picture is sampled with, their taps, and how a picture goes on outside its border.

Kernels: a tent, Keys' cubic with a = -1/2 (Catmull-Rom), and Lanczos' sinc with three lobes; all interpolate, so that
a sample at a pixel's centre is that pixel. Where the output is smaller than the source, a kernel is widened to the
output's pixel spacing, along each axis of the source on its own: a product of two widened kernels has the variance
along x and along y that a kernel of the output's pixels would have in the source (Mitchell & Netravali,
"Reconstruction Filters in Computer Graphics", 1988; Heckbert, "Fundamentals of Texture Mapping", 1989).
"""

import math
from typing import Any, Literal

import numpy as np
from numba import float32, float64, int32, njit

Kind = Literal["linear", "cubic", "lanczos"]
Edge = Literal["continue", "zero", "mirror"]

KINDS = {"linear": 0, "cubic": 1, "lanczos": 2}
LINEAR, CUBIC = 0, 1
EDGES = {"continue": 0, "zero": 1, "mirror": 2}
ZERO, MIRROR = 1, 2
FARTHEST = float(1 << 30)
# No kernel of a map that measures its own scale is widened by more: a fold of the map is no shrinking.
LARGEST_LOCAL_SCALE = 64.0


@njit(cache=True, inline="always")
def radius_of(kind):
    """How far a kernel reaches, in the spacing of its taps."""
    return kind + 1


@njit(cache=True, inline="always")
def tent(d):
    return max(float32(0.0), float32(1.0) - abs(d))


@njit(cache=True, inline="always")
def catmull_rom(d):
    d = min(abs(d), float32(2.0))
    inner = (float32(1.5) * d - float32(2.5)) * d * d + float32(1.0)
    outer = ((float32(-0.5) * d + float32(2.5)) * d - float32(4.0)) * d + float32(2.0)
    return inner if d < float32(1.0) else outer


@njit(cache=True, inline="always")
def lanczos(d):
    """sinc(d) · sinc(d / 3) for |d| < 3, else 0.

    Its zeros are factors, so that they are exact; what is left is fitted by Chebyshev's polynomials to 7e-7.
    """
    t = min(d * d, float32(9.0))
    rest = float32(7.6990978e-07) + t * float32(-1.3181016e-08)
    rest = float32(4.3712839e-04) + t * (float32(-2.2482958e-05) + t * rest)
    rest = float32(5.8917869e-02) + t * (float32(-6.0831257e-03) + t * rest)
    rest = float32(1.0) + t * (float32(-3.5547435e-01) + t * rest)
    double = float32(1.0) - t * float32(1.0 / 9.0)
    return (float32(1.0) - t) * (float32(1.0) - t * float32(0.25)) * double * double * rest


@njit(cache=True, inline="always")
def kernel_at(kind, d):
    """The kernel at a distance in the spacing of its taps."""
    return tent(d) if kind == LINEAR else (catmull_rom(d) if kind == CUBIC else lanczos(d))


@njit(cache=True, inline="always")
def held(position, length, reach, edge):
    """A position (float64) from which the picture looks the same, no farther outside than a kernel reaches.

    NaN for one of a mirrored picture that is so far outside that nothing is known of it.
    """
    if edge == MIRROR:
        near = abs(position) < FARTHEST
        period = float64(2 * length)
        inside = position if near else float64(0.0)
        folded = length - abs(inside - period * math.floor(inside / period) - length)
        return folded if near else float64(np.nan)
    return min(max(position, -reach), length + reach)


@njit(cache=True, inline="always")
def taps(position, scale, kind):
    """The first tap of a kernel around a position (float64) of a line of pixels, how many, and the first's distance.

    Only taps inside the kernel count, so that a pixel beside them spoils nothing if it is NaN; at a pixel's very centre
    there is but one.
    """
    centre = position - float64(0.5)
    reach = float64(scale) * float64(radius_of(kind))
    below = int32(math.floor(centre))
    first = int32(math.floor(centre - reach)) + int32(1)
    count = -int32(math.floor(-centre - reach)) - first
    alone = (scale == float32(1.0)) & (centre == float64(below))
    first, count = below if alone else first, int32(1) if alone else count
    return first, count, float32(float64(first) - centre)


@njit(cache=True, inline="always")
def pixel_at(index, length, edge):
    """The pixel that stands at an index outside or inside a line of pixels; -1 for none, where all is 0."""
    if edge == MIRROR:
        index = index % (2 * length)
        return min(index, 2 * length - 1 - index)
    inside = min(max(index, 0), length - 1)
    return inside if edge != ZERO or index == inside else -1


@njit(cache=True, inline="always")
def scales(ux, uy, vx, vy):
    """How much to widen a kernel along the source's x and y, at least 1.

    ux, vx: the change of the place in the source from one output pixel to the next in a row; uy, vy: to the next row.
    The product kernel's variances must hold those of an output pixel, whose matrix in the source is M·Mᵀ: with the size
    of the mixed term on both, the difference is dominated by its diagonal, so it is never negative. Under a similarity
    the mixed term is 0.
    """
    mixed = abs(ux * vx + uy * vy)
    return max(1.0, math.sqrt(ux * ux + uy * uy + mixed)), max(1.0, math.sqrt(vx * vx + vy * vy + mixed))


@njit(cache=True, inline="always")
def step_of(before, here, after):
    """The change of a coordinate at a pixel: the smaller one, for the other may leap over a fold; 0 where unknown."""
    back, on = here - before, after - here
    known_back, known_on = back == back, on == on
    smaller = back if abs(back) < abs(on) else on
    return smaller if known_back and known_on else (back if known_back else (on if known_on else float32(0.0)))


@njit(cache=True, inline="always")
def local_scales(coordinates, x, y):
    """How much to widen a kernel at a pixel of a map (h, w, 2), from the pixels beside it."""
    left, right = max(x - 1, 0), min(x + 1, coordinates.shape[1] - 1)
    up, down = max(y - 1, 0), min(y + 1, coordinates.shape[0] - 1)
    u, v = coordinates[y, x, 0], coordinates[y, x, 1]
    # On a border the step is known from one side only.
    none = float32(np.nan)
    first, last, top, bottom = left == x, right == x, up == y, down == y
    ux = step_of(none if first else coordinates[y, left, 0], u, none if last else coordinates[y, right, 0])
    vx = step_of(none if first else coordinates[y, left, 1], v, none if last else coordinates[y, right, 1])
    uy = step_of(none if top else coordinates[up, x, 0], u, none if bottom else coordinates[down, x, 0])
    vy = step_of(none if top else coordinates[up, x, 1], v, none if bottom else coordinates[down, x, 1])
    scale_x, scale_y = scales(float64(ux), float64(uy), float64(vx), float64(vy))
    largest = float64(LARGEST_LOCAL_SCALE)
    return float32(min(scale_x, largest)), float32(min(scale_y, largest))


def code_of(names: dict[str, int], name: str) -> Any:
    """The code of a kind or an edge, as loops take it. Raises ValueError for an unknown name."""
    if name not in names:
        raise ValueError(f"{name!r} is none of {', '.join(names)}")
    return np.int32(names[name])
