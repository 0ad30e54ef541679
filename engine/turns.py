"""Who works on the device: one thread at a time, in turn.

A job holds the turn while it works on a frame and passes it on between frames, so that several jobs go forward side by
side.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that is given in the order of asking."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for the turn, and hold it."""
        self._take()
        try:
            yield
        finally:
            self._give()

    def pass_on(self) -> None:
        """Let those who wait have their turn, and wait for the next; at once where nobody waits. For a holder."""
        with self._lock:
            if not self._waiting:
                return
        self._give()
        self._take()

    def _take(self) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            self._waiting.append(mine)
        mine.wait()

    def _give(self) -> None:
        with self._lock:
            if self._waiting:
                # The turn goes over as it is: nobody who comes now is faster.
                self._waiting.popleft().set()
            else:
                self._taken = False
