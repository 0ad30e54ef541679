"""Puts an ONNX graph together node by node."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, DTypeLike
from onnx import TensorProto, helper, numpy_helper

from engine.models.catalogue import ModelSpec

OPSET = 17
# The file format of the first onnxruntime that has this opset; a newer one would shut out older runtimes for nothing.
IR_VERSION = 8


class GraphBuilder:
    """Collects nodes and constants; values are handed on by name.

    Names without a given one are numbered in the order of the calls, so the same calls make the same file.
    """

    def __init__(self) -> None:
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[object, tuple[str, np.ndarray]] = {}
        self._count = 0

    def constant(self, values: ArrayLike, dtype: DTypeLike | None = None, name: str = "") -> str:
        """A constant tensor of at least one dimension; equal ones without a given name are stored once."""
        array = np.ascontiguousarray(values, dtype=dtype)
        key = name or (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = (name or self._numbered("w"), array)
        return self._constants[key][0]

    def integers(self, values: ArrayLike, name: str = "") -> str:
        """A constant int64 vector, as ONNX wants shapes and indices."""
        return self.constant(values, np.int64, name)

    def number(self, value: float) -> str:
        """A constant float32."""
        return self.constant(value, np.float32)

    def node(self, operator: str, inputs: Sequence[str], output: str = "", **attributes: Any) -> str:
        """Append a node with one output and return the output's name."""
        output = output or self._numbered(operator.lower())
        self._nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def name_last(self, output: str) -> str:
        """Give the output of the last node another name, before anything reads it."""
        self._nodes[-1].output[0] = output
        return output

    def model(self, name: str, producer: str, spec: ModelSpec) -> onnx.ModelProto:
        """The finished and checked model, with the inputs and outputs of its spec."""
        graph = helper.make_graph(
            self._nodes,
            name,
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape, _ in spec.inputs],
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape, _ in spec.outputs],
            [numpy_helper.from_array(array, key) for key, array in self._constants.values()],
        )
        opsets = [helper.make_opsetid("", OPSET)]
        model = helper.make_model(graph, opset_imports=opsets, ir_version=IR_VERSION, producer_name=producer)
        onnx.checker.check_model(model, full_check=True)
        return model

    def _numbered(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}_{self._count}"
