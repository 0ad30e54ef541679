"""Models that are none, lie, break or take all: each with the words of the error that it must become.

All are about one small network in the shape that DeepFaceLab exports, or beside one that is shown a person.
"""

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
import onnx
from onnx import TensorProto, helper

from engine.models.manifest import Manifest, Port, to_text
from tests.swappers.tiny_networks import Graph, dfm

SIDE = 64
ACTOR = dfm("actor", SIDE, licence="own", commercial=True)
PERSON = Manifest(
    name="person",
    family="image",
    size=SIDE,
    source="picture",
    source_size=SIDE // 2,
    inputs=(
        Port(role="target", name="target", shape=(1, 3, SIDE, SIDE)),
        Port(role="source", name="source", shape=(1, 3, SIDE // 2, SIDE // 2)),
    ),
    outputs=(Port(role="face", shape=(1, 3, SIDE, SIDE)),),
    licence="own",
    commercial=True,
)
# A frame whose face is darker than this on the mean, in the model view, is one that a network may fail on.
DARK = 0.2
# More than any machine that tests run on: 160000 squared floats are 100 GB.
LONG = 160000

Finish = Callable[[Graph, str], str]
Make = Callable[[], bytes]


class Wrong(NamedTuple):
    """What the file holds, what its manifest says, and the words and the code of the error."""

    make: Make
    words: str
    manifest: Manifest = ACTOR
    code: str = "model"


def install(wrong: Wrong, path: Path) -> Path:
    """Write the file, and its manifest beside it."""
    path.write_bytes(wrong.make())
    path.with_suffix(".toml").write_text(to_text(wrong.manifest), encoding="utf-8")
    return path


def actor(
    finish: Finish = lambda graph, face: face,
    gain: float = 0.8,
    kind: str = "float",
    side: int = SIDE,
    names: tuple[str, ...] = tuple(port.name for port in ACTOR.outputs),
) -> bytes:
    """A DFM that makes the face darker by `gain`; `finish` adds what is wrong with it to its face."""
    graph, real = Graph(), np.dtype(np.float16 if kind == "float16" else np.float32)
    face = graph.add("Mul", "in_face:0", graph.constant(gain, real))
    ones = graph.add("Add", graph.add("Mul", face, graph.constant(0.0, real)), graph.constant(1.0, real))
    mask = graph.add("ReduceMean", ones, axes=[3])
    graph.add("Identity", finish(graph, face), name=names[1])
    for name in (names[0], names[2]):
        graph.add("Identity", mask, name=name)
    sides = ("N", side, side)
    outputs = [(name, (*sides, channels), kind) for name, channels in zip(names, (1, 3, 1), strict=True)]
    return graph.model([("in_face:0", (*sides, 3), kind)], outputs)


def where_dark(bad: Finish) -> Finish:
    """Nothing wrong where the face is bright; else what `bad` makes of a number that is then 1, and otherwise 0."""

    def finish(graph: Graph, face: str) -> str:
        mean = graph.add("ReduceMean", "in_face:0", keepdims=0)
        dark = graph.add("Cast", graph.add("Less", mean, graph.constant(DARK)), to=TensorProto.FLOAT)
        return graph.add("Add", face, bad(graph, dark))

    return finish


def always(bad: Finish) -> Finish:
    """What `bad` makes of 1; of a number that comes of the picture, so that it is made when the network runs."""

    def finish(graph: Graph, face: str) -> str:
        one = graph.add("Exp", graph.add("Mul", graph.add("ReduceMean", face, keepdims=0), graph.constant(0.0)))
        return graph.add("Add", face, bad(graph, one))

    return finish


def no_number(graph: Graph, much: str) -> str:
    """NaN where `much` is 1, 0 where it is 0."""
    return graph.add("Sqrt", graph.add("Neg", much))


def of_size(side: int, times: int = 1) -> Finish:
    """As many squares of `side` at once, all needed for one sum, which is 0; squares of 1 where the number is 0."""

    def bad(graph: Graph, much: str) -> str:
        length = graph.add("Max", graph.add("Mul", much, graph.constant(side)), graph.constant(1))
        shape = graph.add("Cast", graph.add("Expand", length, graph.constant([2], np.int64)), to=TensorProto.INT64)
        zeros = graph.add("ConstantOfShape", shape)
        squares = [graph.add("Add", zeros, graph.constant(number)) for number in range(times)]
        sums = [graph.add("ReduceMin", graph.add("Sub", each, each), keepdims=0) for each in squares[::-1]]
        return graph.add("Sum", *sums)

    return bad


def endless(graph: Graph, much: str) -> str:
    """A Loop that goes on for ever where `much` is 1; 0 once it is over."""
    going, still = (helper.make_tensor_value_info(name, TensorProto.BOOL, []) for name in ("going", "still"))
    count = helper.make_tensor_value_info("i", TensorProto.INT64, [])
    value, after = (helper.make_tensor_value_info(name, TensorProto.FLOAT, []) for name in ("value", "after"))
    nodes = [helper.make_node("Cast", ["value"], ["still"], to=TensorProto.BOOL)]
    nodes += [helper.make_node("Identity", ["value"], ["after"])]
    body = helper.make_graph(nodes, "body", [count, going, value], [still, after])
    start = graph.add("Cast", much, to=TensorProto.BOOL)
    return graph.add("Mul", graph.add("Loop", "", start, much, body=body), graph.constant(0.0))


def larger(graph: Graph, much: str) -> str:
    """A picture of two items in the place of one, where `much` is 1."""
    more = graph.add("Reshape", graph.add("Add", much, graph.constant(1.0)), graph.constant([1], np.int64))
    ones = graph.constant([1, 1, 1], np.int64)
    shape = graph.add("Concat", graph.add("Cast", more, to=TensorProto.INT64), ones, axis=0)
    return graph.add("Expand", graph.constant(np.zeros((1, 1, 1, 1))), shape)


def of_a_person(target: str, source: str) -> bytes:
    """A network that is shown a person, with such names for what it is to change and for the person."""
    graph, picture = Graph(), (1, 3, SIDE, SIDE)
    graph.add("Add", target, graph.add("ReduceMean", source, keepdims=0), name="output")
    inputs = [(source, (1, 3, SIDE // 2, SIDE // 2), "float"), (target, picture, "float")]
    return graph.model(inputs, [("output", picture, "float")])


def in_another_file() -> bytes:
    """A network with a weight that is said to lie beside it."""
    model = onnx.load_from_string(actor())
    weight = model.graph.initializer[0]
    weight.ClearField("raw_data")
    weight.data_location = TensorProto.EXTERNAL
    weight.external_data.add(key="location", value="weights.bin")
    return model.SerializeToString()


def of_terabytes() -> bytes:
    """A network with a weight that says it is larger than it is."""
    model = onnx.load_from_string(actor())
    model.graph.initializer[0].dims[:] = [1 << 20, 1 << 20]
    return model.SerializeToString()


def folded() -> bytes:
    """A network that is huge already when it is loaded: what does not depend on the picture is computed then."""

    def bad(graph: Graph, face: str) -> str:
        ones = graph.add("Expand", graph.constant([1.0]), graph.constant([LONG, LONG], np.int64))
        return graph.add("Add", face, graph.add("ReduceSum", graph.add("MatMul", ones, ones), keepdims=0))

    return actor(bad)


def _times(factor: float) -> Finish:
    return lambda graph, face: graph.add("Mul", face, graph.constant(factor))


WRONG: dict[str, Wrong] = {
    "empty": Wrong(lambda: b"", "cannot be used"),
    "text": Wrong(lambda: b"These are words, and no model.\n" * 50, "cannot be used"),
    "pickle": Wrong(lambda: pickle.dumps({"weights": np.arange(1000.0)}), "cannot be used"),
    "zeros": Wrong(lambda: bytes(5000), "cannot be used"),
    "cut off": Wrong(lambda: actor()[:-200], "cannot be used"),
    "weights elsewhere": Wrong(in_another_file, "[Ee]xternal"),
    "a weight of terabytes": Wrong(of_terabytes, "cannot be used"),
    "100 GB to load": Wrong(folded, "needs more"),
    "100 GB to run": Wrong(lambda: actor(always(of_size(LONG))), "needs more memory than it can have"),
    "3 GB to run": Wrong(lambda: actor(always(of_size(10000, 6))), "needs more"),
    "endless": Wrong(lambda: actor(always(endless)), "was ended after", code="model-timeout"),
    "changed": Wrong(
        actor, "its SHA-256 is [0-9a-f]{64}, expected: 0{64}", msgspec.structs.replace(ACTOR, sha256="0" * 64)
    ),
    "swapped inputs": Wrong(
        lambda: of_a_person("source", "target"),
        r"input target .* \(1, 3, 32, 32\); expected: tensor\(float\) \(1, 3, 64, 64\)",
        PERSON,
    ),
    "other inputs": Wrong(
        lambda: of_a_person("picture", "person"), "has the inputs person, picture; expected: target, source", PERSON
    ),
    "other outputs": Wrong(
        lambda: actor(names=("mask", "face", "other")), "has the outputs mask, face, other; expected: out_face_mask:0"
    ),
    "hostile names": Wrong(
        lambda: actor(names=("\x1b[31mred", "face\n\rof", "m" * 3000)), "has the outputs .*expected: out_face_mask:0"
    ),
    "another size": Wrong(lambda: actor(side=32), r"\(N, 32, 32, 3\); expected: tensor\(float\) \(N, 64, 64, 3\)"),
    "half floats": Wrong(lambda: actor(kind="float16"), r"tensor\(float16\) .*expected: tensor\(float\)"),
    "a larger picture": Wrong(lambda: actor(always(larger)), r"\(2, 64, 64, 3\).*64, 64, 3\)|fails on a face"),
    "NaN": Wrong(lambda: actor(always(no_number)), "no numbers"),
    "constant": Wrong(lambda: actor(_times(0.0)), "a constant picture on a face"),
    "0..255": Wrong(lambda: actor(_times(255.0)), "a picture in another range.*expected: 0 to 1"),
}
