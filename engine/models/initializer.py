"""Reads one matrix out of an ONNX file without the ONNX library: the last constant of its graph.

Only the wire format of Protocol Buffers is needed: a message is a row of fields, each with a number and a kind, and
those that hold bytes say how many. Field numbers are those of onnx.proto: ModelProto.graph 7, GraphProto.initializer 5,
TensorProto.dims 1, data_type 2, float_data 4, raw_data 9.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError

_GRAPH, _INITIALIZER = 7, 5
_DIMS, _TYPE, _FLOATS, _RAW = 1, 2, 4, 9
_TYPES = {1: np.dtype("<f4"), 10: np.dtype("<f2")}
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5


def last_initializer(content: bytes, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The last constant in a model's graph, float32, which must have this shape. Raises ModelError with `name`."""
    try:
        graph = _field(memoryview(content), _GRAPH)
        *_, last = (value for number, value in _fields(graph) if number == _INITIALIZER)
        found = _tensor(last)
    except (ValueError, IndexError, KeyError, TypeError) as error:
        raise _missing(name, shape, "there is none that can be read") from error
    if found.shape != shape:
        raise _missing(name, shape, f"it is {found.shape}")
    return found


def _missing(name: str, shape: tuple[int, ...], found: str) -> ModelError:
    message = f"The model {name} shall end in a matrix {shape} that takes an embedding to its source: {found}."
    return ModelError(message, "Give the file that the manifest is for, or correct the manifest.")


def _tensor(message: int | memoryview) -> NDArray[np.float32]:
    dims: list[int] = []
    kind, data = 0, memoryview(b"")
    for number, value in _fields(message):
        if number == _DIMS:
            dims += _packed(value) if isinstance(value, memoryview) else [value]
        elif number == _TYPE and isinstance(value, int):
            kind = value
        elif number in (_RAW, _FLOATS) and isinstance(value, memoryview) and value:
            data = value
    return np.frombuffer(data, _TYPES[kind]).astype(np.float32).reshape(dims)


def _packed(data: memoryview) -> list[int]:
    numbers, at = [], 0
    while at < len(data):
        number, at = _varint(data, at)
        numbers.append(number)
    return numbers


def _field(message: memoryview, wanted: int) -> memoryview:
    *_, found = (value for number, value in _fields(message) if number == wanted)
    if not isinstance(found, memoryview):
        raise TypeError
    return found


def _fields(message: int | memoryview) -> Iterator[tuple[int, int | memoryview]]:
    if isinstance(message, int):
        raise TypeError
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        kind = key & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        length = {_EIGHT: 8, _FOUR: 4}.get(kind)
        if length is None:
            if kind != _BYTES:
                raise ValueError("no such kind of field")
            length, at = _varint(message, at)
        if at + length > len(message):
            raise ValueError("a field ends after its message")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(data: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for place in range(10):
        byte = data[at + place]
        value |= (byte & 127) << (7 * place)
        if byte < 128:
            return value, at + place + 1
    raise ValueError("a number has no end")
