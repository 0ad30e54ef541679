"""The networks that are open, for all jobs and previews of a process: one for each content, up to a limit.

Networks of one SHA-256 and one manifest are one, under whatever paths their files lie. The one that was asked for
least recently is let go of when there are too many; whoever still works with it keeps it until he is done.
"""

import hashlib
import threading
from collections.abc import Callable
from typing import Any, NamedTuple

import psutil
from cachetools import LRUCache

from engine.models.manifest import Manifest


class Stamp(NamedTuple):
    """A file as it is, and how it is used; a file that changes has another stamp."""

    path: str
    changed: int
    size: int
    manifest: Manifest


class Pool:
    """Opens networks once. `limit` is the bytes of the files whose networks are held; what runs need comes on top."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._digests: dict[Stamp, str] = {}
        self._open: LRUCache[tuple[str, Manifest], tuple[Any, int]] = LRUCache(limit, lambda held: held[1])

    @property
    def held_bytes(self) -> int:
        """Of the files whose networks are open."""
        return int(self._open.currsize)

    def get(self, stamp: Stamp, read: Callable[[], bytes], make: Callable[[bytes], Any]) -> Any:
        """The network of a file, opened by `make` of what `read` gives where none is; raises what they raise."""
        # Without the lock two threads that ask at once would both load the weights.
        with self._lock:
            held = self._find(self._digests.get(stamp, ""), stamp.manifest)
            if held is not None:
                return held
            content = read()
            digest = hashlib.sha256(content).hexdigest()
            self._digests[stamp] = digest
            held = self._find(digest, stamp.manifest)
            if held is None:
                held = make(content)
                # Before the next one is loaded there must be room for it; one larger than all room is not held.
                if len(content) <= self._open.maxsize:
                    self._open[digest, stamp.manifest] = held, len(content)
            return held

    def _find(self, digest: str, manifest: Manifest) -> Any:
        return self._open.get((digest, manifest), (None, 0))[0]


# Open, a network of floats takes up to twice its file.
POOL = Pool(psutil.virtual_memory().total // 8)
