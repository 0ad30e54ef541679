"""Scratch memory that is kept from call to call, so that the next frame of a shot allocates nothing."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from kernels.launch import empty

# A buffer is made this much larger than asked for when it has to grow: faces change their size from frame to frame.
SPARE = 1.25


class Workspace:
    """Named buffers of one job; no two threads may share one.

    A function that takes a workspace keeps its scratch there, never its result. Names start with the function's module,
    so that one function's scratch outlives the calls it makes.
    """

    def __init__(self) -> None:
        self._buffers: dict[str, Any] = {}
        # Grows with each buffer that is made: what was captured before it may point at one that is gone.
        self.generation = 0

    def empty(self, name: str, like: Any, shape: int | Sequence[int], dtype: Any = np.float32) -> Any:
        """An array of this shape where `like` lies, in the buffer of this name; what it holds is left to chance."""
        shape = (shape,) if isinstance(shape, int) else tuple(int(length) for length in shape)
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        buffer = self._buffers.get(name)
        if buffer is None or buffer.nbytes < count or _place(buffer) != _place(like):
            first = buffer is None or _place(buffer) != _place(like)
            buffer = empty(like, count if first else int(count * SPARE), np.uint8)
            self._buffers[name] = buffer
            self.generation += 1
        return buffer[:count].view(dtype).reshape(shape)

    def zeros(self, name: str, like: Any, shape: int | Sequence[int], dtype: Any = np.float32) -> Any:
        """As `empty`, filled with zeros."""
        array = self.empty(name, like, shape, dtype)
        array[...] = 0
        return array

    def keep(self, name: str, make: Any) -> Any:
        """What `make()` gave when this name was first asked for."""
        if name not in self._buffers:
            self._buffers[name] = make()
        return self._buffers[name]

    @property
    def nbytes(self) -> int:
        """How much memory it holds."""
        return sum(getattr(buffer, "nbytes", 0) for buffer in self._buffers.values())

    def clear(self) -> None:
        """Let go of everything."""
        self._buffers.clear()


def _place(array: Any) -> tuple[type, Any]:
    return type(array), getattr(array, "device", None)
