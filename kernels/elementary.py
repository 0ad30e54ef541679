"""Powers, exponentials and logarithms in float32, the same on every device, and fast.

They are polynomials on the bits of a float, so that a loop over a row becomes vector instructions (the platform's own
library is called once per number), and so that a CPU and a GPU differ by no more than the rounding of their sums.
Relative errors: 3e-7 for `log2` against max(1, |log2 x|), and 3e-7 · (1 + |exponent · log2 x|) for a power.

The reduction is Cody & Waite's, "Software Manual for the Elementary Functions" (1980).
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import float32, int32, njit, types
from numba.extending import intrinsic

from kernels.launch import INTERPRETED

LN_2 = np.float32(0.6931471805599453)
LOG2_E = np.float32(1.4426950408889634)
# The bits of sqrt(1/2): a mantissa from there to twice that is nearest to 1.
HALF_ROOT = 0x3F3504F3
# 1.5 · 2**23: added and taken away again, it rounds to the nearest integer.
ROUNDER = np.float32(12582912.0)


@intrinsic
def _bits_of(typing_context, value):
    return types.int32(types.float32), lambda _context, builder, _signature, arguments: builder.bitcast(
        arguments[0], ir.IntType(32)
    )


@intrinsic
def _float_of(typing_context, bits):
    return types.float32(types.int32), lambda _context, builder, _signature, arguments: builder.bitcast(
        arguments[0], ir.FloatType()
    )


# The bits of a float32 as int32, and the float32 of such bits.
bits_of: Any = (lambda value: np.float32(value).view(np.int32)) if INTERPRETED else _bits_of
float_of: Any = (lambda bits: np.int32(bits).view(np.float32)) if INTERPRETED else _float_of


@njit(cache=True, inline="always", error_model="numpy")
def log2(x):
    """Logarithm to the base 2 of a normal, positive, finite x."""
    bits = bits_of(x)
    exponent = int32(int32(bits - int32(HALF_ROOT)) >> int32(23))
    mantissa = float_of(int32(bits - int32(exponent << int32(23))))
    # ln m = 2 artanh((m - 1) / (m + 1)), the argument within 0.1716: the series' next term is below 1e-9.
    s = (mantissa - float32(1.0)) / (mantissa + float32(1.0))
    t = s * s
    series = t * (float32(2.0 / 3.0) + t * (float32(2.0 / 5.0) + t * (float32(2.0 / 7.0) + t * float32(2.0 / 9.0))))
    return float32(exponent) + (float32(2.0) + series) * s * LOG2_E


@njit(cache=True, inline="always")
def exp2(x):
    """2**x; x outside [-126, 127] counts as the nearest end, so that the result is normal and finite."""
    x = min(max(x, float32(-126.0)), float32(127.0))
    whole = (x + ROUNDER) - ROUNDER
    r = (x - whole) * LN_2
    series = float32(1.0 / 6.0) + r * (float32(1.0 / 24.0) + r * (float32(1.0 / 120.0) + r * float32(1.0 / 720.0)))
    part = float32(1.0) + r * (float32(1.0) + r * (float32(0.5) + r * series))
    return part * float_of(int32(int32(int32(whole) + int32(127)) << int32(23)))


@njit(cache=True, inline="always")
def power(x, exponent):
    """x**exponent of a normal, positive, finite x."""
    return exp2(exponent * log2(x))


@njit(cache=True, inline="always")
def exp(x):
    """e**x, clamped as in `exp2`."""
    return exp2(x * LOG2_E)


@njit(cache=True, inline="always")
def log(x):
    """Natural logarithm of a normal, positive, finite x."""
    return log2(x) * LN_2
