"""The array says where the work runs: NumPy's on the CPU, CuPy's on the GPU that holds it.

A loop `_name` of `kernels/module.py` is a Numba function for the CPU; the CUDA kernel of the same name and arguments in
`kernels/cuda/module.py` does the same for a pixel. `run` picks one. Memory, sums and transforms are NumPy's functions,
which hand CuPy's arrays on to CuPy by themselves (NumPy enhancement proposal 18).
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numba import config

# Whether Numba interprets its functions as plain Python, and whether it simulates a GPU: both for tests.
INTERPRETED = bool(vars(config)["DISABLE_JIT"])
SIMULATED = bool(vars(config)["ENABLE_CUDASIM"])
# For Numba's `fastmath`: a product and a sum may become one instruction that rounds once, as they do on a GPU. Nothing
# is assumed of the numbers, NaN and infinity included.
FUSED = {"contract"}
# Threads of a block along y and x: a warp reads neighbours of one row.
BLOCK = (8, 32)
LONE_BLOCK = 256


class MixedArrays(TypeError):
    """Arrays of one call lie on different devices. Nothing is moved on its own: move them, and call again."""


def on_gpu(*arrays: Any) -> bool:
    """Whether these arrays (None is skipped) lie on a GPU, and all of them on the same one. Raises MixedArrays."""
    places = {_device(array) for array in arrays if array is not None}
    if len(places) > 1:
        raise MixedArrays(f"arrays on {' and '.join(sorted(map(str, places)))} in one call")
    return bool(places) and places != {"the CPU"}


def run(loop: Callable[..., None], size: int | Sequence[int], *arguments: Any) -> None:
    """Run a CPU loop on its arguments, or its CUDA kernel over a grid of `size`, (n,) or (height, width).

    The kernel is put on the device's current stream and not waited for. Scalars are NumPy's (a Python float would be
    a double); small tables are tuples of them. A size without a pixel runs nothing.
    """
    size = (size,) if isinstance(size, int) else tuple(size)
    if 0 in size:
        return
    if on_gpu(*(argument for argument in arguments if hasattr(argument, "ndim") and argument.ndim)):
        launch(_kernel_of(loop), size, arguments)
    else:
        loop(*arguments)


def launch(kernel: Any, size: tuple[int, ...], arguments: Sequence[Any]) -> None:
    """Put a CUDA kernel on the current stream, with a thread for each element of (n,) or (height, width)."""
    block = (LONE_BLOCK,) if len(size) == 1 else BLOCK[::-1]
    grid = tuple(-(-count // threads) for count, threads in zip(size[::-1], block, strict=True))
    cuda = import_module("numba.cuda")
    if SIMULATED:
        kernel[grid, block](*(_simulated(cuda, argument) for argument in arguments))
        return
    pointer = import_module("cupy").cuda.get_current_stream().ptr
    stream = cuda.external_stream(pointer) if pointer else cuda.default_stream()
    kernel[grid, block, stream](*(_borrowed(cuda, argument) for argument in arguments))


def empty(like: Any, shape: int | Sequence[int], dtype: Any = np.float32) -> Any:
    """A new array of this shape where `like` lies; what it holds is left to chance."""
    return np.empty_like(like, dtype, shape=shape)


def zeros(like: Any, shape: int | Sequence[int], dtype: Any = np.float32) -> Any:
    """A new array of zeros of this shape where `like` lies."""
    return np.zeros_like(like, dtype, shape=shape)


def place(like: Any, array: Any, dtype: Any = np.float32) -> Any:
    """A contiguous array of this type of a small table (a mesh, a list of points), moved to where `like` lies."""
    if not hasattr(like, "__cuda_array_interface__") or hasattr(array, "__cuda_array_interface__"):
        return np.ascontiguousarray(array, dtype)
    moved = empty(like, np.shape(array), dtype)
    moved[...] = np.asarray(array, dtype) if SIMULATED else _uploaded(array, dtype)
    return moved


def contiguous(array: Any) -> Any:
    """The array, or a copy of it where its elements do not follow each other row by row."""
    return array if array.flags.c_contiguous else array.copy()


def fetch(array: Any) -> Any:
    """The array in the host's memory. Waits for the GPU where it lies there."""
    return array.get() if hasattr(array, "get") else np.asarray(array)


def _device(array: Any) -> str:
    if not hasattr(array, "__cuda_array_interface__"):
        return "the CPU"
    return f"GPU {getattr(getattr(array, 'device', None), 'id', 0)}"


def _kernel_of(loop: Callable[..., None]) -> Any:
    module = import_module("kernels.cuda." + loop.__module__.rpartition(".")[2])
    return getattr(module, loop.__name__)


def _borrowed(cuda: Any, argument: Any) -> Any:
    """The argument as Numba takes it; without waiting for the stream, for the kernel is put on the same one."""
    if not hasattr(argument, "__cuda_array_interface__"):
        return argument
    return cuda.from_cuda_array_interface(argument.__cuda_array_interface__, argument, False)


def _simulated(cuda: Any, argument: Any) -> Any:
    """The argument as the simulator takes it without copying it there and back, which views would not survive."""
    return type(cuda.device_array(0))(argument) if getattr(argument, "ndim", 0) else argument


def _uploaded(array: Any, dtype: Any) -> Any:
    return import_module("cupy").asarray(np.ascontiguousarray(array, dtype))
