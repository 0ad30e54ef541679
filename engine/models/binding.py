"""Runs a session on arrays where they lie, NumPy's in the host's memory or CuPy's on a GPU, with no copy in between.

onnxruntime is told the addresses of the inputs and of outputs that were made beforehand (IO binding). For CUDA graphs
the arrays stay the same from run to run: what is fed is copied into them on the GPU. The path with CuPy's arrays is
the same code as that with NumPy's, which the tests run, but for the name of the device; it has been run on no GPU.

Nothing of `kernels` is used: a process that only tries a model has no need of a compiler.
"""

import threading
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.models.devices import Device

# onnxruntime's run option that says which of its CUDA graphs a run is; -1 is a run without one.
GRAPH, NO_GRAPH = "gpu_graph_id", "-1"


def run_bound(
    session: Any, feeds: Mapping[str, Any], outputs: Mapping[str, Any], device: Device, options: Any = None
) -> None:
    """Run a session on `feeds` into `outputs`: C-contiguous arrays on `device`, of the types that the model has."""
    binding = session.io_binding()
    for name, array in feeds.items():
        binding.bind_input(name, device.kind, device.number, array.dtype.type, array.shape, _address(array))
    for name, array in outputs.items():
        binding.bind_output(name, device.kind, device.number, array.dtype.type, array.shape, _address(array))
    if device.kind == "cuda":
        # The session has a stream of its own, which does not wait for the one that fills the inputs.
        import_module("cupy").cuda.get_current_stream().synchronize()
    session.run_with_iobinding(binding, options)


class Steady:
    """A session's inputs and outputs for feeds of one shape, in arrays that stay: what a CUDA graph needs.

    The session replays its graph for `number` from the third run on; one thread at a time.
    """

    def __init__(self, number: int, feeds: Mapping[str, Any], outputs: Sequence[tuple[str, tuple[int, ...], Any]]):
        """outputs: name, shape and type of each; they lie where the feeds do."""
        first = next(iter(feeds.values()))
        self._number = number
        self._lock = threading.Lock()
        self._feeds = {name: empty(array, array.shape, array.dtype) for name, array in feeds.items()}
        self._outputs = {name: empty(first, shape, dtype) for name, shape, dtype in outputs}

    def run(self, session: Any, feeds: Mapping[str, Any], device: Device, options: Any) -> list[Any]:
        """The outputs, copied out of the arrays that the next run writes to."""
        options.add_run_config_entry(GRAPH, str(self._number))
        with self._lock:
            for name, array in feeds.items():
                self._feeds[name][...] = array
            run_bound(session, self._feeds, self._outputs, device, options)
            return [array.copy() for array in self._outputs.values()]


def settled(array: Any, dtype: Any) -> Any:
    """The array, or where it is of another type or not row by row, a copy that is not: what can be bound."""
    array = array.astype(dtype, copy=False)
    return array if array.flags.c_contiguous else array.copy()


def empty(like: Any, shape: tuple[int, ...], dtype: Any) -> Any:
    """A new array where `like` lies; what it holds is left to chance."""
    return np.empty_like(like, dtype, shape=shape)


def placed(like: Any, array: Any) -> Any:
    """The array, moved to where `like` lies, CuPy's, if it is not there."""
    if not isinstance(array, np.ndarray):
        return array
    there = empty(like, array.shape, array.dtype)
    there[...] = import_module("cupy").asarray(array)
    return there


def fetched(array: Any) -> NDArray[Any]:
    """The array in the host's memory. Waits for the GPU where it lies there."""
    return array if isinstance(array, np.ndarray) else array.get()


def _address(array: Any) -> int:
    return array.ctypes.data if isinstance(array, np.ndarray) else int(array.data.ptr)
