"""Pixel boost: a network on a larger crop, taken apart into pictures of the network's size and put together again.

Picture i·n + j holds every n-th row from i on and every n-th column from j on (a polyphase split). The crop is blurred
first to what the smaller pictures can hold, so that none of them is aliased.
"""

import math
from typing import Any

from kernels.blur import gaussian
from kernels.launch import contiguous

# Sigma, in pixels of a smaller picture, of the blur that is taken to lie in it: less leaves waves that such pixels fold
# into others (a tenth of one of two pixels' length at boost 2), more loses what they could show.
_SIGMA = 0.4


def split(crop: Any, boost: int) -> Any:
    """The pictures (boost², h, w, c) of a crop (boost·h, boost·w, c), NumPy's or CuPy's."""
    if boost > 1:
        crop = gaussian(contiguous(crop), _SIGMA * math.sqrt(boost * boost - 1.0))
    height, width, channels = crop.shape
    parts = crop.reshape(height // boost, boost, width // boost, boost, channels)
    return contiguous(parts.transpose(1, 3, 0, 2, 4)).reshape(boost * boost, height // boost, width // boost, channels)


def join(pictures: Any, boost: int) -> Any:
    """The crop that `split` took apart, of pictures (boost², h, w, c)."""
    _, height, width, channels = pictures.shape
    parts = pictures.reshape(boost, boost, height, width, channels).transpose(2, 0, 3, 1, 4)
    return contiguous(parts).reshape(boost * height, boost * width, channels)
