"""A model that nobody has vouched for is tried in a process of its own: whatever it does there, we get an error."""

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import psutil
import pytest

from engine.errors import Cancelled, ModelError, ModelTimeout
from engine.models.catalogue import FOLDER
from engine.models.confined import Limits, run_confined
from engine.models.drawn_face import drawn_face
from engine.models.session import open_model
from engine.models.trial import Feed, try_model

onnx = pytest.importorskip("onnx", reason="needs onnx to write a model")
helper = onnx.helper
REAL, HALF, INTEGER = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16, onnx.TensorProto.INT64
FACE = Feed("target", "picture", 8)
ROOT = Path(__file__).parents[2]
SMALL = Limits(20, 1 << 30)


def save(path: Path, nodes: list, weights: dict[str, np.ndarray] | None = None, shape=(1, 3, 8, 8), kind=REAL) -> Path:
    """Write a model from `target` to `output`."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("target", kind, shape)],
        [helper.make_tensor_value_info("output", kind, None)],
        [onnx.numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def folded(*sides: int) -> tuple[list, dict[str, np.ndarray]]:
    """A product of matrices of ones that is made while the model is loaded, since nothing that is fed is in it."""
    nodes = [
        helper.make_node("Expand", ["one", "sides"], ["ones"]),
        helper.make_node("MatMul", ["ones", "ones"], ["product"]),
        helper.make_node("ReduceSum", ["product"], ["sum"], keepdims=0),
        helper.make_node("Add", ["target", "sum"], ["output"]),
    ]
    return nodes, {"one": np.ones(1, np.float32), "sides": np.array(sides, np.int64)}


@pytest.fixture
def echo(tmp_path: Path) -> Path:
    return save(tmp_path / "echo.onnx", [helper.make_node("Identity", ["target"], ["output"])])


@pytest.fixture
def bad_models() -> Path:
    folder = Path(__file__).parents[3] / "shared" / "testdata" / "onnx_bad"
    if not folder.is_dir():
        pytest.skip("needs ../shared/testdata/onnx_bad")
    return folder


def test_the_drawn_face_is_one_that_the_bundled_detector_finds():
    face = drawn_face(192)
    assert face.shape == (192, 192, 3)
    assert face.dtype == np.float32
    assert 0 <= face.min() < face.max() <= 1
    regressors, scores = open_model("blazeface").run({"input": (face * 2 - 1).transpose(2, 0, 1)[None]})
    best = int(scores[0, :, 0].argmax())
    assert scores[0, best, 0] > 0.5
    # The eyes, in pixels from the cell's centre: the first is the person's right, at the left of the picture.
    eyes = regressors[0, best, 4:8].reshape(2, 2)
    assert eyes[1, 0] - eyes[0, 0] == pytest.approx(0.27 * 192, abs=8)
    assert abs(eyes[1, 1] - eyes[0, 1]) < 4


def test_a_model_says_what_it_takes_and_gives():
    outcome = try_model(FOLDER / "blazeface_full_sparse.onnx", "blazeface")
    assert [(seen.name, seen.type, seen.shape) for seen in outcome.inputs] == [
        ("input", "tensor(float)", ("N", 3, 192, 192))
    ]
    assert [(seen.name, seen.shape) for seen in outcome.outputs] == [
        ("regressors", ("N", 2304, 16)),
        ("scores", ("N", 2304, 1)),
    ]
    assert not outcome.given


@pytest.mark.parametrize(("kind", "shape"), [(REAL, (1, 3, 8, 8)), (HALF, (1, 3, 8, 8)), (REAL, (None, 3, None, None))])
def test_it_is_fed_the_face_in_its_own_type_and_size(tmp_path, kind, shape):
    path = save(tmp_path / "a.onnx", [helper.make_node("Identity", ["target"], ["output"])], shape=shape, kind=kind)
    feed = Feed("target", "picture", 8, mean=(0.5, 0.5, 0.5), std=(0.5, 0.5, 0.5))
    (given,) = try_model(path, "a", (feed,)).given
    assert given.name == "output"
    assert given.shape == (1, 3, 8, 8)
    assert given.finite
    assert -1 <= given.low < given.middle < given.high <= 1
    assert given.low < 0 < given.high


def test_channels_come_in_the_order_that_is_asked_for(tmp_path):
    """The face is redder than it is blue: the mean of the first channel says which one that is."""
    means = {}
    for last, bgr in ((False, False), (False, True), (True, True)):
        axis, shape = (3, (1, 8, 8, 3)) if last else (1, (1, 3, 8, 8))
        nodes = [helper.make_node("Split", ["target"], ["output", "b", "c"], axis=axis)]
        path = save(tmp_path / f"{last}{bgr}.onnx", nodes, shape=shape)
        feed = Feed("target", "picture", 8, channels_last=last, bgr=bgr)
        means[last, bgr] = try_model(path, "a", (feed,)).given[0].middle
    assert means[False, False] > means[False, True] + 0.03
    assert means[True, True] == means[False, True]


def test_what_is_not_finite_or_constant_is_told(tmp_path):
    for nodes, finite in (
        (
            [
                helper.make_node("Div", ["zero", "zero"], ["nan"]),
                helper.make_node("Mul", ["target", "nan"], ["output"]),
            ],
            0,
        ),
        ([helper.make_node("Mul", ["target", "zero"], ["output"])], 1),
    ):
        path = save(tmp_path / "a.onnx", nodes, {"zero": np.zeros(1, np.float32)})
        (given,) = try_model(path, "a", (FACE,)).given
        assert given.finite == bool(finite)
        assert given.low == given.high == 0


def test_a_model_that_cannot_take_the_face_says_why(echo, tmp_path):
    assert "other names" in try_model(echo, "echo", (Feed("image", "picture", 8),)).failure
    integers = save(tmp_path / "a.onnx", [helper.make_node("Identity", ["target"], ["output"])], kind=INTEGER)
    assert "int64" in try_model(integers, "a", (FACE,)).failure
    assert "no picture" in try_model(save_flat(tmp_path), "a", (FACE,)).failure


def save_flat(folder: Path) -> Path:
    return save(folder / "flat.onnx", [helper.make_node("Identity", ["target"], ["output"])], shape=(1, 512))


@pytest.mark.parametrize("content", [b"", b"this is a text\n" * 100, bytes(4096)])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"bad\.onnx"):
        try_model(path, "bad.onnx")


def test_a_model_that_stalls_while_it_is_loaded_is_ended(tmp_path):
    path = save(tmp_path / "slow.onnx", *folded(16000, 16000))
    started = time.monotonic()
    with pytest.raises(ModelTimeout, match="ended after 2 s"):
        try_model(path, "slow", limits=Limits(2, 8 << 30))
    assert time.monotonic() - started < 10
    assert not [child for child in psutil.Process().children() if "engine.models.trial" in child.cmdline()]


def test_one_whose_parent_is_gone_ends_by_itself(tmp_path):
    """The child alone, which nobody watches: with a second of processors, and more to do."""
    path = save(tmp_path / "slow.onnx", *folded(16000, 16000))
    request = json.dumps({"path": str(path), "name": "slow", "feeds": []}).encode()
    command = [sys.executable, "-m", "engine.models.trial", str(16 << 30), "1"]
    child = subprocess.run(command, input=request, capture_output=True, cwd=ROOT, timeout=60, check=False)
    assert child.returncode in (-signal.SIGKILL, -signal.SIGXCPU)


def test_one_that_nobody_waits_for_any_more_is_ended(tmp_path):
    path = save(tmp_path / "slow.onnx", *folded(16000, 16000))
    asked = []
    with pytest.raises(Cancelled):
        try_model(path, "slow", stopped=lambda: bool(asked.append(0)) or len(asked) > 3)
    assert len(asked) == 4
    assert not [child for child in psutil.Process().children() if "engine.models.trial" in child.cmdline()]


def test_a_model_that_takes_all_memory_is_ended(tmp_path):
    """One side of 11585: each matrix is half a GiB, so that the third passes the watch before it passes the system."""
    path = save(tmp_path / "large.onnx", *folded(11585, 11585))
    with pytest.raises(ModelError, match=r"more than 0\.8 GiB") as told:
        try_model(path, "large", limits=Limits(60, (1 << 30) * 4 // 5))
    assert not isinstance(told.value, ModelTimeout)


def test_a_shape_of_four_terabytes_is_refused(tmp_path):
    nodes = [
        helper.make_node("ConstantOfShape", ["sides"], ["zeros"]),
        helper.make_node("ReduceSum", ["zeros"], ["sum"], keepdims=0),
        helper.make_node("Add", ["target", "sum"], ["output"]),
    ]
    path = save(tmp_path / "huge.onnx", nodes, {"sides": np.array([1 << 20, 1 << 20], np.int64)})
    outcome = try_model(path, "huge", (FACE,), SMALL)
    assert not outcome.given
    assert "huge" in outcome.failure


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["ext_abs", "ext_hugelen", "ext_negoff", "ext_parent"])
def test_weights_in_another_file_are_refused(bad_models, name):
    with pytest.raises(ModelError, match=r"[Ee]xternal"):
        try_model(bad_models / f"{name}.onnx", name, limits=SMALL)


@pytest.mark.corpus
def test_the_endless_model_of_the_corpus_is_ended(bad_models):
    with pytest.raises(ModelTimeout):
        try_model(bad_models / "infinite_loop.onnx", "endless", (Feed("x", "number", 1),), Limits(2, 1 << 30))


def test_a_child_that_crashes_or_says_nonsense_is_an_error(monkeypatch, echo):
    with pytest.raises(ModelError, match="status 1"):
        run_confined("engine.models.trial", b"no request", SMALL, "The model")
    monkeypatch.setattr("engine.models.trial.run_confined", lambda *_: b"nonsense")
    with pytest.raises(ModelError, match="nothing that makes sense"):
        try_model(echo, "echo")
