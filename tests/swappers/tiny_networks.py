"""Tiny ONNX networks with the published names, shapes, types and ranges, whose right answers are known in closed form.

A swapper gives, in the model view, `GAIN · v + OFFSET + SOURCE · s + RAMP · u`: v is what it was shown, s one number of
what it was told of the person, u how far across its picture a pixel lies. All differ from channel to channel, so that
nothing can be swapped, flipped or scaled unseen. An enhancer gives the same, with `MORPH` times its weight for the
third part. An occlusion network gives, for each pixel, `MASK · v + MASK_OFFSET`, or for classes `LOGITS · v`.
"""

import hashlib
from typing import Any

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from engine.models.manifest import Manifest, Port, known, to_text

GAIN, OFFSET = np.array([0.5, 0.4, 0.3], np.float32), np.array([0.05, 0.15, 0.25], np.float32)
SOURCE, RAMP = np.array([0.1, 0.2, 0.05], np.float32), np.array([0.1, 0.02, 0.2], np.float32)
MORPH = np.array([0.2, 0.1, 0.05], np.float32)
MASK, MASK_OFFSET = np.array([1.2, 0.1, -0.4], np.float32), np.array([0.1], np.float32)
KINDS = {"float": TensorProto.FLOAT, "float16": TensorProto.FLOAT16, "double": TensorProto.DOUBLE}
NUMBERS = 512

_random = np.random.default_rng(7)
READING = (_random.standard_normal(NUMBERS) / np.sqrt(NUMBERS)).astype(np.float32)
EMAP = (_random.standard_normal((NUMBERS, NUMBERS)) / np.sqrt(NUMBERS)).astype(np.float32)
CONVERTER = (_random.standard_normal((NUMBERS, NUMBERS)) / np.sqrt(NUMBERS)).astype(np.float32)
RECOGNISER = _random.standard_normal((3, NUMBERS)).astype(np.float32)
LOGITS = _random.standard_normal((19, 3)).astype(np.float32) * 8


class Graph:
    """Adds operators and constants up to a model."""

    def __init__(self) -> None:
        self.nodes, self.constants = [], []

    def constant(self, value, kind: Any = np.float32) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes) -> str:
        name = name or f"value{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def model(self, inputs, outputs) -> bytes:
        """inputs and outputs: (name, shape, type) each."""
        taken, given = (
            [helper.make_tensor_value_info(name, KINDS[kind], shape) for name, shape, kind in each]
            for each in (inputs, outputs)
        )
        graph = helper.make_graph(self.nodes, "tiny", taken, given, self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model)
        return model.SerializeToString()


def across(size: int) -> np.ndarray:
    return ((np.arange(size) + 0.5) / size).astype(np.float32)


def swapper(manifest: Manifest, batch: int | str | None = None, ending: str = "", emap=EMAP) -> bytes:
    """The network of a manifest of a swapper's family, or of an enhancer; `ending` "nan" or "constant" spoils it.

    batch: the first side of its pictures, the manifest's by default.
    """
    graph, size = Graph(), manifest.size
    last = manifest.layout == "nhwc"
    form = (1, 1, 1, 3) if last else (1, 3, 1, 1)

    def colours(values) -> str:
        values = np.asarray(values, np.float32)
        return graph.constant((values[::-1] if manifest.channels == "bgr" else values).reshape(form))

    u = graph.constant(across(size).reshape((1, 1, size, 1) if last else (1, 1, 1, size)))
    # What a picture's mean and deviation are is said by channel in the picture's own order.
    mean, std = (graph.constant(np.reshape(values, form)) for values in (manifest.mean, manifest.std))
    names = {port.role: port.name for port in manifest.inputs}
    value = graph.add("Add", graph.add("Mul", names["target"], std), mean)
    value = graph.add("Add", graph.add("Mul", value, colours(GAIN)), colours(OFFSET))
    value = graph.add("Add", value, graph.add("Mul", u, colours(RAMP)))
    if manifest.source == "picture":
        # Of the source its red only.
        red = graph.add("Conv", names["source"], graph.constant(np.reshape([1.0, 0.0, 0.0], (1, 3, 1, 1))))
        told = graph.add("GlobalAveragePool", red)
        value = graph.add("Add", value, graph.add("Mul", told, colours(SOURCE)))
    elif "source" in names:
        told = graph.add("MatMul", names["source"], graph.constant(READING.reshape(NUMBERS, 1)))
        told = graph.add("Reshape", told, graph.constant([-1, 1, 1, 1], np.int64))
        value = graph.add("Add", value, graph.add("Mul", told, colours(SOURCE)))
    if "morph" in names:
        value = graph.add("Add", value, graph.add("Mul", names["morph"], colours(MORPH)))
    if "weight" in names:
        weight = graph.add("Cast", names["weight"], to=TensorProto.FLOAT)
        value = graph.add("Add", value, graph.add("Mul", weight, colours(MORPH)))
    low, high = manifest.range
    value = graph.add("Add", graph.add("Mul", value, graph.constant(high - low)), graph.constant(low))
    if ending == "nan":
        value = graph.add("Sqrt", graph.add("Sub", value, graph.constant(1e6)))
    if ending == "constant":
        value = graph.add("Mul", value, graph.constant(0.0))
    outputs = [_output(graph, manifest, port, place, value, u, batch) for place, port in enumerate(manifest.outputs)]
    if manifest.source == "emap":
        graph.constant(emap)
    inputs = [(port.name, _shape(port, batch), port.type) for port in manifest.inputs]
    return graph.model(inputs, outputs)


def _output(graph, manifest, port, place, face, u, batch):
    name = port.name or f"result{place}"
    if port.role == "face":
        graph.add("Identity", face, name=name)
    else:
        # A mask that is none in the left third of the picture, or, the target's, in the right third.
        ends = (u, graph.constant(1 / 3)) if port.role == "mask" else (graph.constant(2 / 3), u)
        side = graph.add("Sub", *ends)
        step = graph.add("Clip", graph.add("Mul", side, graph.constant(20.0)), graph.constant(0.0), graph.constant(1.0))
        axis = 3 if manifest.layout == "nhwc" else 1
        zero = graph.add("Mul", face, graph.constant(0.0))
        first = graph.add("Slice", zero, *(graph.constant([v], np.int64) for v in (0, 1, axis)))
        graph.add("Add", first, step, name=name)
    return name, _shape(port, batch), port.type


def _shape(port, batch):
    if port.role in ("morph", "weight"):
        return port.shape
    return (port.shape[0] if batch is None else batch, *port.shape[1:])


def recogniser(manifest: Manifest) -> bytes:
    """ArcFace's shape: the picture's mean colours, as it was fed them, times RECOGNISER."""
    graph = Graph()
    mean = graph.add("Reshape", graph.add("GlobalAveragePool", "input"), graph.constant([-1, 3], np.int64))
    graph.add("MatMul", mean, graph.constant(RECOGNISER), name="embedding")
    return graph.model([("input", ("N", 3, 112, 112), "float")], [("embedding", ("N", NUMBERS), "float")])


def converter(manifest: Manifest) -> bytes:
    graph = Graph()
    graph.add("MatMul", "input", graph.constant(CONVERTER), name="output")
    return graph.model([("input", (1, NUMBERS), "float")], [("output", (1, NUMBERS), "float")])


def occlusion(manifest: Manifest) -> bytes:
    """The network of a manifest of the family occlusion."""
    graph, last = Graph(), manifest.layout == "nhwc"
    (target,), (port,) = manifest.inputs, manifest.outputs
    form = (1, 1, 1, 3) if last else (1, 3, 1, 1)
    mean, std = (graph.constant(np.reshape(values, form)) for values in (manifest.mean, manifest.std))
    value = graph.add("Add", graph.add("Mul", target.name, std), mean)
    weights = LOGITS if port.role == "classes" else MASK[None]
    weights = weights[:, ::-1] if manifest.channels == "bgr" else weights
    bias = np.zeros(len(weights)) if port.role == "classes" else MASK_OFFSET
    value = graph.add("Transpose", value, perm=[0, 3, 1, 2]) if last else value
    value = graph.add("Conv", value, graph.constant(weights[..., None, None]), graph.constant(bias))
    low, high = manifest.range
    value = graph.add("Add", graph.add("Mul", value, graph.constant(high - low)), graph.constant(low))
    graph.add("Transpose", value, name="made", perm=[0, 2, 3, 1] if last else [0, 1, 2, 3])
    return graph.model([(target.name, target.shape, target.type)], [("made", port.shape, port.type)])


def dfm(name: str, side: int, morph: bool = False, **more: Any) -> Manifest:
    """The manifest of a DFM, as DeepFaceLab exports one; `more` is what it says of licences."""
    face, mask = ("N", side, side, 3), ("N", side, side, 1)
    target, amount = (
        Port(role="target", name="in_face:0", shape=face),
        Port(role="morph", name="morph_value:0", shape=(1,)),
    )
    return Manifest(
        name=name,
        family="dfm",
        template="dfl_whole_face",
        size=side,
        channels="bgr",
        layout="nhwc",
        inputs=(target, amount) if morph else (target,),
        outputs=(
            Port(role="target mask", name="out_face_mask:0", shape=mask),
            Port(role="face", name="out_celeb_face:0", shape=face),
            Port(role="mask", name="out_celeb_face_mask:0", shape=mask),
        ),
        **more,
    )


BUILDERS = {
    **dict.fromkeys(("embedding", "image", "dfm", "enhancer"), swapper),
    "recogniser": recogniser,
    "converter": converter,
    "occlusion": occlusion,
}


def install(folder, name: str, content: bytes | None = None, manifest: Manifest | None = None) -> Manifest:
    """Put a tiny network beside its manifest into a models' folder, pinned as one that was added."""
    manifest = manifest or known()[name]
    content = BUILDERS[manifest.family](manifest) if content is None else content
    pinned = msgspec.structs.replace(manifest, sha256=hashlib.sha256(content).hexdigest())
    (folder / f"{name}.onnx").write_bytes(content)
    (folder / f"{name}.toml").write_text(to_text(pinned), encoding="utf-8")
    return manifest
