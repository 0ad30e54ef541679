"""dlib's face recognition network, from dlib's own file format to ONNX.

The network is dlib's `dnn_face_recognition_ex`: a residual network of 29 convolutions, in which every convolution is
followed by an affine layer (what training left of a batch normalisation). That affine is folded into the convolution.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.models.build.graph import GraphBuilder
from engine.models.build.half import store_as_half
from engine.models.catalogue import MODELS

_MEAN = (122.782, 117.001, 104.298)
_SCALE = 1 / 256
_TENSOR_VERSION = 2
_TENSOR_START = bytes((1, _TENSOR_VERSION))


def make_dlib_face(content: bytes) -> bytes:
    """The ONNX file; weights are rounded to half floats, which moves an embedding by under 0.001."""
    parameters = _parameters(content)
    network = _Network(parameters)
    value = network.stem()
    for channels, blocks, halve in ((32, 3, False), (64, 3, True), (128, 2, True), (256, 2, True)):
        if halve:
            value = network.halving_block(value, channels)
        for _ in range(blocks):
            value = network.block(value, channels)
    network.head(network.halving_block(value, 256))
    if next(parameters, None) is not None:
        raise ModelError("The dlib file holds more layers than the network.")
    model = network.graph.model("dlib_resnet_v1", "dlib2onnx", MODELS["dlib_face128"])
    return store_as_half(model, larger_than=1000, only_exact=False).SerializeToString()


def _parameters(content: bytes) -> Iterator[NDArray[np.float32]]:
    """The layers' parameters in the order of the file, which is from the picture to the embedding.

    dlib nests its layers without lengths, so tensors are recognised by their header; whatever lies between them is
    too small to be mistaken for one.
    """
    position = content.find(_TENSOR_START)
    while position >= 0:
        found = _tensor(content, position)
        if found:
            values, position = found
            yield values
        else:
            position += 1
        position = content.find(_TENSOR_START, position)


def _tensor(content: bytes, position: int) -> tuple[NDArray[np.float32], int] | None:
    """The tensor that starts at a position and the position after it, or None: version, four sizes, float32s."""
    header = []
    for _ in range(5):
        number = _integer(content, position)
        if number is None:
            return None
        header.append(number[0])
        position = number[1]
    sizes = header[1:]
    if min(sizes) < 1:
        return None
    count = int(np.prod(sizes, dtype=np.float64))
    if count < 32 or position + 4 * count > len(content):
        return None
    values = np.frombuffer(content, "<f4", count, position)
    if not np.isfinite(values).all() or np.abs(values).max() >= 1e4:
        return None
    return values, position + 4 * count


def _integer(content: bytes, position: int) -> tuple[int, int] | None:
    """dlib's compact integer: a byte with the sign and the number of bytes that follow, lowest first."""
    control = content[position] if position < len(content) else 0
    length = control & 0x0F
    if not 1 <= length <= 8 or control & 0x70:
        return None
    value = int.from_bytes(content[position + 1 : position + 1 + length], "little")
    return (-value if control & 0x80 else value), position + 1 + length


class _Network:
    """Builds the layers in order and takes their parameters as it goes."""

    def __init__(self, parameters: Iterator[NDArray[np.float32]]) -> None:
        self.graph = GraphBuilder()
        self._parameters = parameters
        self._convolutions = 0
        self._channels = 3
        self._size = 150

    def stem(self) -> str:
        """Normalisation, a 7 x 7 convolution and a pooling, both by two."""
        graph = self.graph
        mean = graph.constant(np.reshape(_MEAN, (1, 3, 1, 1)), np.float32, "mean")
        value = graph.node("Sub", ["input", mean])
        value = graph.node("Mul", [value, graph.constant(_SCALE, np.float32, "scale")])
        value = graph.node("Relu", [self._convolution(value, 32, kernel=7, stride=2)])
        self._size = _windows(_windows(self._size, 7), 3)
        return graph.node("MaxPool", [value], kernel_shape=[3, 3], strides=[2, 2])

    def block(self, value: str, channels: int) -> str:
        """A residual block that keeps its size."""
        inner = self.graph.node("Relu", [self._convolution(value, channels)])
        inner = self._convolution(inner, channels)
        return self.graph.node("Relu", [self.graph.node("Add", [value, inner])])

    def halving_block(self, value: str, channels: int) -> str:
        """A residual block that halves the picture; dlib adds unlike shapes by padding the smaller with zeros."""
        graph, before = self.graph, self._channels
        inner = graph.node("Relu", [self._convolution(value, channels, stride=2)])
        inner = self._convolution(inner, channels)
        short = graph.node("AveragePool", [value], kernel_shape=[2, 2], strides=[2, 2])
        inner_size, short_size = _windows(self._size, 3), _windows(self._size, 2)
        if channels > before:
            padding = [0, 0, 0, 0, 0, channels - before, 0, 0]
            short = graph.node("Pad", [short, graph.integers(padding, f"pc{self._convolutions}")])
        if short_size > inner_size:
            padding = [0, 0, 0, 0, 0, 0, short_size - inner_size, short_size - inner_size]
            inner = graph.node("Pad", [inner, graph.integers(padding, f"ps{self._convolutions}")])
        self._size = max(short_size, inner_size)
        return graph.node("Relu", [graph.node("Add", [short, inner])])

    def head(self, value: str) -> None:
        """The average over the picture and the projection to the embedding."""
        pooled = self.graph.node("Flatten", [self.graph.node("GlobalAveragePool", [value])], axis=1)
        projection = self._next(self._channels * 128).reshape(self._channels, 128)
        self.graph.node("MatMul", [pooled, self.graph.constant(projection, name="fc")], "embedding")

    def _convolution(self, value: str, channels: int, kernel: int = 3, stride: int = 1) -> str:
        self._convolutions += 1
        shape = (channels, self._channels, kernel, kernel)
        weights, bias = np.split(self._next(int(np.prod(shape)) + channels), [-channels])
        gain, offset = np.split(self._next(2 * channels), 2)
        weights = weights.reshape(shape) * gain[:, None, None, None]
        self._channels = channels
        return self.graph.node(
            "Conv",
            [
                value,
                self.graph.constant(weights, name=f"w{self._convolutions}"),
                self.graph.constant(bias * gain + offset, name=f"b{self._convolutions}"),
            ],
            kernel_shape=[kernel, kernel],
            strides=[stride, stride],
            # dlib pads only where it does not step.
            pads=[kernel // 2 if stride == 1 else 0] * 4,
        )

    def _next(self, count: int) -> NDArray[np.float32]:
        values = next(self._parameters, None)
        if values is None or values.size != count:
            raise ModelError(f"The dlib file lacks a layer of {count} parameters where the network has one.")
        return values


def _windows(size: int, kernel: int) -> int:
    """How many windows of a kernel fit when it steps by two."""
    return (size - kernel) // 2 + 1
