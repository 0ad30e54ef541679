"""Translates TensorFlow Lite's built-in operators to ONNX.

TFLite orders a picture as (batch, row, column, channel), ONNX as (batch, channel, row, column): every value of four
dimensions is kept in ONNX's order, and turned only where a reshape counts on TFLite's. Operators appear here as far as
the bundled models use them, and an option that none of them uses is an error.
"""

from collections.abc import Callable, Mapping

import numpy as np
import tflite

from engine.models.build.graph import GraphBuilder
from engine.models.build.tflite_reader import Operator, TfliteFile

# Where ONNX has the axes of (batch, row, column, channel).
_AXES = (0, 2, 3, 1)
_TO_ROWS_FIRST = [0, 2, 3, 1]
_TO_CHANNELS_FIRST = [0, 3, 1, 2]


class Translation:
    """A graph under translation: the source, the ONNX nodes so far, and the ONNX name of every computed tensor."""

    def __init__(self, source: TfliteFile) -> None:
        self.source = source
        self.graph = GraphBuilder()
        self.names: dict[int, str] = dict.fromkeys(source.inputs, "input")

    def run(self, translators: Mapping[str, "Translator"]) -> None:
        """Translate every operator in order."""
        for operator in self.source.operators():
            if operator.name not in translators:
                raise ValueError(f"there is no translation of the operator {operator.name}")
            translators[operator.name](self, operator)

    def value(self, tensor: int) -> str:
        """The ONNX name of a computed or constant tensor."""
        if tensor in self.names:
            return self.names[tensor]
        return self.graph.constant(self.source.constant(tensor), np.float32)

    def rows_first(self, tensor: int) -> str:
        """A computed tensor in TFLite's own order."""
        name = self.names[tensor]
        if len(self.source.shape(tensor)) != 4:
            return name
        return self.graph.node("Transpose", [name], perm=_TO_ROWS_FIRST)

    def name_outputs(self, names: Mapping[str, str]) -> None:
        """Give the graph's outputs new names; one pixel of many channels becomes a vector for each of the batch."""
        for tensor in self.source.outputs:
            shape = self.source.shape(tensor)
            if shape[1:3] == [1, 1]:
                self.graph.node("Reshape", [self.names[tensor], self.graph.integers([-1, shape[3]])])
            else:
                self.graph.node("Identity", [self.names[tensor]])
            self.names[tensor] = self.graph.name_last(names[self.source.name(tensor)])


Translator = Callable[[Translation, Operator], None]


def _activated(t: Translation, value: str, activation: int) -> str:
    if activation == tflite.ActivationFunctionType.RELU:
        return t.graph.node("Relu", [value])
    if activation != tflite.ActivationFunctionType.NONE:
        raise ValueError(f"there is no translation of the activation {activation}")
    return value


def _padding(options: tflite.Conv2DOptions, picture: list[int], kernel: list[int], strides: list[int]) -> list[int]:
    """ONNX's top, left, bottom, right; TFLite's SAME puts an odd pixel at the end."""
    if options.Padding() == tflite.Padding.VALID:
        return [0, 0, 0, 0]
    missing = [
        max((-(-size // step) - 1) * step + width - size, 0)
        for size, width, step in zip(picture, kernel, strides, strict=True)
    ]
    return [each // 2 for each in missing] + [each - each // 2 for each in missing]


def _convolution(t: Translation, operator: Operator, options_type: type, filters_first: list[int], depth: bool) -> None:
    options = operator.options(options_type)
    source, weights, bias = operator.inputs
    filters = t.source.constant(weights).astype(np.float32)
    _, height, width, channels = t.source.shape(source)
    kernel, strides = list(filters.shape[1:3]), [options.StrideH(), options.StrideW()]
    value = t.graph.node(
        "Conv",
        [t.value(source), t.graph.constant(filters.transpose(filters_first)), t.value(bias)],
        kernel_shape=kernel,
        strides=strides,
        dilations=[options.DilationHFactor(), options.DilationWFactor()],
        group=channels if depth else 1,
        pads=_padding(options, [height, width], kernel, strides),
    )
    t.names[operator.outputs[0]] = _activated(t, value, options.FusedActivationFunction())


def _convolution_2d(t: Translation, operator: Operator) -> None:
    _convolution(t, operator, tflite.Conv2DOptions, [0, 3, 1, 2], depth=False)


def _depthwise_convolution(t: Translation, operator: Operator) -> None:
    _convolution(t, operator, tflite.DepthwiseConv2DOptions, [3, 0, 1, 2], depth=True)


def _maximum_pool(t: Translation, operator: Operator) -> None:
    options = operator.options(tflite.Pool2DOptions)
    kernel, strides = [options.FilterHeight(), options.FilterWidth()], [options.StrideH(), options.StrideW()]
    pads = _padding(options, t.source.shape(operator.inputs[0])[1:3], kernel, strides)
    value = t.value(operator.inputs[0])
    t.names[operator.outputs[0]] = t.graph.node("MaxPool", [value], kernel_shape=kernel, strides=strides, pads=pads)


def _leaky(t: Translation, operator: Operator) -> None:
    slopes = t.source.constant(operator.inputs[1]).reshape(-1, 1, 1)
    inputs = [t.value(operator.inputs[0]), t.graph.constant(slopes, np.float32)]
    t.names[operator.outputs[0]] = t.graph.node("PRelu", inputs)


def _add(t: Translation, operator: Operator) -> None:
    options = operator.options(tflite.AddOptions)
    total = t.graph.node("Add", [t.value(tensor) for tensor in operator.inputs])
    t.names[operator.outputs[0]] = _activated(t, total, options.FusedActivationFunction())


def multiply(t: Translation, operator: Operator) -> None:
    """MUL of tensors of up to three dimensions, whose axes need no turning."""
    options = operator.options(tflite.MulOptions)
    product = t.graph.node("Mul", [t.value(tensor) for tensor in operator.inputs])
    t.names[operator.outputs[0]] = _activated(t, product, options.FusedActivationFunction())


def _pad(t: Translation, operator: Operator) -> None:
    amounts = t.source.constant(operator.inputs[1])[_TO_CHANNELS_FIRST]
    inputs = [t.value(operator.inputs[0]), t.graph.integers(amounts.T.ravel())]
    t.names[operator.outputs[0]] = t.graph.node("Pad", inputs)


def _reshape(t: Translation, operator: Operator) -> None:
    shape = t.source.shape(operator.outputs[0])
    value = t.rows_first(operator.inputs[0])
    value = t.graph.node("Reshape", [value, t.graph.integers([-1, *shape[1:]])])
    if len(shape) == 4:
        value = t.graph.node("Transpose", [value], perm=_TO_CHANNELS_FIRST)
    t.names[operator.outputs[0]] = value


def _resize_bilinear(t: Translation, operator: Operator) -> None:
    if not operator.options(tflite.ResizeBilinearOptions).HalfPixelCenters():
        raise ValueError("a resize does not have its pixel centres at half-integers")
    before, after = t.source.shape(operator.inputs[0]), t.source.shape(operator.outputs[0])
    scales = t.graph.constant([1, 1, after[1] / before[1], after[2] / before[2]], np.float32)
    t.names[operator.outputs[0]] = t.graph.node(
        "Resize",
        [t.value(operator.inputs[0]), "", scales],
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def _depth_to_space(t: Translation, operator: Operator) -> None:
    size = operator.options(tflite.DepthToSpaceOptions).BlockSize()
    value = t.value(operator.inputs[0])
    t.names[operator.outputs[0]] = t.graph.node("DepthToSpace", [value], blocksize=size, mode="DCR")


def _strided_slice(t: Translation, operator: Operator) -> None:
    """A slice of a picture by plain numbers; the batch stays whole."""
    options = operator.options(tflite.StridedSliceOptions)
    if options.BeginMask() or options.EndMask() or options.EllipsisMask() or options.ShrinkAxisMask():
        raise ValueError("a slice has masks")
    begin, end, step = (t.source.constant(tensor)[1:] for tensor in operator.inputs[1:])
    value = t.value(operator.inputs[0])
    bounds = [t.graph.integers(numbers) for numbers in (begin, end, _AXES[1:], step)]
    t.names[operator.outputs[0]] = t.graph.node("Slice", [value, *bounds])


BUILTIN: dict[str, Translator] = {
    "ADD": _add,
    "CONV_2D": _convolution_2d,
    "DEPTHWISE_CONV_2D": _depthwise_convolution,
    "DEPTH_TO_SPACE": _depth_to_space,
    "MAX_POOL_2D": _maximum_pool,
    "MUL": multiply,
    "PAD": _pad,
    "PRELU": _leaky,
    "RESHAPE": _reshape,
    "RESIZE_BILINEAR": _resize_bilinear,
    "STRIDED_SLICE": _strided_slice,
}
