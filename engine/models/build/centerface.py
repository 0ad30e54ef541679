"""CenterFace as Star-Clouds published it, with readable names and any picture size."""

import onnx
from onnx import TensorProto, helper

from engine.models.catalogue import MODELS

_NAMES = {"input.1": "input", "537": "heatmap", "538": "scale", "539": "offset", "540": "landmarks"}


def make_centerface(content: bytes) -> bytes:
    """The ONNX file with its tensors renamed and its fixed 10 x 3 x 32 x 32 input opened; nodes and weights stay."""
    model = onnx.load_from_string(content)
    graph = model.graph
    for node in graph.node:
        for names in (node.input, node.output):
            names[:] = [_NAMES.get(name, name) for name in names]
    # The old format lists every weight as an input too, which would let a caller replace them.
    del graph.input[:], graph.output[:]
    spec = MODELS["centerface"]
    for declared, tensors in ((graph.input, spec.inputs), (graph.output, spec.outputs)):
        declared.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape, _ in tensors)
    onnx.checker.check_model(model)
    return model.SerializeToString()
