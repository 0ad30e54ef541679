"""Eight floats at once, for loops over small windows of a picture, in which a compiler finds no vectors by itself.

The functions work on the memory of a one-dimensional contiguous float32 array, `start_of` it, whose owner must live on
meanwhile: counting the references to an array would take longer than a window does. No index is checked. A vector holds
two pixels of four channels: its lower and its upper half. With Numba's compiler switched off it is an array of NumPy's.
"""

# Numba hands an intrinsic its typing context by itself.
# pyright: reportCallIssue=false

from collections.abc import Callable
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

from kernels.launch import INTERPRETED

_LANES = ir.VectorType(ir.FloatType(), 8)
_HALF = ir.VectorType(ir.FloatType(), 4)


class _Float8(types.Type):
    def __init__(self):
        super().__init__("float32x8")


@register_model(_Float8)
class _Float8Model(models.PrimitiveModel):
    def __init__(self, manager, frontend_type):
        super().__init__(manager, frontend_type, _LANES)


_float8 = _Float8()


_floats = types.CPointer(types.float32)


def _pointer(builder: Any, start: Any, index: Any, to: Any) -> Any:
    return builder.bitcast(builder.gep(start, [index]), to.as_pointer())


def _spread(builder: Any, value: Any) -> Any:
    first = builder.insert_element(ir.Constant(_LANES, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    return _shuffled(builder, first, [0] * 8)


def _shuffled(builder: Any, vector: Any, lanes: list[int]) -> Any:
    order = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), lanes)
    return builder.shuffle_vector(vector, vector, order)


@intrinsic
def _start_of(typing_context, array):
    def generate(context, builder, signature, arguments):
        return context.make_array(signature.args[0])(context, builder, arguments[0]).data

    return types.CPointer(array.dtype)(array), generate


@intrinsic
def _load8(typing_context, start, index):
    def generate(context, builder, signature, arguments):
        pointer = _pointer(builder, *arguments, _LANES)
        return builder.load(pointer, align=4)

    return _float8(_floats, types.intp), generate


@intrinsic
def _load4_twice(typing_context, start, index):
    def generate(context, builder, signature, arguments):
        pointer = _pointer(builder, *arguments, _HALF)
        return _shuffled(builder, builder.load(pointer, align=4), [0, 1, 2, 3, 0, 1, 2, 3])

    return _float8(_floats, types.intp), generate


@intrinsic
def _store4(typing_context, start, index, vector):
    def generate(context, builder, signature, arguments):
        pointer = _pointer(builder, *arguments[:2], _HALF)
        builder.store(_shuffled(builder, arguments[2], [0, 1, 2, 3]), pointer, align=4)
        return context.get_dummy_value()

    return types.void(_floats, types.intp, _float8), generate


@intrinsic
def _spread8(typing_context, start, index):
    def generate(context, builder, signature, arguments):
        return _spread(builder, builder.load(_pointer(builder, *arguments, ir.FloatType())))

    return _float8(_floats, types.intp), generate


@intrinsic
def _full8(typing_context, value):
    return _float8(types.float32), lambda _context, builder, _signature, arguments: _spread(builder, arguments[0])


@intrinsic
def _pair8(typing_context, lower, upper):
    def generate(context, builder, signature, arguments):
        both = _spread(builder, arguments[0])
        order = ir.Constant(ir.VectorType(ir.IntType(32), 8), [0, 1, 2, 3, 8, 9, 10, 11])
        return builder.shuffle_vector(both, _spread(builder, arguments[1]), order)

    return _float8(types.float32, types.float32), generate


@intrinsic
def _madd8(typing_context, factor, vector, addend):
    def generate(context, builder, signature, arguments):
        kind = ir.FunctionType(_LANES, [_LANES] * 3)
        return builder.call(cgutils.get_or_insert_function(builder.module, kind, "llvm.fmuladd.v8f32"), arguments)

    return _float8(_float8, _float8, _float8), generate


@intrinsic
def _add8(typing_context, first, second):
    return _float8(_float8, _float8), lambda _context, builder, _signature, arguments: builder.fadd(*arguments)


@intrinsic
def _lesser8(typing_context, first, second):
    return _float8(_float8, _float8), lambda _context, builder, _signature, arguments: builder.select(
        builder.fcmp_ordered("<", *arguments), *arguments
    )


@intrinsic
def _greater8(typing_context, first, second):
    return _float8(_float8, _float8), lambda _context, builder, _signature, arguments: builder.select(
        builder.fcmp_ordered(">", *arguments), *arguments
    )


@intrinsic
def _swapped8(typing_context, vector):
    return _float8(_float8), lambda _context, builder, _signature, arguments: _shuffled(
        builder, arguments[0], [4, 5, 6, 7, 0, 1, 2, 3]
    )


def _store4_in_python(start: Any, index: int, vector: Any) -> None:
    start[index : index + 4] = vector[:4]


def _either(compiled: Any, plain: Callable[..., Any]) -> Any:
    return plain if INTERPRETED else compiled


# Where the numbers of a packed array of any type and shape lie, which may be indexed, too, as one line.
start_of = _either(_start_of, lambda array: array.reshape(-1))
# Eight numbers from an index on; four, in both halves; the lower half written; one number, or a value, in all eight
# lanes; one value in the lower half and one in the upper.
load8 = _either(_load8, lambda start, index: start[index : index + 8].copy())
load4_twice = _either(_load4_twice, lambda start, index: np.tile(start[index : index + 4], 2))
store4 = _either(_store4, _store4_in_python)
spread8 = _either(_spread8, lambda start, index: np.full(8, start[index], np.float32))
full8 = _either(_full8, lambda value: np.full(8, value, np.float32))
pair8 = _either(_pair8, lambda lower, upper: np.repeat(np.array([lower, upper], np.float32), 4))
# factor · vector + addend, fused where the machine can; a sum; lane by lane the first where it is less (greater) than
# the second, else the second, so that a NaN in the first is passed over; the halves exchanged.
madd8 = _either(_madd8, lambda factor, vector, addend: factor * vector + addend)
add8 = _either(_add8, lambda first, second: first + second)
lesser8 = _either(_lesser8, lambda first, second: np.where(first < second, first, second))
greater8 = _either(_greater8, lambda first, second: np.where(first > second, first, second))
swapped8 = _either(_swapped8, lambda vector: np.roll(vector, 4))
