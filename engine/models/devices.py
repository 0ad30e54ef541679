"""Which processor runs the networks of a frame, and how onnxruntime is to use it.

With onnxruntime's CUDA provider these are the GPUs that CuPy sees, each frame's networks on one of them by the frame's
number: frames need nothing of each other, and a frame that is rendered again comes to the same GPU again. Without
CuPy it is the first GPU, and pictures go there and back through the host. Nothing here has been run on a GPU yet.

TensorRT is used where it is installed and FACEPLATE_TENSORRT is 1. It is no setting of the recipe, as the GPU is none:
what a recipe says is the same on every machine, and a processor changes the last bits only. But TensorRT chooses its
kernels by stopwatch when it builds an engine, so two machines with one recipe may differ there in their last bits, as
CPU and GPU do; on one machine the engine in the cache is built once. An engine is kept in a folder by the model's
SHA-256, for TensorRT names engines by the graph alone: two people's models of one architecture would share one.
"""

import functools
import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

import platformdirs

from engine.errors import ModelError

CPU, CUDA, TENSORRT = "CPUExecutionProvider", "CUDAExecutionProvider", "TensorrtExecutionProvider"
VARIABLE = "FACEPLATE_TENSORRT"

_CUDA_OPTIONS = {
    # Searching by stopwatch would choose other algorithms, and so other bits, from one run to the next.
    "cudnn_conv_algo_search": "HEURISTIC",
    # TensorFloat-32 keeps ten bits of a coordinate: a tenth of a pixel at the far side of a 192 px crop.
    "use_tf32": "0",
}


class Device(NamedTuple):
    """A processor, as onnxruntime names it."""

    kind: Literal["cpu", "cuda"] = "cpu"
    number: int = 0

    @property
    def holds_arrays(self) -> bool:
        """Whether a network there takes CuPy's arrays, without a copy to the host."""
        return self.kind == "cuda" and find_spec("cupy") is not None


def devices_of(available: Sequence[str]) -> tuple[Device, ...]:
    """The devices that frames are given to in turns, by the names of onnxruntime's providers; at least one."""
    if CUDA not in available:
        return (Device(),)
    return tuple(Device("cuda", number) for number in range(_gpus()))


@functools.cache
def _gpus() -> int:
    if find_spec("cupy") is None:
        return 1
    return max(1, int(import_module("cupy").cuda.runtime.getDeviceCount()))


def providers_for(device: Device, available: Sequence[str], sha256: str, graph: bool) -> list[Any]:
    """onnxruntime's providers, in the order of preference, for a model of this SHA-256 on a device.

    Without a SHA-256 TensorRT is left aside: the small networks that find faces gain nothing by it, and what is found
    stays the same. graph: CUDA graphs, for a network whose inputs lie in the same arrays in each run. Raises ModelError
    where TensorRT is asked for and not there.
    """
    if device.kind == "cpu":
        return [CPU]
    number = {"device_id": str(device.number)}
    cuda = _CUDA_OPTIONS | number | ({"enable_cuda_graph": "1"} if graph else {})
    return [*_tensorrt(available, number, sha256, graph), (CUDA, cuda), CPU]


def _tensorrt(available: Sequence[str], number: dict[str, str], sha256: str, graph: bool) -> list[Any]:
    if not sha256 or os.environ.get(VARIABLE, "") != "1":
        return []
    if TENSORRT not in available:
        raise ModelError(
            f"{VARIABLE} is 1, and onnxruntime has no TensorRT here.", f"Install TensorRT, or unset {VARIABLE}."
        )
    folder = str(engines_folder(sha256))
    return [
        (
            TENSORRT,
            number
            | {"trt_engine_cache_enable": "1", "trt_engine_cache_path": folder, "trt_fp16_enable": "0"}
            | {"trt_timing_cache_enable": "1", "trt_timing_cache_path": folder}
            | ({"trt_cuda_graph_enable": "1"} if graph else {}),
        )
    ]


def engines_folder(sha256: str) -> Path:
    """Where TensorRT keeps what it built of the model of this SHA-256."""
    return platformdirs.user_cache_path("faceplate", appauthor=False) / "tensorrt" / sha256


_frame = threading.local()


@contextmanager
def for_frame(number: int) -> Iterator[None]:
    """Networks that this thread runs meanwhile are run on the device whose turn that frame is."""
    before = frame()
    _frame.number = number
    try:
        yield
    finally:
        _frame.number = before


def frame() -> int:
    """The frame that this thread's networks work for; 0 where none is said."""
    return getattr(_frame, "number", 0)
