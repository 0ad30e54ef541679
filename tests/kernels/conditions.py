"""What a call allocates, and what it gives on one thread."""

import tracemalloc
from collections.abc import Callable
from typing import TypeVar

import numba

Result = TypeVar("Result")


def allocated(call: Callable[[], object]) -> int:
    """Bytes of NumPy's that a second call holds at its peak beyond what there was."""
    call()
    tracemalloc.start()
    call()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def on_one_thread(call: Callable[[], Result]) -> Result:
    """The result of a call for which Numba has one thread."""
    threads = numba.get_num_threads()
    numba.set_num_threads(1)
    try:
        return call()
    finally:
        numba.set_num_threads(threads)
