"""What looks at folders, files and pictures for clients, beside the thread that moves messages."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from engine.errors import FaceplateError
from engine.failure import failure_from
from engine.wire.messages import Reply

# Requests that may wait, of all clients.
WAITING = 256
_log = logging.getLogger(__name__)


class TooManyRequests(FaceplateError):
    """More is asked than can be looked at."""

    code = "too-many-requests"
    retry = True


class Lookers:
    """A few threads that answer requests in the order they came; every one of them gets an answer."""

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, "look")
        self._room = threading.Semaphore(WAITING)

    def look(
        self, answer: Callable[[Reply], None], make: Callable[[], Reply], wanted: Callable[[], bool] = lambda: True
    ) -> None:
        """Have `make` called, and `answer` with what it gives or how it failed, if it is still `wanted` then.

        Raises TooManyRequests.
        """
        if not self._room.acquire(blocking=False):
            raise TooManyRequests("The engine has too much to look at.", "Try again in a moment.")
        self._pool.submit(self._answer, answer, make, wanted)

    def close(self) -> None:
        """Wait for what is looked at, and leave out the rest."""
        self._pool.shutdown(cancel_futures=True)

    def _answer(self, answer: Callable[[Reply], None], make: Callable[[], Reply], wanted: Callable[[], bool]) -> None:
        if not wanted():
            self._room.release()
            return
        try:
            reply = make()
        except Exception as error:  # noqa: BLE001
            reply = failure_from(error, _log, "what a client asked")
        self._room.release()
        answer(reply)
