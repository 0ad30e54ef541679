"""Pixel boost: a network on a larger crop, taken apart into pictures of the network's size and put together again.

Picture i·n + j holds every n-th row from i on and every n-th column from j on (a polyphase split). The crop is blurred
first to what the smaller pictures can hold, so that none of them is aliased.
"""

import math

import numpy as np
from numpy.typing import NDArray

from kernels.blur import gaussian

Float32 = NDArray[np.float32]

# Sigma, in pixels of a smaller picture, of the blur that is taken to lie in it: less leaves waves that such pixels fold
# into others (a tenth of one of two pixels' length at boost 2), more loses what they could show.
_SIGMA = 0.4


def split(crop: Float32, boost: int) -> Float32:
    """The pictures (boost², h, w, c) of a crop (boost·h, boost·w, c)."""
    if boost > 1:
        crop = gaussian(np.ascontiguousarray(crop), _SIGMA * math.sqrt(boost * boost - 1.0))
    height, width, channels = crop.shape
    parts = crop.reshape(height // boost, boost, width // boost, boost, channels)
    return np.ascontiguousarray(parts.transpose(1, 3, 0, 2, 4)).reshape(
        boost * boost, height // boost, width // boost, channels
    )


def join(pictures: Float32, boost: int) -> Float32:
    """The crop that `split` took apart, of pictures (boost², h, w, c)."""
    _, height, width, channels = pictures.shape
    parts = pictures.reshape(boost, boost, height, width, channels).transpose(2, 0, 3, 1, 4)
    return np.ascontiguousarray(parts).reshape(boost * height, boost * width, channels)
