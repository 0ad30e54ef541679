"""What the resident engine keeps in memory to use again, up to a limit: the least recently used goes first.

Values are kept by keys that say all that they were made from, so that nothing kept can be out of date: files by name,
size and time of change, pixels by their content. Whoever takes a value from here must not change it.
"""

import hashlib
import os
import threading
import time
from collections.abc import Callable, Hashable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol, TypeVar

import msgspec
import numpy as np
from cachetools import LRUCache

Value = TypeVar("Value")
Part = np.ndarray | str | bytes | msgspec.Struct | float

# Seconds. A file that changed less long ago may change again and have the same size and time.
_SETTLED = 2.0
# Bytes that a value of no arrays counts as.
_SMALL = 1024
# Of the files that were read last: those of a film's mattes, and all pictures of its people.
_digests: LRUCache[Hashable, str] = LRUCache(16384)
_digests_lock = threading.Lock()


class Keep(Protocol):
    """Gives a value that was kept under a key, or makes it."""

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value: ...

    def about(self, *parts: Part) -> "Keep":
        """The same for values that are made from `parts`, which their keys then need not name."""
        ...


class KeepsNothing:
    """Makes every value anew: for a process that does one job."""

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        return make()

    def about(self, *parts: Part) -> Keep:
        return self


NOTHING = KeepsNothing()


class Kept:
    """Keeps values of up to `limit` bytes in all. For any thread; two that need one value at once may both make it."""

    def __init__(self, limit: int) -> None:
        self._lock = threading.Lock()
        self._values: LRUCache[Hashable, Any] = LRUCache(limit, held_bytes)

    @property
    def bytes(self) -> int:
        with self._lock:
            return int(self._values.currsize)

    def find(self, key: Hashable) -> Any:
        """The value of a key, or None where none is kept."""
        with self._lock:
            return self._values.get(key)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        with self._lock:
            if key in self._values:
                return self._values[key]
        value = make()
        # Larger than everything that may be kept.
        with self._lock, suppress(ValueError):
            self._values[key] = value
        return value

    def about(self, *parts: Part) -> Keep:
        return _About(self, content(*parts))

    def clear(self) -> None:
        with self._lock:
            self._values.clear()


class _About:
    def __init__(self, kept: Keep, parts: bytes) -> None:
        self._kept, self._parts = kept, parts

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        return self._kept.get((self._parts, key), make)

    def about(self, *parts: Part) -> Keep:
        return _About(self._kept, content(self._parts, *parts))


def held_bytes(value: object) -> int:
    """Bytes of the arrays in a value, its items and its attributes; shared ones count once."""
    arrays: dict[int, int] = {}
    seen: set[int] = set()
    waiting: list[object] = [value]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | None):
            continue
        seen.add(id(one))
        if isinstance(one, np.ndarray):
            owner = _owner(one)
            arrays[id(owner)] = owner.nbytes
        elif isinstance(one, dict):
            waiting += one.values()
        elif isinstance(one, tuple | list):
            waiting += one
        elif type(one).__module__.partition(".")[0] in ("engine", "kernels"):
            waiting += _attributes(one)
    return sum(arrays.values()) + _SMALL


def files_key(paths: Iterable[os.PathLike[str] | str]) -> tuple[tuple[str, int, int, int, int], ...] | None:
    """A key of what files hold, without reading them; None where one has only just changed. Raises OSError."""
    now, found = time.time_ns(), []
    for path in paths:
        stat = os.stat(path)  # noqa: PTH116
        if now - max(stat.st_mtime_ns, stat.st_ctime_ns) < _SETTLED * 1e9:
            return None
        found.append((os.fspath(path), stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns))
    return tuple(found)


def sha256_of(path: Path) -> str:
    """The SHA-256, in hex, of what a file holds. Raises OSError."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def file_digest(path: Path, read: Callable[[Path], str] = sha256_of) -> str:
    """The SHA-256 of a file, in hex, which `read` finds out once in a process while the file stays. Raises OSError."""
    key = files_key([path])
    with _digests_lock:
        known = _digests.get(key) if key else None
    if known is None:
        known = read(path)
        with _digests_lock:
            if key:
                _digests[key] = known
    return known


def content(*parts: Part) -> bytes:
    """A key of what values hold: a digest of arrays, with their shapes and types, and of text, numbers and structs."""
    whole = hashlib.sha256()
    for part in parts:
        if isinstance(part, np.ndarray):
            whole.update(f"{part.shape}{part.dtype.str}".encode())
            whole.update(np.ascontiguousarray(part).data)
        else:
            whole.update(msgspec.msgpack.encode(part))
    return whole.digest()


def _owner(array: np.ndarray) -> np.ndarray:
    while isinstance(array.base, np.ndarray):
        array = array.base
    return array


def _attributes(one: object) -> list[object]:
    slots = [name for kind in type(one).__mro__ for name in getattr(kind, "__slots__", ())]
    named: list[object] = [getattr(one, name, None) for name in slots]
    return named + list(getattr(one, "__dict__", {}).values())
