"""The threads that pack and unpack blocks: all cores, shared by everything in the process."""

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from itertools import islice
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")

_MOST_THREADS = 16


def cores() -> int:
    """The cores that this process may use."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(allowed, _MOST_THREADS)


def ordered(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """The results of `work` on each item, in order, made on all cores and only a few ahead of whoever takes them.

    The first begins at once. Raises what `work` raises; then the rest is not begun.
    """
    waiting = iter(items)
    pending: deque[Future[Result]] = deque(_pool().submit(work, item) for item in islice(waiting, 2 * cores()))
    return _results(work, waiting, pending)


def _results(
    work: Callable[[Item], Result], waiting: Iterator[Item], pending: deque[Future[Result]]
) -> Iterator[Result]:
    try:
        while pending:
            yield pending.popleft().result()
            for item in islice(waiting, 1):
                pending.append(_pool().submit(work, item))
    finally:
        for future in pending:
            future.cancel()


@cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(cores(), "blocks")
