"""Where a shot is cut: both the structure and the colours of the picture change between two frames and stay changed.

The measures do not see exposure (they work on the logarithm of light, less its mean), nor a pan or a small zoom (the
structure is compared at the best shift), nor a flash (frames on both sides of the join are compared, not only the two
that touch). Dissolves are not cuts.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from kernels.warp import warp_affine

Float32 = NDArray[np.float32]
Float64 = NDArray[np.float64]

# Size of the copy that is compared: height, width.
SMALL = (36, 64)
# Frames on each side of a join that are compared.
REACH = 2
# Shift, in pixels of the small copy, up to which a pan is followed: (rows, columns).
SHIFT = (12, 24)
# Structure that agrees this much (correlation, 1 is the same) without any shift is the same scene; most joins are.
SAME_SCENE = 0.55
# A join is a cut where the agreement of structure at the best shift, and the intersection of the histograms of colour,
# add up to less than this. Within a scene, zooms by a quarter in one frame stay over 1.35; unlike pictures lie under
# 1.2. A missed cut costs little, since a face is linked by its identity, so the doubt goes to "no cut".
LEAST_LIKENESS = 1.25
CHROMA_BINS = 12
FLOOR = 0.02


class Proxy(NamedTuple):
    """What is kept of a frame to find cuts: structure (36, 64), the logarithm of light; colour (144,) a histogram."""

    structure: Float32
    colour: Float32


def make_proxy(picture: Float32, to_rec709: NDArray[np.floating]) -> Proxy:
    """The proxy of a linear picture (h, w, 3) of any size; the matrix (3, 3) takes it to exposed linear Rec.709."""
    height, width = picture.shape[:2]
    shrink = np.array([[width / SMALL[1], 0.0, 0.0], [0.0, height / SMALL[0], 0.0]])
    light = warp_affine(picture, shrink, SMALL) @ to_rec709.T.astype(np.float32)
    log = np.log(np.maximum(light, np.float32(0.0)) + np.float32(FLOOR))
    chroma = np.stack([log[..., 0] - log[..., 1], log[..., 2] - log[..., 1]], axis=2).reshape(-1, 2)
    histogram, _, _ = np.histogram2d(*np.clip(chroma, -1.49, 1.49).T, bins=CHROMA_BINS, range=[[-1.5, 1.5]] * 2)
    # A colour that lies between two bins belongs to both, or an exposure ramp would move it from one to the other.
    spread = histogram.copy()
    for axis in (0, 1):
        spread = 0.5 * spread + 0.25 * (np.roll(spread, 1, axis) + np.roll(spread, -1, axis))
    return Proxy(log.mean(axis=2).astype(np.float32), (spread / spread.sum()).ravel().astype(np.float32))


def find_cuts(proxies: Sequence[Proxy]) -> list[int]:
    """The indices of the frames that begin a new scene, rising; never 0."""
    cuts: list[int] = []
    for index in range(1, len(proxies)):
        # Neighbouring frames that agree are no cut; most of a shot ends here.
        if _is_join(proxies[index - 1], proxies[index]) and _stays_changed(proxies, index, cuts[-1] if cuts else 0):
            cuts.append(index)
    return cuts


def agreement(first: Float32, second: Float32) -> float:
    """The greatest correlation of two structures, in [-1, 1], over the shifts that a pan may have."""
    best = -1.0
    for dy in range(-SHIFT[0], SHIFT[0] + 1, 2):
        for dx in range(-SHIFT[1], SHIFT[1] + 1, 2):
            a, b = _common(first, dy, dx), _common(second, -dy, -dx)
            best = max(best, _correlation(a, b))
    return best


def common_colour(first: Float32, second: Float32) -> float:
    """The intersection of two histograms, in [0, 1]."""
    return float(np.minimum(first, second).sum())


def _is_join(first: Proxy, second: Proxy) -> bool:
    if _correlation(first.structure, second.structure) >= SAME_SCENE:
        return False
    likeness = agreement(first.structure, second.structure) + common_colour(first.colour, second.colour)
    return likeness < LEAST_LIKENESS


def _stays_changed(proxies: Sequence[Proxy], index: int, scene: int) -> bool:
    before = proxies[max(scene, index - REACH) : index]
    after = proxies[index : index + REACH]
    return all(_is_join(first, second) for first in before for second in after)


def _common(picture: Float32, dy: int, dx: int) -> Float32:
    rows = slice(max(0, dy), picture.shape[0] + min(0, dy))
    columns = slice(max(0, dx), picture.shape[1] + min(0, dx))
    return picture[rows, columns]


def _correlation(first: Float32, second: Float32) -> float:
    a, b = first.astype(np.float64), second.astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    # The floor keeps two pictures of nothing (black, fog) from looking unlike because of their noise.
    floor = 1e-3 * a.size
    return float(((a * b).sum() + floor) / (np.sqrt((a * a).sum() * (b * b).sum()) + floor))
