"""Who works on the device: one thread at a time, in turn, and whoever is urgent before the others.

A job holds the turn while it works on a frame and passes it on between frames, so that several jobs go forward side by
side and a preview waits for one frame at most.
"""

import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager


class Turns:
    """A lock that is given in the order of asking, to urgent ones first."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._taken = False
        self._urgent: deque[threading.Event] = deque()
        self._patient: deque[threading.Event] = deque()

    @contextmanager
    def turn(self, urgent: bool = False) -> Iterator[None]:
        """Wait for the turn, and hold it."""
        self._take(urgent)
        try:
            yield
        finally:
            self._give()

    def pass_on(self) -> None:
        """Let those who wait have their turn, and wait for the next; at once where nobody waits. For a holder."""
        with self._lock:
            if not (self._urgent or self._patient):
                return
        self._give()
        self._take(urgent=False)

    def _take(self, urgent: bool) -> None:
        with self._lock:
            if not self._taken:
                self._taken = True
                return
            mine = threading.Event()
            (self._urgent if urgent else self._patient).append(mine)
        mine.wait()

    def _give(self) -> None:
        with self._lock:
            for waiting in (self._urgent, self._patient):
                if waiting:
                    # The turn goes over as it is: nobody who comes now is faster.
                    waiting.popleft().set()
                    return
            self._taken = False
