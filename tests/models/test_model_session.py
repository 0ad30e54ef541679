"""The sessions: bundled networks give what another runtime gives, always in the same bits; bad files are refused."""

import dataclasses
import hashlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
import pytest

from engine.errors import ModelError, ModelTimeout
from engine.models.catalogue import FOLDER, MODELS, ModelSpec, Tensor
from engine.models.session import foreign_errors, open_file, open_model

BLAZEFACE = MODELS["blazeface"]
# OpenCV's own engine has no GridSample on five-dimensional shapes, so it cannot run the mesh.
INDEPENDENT = ("centerface", "blazeface", "dlib_face128")
# Sizes of the open dimensions, and the range of what each network takes.
SIZES = {"N": 1, "H": 64, "W": 96}
RANGES = {"centerface": (0, 255), "facemesh478": (0, 1), "blazeface": (-1, 1), "dlib_face128": (0, 255)}


def feeds_of(name: str, batch: int = 1) -> dict[str, np.ndarray]:
    """Noise of the right shape and range, always the same."""
    generator = np.random.default_rng(7)
    low, high = RANGES[name]
    sizes = SIZES | {"N": batch}
    shapes = {
        tensor.name: [each if isinstance(each, int) else sizes[each] for each in tensor.shape]
        for tensor in MODELS[name].inputs
    }
    return {key: generator.uniform(low, high, shape).astype(np.float32) for key, shape in shapes.items()}


@pytest.fixture
def bad_models() -> Path:
    folder = Path(__file__).parents[3] / "shared" / "testdata" / "onnx_bad"
    if not folder.is_dir():
        pytest.skip("needs ../shared/testdata/onnx_bad")
    return folder


def small_spec(file: str = "small.onnx", size: int | str = 4) -> ModelSpec:
    return ModelSpec(file, "", (Tensor("input", (size,)),), (Tensor("y", (size,)),), "", "")


def save_small(
    path: Path, nodes_of, size: int | str = 4, weights: dict[str, np.ndarray] | None = None, **options
) -> Path:
    """Write a one-input, one-output model whose nodes are made by `nodes_of(onnx.helper)`."""
    onnx = pytest.importorskip("onnx", reason="needs onnx to write a model")
    helper, real = onnx.helper, onnx.TensorProto.FLOAT
    graph = helper.make_graph(
        nodes_of(helper),
        "small",
        [helper.make_tensor_value_info("input", real, [size])],
        [helper.make_tensor_value_info("y", real, [size])],
        [onnx.numpy_helper.from_array(array, name) for name, array in (weights or {}).items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, path, **options)
    return path


def endless(helper) -> list:
    """A Loop without an end: its condition is handed on and stays true."""
    true = helper.make_tensor("true", 9, [], [True])
    condition = helper.make_tensor_value_info("going", 9, [])
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["still"]), helper.make_node("Identity", ["value"], ["next"])],
        "body",
        [helper.make_tensor_value_info("i", 7, []), condition, helper.make_tensor_value_info("value", 1, [4])],
        [helper.make_tensor_value_info("still", 9, []), helper.make_tensor_value_info("next", 1, [4])],
    )
    return [
        helper.make_node("Constant", [], ["start"], value=true),
        helper.make_node("Loop", ["", "start", "input"], ["y"], body=body),
    ]


def add_one(helper) -> list:
    return [helper.make_node("Add", ["input", "one"], ["y"])]


ONE = {"one": np.ones(4, np.float32)}


@pytest.mark.parametrize("name", INDEPENDENT)
def test_results_are_those_of_opencvs_engine(name):
    spec, feeds = MODELS[name], feeds_of(name)
    network = cv2.dnn.readNetFromONNX(str(FOLDER / spec.file))
    network.setInput(feeds["input"])
    expected = network.forward([tensor.name for tensor in spec.outputs])
    for ours, theirs in zip(open_model(name).run(feeds), expected, strict=True):
        # Raw outputs reach 1000 before their sigmoid; a millionth of that per layer adds up over sixty layers.
        np.testing.assert_allclose(ours, theirs, atol=1e-5 * max(1.0, float(np.abs(theirs).max())))


@pytest.mark.parametrize("name", MODELS)
def test_a_bundled_model_opens_once_and_gives_the_shapes_of_its_spec(name):
    model = open_model(name)
    assert open_model(name) is model
    results = model.run(feeds_of(name))
    sizes = {"N": 1, "h": 64 // 4, "w": 96 // 4}
    for tensor, result in zip(model.spec.outputs, results, strict=True):
        assert result.shape == tuple(each if isinstance(each, int) else sizes[each] for each in tensor.shape)
        assert result.dtype == np.float32
        assert np.isfinite(result).all()


def test_the_mesh_has_its_refined_points_and_reads_depth_from_the_rim():
    """The refinement adds no depth of its own: an iris lies at the mean depth of its eye's rim, which the mesh gave."""
    landmarks, _ = open_model("facemesh478").run(feeds_of("facemesh478"))
    right_rim = [33, 7, 163, 144, 145, 153, 154, 155, 133, 246, 161, 160, 159, 158, 157, 173]
    left_rim = [263, 249, 390, 373, 374, 380, 381, 382, 362, 466, 388, 387, 386, 385, 384, 398]
    depths = landmarks[0, :, 2]
    np.testing.assert_allclose(depths[468:473], depths[right_rim].mean(), atol=1e-4)
    np.testing.assert_allclose(depths[473:478], depths[left_rim].mean(), atol=1e-4)


def digest(name: str) -> str:
    return hashlib.sha256(b"".join(result.tobytes() for result in open_model(name).run(feeds_of(name)))).hexdigest()


@pytest.mark.parametrize("name", MODELS)
def test_the_same_feeds_give_the_same_bits_again_and_in_many_threads(name):
    first = digest(name)
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(digest, [name] * 8)) == {first}


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs a system that can pin a process to a core")
def test_the_bits_do_not_depend_on_the_cores_of_the_machine():
    script = (
        "import os, sys; os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:1]); sys.path.insert(0, sys.argv[1]);"
        "from test_model_session import digest, MODELS; print(*map(digest, MODELS))"
    )
    alone = subprocess.run(
        [sys.executable, "-c", script, str(Path(__file__).parent)], capture_output=True, text=True, check=True
    )
    assert alone.stdout.split() == [digest(name) for name in MODELS]


@pytest.mark.parametrize("name", MODELS)
def test_a_batch_is_its_items(name):
    feeds = feeds_of(name, batch=2)
    together = open_model(name).run(feeds)
    apart = [open_model(name).run({"input": feeds["input"][index : index + 1]}) for index in range(2)]
    for position, result in enumerate(together):
        separate = np.concatenate([results[position] for results in apart])
        np.testing.assert_allclose(result, separate, atol=2e-6 * max(1.0, float(np.abs(separate).max())))


def test_threads_that_ask_at_once_get_one_session():
    models, start = [], threading.Barrier(4)

    def ask() -> None:
        start.wait()
        models.append(open_model("centerface"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(models) == 4
    assert len(set(map(id, models))) == 1


def test_a_name_that_is_not_bundled_lists_those_that_are():
    with pytest.raises(ModelError, match="centerface, facemesh478"):
        open_model("arcface")


def test_a_changed_file_is_refused(tmp_path):
    content = bytearray((FOLDER / BLAZEFACE.file).read_bytes())
    content[len(content) // 2] ^= 1
    changed = tmp_path / "changed.onnx"
    changed.write_bytes(content)
    with pytest.raises(ModelError, match="SHA-256"):
        open_file(changed, BLAZEFACE, BLAZEFACE.sha256)


@pytest.mark.parametrize(
    "change",
    [
        {"inputs": (Tensor("image", ("N", 3, 192, 192)),)},
        {"inputs": (Tensor("input", ("N", 3, 128, 128)),)},
        {"inputs": (Tensor("input", ("N", 192, 192)),)},
        {"inputs": (Tensor("input", ("N", 3, "H", "W")),)},
        {"inputs": (*BLAZEFACE.inputs, Tensor("source", ("N", 512)))},
        {"outputs": (Tensor("regressors", ("N", 2304, 16)),)},
        {"outputs": (Tensor("regressors", ("N", 2304, 16)), Tensor("scores", ("N", 2304, 2)))},
    ],
)
def test_a_file_with_other_names_or_shapes_than_its_adapter_expects_is_refused(change):
    with pytest.raises(ModelError, match="adapter expects"):
        open_file(FOLDER / BLAZEFACE.file, dataclasses.replace(BLAZEFACE, **change))


@pytest.mark.parametrize(
    "feeds",
    [
        {},
        {"picture": np.zeros((1, 3, 192, 192), np.float32)},
        {"input": np.zeros((1, 3, 192, 192), np.float64)},
        {"input": np.zeros((3, 192, 192), np.float32)},
        {"input": np.zeros((1, 192, 192, 3), np.float32)},
    ],
)
def test_feeds_that_do_not_fit_are_a_mistake_of_the_caller(feeds):
    with pytest.raises(ValueError, match="input"):
        open_model("blazeface").run(feeds)


def test_an_array_that_is_a_view_is_taken_as_it_reads():
    picture = feeds_of("blazeface")["input"]
    turned = np.ascontiguousarray(picture.transpose(0, 2, 3, 1)).transpose(0, 3, 1, 2)
    assert not turned.flags.c_contiguous
    for ours, theirs in zip(
        open_model("blazeface").run({"input": turned}), open_model("blazeface").run({"input": picture}), strict=True
    ):
        np.testing.assert_array_equal(ours, theirs)


def test_a_model_that_gives_another_size_than_it_was_fed_is_refused(tmp_path):
    twice = save_small(
        tmp_path / "twice.onnx", lambda h: [h.make_node("Concat", ["input", "input"], ["y"], axis=0)], "K"
    )
    model = open_file(twice, small_spec(size="K"))
    with pytest.raises(ModelError, match="y"):
        model.run({"input": np.zeros(4, np.float32)})


def test_a_file_that_is_what_its_spec_says_runs(tmp_path):
    path = save_small(tmp_path / "one.onnx", add_one, weights=ONE)
    model = open_file(path, small_spec(), hashlib.sha256(path.read_bytes()).hexdigest())
    np.testing.assert_array_equal(model.run({"input": np.arange(4, dtype=np.float32)})[0], [1, 2, 3, 4])


def test_a_model_that_keeps_its_weights_in_another_file_is_refused(tmp_path, monkeypatch):
    options = {"save_as_external_data": True, "location": "weights.bin", "size_threshold": 0}
    path = save_small(tmp_path / "one.onnx", add_one, weights=ONE, **options)
    assert (tmp_path / "weights.bin").exists()
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError):
        open_file(path, small_spec())


def assert_ended(path: Path, spec: ModelSpec, feeds: dict[str, np.ndarray]) -> None:
    model = open_file(path, spec)
    for _ in range(2):
        start = time.monotonic()
        with pytest.raises(ModelTimeout):
            model.run(feeds, timeout=0.3)
        assert time.monotonic() - start < 5


def test_a_model_that_never_ends_is_ended(tmp_path):
    assert_ended(save_small(tmp_path / "endless.onnx", endless), small_spec(), {"input": np.zeros(4, np.float32)})


@pytest.mark.corpus
def test_the_endless_model_of_the_corpus_is_ended(bad_models):
    spec = ModelSpec("infinite_loop.onnx", "", (Tensor("x", (1,)),), (Tensor("Y", (1,)),), "", "")
    assert_ended(bad_models / "infinite_loop.onnx", spec, {"x": np.zeros(1, np.float32)})


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["ext_abs", "ext_hugelen", "ext_negoff", "ext_parent", "infinite_loop"])
def test_a_bad_model_of_the_corpus_is_refused(bad_models, name):
    with pytest.raises(ModelError):
        open_file(bad_models / f"{name}.onnx", small_spec())


@pytest.mark.parametrize("content", [b"", b"this is a text", b"\x08\x07", bytes(4096)])
def test_a_file_that_is_no_model_is_refused(tmp_path, content):
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError):
        open_file(path, BLAZEFACE)


@pytest.mark.parametrize("kept", [0.1, 0.5, 0.999])
def test_a_truncated_model_is_refused(tmp_path, kept):
    content = (FOLDER / BLAZEFACE.file).read_bytes()
    path = tmp_path / "cut.onnx"
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ModelError):
        open_file(path, BLAZEFACE)


def test_paths_that_are_no_files_are_refused(tmp_path):
    for path in (tmp_path, tmp_path / "missing.onnx", Path(os.devnull)):
        with pytest.raises(ModelError):
            open_file(path, BLAZEFACE)


def test_every_exception_of_onnxruntime_is_mapped():
    native = pytest.importorskip("onnxruntime.capi.onnxruntime_pybind11_state")
    own = [value for value in vars(native).values() if isinstance(value, type) and issubclass(value, BaseException)]
    assert len(own) > 10
    assert all(issubclass(value, foreign_errors()) for value in own)
    assert not issubclass(KeyboardInterrupt, foreign_errors())


def test_without_onnxruntime_the_error_says_what_to_install():
    script = (
        "import sys; import engine.models.session as session; assert 'onnxruntime' not in sys.modules;"
        "sys.modules['onnxruntime'] = None; from engine.errors import ModelError\n"
        "try: session.open_model('blazeface')\n"
        "except ModelError as error: print(error)"
    )
    said = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert "faceplate[cpu]" in said
