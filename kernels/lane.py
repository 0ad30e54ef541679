"""A job's way to a GPU and back: one stream, pinned memory, and scratch that is kept from frame to frame.

    with lane:
        plate = lane.upload("plate", box)
        ...                                  # kernels run on the lane's stream, and nothing waits
        lane.download("plate", plate, box)   # waits once

A copy from or to ordinary memory goes through a buffer of the driver's and stops the host; pinned memory does not. Two
lanes overlap: one's copies run while the other computes. Needs CuPy. It has been run in no test: there was no GPU.
"""

from collections.abc import Callable
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from kernels.workspace import Workspace


class Lane:
    """A stream of one GPU. Enter it to make it the current one; no two threads may share a lane."""

    def __init__(self, device: int = 0) -> None:
        self._cupy: Any = import_module("cupy")
        self._device = self._cupy.cuda.Device(device)
        self._pinned: dict[str, NDArray[np.uint8]] = {}
        self._copied: dict[str, Any] = {}
        self._graphs: dict[str, tuple[int, Any]] = {}
        self.workspace = Workspace()
        with self._device:
            self._stream = self._cupy.cuda.Stream(non_blocking=True)

    def __enter__(self) -> "Lane":
        self._device.__enter__()
        self._stream.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._stream.__exit__(*error)
        self._device.__exit__(*error)

    def upload(self, name: str, array: NDArray[Any]) -> Any:
        """The array on the GPU, in the lane's own buffer of this name; valid until the name is used again."""
        if name in self._copied:
            # The last copy out of the pinned buffer may still be under way.
            self._copied[name].synchronize()
        staged = self._stage(name, array.shape, array.dtype)
        staged[...] = array
        there = self.workspace.empty(f"lane.{name}", self._cupy.empty(0, np.uint8), array.shape, array.dtype)
        there.set(staged, stream=self._stream)
        self._copied[name] = self._stream.record()
        return there

    def download(self, name: str, array: Any, out: NDArray[Any]) -> NDArray[Any]:
        """Copy an array of the GPU into `out`, when all that was put on the lane before has been done."""
        staged = self._stage(name, array.shape, array.dtype)
        array.get(stream=self._stream, out=staged, blocking=False)
        self._stream.synchronize()
        out[...] = staged
        return out

    def replay(self, name: str, work: Callable[[], None]) -> None:
        """Do `work`, from its third call on as a CUDA graph: one launch in place of hundreds, where launching is slow.

        A graph repeats its kernels with the arguments of the second call. So the name must say everything that is
        passed by value (sizes, matrices, settings), and `work` must keep its arrays in this lane's workspace, allocate
        nothing, and wait for nothing. A graph is dropped when the workspace has grown since.
        """
        generation, graph = self._graphs.get(name, (-1, None))
        if generation != self.workspace.generation:
            work()
            self._graphs[name] = self.workspace.generation, None
        elif graph is None:
            self._stream.begin_capture()
            try:
                work()
            finally:
                graph = self._stream.end_capture()
            self._graphs[name] = generation, graph
            graph.launch(self._stream)
        else:
            graph.launch(self._stream)

    def _stage(self, name: str, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Pinned host memory of this name and shape; grown when it is too small."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        buffer = self._pinned.get(name)
        if buffer is None or buffer.nbytes < count:
            buffer = np.frombuffer(self._cupy.cuda.alloc_pinned_memory(max(count, 1)), np.uint8)
            self._pinned[name] = buffer
        return buffer[:count].view(dtype).reshape(shape)
