"""Networks run on arrays where they lie: on the CPU here, by the code that runs them on a GPU, but for its name."""

import threading
from typing import Any

import numpy as np
import pytest

from engine.errors import ModelError
from engine.models import devices
from engine.models.binding import Steady, run_bound, settled
from engine.models.catalogue import FOLDER, MODELS
from engine.models.devices import CPU, CUDA, TENSORRT, Device, devices_of, engines_folder, for_frame, frame
from engine.models.session import Model, open_file, open_model

onnxruntime = pytest.importorskip("onnxruntime")
SPEC = MODELS["blazeface"]
CUDA_BUILD = [TENSORRT, CUDA, CPU]


@pytest.fixture(scope="module")
def session():
    return onnxruntime.InferenceSession(FOLDER / SPEC.file, providers=[CPU])


def feeds(number):
    picture = np.random.default_rng(number).uniform(-1, 1, (1, 3, 192, 192)).astype(np.float32)
    return {"input": picture}


def outputs() -> list[tuple[str, tuple[int, ...], Any]]:
    shapes = [tuple(side if isinstance(side, int) else 1 for side in tensor.shape) for tensor in SPEC.outputs]
    return [(tensor.name, shape, np.float32) for tensor, shape in zip(SPEC.outputs, shapes, strict=True)]


def test_a_bound_run_writes_what_a_run_gives(session):
    made = {name: np.full(shape, np.nan, dtype) for name, shape, dtype in outputs()}
    run_bound(session, feeds(1), made, Device())
    expected = session.run(list(made), feeds(1))
    for mine, theirs in zip(made.values(), expected, strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_steady_arrays_give_each_run_its_own_answer_and_keep_it(session):
    steady = Steady(1, feeds(1), outputs())
    results = {number: steady.run(session, feeds(number), Device(), onnxruntime.RunOptions()) for number in (1, 2, 3)}
    for number, made in results.items():
        for mine, theirs in zip(made, session.run([name for name, *_ in outputs()], feeds(number)), strict=True):
            np.testing.assert_array_equal(mine, theirs)


def test_what_cannot_be_bound_is_copied_and_the_rest_is_not():
    picture = feeds(1)["input"]
    assert settled(picture, np.float32) is picture
    half = settled(picture, np.float16)
    assert half.dtype == np.float16 and half.flags.c_contiguous
    turned = settled(picture.transpose(0, 2, 3, 1), np.float32)
    assert turned.flags.c_contiguous
    np.testing.assert_array_equal(turned, picture.transpose(0, 2, 3, 1))


class Lifted:
    """Stands for CuPy's array: an array that is not NumPy's, whose address is where CuPy says it."""

    def __init__(self, array):
        self.array = array
        self.data = type("Pointer", (), {"ptr": array.ctypes.data})

    def __getattr__(self, name):
        return getattr(self.array, name)

    def __len__(self):
        return len(self.array)

    def astype(self, dtype, copy=True):
        return self if self.array.dtype == dtype else Lifted(self.array.astype(dtype))

    def get(self):
        return self.array


def test_arrays_that_are_not_numpys_are_bound_and_get_no_plain_run(monkeypatch):
    import engine.models.session as module

    made = []

    def empty(like, shape, dtype=np.float32):
        assert isinstance(like, Lifted)
        made.append(np.empty(shape, dtype))
        return Lifted(made[-1])

    monkeypatch.setattr(module, "empty", empty)
    model = open_file(FOLDER / SPEC.file, SPEC)
    results = model.run({"input": Lifted(feeds(4)["input"])})
    assert len(made) == len(results) == 2
    for mine, theirs in zip(made, model.run(feeds(4)), strict=True):
        np.testing.assert_array_equal(mine, theirs)


def test_frames_take_turns_on_the_devices_in_each_thread_for_itself():
    first, second = Device("cuda", 0), Device("cuda", 1)
    sessions: dict[Device, Any] = dict.fromkeys((first, second))
    model = Model(SPEC, sessions)
    seen = {}

    def work(number):
        with for_frame(number):
            seen[number] = model.device

    threads = [threading.Thread(target=work, args=(number,)) for number in (1001, 1002, 1004)]
    with for_frame(7):
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert model.device == second
    assert frame() == 0 and model.device == first
    assert seen == {1001: second, 1002: first, 1004: first}


def test_without_cuda_all_frames_are_the_cpus():
    assert devices_of([CPU]) == (Device("cpu", 0),)
    assert devices.providers_for(Device(), [CPU], "", graph=True) == [CPU]
    assert not Device().holds_arrays
    with for_frame(5):
        assert open_model("blazeface").device == Device()


def test_each_gpu_has_its_own_number_and_full_floats(monkeypatch):
    monkeypatch.delenv(devices.VARIABLE, raising=False)
    monkeypatch.setattr(devices, "_gpus", lambda: 3)
    assert [device.number for device in devices_of(CUDA_BUILD)] == [0, 1, 2]
    (name, options), last = devices.providers_for(Device("cuda", 2), CUDA_BUILD, "abc", graph=True)
    assert (name, last) == (CUDA, CPU)
    assert options["device_id"] == "2" and options["use_tf32"] == "0" and options["enable_cuda_graph"] == "1"
    (_, options), _ = devices.providers_for(Device("cuda", 0), CUDA_BUILD, "abc", graph=False)
    assert "enable_cuda_graph" not in options


def test_tensorrt_is_used_where_it_is_asked_for_with_a_cache_for_each_content(monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "1")
    (name, options), (second, _), _ = devices.providers_for(Device("cuda", 1), CUDA_BUILD, "abc", graph=True)
    assert (name, second) == (TENSORRT, CUDA)
    assert options["device_id"] == "1" and options["trt_engine_cache_enable"] == "1"
    assert options["trt_engine_cache_path"] == str(engines_folder("abc")) != str(engines_folder("abd"))
    with pytest.raises(ModelError, match="no TensorRT") as caught:
        devices.providers_for(Device("cuda", 0), [CUDA, CPU], "abc", graph=True)
    assert devices.VARIABLE in caught.value.remedy
    assert devices.providers_for(Device(), [CPU], "abc", graph=False) == [CPU]


def test_a_bundled_network_gets_no_tensorrt(monkeypatch):
    monkeypatch.setenv(devices.VARIABLE, "1")
    assert [each[0] for each in devices.providers_for(Device("cuda", 0), CUDA_BUILD, "", graph=False)[:-1]] == [CUDA]
