"""Half floats in loops: one loop for float16 and float32, on a CPU where Numba has no float16, and on a GPU.

`loadable` hands a half array of the CPU over as its bits, uint16. In a loop, `widened` turns what it reads into
float32, and `narrowed` turns a float32 into what the array holds, rounding to the nearest, ties to even (IEEE 754; one
instruction each on x86 with F16C, on ARM, and on a GPU). Both pass float32 through.
"""

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from kernels.launch import INTERPRETED, on_gpu


def loadable(array: NDArray[Any]) -> NDArray[Any]:
    """The array as a loop reads it: the bits of a half array of the CPU, any other array itself. Shares its memory."""
    return array.view(np.uint16) if array.dtype == np.float16 and not on_gpu(array) else array


@intrinsic
def _widened(typing_context, value):
    if value == types.uint16:
        return types.float32(value), lambda _context, builder, _signature, arguments: builder.fpext(
            builder.bitcast(arguments[0], ir.HalfType()), ir.FloatType()
        )
    return types.float32(value), lambda context, builder, _signature, arguments: context.cast(
        builder, arguments[0], value, types.float32
    )


@intrinsic
def _narrowed(typing_context, value, like):
    if like == types.uint16:
        return like(types.float32, like), lambda _context, builder, _signature, arguments: builder.bitcast(
            builder.fptrunc(arguments[0], ir.HalfType()), ir.IntType(16)
        )
    return like(types.float32, like), lambda context, builder, _signature, arguments: context.cast(
        builder, arguments[0], types.float32, like
    )


def _widened_in_python(value):
    return np.float32(value.view(np.float16) if value.dtype == np.uint16 else value)


def _narrowed_in_python(value, like):
    return np.float16(value).view(np.uint16) if like.dtype == np.uint16 else like.dtype.type(value)


# float32 of an element of a `loadable` array; and of a float32 what such an array holds, whose type is that of `like`.
widened: Any = _widened_in_python if INTERPRETED else _widened
narrowed: Any = _narrowed_in_python if INTERPRETED else _narrowed
