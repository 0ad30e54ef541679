"""Spells out the custom operators of MediaPipe's attention mesh in plain ONNX.

TensorFlow Lite itself cannot run them; they are defined by the C++ in mediapipe/util/tflite/operations (version 2 of
each). The mesh network looks at the eyes and the lips again through rotated crops of its own features: one operator
makes the crop's transform from the first landmarks, one samples the features, one takes the refined landmarks back.

A transform is an affine map in the plane, kept as its six entries so that a batch has one for each of its pictures.
"""

from typing import Any, NamedTuple

import numpy as np
from onnx import TensorProto

from engine.models.build.graph import GraphBuilder
from engine.models.build.tflite_operators import BUILTIN, Translation, Translator, multiply
from engine.models.build.tflite_reader import Operator, TfliteFile


class _Transform(NamedTuple):
    """x' = xx x + xy y + x0, y' = yx x + yy y + y0; each is the name of a value of shape (N, 1, 1)."""

    xx: str
    xy: str
    x0: str
    yx: str
    yy: str
    y0: str


class _Turned(NamedTuple):
    """Landmarks turned upright: the box around them, and the cosine and sine of the turn and of the turn back."""

    left_right: tuple[str, str]
    top_bottom: tuple[str, str]
    cosine: str
    back_sine: str


class AttentionTranslation(Translation):
    """A translation that also knows the crops' transforms, and remembers which landmarks each crop is made from."""

    def __init__(self, source: TfliteFile) -> None:
        super().__init__(source)
        self.transforms: dict[int, _Transform] = {}
        self.regions: list[list[int]] = []


def _of_attention(t: Translation) -> AttentionTranslation:
    assert isinstance(t, AttentionTranslation)
    return t


def _component(graph: GraphBuilder, points: str, index: int) -> str:
    """x (0) or y (1) of points (N, k, 2 or 3), as (N, k, 1)."""
    return graph.node("Gather", [points, graph.integers([index])], axis=2)


def _landmarks_to_transform(t: Translation, operator: Operator) -> None:
    """The square of features around a region, upright in the crop and larger by the operator's scale."""
    attention, graph, options = _of_attention(t), t.graph, operator.custom_options()
    if options["target_rotation_radians"] != 0.0:
        raise ValueError("a crop is not upright")
    region = options["subset_idxs"]
    turned = _turned_region(graph, t.value(operator.inputs[0]), options, region)
    attention.transforms[operator.outputs[0]] = _crop_transform(graph, turned, options)
    attention.regions.append(region)


def _turned_region(graph: GraphBuilder, landmarks: str, options: dict[str, Any], region: list[int]) -> _Turned:
    node = graph.node
    right, left = (
        node("Gather", [landmarks, graph.integers([options[key]])], axis=1)
        for key in ("right_rotation_idx", "left_rotation_idx")
    )
    across = node("Sub", [right, left])
    dx, dy = (_component(graph, across, index) for index in (0, 1))
    squares = node("Add", [node("Mul", [dx, dx]), node("Mul", [dy, dy])])
    length = node("Max", [node("Sqrt", [squares]), graph.number(1e-12)])
    # The turn is by -atan2(dy, dx), of which only cosine and sine are needed.
    cosine = node("Div", [dx, length])
    sine = node("Neg", [node("Div", [dy, length])])
    points = node("Gather", [landmarks, graph.integers(region)], axis=1)
    x, y = (_component(graph, points, index) for index in (0, 1))
    turned_x = node("Sub", [node("Mul", [x, cosine]), node("Mul", [y, sine])])
    turned_y = node("Add", [node("Mul", [x, sine]), node("Mul", [y, cosine])])
    right_end, left_end, bottom, top = (
        node(reduce, [values], axes=[1], keepdims=1)
        for values in (turned_x, turned_y)
        for reduce in ("ReduceMax", "ReduceMin")
    )
    return _Turned((left_end, right_end), (top, bottom), cosine, sine)


def _crop_transform(graph: GraphBuilder, turned: _Turned, options: dict[str, Any]) -> _Transform:
    node = graph.node
    (left, right), (top, bottom), cosine = turned.left_right, turned.top_bottom, turned.cosine
    width, height = node("Sub", [right, left]), node("Sub", [bottom, top])
    half = graph.number(0.5)
    middle_x = node("Mul", [node("Add", [right, left]), half])
    middle_y = node("Mul", [node("Add", [bottom, top]), half])
    sine = node("Neg", [turned.back_sine])
    centre_x = node("Sub", [node("Mul", [middle_x, cosine]), node("Mul", [middle_y, sine])])
    centre_y = node("Add", [node("Mul", [middle_x, sine]), node("Mul", [middle_y, cosine])])
    columns, rows = options["output_width"], options["output_height"]
    scale_x = node("Mul", [width, graph.number(options["scale_x"] / columns)])
    scale_y = node("Mul", [height, graph.number(options["scale_y"] / rows)])
    xx, xy = node("Mul", [cosine, scale_x]), node("Neg", [node("Mul", [sine, scale_y])])
    yx, yy = node("Mul", [sine, scale_x]), node("Mul", [cosine, scale_y])
    # The crop's own origin is its corner, half a crop from the region's centre.
    corner_x, corner_y = graph.number(-columns / 2), graph.number(-rows / 2)
    x0 = node("Sum", [centre_x, node("Mul", [xx, corner_x]), node("Mul", [xy, corner_y])])
    y0 = node("Sum", [centre_y, node("Mul", [yx, corner_x]), node("Mul", [yy, corner_y])])
    return _Transform(xx, xy, x0, yx, yy, y0)


def _multiply(t: Translation, operator: Operator) -> None:
    """MUL, which on a transform scales its entries one by one."""
    transforms = _of_attention(t).transforms
    transform = transforms.get(operator.inputs[0])
    if transform is None:
        multiply(t, operator)
        return
    factors = t.source.constant(operator.inputs[1]).reshape(4, 4).astype(np.float32)
    # A 4 x 4 matrix of space: the plane's entries are in its first two rows.
    entries = factors[(0, 0, 0, 1, 1, 1), (0, 1, 3, 0, 1, 3)]
    transforms[operator.outputs[0]] = _Transform(
        *(
            entry if factor == 1 else t.graph.node("Mul", [entry, t.graph.number(factor)])
            for entry, factor in zip(transform, entries, strict=True)
        )
    )


def _sample_features(t: Translation, operator: Operator) -> None:
    """Bilinear samples of the features at the crop's pixels; zero outside the features."""
    graph, node, options = t.graph, t.graph.node, operator.custom_options()
    transform = _of_attention(t).transforms[operator.inputs[1]]
    _, height, width, _ = t.source.shape(operator.inputs[0])
    columns, rows = np.meshgrid(
        np.arange(options["output_width"], dtype=np.float32) + 0.5,
        np.arange(options["output_height"], dtype=np.float32) + 0.5,
    )
    u, v = graph.constant(columns[None]), graph.constant(rows[None])
    # Features have their centres at half-integers; from here on the first one's centre is 0.
    to_index = graph.number(-0.5)
    x = node("Sum", [node("Mul", [transform.xx, u]), node("Mul", [transform.xy, v]), transform.x0, to_index])
    y = node("Sum", [node("Mul", [transform.yx, u]), node("Mul", [transform.yy, v]), transform.y0, to_index])
    zero = graph.number(0)
    in_x = node("And", [node("GreaterOrEqual", [x, zero]), node("LessOrEqual", [x, graph.number(width - 1)])])
    in_y = node("And", [node("GreaterOrEqual", [y, zero]), node("LessOrEqual", [y, graph.number(height - 1)])])
    inside = node("Cast", [node("And", [in_x, in_y])], to=TensorProto.FLOAT)
    # GridSample by itself would fade out over one pixel beyond the edge.
    mask = node("Unsqueeze", [inside, graph.integers([1])])
    # GridSample counts from -1 at the first centre to 1 at the last.
    grid_x = node("Sub", [node("Mul", [x, graph.number(2 / (width - 1))]), graph.number(1)])
    grid_y = node("Sub", [node("Mul", [y, graph.number(2 / (height - 1))]), graph.number(1)])
    axes = [node("Unsqueeze", [values, graph.integers([3])]) for values in (grid_x, grid_y)]
    grid = node("Concat", axes, axis=3)
    features = t.value(operator.inputs[0])
    samples = node("GridSample", [features, grid], align_corners=1, mode="bilinear", padding_mode="zeros")
    t.names[operator.outputs[0]] = node("Mul", [samples, mask])


def _transform_landmarks(t: Translation, operator: Operator) -> None:
    """Points (N, k, 2) of a crop, taken to where the crop was made from."""
    graph, node = t.graph, t.graph.node
    transform = _of_attention(t).transforms[operator.inputs[1]]
    points = t.value(operator.inputs[0])
    x, y = (_component(graph, points, index) for index in (0, 1))
    moved_x = node("Sum", [node("Mul", [transform.xx, x]), node("Mul", [transform.xy, y]), transform.x0])
    moved_y = node("Sum", [node("Mul", [transform.yx, x]), node("Mul", [transform.yy, y]), transform.y0])
    t.names[operator.outputs[0]] = node("Concat", [moved_x, moved_y], axis=2)


ATTENTION: dict[str, Translator] = {
    **BUILTIN,
    "MUL": _multiply,
    "Landmarks2TransformMatrix": _landmarks_to_transform,
    "TransformTensorBilinear": _sample_features,
    "TransformLandmarks": _transform_landmarks,
}
