"""What looks at folders, files and pictures for clients, beside the thread that moves messages."""

import logging
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from engine.errors import FaceplateError
from engine.failure import INTERNAL, failure_of
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

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(2, "look")
        self._room = threading.Semaphore(WAITING)

    def look(self, answer: Callable[[Reply], None], make: Callable[[], Reply]) -> None:
        """Have `make` called, and `answer` with what it gives or how it failed. Raises TooManyRequests."""
        if not self._room.acquire(blocking=False):
            raise TooManyRequests("The engine has too much to look at.", "Try again in a moment.")
        self._pool.submit(self._answer, answer, make)

    def close(self) -> None:
        """Wait until all is answered."""
        self._pool.shutdown()

    def _answer(self, answer: Callable[[Reply], None], make: Callable[[], Reply]) -> None:
        try:
            reply = make()
        except FaceplateError as error:
            reply = failure_of(error)
        except Exception:  # noqa: BLE001
            # Nobody waits in vain; what it was is in the log.
            _log.exception("what a client asked")
            reply = INTERNAL
        self._room.release()
        answer(reply)
