"""Who works on the device: one thread at a time, in turn.

A job holds the turn while it works on a frame and passes it on between frames, so that several jobs go forward side by
side. A preview, for which somebody waits, is urgent.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that is given in the order of asking, to the urgent ones first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._waiting: deque[threading.Event] = deque()
        self._urgent: deque[threading.Event] = deque()

    @contextmanager
    def turn(self, urgent: bool = False) -> Iterator[None]:
        """Wait for the turn, and hold it."""
        self._take(self._urgent if urgent else self._waiting)
        try:
            yield
        finally:
            self._give()

    def pass_on(self) -> None:
        """Let those who wait have their turn, and wait for the next; at once where nobody waits. For a holder."""
        with self._lock:
            if not self._waiting and not self._urgent:
                return
        self._give()
        self._take(self._waiting)

    def _take(self, queue: deque[threading.Event]) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            queue.append(mine)
        mine.wait()

    def _give(self) -> None:
        with self._lock:
            queue = self._urgent or self._waiting
            if queue:
                # The turn goes over as it is: nobody who comes now is faster.
                queue.popleft().set()
            else:
                self._taken = False
