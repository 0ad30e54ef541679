"""MediaPipe's BlazeFace detector and attention mesh, from TensorFlow Lite to ONNX.

Weights that came as half floats are stored as half floats again, which changes no result.
"""

import onnx

from engine.models.build.attention_operators import ATTENTION, AttentionTranslation
from engine.models.build.graph import GraphBuilder
from engine.models.build.half import store_as_half
from engine.models.build.tflite_operators import BUILTIN, Translation
from engine.models.build.tflite_reader import TfliteFile
from engine.models.catalogue import MODELS

_MESH_POINTS = 468
# The first points of an eye's region are its rim, whose depths the iris takes on.
_EYE_RIM = 16


def make_blazeface(content: bytes) -> bytes:
    """The ONNX file of the full-range detector."""
    translation = Translation(TfliteFile(content))
    translation.run(BUILTIN)
    translation.name_outputs({"Identity": "regressors", "Identity_1": "scores"})
    return _stored(translation.graph.model("blazeface_full_sparse", "tfl2onnx", MODELS["blazeface"]))


def make_face_mesh(content: bytes) -> bytes:
    """The ONNX file of the mesh, with MediaPipe's refinement of eyes, irises and lips as part of the graph."""
    translation = AttentionTranslation(TfliteFile(content))
    translation.run(ATTENTION)
    translation.name_outputs(
        {
            "output_mesh_identity": "mesh",
            "output_lips": "lips",
            "output_left_eye": "left_eye",
            "output_right_eye": "right_eye",
            "output_left_iris": "left_iris",
            "output_right_iris": "right_iris",
            "conv_faceflag": "presence",
        }
    )
    by_first_point = {region[0]: region for region in translation.regions}
    _add_refinement(translation.graph, lips=by_first_point[61], left=by_first_point[33], right=by_first_point[263])
    return _stored(translation.graph.model("facemesh478", "tfl2onnx", MODELS["facemesh478"]))


def _stored(model: onnx.ModelProto) -> bytes:
    return store_as_half(model, larger_than=63, only_exact=True).SerializeToString()


def _add_refinement(graph: GraphBuilder, lips: list[int], left: list[int], right: list[int]) -> None:
    """Join the network's outputs to one mesh of 478 points, as MediaPipe's LandmarksRefinementCalculator does.

    x and y of lips and eyes come from their own outputs, and the ten iris points are added; z stays the first mesh's,
    with that of an iris the mean of its eye's rim. Left and right are the picture's.
    """
    mesh = graph.node("Reshape", ["mesh", graph.integers([-1, _MESH_POINTS, 3], "r_mesh")], "r_mesh3")
    plane = graph.node("Gather", [mesh, graph.integers([0, 1], "r_i01")], "r_meshxy", axis=2)
    depth = graph.node("Gather", [mesh, graph.integers([2], "r_i2")], "r_meshz", axis=2)
    refined = [
        graph.node("Reshape", [name, graph.integers([-1, count, 2], f"r_s_{name}")], f"r_{name}")
        for name, count in (
            ("lips", len(lips)),
            ("left_eye", len(left)),
            ("right_eye", len(right)),
            ("left_iris", 5),
            ("right_iris", 5),
        )
    ]
    every = graph.node("Concat", [plane, *refined], "r_all", axis=1)
    # Where each of the 478 points is in that list.
    places = list(range(_MESH_POINTS))
    position = _MESH_POINTS
    for point in (*lips, *left, *right):
        places[point] = position
        position += 1
    places += range(position, position + 10)
    plane = graph.node("Gather", [every, graph.integers(places, "r_src")], "r_xy", axis=1)
    depths = [depth]
    for side, eye in (("l", left), ("r", right)):
        rim = graph.node("Gather", [depth, graph.integers(eye[:_EYE_RIM], f"r_zi_{side}")], f"r_zg_{side}", axis=1)
        depths += [graph.node("ReduceMean", [rim], f"r_zm_{side}", axes=[1], keepdims=1)] * 5
    depth = graph.node("Concat", depths, "r_z", axis=1)
    graph.node("Concat", [plane, depth], "landmarks", axis=2)
