"""Half floats in CPU loops: Numba has no float16 there, so that arrays are handed over as their bits.

`loadable` views a half array as uint16; inside a loop `widened` turns what it reads into float32, and `narrowed` turns
a float32 into what the array holds, rounding to the nearest, ties to even (IEEE 754; one instruction each on x86 with
F16C and on ARM). Both pass float32 arrays through, so that one loop serves both. A CUDA kernel gets the float16 array
itself and needs neither: float32(value) and an assignment do the same there.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import NDArray


def loadable(array: NDArray[Any]) -> NDArray[Any]:
    """The array as a CPU loop reads it: a half array's bits, any other array itself. Shares its memory."""
    return array.view(np.uint16) if array.dtype == np.float16 else array


def widened(value: Any) -> np.float32:
    """float32 of an element of a `loadable` array. For loops; in Python it does the same, slowly."""
    return np.float32(np.uint16(value).view(np.float16) if getattr(value, "dtype", None) == np.uint16 else value)


def narrowed(value: Any, like: Any) -> Any:
    """A float32 as an element of the `loadable` array that `like` was read from."""
    return np.float16(value).view(np.uint16) if getattr(like, "dtype", None) == np.uint16 else value


@intrinsic
def _half_to_float(typing_context, bits):
    return types.float32(types.uint16), lambda _context, builder, _signature, arguments: builder.fpext(
        builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType()
    )


@intrinsic
def _float_to_half(typing_context, value):
    return types.uint16(types.float32), lambda _context, builder, _signature, arguments: builder.bitcast(
        builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16)
    )


_float_of_half: Any = _half_to_float
_half_of_float: Any = _float_to_half


@overload(widened, inline="always")
def _widened(value):
    if value == types.uint16:
        return lambda value: _float_of_half(value)
    return lambda value: value


@overload(narrowed, inline="always")
def _narrowed(value, like):
    if like == types.uint16:
        return lambda value, like: _half_of_float(value)
    return lambda value, like: value
