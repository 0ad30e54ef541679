"""Networks for `benchmarks.swappers`: with the layers, and so the cost, of what people bring, and weights by chance.

They make no face: what they give is the plate's own, a little changed, so that all that comes after has its usual work.
Real weights cannot be had here. Each has a free batch.

The embedding swappers are of inswapper_128's kind: convolutions from 128² down to 32², pairs of convolutions there
whose statistics are the person's (AdaIN), and up again. `HEAVY` has the 139 million weights that the published file of
554 MB holds, and 3.5·10^11 operations, counted from these layers; how many the published one has is not known here.
`LIGHT` has 1.5·10^10.
"""

from pathlib import Path
from typing import Any

import msgspec
import numpy as np
from onnx import TensorProto, helper, numpy_helper

from engine.models.manifest import Manifest, Port, known, to_text

NUMBERS = 512
# Channels at 32², and pairs of layers there.
LIGHT, HEAVY = (256, 3), (1024, 6)
Shape = tuple[int | str, ...]


class Graph:
    """Adds operators and weights up to a model."""

    def __init__(self) -> None:
        self._random = np.random.default_rng(1)
        self._nodes: list[Any] = []
        self._constants: list[Any] = []

    def constant(self, value: Any, kind: Any = np.float32) -> str:
        name = f"constant{len(self._constants)}"
        self._constants.append(numpy_helper.from_array(np.asarray(value, kind), name))
        return name

    def add(self, operator: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        name = name or f"value{len(self._nodes)}"
        self._nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def weights(self, *shape: int) -> str:
        """Of a size that keeps what goes through them as large as it was."""
        values = self._random.standard_normal(shape, dtype=np.float32)
        return self.constant(values * np.float32(1.4 / np.sqrt(np.prod(shape[1:]))))

    def convolution(self, value: str, before: int, after: int, side: int = 3, step: int = 1) -> str:
        sides: dict[str, Any] = {"kernel_shape": [side] * 2, "strides": [step] * 2, "pads": [side // 2] * 4}
        return self.add("Conv", value, self.weights(after, before, side, side), **sides)

    def bent(self, value: str) -> str:
        return self.add("LeakyRelu", value, alpha=0.2)

    def doubled(self, value: str) -> str:
        return self.add("Resize", value, "", self.constant([1, 1, 2, 2]), mode="linear")

    def told(self, value: str, source: str, channels: int) -> str:
        """AdaIN: a channel's mean and deviation are replaced by what is made of the source."""
        style = self.add("MatMul", source, self.constant(np.eye(NUMBERS, 2 * channels)))
        style = self.add("Unsqueeze", style, self.constant([2, 3], np.int64))
        scale, shift = (self._cut(style, place * channels, (place + 1) * channels) for place in range(2))
        apart = self.add("Sub", value, self.add("ReduceMean", value, axes=[2, 3], keepdims=1))
        spread = self.add("ReduceMean", self.add("Mul", apart, apart), axes=[2, 3], keepdims=1)
        level = self.add("Div", apart, self.add("Sqrt", self.add("Add", spread, self.constant(1e-5))))
        return self.add("Add", self.add("Mul", level, self.add("Exp", scale)), shift)

    def _cut(self, value: str, first: int, last: int) -> str:
        ends = [self.constant([number], np.int64) for number in (first, last, 1)]
        return self.add("Slice", value, *ends)

    def near(self, value: str, picture: str) -> str:
        """The picture, a little changed by the value."""
        return self.add("Add", picture, self.add("Mul", self.add("Tanh", value), self.constant(0.1)))

    def model(self, inputs: dict[str, Shape], outputs: dict[str, Shape]) -> bytes:
        taken, given = (
            [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in each.items()]
            for each in (inputs, outputs)
        )
        graph = helper.make_graph(self._nodes, "benchmark", taken, given, self._constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        return model.SerializeToString()


def generator(channels: int, pairs: int) -> bytes:
    """inswapper_128's kind of network."""
    graph, c = Graph(), channels
    value = graph.bent(graph.convolution("target", 3, c // 8, 7))
    value = graph.bent(graph.convolution(value, c // 8, c // 4))
    value = graph.bent(graph.convolution(value, c // 4, c // 2, step=2))
    value = graph.bent(graph.convolution(value, c // 2, c, step=2))
    for _ in range(pairs):
        inner = graph.bent(graph.told(graph.convolution(value, c, c), "source", c))
        value = graph.add("Add", value, graph.told(graph.convolution(inner, c, c), "source", c))
    value = graph.bent(graph.convolution(graph.doubled(value), c, c // 2))
    value = graph.bent(graph.convolution(graph.doubled(value), c // 2, c // 4))
    value = graph.bent(graph.convolution(value, c // 4, c // 8))
    face = graph.near(graph.convolution(value, c // 8, 3, 7), "target")
    picture: Shape = ("N", 3, 128, 128)
    graph.add("Identity", face, name="output")
    return graph.model({"target": picture, "source": ("N", NUMBERS)}, {"output": picture})


def hourglass(graph: Graph, value: str, before: int, channels: int) -> str:
    """From full size down to an eighth, two layers there, and up again: UniFace's kind, and a DFM's."""
    c = channels
    value = graph.bent(graph.convolution(value, before, c))
    for step in range(3):
        value = graph.bent(graph.convolution(value, c << step, c << (step + 1), step=2))
    for _ in range(2):
        value = graph.add("Add", value, graph.bent(graph.convolution(value, c * 8, c * 8)))
    for step in reversed(range(3)):
        value = graph.bent(graph.convolution(graph.doubled(value), c << (step + 1), c << step))
    return value


def picture_swapper(size: int, channels: int) -> bytes:
    """It is shown a picture of the person beside the plate's face."""
    graph, picture = Graph(), ("N", 3, size, size)
    value = hourglass(graph, graph.add("Concat", "target", "source", axis=1), 6, channels)
    face = graph.near(graph.convolution(value, channels, 3), "target")
    graph.add("Identity", face, name="output")
    return graph.model({"target": picture, "source": picture}, {"output": picture})


def dfm(size: int, channels: int) -> bytes:
    """DeepFaceLab's order of axes, and both masks, which are 1 all over."""
    graph = Graph()
    target = graph.add("Transpose", "in_face:0", perm=[0, 3, 1, 2])
    value = hourglass(graph, target, 3, channels)
    face = graph.near(graph.convolution(value, channels, 3), target)
    graph.add("Transpose", face, name="out_celeb_face:0", perm=[0, 2, 3, 1])
    mask = graph.add("Sigmoid", graph.add("Add", graph.convolution(value, channels, 1), graph.constant(50.0)))
    for name in ("out_face_mask:0", "out_celeb_face_mask:0"):
        graph.add("Transpose", mask, name=name, perm=[0, 2, 3, 1])
    one, three = ("N", size, size, 1), ("N", size, size, 3)
    return graph.model(
        {"in_face:0": three}, {"out_face_mask:0": one, "out_celeb_face:0": three, "out_celeb_face_mask:0": one}
    )


def recogniser() -> bytes:
    """A light one, for it is asked once for each picture of a person, and not in a frame."""
    graph = Graph()
    value = graph.add("GlobalAveragePool", graph.convolution("input", 3, NUMBERS, 7, step=4))
    graph.add("Flatten", value, name="embedding")
    return graph.model({"input": ("N", 3, 112, 112)}, {"embedding": ("N", NUMBERS)})


def install(folder: Path) -> None:
    """Put a network of each family, and the recogniser, beside their manifests into a models' folder."""
    inswapper, uniface = known()["inswapper_128"], known()["uniface_256"]
    plain = msgspec.structs.replace(inswapper, source="plain", normalised=True)
    _put(folder, msgspec.structs.replace(plain, name="embedding"), generator(*LIGHT))
    _put(folder, msgspec.structs.replace(plain, name="heavy"), generator(*HEAVY))
    _put(folder, msgspec.structs.replace(uniface, name="image"), picture_swapper(256, 48))
    _put(folder, _dfm_manifest(224), dfm(224, 48))
    _put(folder, known()["arcface_w600k_r50"], recogniser())


def _put(folder: Path, manifest: Manifest, content: bytes) -> None:
    (folder / f"{manifest.name}.onnx").write_bytes(content)
    (folder / f"{manifest.name}.toml").write_text(to_text(msgspec.structs.replace(manifest, sha256="")))


def _dfm_manifest(size: int) -> Manifest:
    one, three = ("N", size, size, 1), ("N", size, size, 3)
    return Manifest(
        name="dfm",
        family="dfm",
        template="dfl_whole_face",
        size=size,
        channels="bgr",
        layout="nhwc",
        inputs=(Port(role="target", name="in_face:0", shape=three),),
        outputs=(
            Port(role="target mask", name="out_face_mask:0", shape=one),
            Port(role="face", name="out_celeb_face:0", shape=three),
            Port(role="mask", name="out_celeb_face_mask:0", shape=one),
        ),
    )
