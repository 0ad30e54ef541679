"""Pictures in memory that clients share with the engine: who holds which, and what the engine takes of them.

A client asks with a random id that is good for nobody else; it never names memory, an offset or a size. What it
submits is the engine's as it is, without a copy, if the system can prove that the client has no way left to write;
otherwise the engine copies it into its own memory.

A block of memory stays for as long as an array shows it, so a lease may be released while the engine works on it.
Released blocks are used again, because fresh pages take three times as long as a copy; shared ones by the same client
only, for another one might still have them mapped.
"""

import secrets
import threading
import weakref
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import LeaseError, NoRoom
from engine.segments import Block, Create, private_block, shared_block
from engine.wire.frames import DTYPES

LONGEST_SIDE = 65536
MOST_CHANNELS = 64
LONGEST_COLORSPACE = 256
# Released blocks that wait to be used again; they count as held.
IDLE_BLOCKS = 8


class Granted(NamedTuple):
    """The id to ask with, how the client attaches, and the bytes that are there."""

    lease: str
    segment: str
    size: int


class Picture(NamedTuple):
    """What a client has submitted: (height, width, channels), read-only, in `colorspace` as the client named it.

    No other submission has its `key`.
    """

    pixels: NDArray[Any]
    colorspace: str
    key: str


@dataclass(eq=False)
class _Held:
    """A block, the client that it is for (None: the engine itself), and how many arrays show it."""

    block: Block
    owner: bytes | None
    arrays: int = 0
    released: bool = False
    reusable: bool = True


@dataclass(eq=False)
class _Lease:
    owner: bytes
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    colorspace: str
    held: _Held
    submitted: Picture | None = None
    # The picture that was submitted is the shared one.
    locked: bool = False


class Leases:
    """All leased pictures of an engine; every method may be called from any thread.

    `limit_bytes` is for everything: what is leased, the copies of what was submitted, and what waits to be used
    again. An owner is the routing id of a client. Every error is a LeaseError.
    """

    def __init__(
        self,
        limit_bytes: int,
        *,
        lease_bytes: int | None = None,
        leases_per_owner: int = 32,
        leases: int = 256,
        create: Create = shared_block,
    ) -> None:
        self._limit = limit_bytes
        self._lease_limit = limit_bytes if lease_bytes is None else min(lease_bytes, limit_bytes)
        self._per_owner = leases_per_owner
        # Each takes two descriptors, of 1024 that a process usually has.
        self._most = leases
        self._create = create
        self._lock = threading.Lock()
        self._leases: dict[str, _Lease] = {}
        # Those that have leased, and have not been reclaimed.
        self._owners: set[bytes] = set()
        self._all: set[_Held] = set()
        self._idle: list[_Held] = []
        self._ended: deque[_Held] = deque()
        self._closed = False

    @property
    def held_bytes(self) -> int:
        """Everything that counts against the limit."""
        with self._locked():
            return self._bytes()

    @property
    def count(self) -> int:
        """How many pictures are leased."""
        return len(self._leases)

    def grant(self, owner: bytes, height: int, width: int, channels: int, pixel: str, colorspace: str = "") -> Granted:
        """Memory for a picture (height, width, channels). Raises LeaseError for a size that is never granted, and
        NoRoom when there is no memory for it now. A new owner's is zeroed; an owner may find its own old pixels."""
        shape = (height, width, channels)
        dtype = _dtype_of(pixel)
        size = _size_of(shape, dtype, self._lease_limit)
        if len(colorspace) > LONGEST_COLORSPACE:
            raise LeaseError(f"The name of a colour space has at most {LONGEST_COLORSPACE} characters.")
        with self._locked():
            if self._closed:
                raise LeaseError("The engine is ending.")
            own = sum(lease.owner == owner for lease in self._leases.values())
            if own >= self._per_owner or len(self._leases) >= self._most:
                raise NoRoom("Too many pictures are leased.", "Release some, and try again.")
            held = self._take(owner, size, self._create)
            lease = secrets.token_urlsafe(18)
            self._leases[lease] = _Lease(owner, shape, dtype, colorspace, held)
            self._owners.add(owner)
        return Granted(lease, held.block.name, size)

    def check(self, height: int, width: int, channels: int, pixel: str) -> None:
        """Raise LeaseError for a size that is never granted."""
        _size_of((height, width, channels), _dtype_of(pixel), self._lease_limit)

    def picture(self, owner: bytes, lease: str) -> NDArray[Any]:
        """The shared picture itself (height, width, channels), to write into: the client sees every change, and may
        change it at any time. Read-only once it was submitted without a copy. Raises LeaseError."""
        with self._locked():
            found = self._find(owner, lease)
            picture = self._show(found.held, found)
        picture.flags.writeable = not found.locked
        return picture

    @contextmanager
    def using(self, owner: bytes, lease: str) -> Iterator[NDArray[Any]]:
        """`picture` for the length of a block; a lease that is released meanwhile is freed afterwards."""
        yield self.picture(owner, lease)

    def submit(self, owner: bytes, lease: str) -> Picture:
        """Take the picture as it is now; what the client writes later has no effect on it.

        It is not copied where that is proved without: nobody has a mapping to write with, and the kernel lets nobody
        have one before the lease is released. A copy takes the place of what was submitted before, which stays whole
        for those who have it. Raises LeaseError, and NoRoom when there is no memory for the copy; then nothing is
        submitted.
        """
        with self._locked():
            found = self._find(owner, lease)
            if found.locked and found.submitted:
                return found.submitted
            found.submitted = None
            # An array of the engine's own may be written to as well.
            if not found.held.arrays and found.held.block.lock():
                found.locked = True
                found.submitted = _picture_of(self._show(found.held, found), found)
                return found.submitted
            copy = self._take(None, found.held.block.size, private_block)
            source, target = self._show(found.held, found), self._show(copy, found)
            copy.released = True
        np.copyto(target, source)
        picture = _picture_of(target, found)
        with self._locked():
            if self._leases.get(lease) is not found:
                raise _no_such_lease()
            found.submitted = picture
        return picture

    def submitted(self, owner: bytes, lease: str) -> Picture:
        """What was last submitted. Raises LeaseError, also where nothing was."""
        with self._locked():
            picture = self._find(owner, lease).submitted
        if picture is None:
            raise LeaseError("The picture has not been submitted.", "Submit it first.")
        return picture

    def release(self, owner: bytes, lease: str) -> None:
        """End a lease; its memory goes once no array shows it. Raises LeaseError."""
        with self._locked():
            self._find(owner, lease)
            self._release(lease)

    def reclaim(self, owner: bytes) -> None:
        """End all leases of a client that has gone, and keep nothing for it."""
        with self._locked():
            self._owners.discard(owner)
            for held in self._all:
                held.reusable &= held.owner != owner
            for lease in [lease for lease, found in self._leases.items() if found.owner == owner]:
                self._release(lease)
            for held in list(self._idle):
                if not self._is_useful(held):
                    self._drop(held)

    def close(self) -> None:
        """End all leases and take away all segments; arrays that show them stay valid."""
        with self._locked():
            self._closed = True
            self._leases.clear()
            for held in list(self._all):
                self._drop(held)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        try:
            with self._lock:
                self._settle()
                yield
        finally:
            self._tidy()

    def _find(self, owner: bytes, lease: str) -> _Lease:
        found = self._leases.get(lease)
        if found is None or found.owner != owner:
            raise _no_such_lease()
        return found

    def _show(self, held: _Held, lease: _Lease) -> NDArray[Any]:
        """An array of a block. Every view of it, and of its views, keeps `first` alive."""
        first = np.frombuffer(held.block.memory, np.uint8)
        held.arrays += 1
        weakref.finalize(first, self._array_gone, held).atexit = False
        return first.view(lease.dtype).reshape(lease.shape)

    def _array_gone(self, held: _Held) -> None:
        self._ended.append(held)
        self._tidy()

    def _tidy(self) -> None:
        """Settle without waiting: an array may end at any point of any thread, even of the one that has the lock.
        Whoever has it comes here after giving it back, so nothing is left lying."""
        while self._ended and self._lock.acquire(blocking=False):
            try:
                self._settle()
            finally:
                self._lock.release()

    def _settle(self) -> None:
        while self._ended:
            held = self._ended.popleft()
            held.arrays -= 1
            self._retire(held)

    def _release(self, lease: str) -> None:
        found = self._leases.pop(lease)
        found.submitted = None
        found.held.released = True
        self._retire(found.held)

    def _retire(self, held: _Held) -> None:
        """Keep a block to be used again, or drop it, if nobody needs it any more."""
        if not held.released or held.arrays or held not in self._all:
            return
        if self._is_useful(held):
            held.block.unlock()
            self._idle.append(held)
            if len(self._idle) > IDLE_BLOCKS:
                self._drop(self._idle[0])
        else:
            self._drop(held)

    def _is_useful(self, held: _Held) -> bool:
        """Whether somebody may use a block again."""
        return held.reusable and bool(self._owners)

    def _drop(self, held: _Held) -> None:
        self._all.discard(held)
        if held in self._idle:
            self._idle.remove(held)
        held.block.close()

    def _take(self, owner: bytes | None, size: int, create: Create) -> _Held:
        """A block for an owner: one that it had before, or a new one. Raises NoRoom."""
        self._settle()
        for held in reversed(self._idle):
            if held.owner == owner and held.block.size == size:
                self._idle.remove(held)
                held.released = False
                return held
        while self._idle and self._bytes() + size > self._limit:
            self._drop(self._idle[0])
        if self._bytes() + size > self._limit:
            raise NoRoom("The pictures leased by all programs fill the engine's memory.", "Release some, or wait.")
        held = _Held(create(size), owner)
        self._all.add(held)
        return held

    def _bytes(self) -> int:
        return sum(held.block.size for held in self._all)


def _dtype_of(pixel: str) -> np.dtype[Any]:
    if pixel not in DTYPES:
        raise LeaseError("Pixels are float32, float16 or uint8.")
    return DTYPES[pixel]


def _size_of(shape: tuple[int, int, int], dtype: np.dtype[Any], limit: int) -> int:
    """Bytes of a picture, in Python's integers, which do not overflow. Raises LeaseError."""
    height, width, channels = shape
    if not (1 <= height <= LONGEST_SIDE and 1 <= width <= LONGEST_SIDE and 1 <= channels <= MOST_CHANNELS):
        raise LeaseError(
            "There is no picture of that size.",
            f"Ask for 1 to {LONGEST_SIDE} rows and columns, and 1 to {MOST_CHANNELS} channels.",
        )
    size = height * width * channels * dtype.itemsize
    if size > limit:
        raise LeaseError(
            f"A leased picture has at most {limit} bytes; this one would have {size}.",
            "Start the engine with more --memory.",
        )
    return size


def _picture_of(pixels: NDArray[Any], lease: _Lease) -> Picture:
    pixels.flags.writeable = False
    return Picture(pixels, lease.colorspace, secrets.token_hex(16))


def _no_such_lease() -> LeaseError:
    """One error for ids that are made up, another client's, or over: nothing is learnt by guessing."""
    return LeaseError("There is no such lease.")
