"""Stores weights as 16-bit floats, which halves the file; the graph widens them again before it uses them."""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def store_as_half(model: onnx.ModelProto, larger_than: int, only_exact: bool) -> onnx.ModelProto:
    """Store float32 constants of more than `larger_than` numbers as float16.

    With `only_exact` those that would be rounded stay as they are, so that the results keep their bits. Changes and
    returns the model.
    """
    casts, constants = [], []
    for tensor in model.graph.initializer:
        values = numpy_helper.to_array(tensor)
        halved = values.astype(np.float16) if values.dtype == np.float32 and values.size > larger_than else values
        if halved.dtype != np.float16 or (only_exact and not np.array_equal(halved.astype(np.float32), values)):
            constants.append(tensor)
            continue
        constants.append(numpy_helper.from_array(halved, f"{tensor.name}_h"))
        casts.append(helper.make_node("Cast", [f"{tensor.name}_h"], [tensor.name], to=TensorProto.FLOAT))
    nodes = [*casts, *model.graph.node]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(constants)
    onnx.checker.check_model(model)
    return model
