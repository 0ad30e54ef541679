"""Reads a TensorFlow Lite file: operators in order, tensor shapes, and constants as dense NumPy arrays."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import tflite
from flatbuffers import flexbuffers

_DTYPES = {
    tflite.TensorType.FLOAT32: np.float32,
    tflite.TensorType.FLOAT16: np.float16,
    tflite.TensorType.INT32: np.int32,
}
_BUILTIN_NAMES = {code: name for name, code in vars(tflite.BuiltinOperator).items() if not name.startswith("_")}
_INDEX_VECTORS = {
    tflite.SparseIndexVector.Int32Vector: tflite.Int32Vector,
    tflite.SparseIndexVector.Uint16Vector: tflite.Uint16Vector,
    tflite.SparseIndexVector.Uint8Vector: tflite.Uint8Vector,
}


class Operator(NamedTuple):
    """One operator; `inputs` and `outputs` are numbers of tensors, `name` is TFLite's own or that of a custom one."""

    name: str
    inputs: list[int]
    outputs: list[int]
    table: Any

    def options(self, kind: type) -> Any:
        """The operator's options, read as the flatbuffer table `kind`."""
        union = self.table.BuiltinOptions()
        options = kind()
        options.Init(union.Bytes, union.Pos)
        return options

    def custom_options(self) -> dict[str, Any]:
        """The options of a custom operator that keeps them as a flexbuffer."""
        options = flexbuffers.Loads(self.table.CustomOptionsAsNumpy().tobytes())
        if not isinstance(options, dict):
            raise ValueError(f"the options of {self.name} are not a map")
        return options


class TfliteFile:
    """One model with one graph of float tensors."""

    def __init__(self, content: bytes) -> None:
        # The generated classes declare neither what their accessors return nor that a field is there.
        self._model: Any = tflite.Model.GetRootAsModel(content, 0)
        self._graph: Any = self._model.Subgraphs(0)
        self._folded: dict[int, np.ndarray] = {}

    @property
    def inputs(self) -> list[int]:
        return self._graph.InputsAsNumpy().tolist()

    @property
    def outputs(self) -> list[int]:
        return self._graph.OutputsAsNumpy().tolist()

    def name(self, tensor: int) -> str:
        return self._graph.Tensors(tensor).Name().decode()

    def shape(self, tensor: int) -> list[int]:
        table = self._graph.Tensors(tensor)
        return table.ShapeAsNumpy().tolist() if table.ShapeLength() else []

    def operators(self) -> Iterator[Operator]:
        """The operators that compute something; unpacking of constants is done on the way and not passed on."""
        for index in range(self._graph.OperatorsLength()):
            table = self._graph.Operators(index)
            code = self._model.OperatorCodes(table.OpcodeIndex())
            # Old files have the number in the field that was later found too small.
            name = _BUILTIN_NAMES[max(code.BuiltinCode(), code.DeprecatedBuiltinCode())]
            if name == "CUSTOM":
                name = code.CustomCode().decode()
            operator = Operator(name, table.InputsAsNumpy().tolist(), table.OutputsAsNumpy().tolist(), table)
            if name in ("DEQUANTIZE", "DENSIFY"):
                packed = self.constant(operator.inputs[0])
                self._folded[operator.outputs[0]] = packed.astype(np.float32) if name == "DEQUANTIZE" else packed
            else:
                yield operator

    def constant(self, tensor: int) -> np.ndarray:
        """The values of a constant tensor, sparse ones made dense."""
        if tensor not in self._folded:
            table = self._graph.Tensors(tensor)
            buffer = self._model.Buffers(table.Buffer())
            if not buffer.DataLength():
                raise ValueError(f"the tensor {self.name(tensor)} is not a constant")
            values = np.frombuffer(buffer.DataAsNumpy().tobytes(), _DTYPES[table.Type()])
            shape, sparsity = self.shape(tensor), table.Sparsity()
            self._folded[tensor] = values.reshape(shape) if sparsity is None else _dense(values, shape, sparsity)
        return self._folded[tensor]


def _dense(values: np.ndarray, shape: list[int], sparsity: Any) -> np.ndarray:
    """Spread the values of a sparse tensor whose last dimension alone is compressed, row by row."""
    formats = [sparsity.DimMetadata(index).Format() for index in range(sparsity.DimMetadataLength())]
    plain = [tflite.DimensionType.DENSE] * (len(shape) - 1) + [tflite.DimensionType.SPARSE_CSR]
    order = sparsity.TraversalOrderAsNumpy().tolist()
    if formats != plain or order != list(range(len(shape))) or sparsity.BlockMapLength():
        raise ValueError("a sparse tensor is compressed in more than its last dimension")
    last = sparsity.DimMetadata(len(shape) - 1)
    starts = _indices(last.ArraySegmentsType(), last.ArraySegments())
    columns = _indices(last.ArrayIndicesType(), last.ArrayIndices())
    dense = np.zeros((len(starts) - 1, shape[-1]), values.dtype)
    dense[np.repeat(np.arange(len(starts) - 1), np.diff(starts)), columns] = values
    return dense.reshape(shape)


def _indices(kind: int, union: Any) -> np.ndarray:
    vector = _INDEX_VECTORS[kind]()
    vector.Init(union.Bytes, union.Pos)
    return vector.ValuesAsNumpy().astype(np.int64)
