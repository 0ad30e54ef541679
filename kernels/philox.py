"""Counter-based random numbers: the same key and counter give the same number on any device, in any order.

Philox4x32-10 from Salmon et al., "Parallel Random Numbers: As Easy as 1, 2, 3" (2011), and normal deviates made from
it by the method of Box & Muller (1958). The logarithm and the sine are polynomials in float32 arithmetic instead of
the platform's library, so that a deviate does not depend on whose library that is, and so that loops vectorise.
"""

import math

from numba import float32, njit, uint64

LOW = uint64(0xFFFFFFFF)
SHIFT = uint64(32)
MULTIPLIER_0 = uint64(0xD2511F53)
MULTIPLIER_1 = uint64(0xCD9E8D57)
WEYL_0 = uint64(0x9E3779B9)
WEYL_1 = uint64(0xBB67AE85)

# Of a word, 24 bits fill a float32 without rounding; of those, two choose the quadrant of an angle.
SPARE_BITS = uint64(8)
QUADRANT_BITS = uint64(22)
IN_QUADRANT = uint64((1 << 22) - 1)
ONE, TWO = uint64(1), uint64(2)


@njit(cache=True, inline="always")
def philox4x32(c0, c1, c2, c3, k0, k1):
    """Four random 32-bit words of the counter (c0..c3) under the key (k0, k1); all are uint64 below 2**32."""
    for _ in range(10):
        product_0 = MULTIPLIER_0 * c0
        product_1 = MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (
            (product_1 >> SHIFT) ^ c1 ^ k0,
            product_1 & LOW,
            (product_0 >> SHIFT) ^ c3 ^ k1,
            product_0 & LOW,
        )
        k0 = (k0 + WEYL_0) & LOW
        k1 = (k1 + WEYL_1) & LOW
    return c0, c1, c2, c3


@njit(cache=True, inline="always")
def radius_of(word):
    """Box and Muller's radius sqrt(-2 ln u) of a 32-bit word, u in (0, 1] by its upper 24 bits; 0 to 5.77."""
    mantissa = float32((word >> SPARE_BITS) + ONE)
    exponent = float32(24.0)
    # mantissa / 2**24 = value * 2**-exponent, value in [1, 2): halving by powers of two is exact.
    if mantissa >= float32(2.0**16):
        mantissa *= float32(2.0**-16)
        exponent -= float32(16.0)
    if mantissa >= float32(2.0**8):
        mantissa *= float32(2.0**-8)
        exponent -= float32(8.0)
    if mantissa >= float32(2.0**4):
        mantissa *= float32(2.0**-4)
        exponent -= float32(4.0)
    if mantissa >= float32(2.0**2):
        mantissa *= float32(2.0**-2)
        exponent -= float32(2.0)
    if mantissa >= float32(2.0):
        mantissa *= float32(0.5)
        exponent -= float32(1.0)
    if mantissa >= float32(1.4142135):
        mantissa *= float32(0.5)
        exponent -= float32(1.0)
    # ln m = 2 artanh((m - 1) / (m + 1)), the argument within 0.1716: the series' next term is below 1e-9.
    s = (mantissa - float32(1.0)) / (mantissa + float32(1.0))
    t = s * s
    series = float32(1.0 / 3.0) + t * (float32(1.0 / 5.0) + t * (float32(1.0 / 7.0) + t * float32(1.0 / 9.0)))
    minus_log = exponent * float32(0.6931471805599453) - float32(2.0) * s * (float32(1.0) + t * series)
    # u = 1 may round to a hair below zero.
    return math.sqrt(float32(2.0) * max(minus_log, float32(0.0)))


@njit(cache=True, inline="always")
def direction_of(word):
    """A point (x, y) of the unit circle, uniform in angle, of the upper 24 bits of a 32-bit word."""
    quadrant = (word >> SPARE_BITS) >> QUADRANT_BITS
    part = float32((word >> SPARE_BITS) & IN_QUADRANT) * float32(2.0**-22) - float32(0.5)
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
def normals(x, y, key_0, key_1):
    """Three independent standard normal deviates, float32, of an absolute pixel (x, y) (integers, wrapped to 32 bits).

    key_0 and key_1 are uint64 below 2**32: here the seed and the frame.
    """
    w0, w1, w2, w3 = philox4x32(uint64(x & 0xFFFFFFFF), uint64(y & 0xFFFFFFFF), uint64(0), uint64(0), key_0, key_1)
    radius = radius_of(w0)
    first, second = direction_of(w1)
    third, _ = direction_of(w3)
    return radius * first, radius * second, radius_of(w2) * third
