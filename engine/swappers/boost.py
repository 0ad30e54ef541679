"""Pixel boost: a network on a larger crop, taken apart into pictures of the network's size and put together again.

Picture i·n + j holds every n-th row from i on and every n-th column from j on (a polyphase split). The crop is blurred
first to what the smaller pictures can hold, so that none of them is aliased.
"""

import math
from typing import Any

import numpy as np

from kernels.blur import gaussian
from kernels.launch import contiguous
from kernels.warp import warp_affine

# Sigma, in pixels of a smaller picture, of the blur that is taken to lie in it: less leaves waves that such pixels fold
# into others (a tenth of one of two pixels' length at boost 2), more loses what they could show.
_SIGMA = 0.4
# A network that is shown the same a fraction of a pixel further answers a little differently: up to this much of white.
# Beside an edge pictures differ by more, which is the edge's own.
_LATTICE = 0.03
# Sigma, in pixels of a smaller picture, over which such a difference is the same. With the limit above a soft edge is
# changed by less than a step of eight bits, waves that are as long as two or three pictures' pixels by a few.
_REACH = 4.0
# Sigma, in pixels of a smaller picture, of the neighbourhood in which stairs are looked for; and a sum of squares of
# slopes that nobody sees.
_NEIGHBOURHOOD, _NO_SLOPE = 2.0, 1e-8
# Up to the first share of what is wanted there are stairs, from the second on only the blur of edges.
_STAIRS, _ENOUGH = 0.6, 0.8


def split(crop: Any, boost: int) -> Any:
    """The pictures (boost², h, w, c) of a crop (boost·h, boost·w, c), NumPy's or CuPy's."""
    if boost > 1:
        crop = gaussian(contiguous(crop), _SIGMA * math.sqrt(boost * boost - 1.0))
    return _apart(crop, boost)


def join(pictures: Any, boost: int) -> Any:
    """The crop that `split` took apart, of pictures (boost², h, w, c)."""
    _, height, width, channels = pictures.shape
    parts = pictures.reshape(boost, boost, height, width, channels).transpose(2, 0, 3, 1, 4)
    return contiguous(parts).reshape(boost * height, boost * width, channels)


def even(crop: Any, boost: int) -> Any:
    """A joined crop, model view, without the lattice and the stairs of a network that is no function of place alone."""
    return crop if boost == 1 else _sloped(_unlatticed(crop, boost), boost)


def _unlatticed(crop: Any, boost: int) -> Any:
    """Where a crop is smooth its pictures show the same; what they differ by there, evenly over some of their pixels,
    is taken away.
    """
    fine = crop - gaussian(crop, 0.6 * boost)
    parts = _apart(np.clip(fine, -_LATTICE, _LATTICE), boost)
    count, height, width, channels = parts.shape
    beside = contiguous(parts.transpose(1, 2, 0, 3)).reshape(height, width, count * channels)
    smooth = gaussian(beside, _REACH).reshape(height, width, count, channels)
    smooth = smooth - smooth.mean(2, keepdims=True)
    return crop - join(contiguous(smooth.transpose(2, 0, 1, 3)), boost)


def _sloped(crop: Any, boost: int) -> Any:
    """A network that heeds no parts of a pixel gives the same picture n² times, and the joined crop would be stairs.

    The middle picture, enlarged smoothly, says by how much neighbours have to differ. As far as they differ by less, in
    a neighbourhood, what is missing is added.
    """
    height, width, _ = crop.shape
    middle = contiguous(_apart(crop, boost).mean(0))
    smooth = warp_affine(middle, [[1 / boost, 0.0, 0.0], [0.0, 1 / boost, 0.0]], (height, width), "cubic")
    stairs = middle.repeat(boost, axis=0).repeat(boost, axis=1)
    wanted, there = smooth - stairs, crop - stairs
    both = np.stack([(there * there).sum(2), (wanted * wanted).sum(2)], axis=2)
    met = gaussian(contiguous(both), _NEIGHBOURHOOD * boost)
    share = np.minimum(np.sqrt(met[..., 0] / (met[..., 1] + _NO_SLOPE)), 1.0)
    share = share + (1.0 - share) * np.clip((share - _STAIRS) / (_ENOUGH - _STAIRS), 0.0, 1.0)
    return crop + (1.0 - share)[..., None] * wanted


def _apart(crop: Any, boost: int) -> Any:
    height, width, channels = crop.shape
    parts = crop.reshape(height // boost, boost, width // boost, boost, channels)
    return contiguous(parts.transpose(1, 3, 0, 2, 4)).reshape(boost * boost, height // boost, width // boost, channels)
