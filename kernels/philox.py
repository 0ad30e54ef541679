"""Counter-based random numbers: the same key and counter give the same number on any device, in any order.

Philox4x32-10 from Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (2011), and normal deviates made from
it by the method of Box & Muller (1958). The words are integers, so every device has the same; the logarithm and the
sine are polynomials in float32 instead of the platform's library, so that a deviate depends on nobody's library, and
so that loops over a line become vector instructions.
"""

import math
from collections.abc import Sequence

import numpy as np
from numba import float32, int32, njit, prange, uint32, uint64
from numpy.typing import ArrayLike, NDArray

from kernels.elementary import LN_2, log2
from kernels.launch import FUSED, run

Float32 = NDArray[np.float32]

LOW = uint64(0xFFFFFFFF)
SHIFT = uint64(32)
MULTIPLIER_0 = uint64(0xD2511F53)
MULTIPLIER_1 = uint64(0xCD9E8D57)
WEYL_0 = uint64(0x9E3779B9)
WEYL_1 = uint64(0xBB67AE85)

# Of a word, 24 bits fill a float32 without rounding; of those, two choose the quadrant of an angle.
SPARE_BITS = uint32(8)
QUADRANT_BITS = int32(22)
IN_QUADRANT = int32((1 << 22) - 1)
ONE, TWO = int32(1), int32(2)

SAME_CHANNELS = np.eye(3)


def white_noise(seed: int, frame: int, origin: Sequence[int], out: Float32, mixing: ArrayLike = SAME_CHANNELS) -> None:
    """Fill three planes `out` (3, h, w) with standard normal deviates, independent from pixel to pixel.

    origin: the absolute pixel (x, y) of the first, any integers, as are seed and frame (taken modulo 2**32). mixing:
    (3, 3), rows of unit length that turn three independent deviates into correlated planes.
    """
    flat = tuple(np.asarray(mixing, np.float32).ravel())
    run(_white_noise, out.shape[1:], *(word(number) for number in (seed, frame, *origin)), flat, out)


def word(number: int) -> np.uint64:
    """An integer modulo 2**32, as the generator takes keys and counters."""
    return np.uint64(int(number) & 0xFFFFFFFF)


@njit(cache=True, inline="always")
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Four random 32-bit words of the counter (c0..c3) under the key (k0, k1); all are uint64 below 2**32."""
    for _ in range(10):
        # What lies above 32 bits is left in a word until it counts, so that a product is one vector instruction.
        product_0 = MULTIPLIER_0 * (c0 & LOW)
        product_1 = MULTIPLIER_1 * (c2 & LOW)
        c0, c1, c2, c3 = (product_1 >> SHIFT) ^ c1 ^ k0, product_1, (product_0 >> SHIFT) ^ c3 ^ k1, product_0
        k0 = (k0 + WEYL_0) & LOW
        k1 = (k1 + WEYL_1) & LOW
    return c0 & LOW, c1 & LOW, c2 & LOW, c3 & LOW


@njit(cache=True, inline="always")
def words_of(x, y, key_0, key_1):
    """The four words of a pixel, uint32; x and y count modulo 2**32, all are uint64."""
    w0, w1, w2, w3 = philox4x32(x & LOW, y & LOW, uint64(0), uint64(0), key_0, key_1)
    return uint32(w0), uint32(w1), uint32(w2), uint32(w3)


@njit(cache=True, inline="always")
def radius_of(w):
    """Box and Muller's radius sqrt(-2 ln u) of a uint32 word, u in (0, 1] by its upper 24 bits; 0 to 5.77."""
    u = float32(int32(w >> SPARE_BITS) + ONE) * float32(2.0**-24)
    return math.sqrt(max(float32(-2.0) * LN_2 * log2(u), float32(0.0)))


@njit(cache=True, inline="always")
def direction_of(w):
    """A point (x, y) of the unit circle, uniform in angle, of the upper 24 bits of a uint32 word."""
    bits = int32(w >> SPARE_BITS)
    quadrant = bits >> QUADRANT_BITS
    part = float32(bits & IN_QUADRANT) * float32(2.0**-22) - float32(0.5)
    a = part * float32(math.pi / 2.0)
    t = a * a
    # Taylor series within pi/4 of zero, to the last bit of float32.
    sine = a * (float32(1.0) + t * (float32(-1.0 / 6.0) + t * (float32(1.0 / 120.0) + t * float32(-1.0 / 5040.0))))
    cosine = float32(1.0) + t * (
        float32(-0.5) + t * (float32(1.0 / 24.0) + t * (float32(-1.0 / 720.0) + t * float32(1.0 / 40320.0)))
    )
    odd = (quadrant & ONE) == ONE
    sign = float32(-1.0) if quadrant >= TWO else float32(1.0)
    x = -sine if odd else cosine
    y = cosine if odd else sine
    return sign * x, sign * y


@njit(cache=True, inline="always")
def normals_of(w0, w1, w2, w3):
    """Three independent standard normal deviates, float32, of a pixel's four words."""
    radius = radius_of(w0)
    first, second = direction_of(w1)
    third, _ = direction_of(w3)
    return radius * first, radius * second, radius_of(w2) * third


@njit(cache=True, inline="always")
def mixed(n0, n1, n2, mixing):
    """A row-by-row (3, 3) matrix times three deviates."""
    return (
        mixing[0] * n0 + mixing[1] * n1 + mixing[2] * n2,
        mixing[3] * n0 + mixing[4] * n1 + mixing[5] * n2,
        mixing[6] * n0 + mixing[7] * n1 + mixing[8] * n2,
    )


@njit(cache=True, error_model="numpy", fastmath=FUSED)
def white_line(key_0, key_1, x0, y, mixing, words, a, b, c):
    """Fill lines (n,) of three channels from pixel (x0, y) on; `words` (4, n) uint32 is scratch."""
    count = a.shape[0]
    first, second, third, fourth = words[0], words[1], words[2], words[3]
    for i in range(count):
        first[i], second[i], third[i], fourth[i] = words_of(x0 + uint64(i), y, key_0, key_1)
    for i in range(count):
        n0, n1, n2 = normals_of(first[i], second[i], third[i], fourth[i])
        a[i], b[i], c[i] = mixed(n0, n1, n2, mixing)


@njit(cache=True, parallel=True, error_model="numpy")
def _white_noise(key_0, key_1, x0, y0, mixing, out):
    for y in prange(out.shape[1]):
        words = np.empty((4, out.shape[2]), np.uint32)
        white_line(key_0, key_1, x0, y0 + uint64(y), mixing, words, out[0, y], out[1, y], out[2, y])
