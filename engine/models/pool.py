"""The networks that are open, for all jobs and previews of a process: one for each content, up to a limit.

Networks of one SHA-256 and one manifest are one, under whatever paths their files lie. The one that was asked for
least recently is let go of when there are too many; whoever still works with it keeps it until he is done.
"""

import threading
from collections.abc import Callable
from typing import Any

import psutil
from cachetools import LRUCache

from engine.models.manifest import Manifest

Trial = tuple[str, Manifest]
"""What of a model decides its answers: the SHA-256 of its file, and how it is used."""


class Pool:
    """Opens networks once. `limit` is the bytes of the files whose networks are held; what runs need comes on top."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._open: LRUCache[Trial, tuple[Any, int]] = LRUCache(limit, lambda held: held[1])

    @property
    def held_bytes(self) -> int:
        """Of the files whose networks are open."""
        return int(self._open.currsize)

    def get(self, trial: Trial, read: Callable[[], bytes], make: Callable[[bytes], Any]) -> Any:
        """The network of a file, opened by `make` of what `read` gives where none is; raises what they raise."""
        # Without the lock two threads that ask at once would both load the weights.
        with self._lock:
            if trial in self._open:
                return self._open[trial][0]
            content = read()
            held = make(content)
            # Before the next one is loaded there must be room for it; one larger than all room is not held.
            if len(content) <= self._open.maxsize:
                self._open[trial] = held, len(content)
            return held


# Open, a network of floats takes up to twice its file.
POOL = Pool(psutil.virtual_memory().total // 8)
