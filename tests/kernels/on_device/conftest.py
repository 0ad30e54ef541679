"""The kernels on a device, against the kernels on the CPU.

On a machine with a GPU the device is that GPU, through CuPy. Elsewhere it is Numba's CUDA simulator, which
`test_cuda.py` starts in a process of its own: there an array of the class below stands for CuPy's. As the simulator's
process is plain Python without Numba's compiler, what the CPU gave there is written down and compared with what it
gives here, compiled.
"""

import os
import pickle
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from kernels import launch
from tests.kernels.tolerances import assert_close

# Where to write down which kernels ran on which types, for the compiler's test, and what the CPU gave.
RECORD = os.environ.get("FACEPLATE_RECORD_KERNELS")
REFERENCES = os.environ.get("FACEPLATE_RECORD_REFERENCES")


class SimulatedArray(np.ndarray):
    """A NumPy array that says that it lies on a GPU, and like CuPy's refuses to be mixed with those that do not."""

    __cuda_array_interface__ = property(lambda self: self.__array_interface__)

    def __array_ufunc__(self, ufunc, method, *inputs, out=None, **options):
        _refuse_mixture([*inputs, *(out or ())])
        if out is not None:
            options["out"] = tuple(_plain(array) for array in out)
        result = getattr(ufunc, method)(*map(_plain, inputs), **options)
        return out[0] if out is not None else _simulated(result)

    def __array_function__(self, function, types, arguments, options):
        _refuse_mixture([*arguments, *options.values()])
        result = function(*map(_plain, arguments), **{key: _plain(value) for key, value in options.items()})
        return options["out"] if options.get("out") is not None else _simulated(result)


def _refuse_mixture(values) -> None:
    flat = [item for value in values for item in (value if isinstance(value, list | tuple) else [value])]
    if any(isinstance(item, np.ndarray) and item.ndim and not isinstance(item, SimulatedArray) for item in flat):
        raise TypeError("an array of the CPU meets one of the GPU")


def _plain(value):
    if hasattr(value, "_fields"):
        return type(value)(*map(_plain, value))
    if isinstance(value, list | tuple):
        return type(value)(map(_plain, value))
    return value.view(np.ndarray) if isinstance(value, SimulatedArray) else value


def _simulated(value):
    if isinstance(value, tuple | list):
        return type(value)(map(_simulated, value))
    return value.view(SimulatedArray) if isinstance(value, np.ndarray) else value


def _gpu_is_there() -> bool:
    try:
        return bool(import_module("cupy").cuda.is_available())
    except ImportError:
        return False


def pytest_collection_modifyitems(items):
    if launch.SIMULATED or REFERENCES or _gpu_is_there():
        return
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.skip(reason="no GPU here; test_cuda.py runs these in the simulator"))


@pytest.fixture
def device():
    """Moves an array to the device."""
    if launch.SIMULATED:
        return lambda array: np.array(array).view(SimulatedArray)
    if REFERENCES:
        return lambda array: array
    return import_module("cupy").asarray


@pytest.fixture
def agree(request):
    """Compares what the device gave with what the CPU gave, within a tolerance of the table."""
    count = 0

    def compare(ours, reference, tolerance="devices"):
        nonlocal count
        _references[f"{request.node.name} {count}"] = (np.array(reference), tolerance)
        count += 1
        assert launch.on_gpu(ours) or not launch.SIMULATED
        assert_close(launch.fetch(ours), reference, tolerance)

    return compare


_references = {}


@pytest.fixture(autouse=True, scope="session")
def record_of_references():
    yield
    if REFERENCES:
        Path(REFERENCES).write_bytes(pickle.dumps(_references))


@pytest.fixture(autouse=True, scope="session")
def record_of_kernels():
    """Writes down the kernels that the simulator ran, by module, name, and Numba's types of their arguments."""
    if RECORD is None:
        yield
        return
    path = Path(RECORD)
    from numba import typeof

    seen = set()
    original = launch.launch

    def recording(kernel, size, arguments):
        plain = [_plain(argument) for argument in arguments]
        seen.add((kernel.fn.__module__, kernel.fn.__name__, tuple(typeof(argument) for argument in plain)))
        original(kernel, size, arguments)

    launch.launch = recording
    yield
    launch.launch = original
    path.write_bytes(pickle.dumps(seen))
