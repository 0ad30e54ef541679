"""For user interfaces: a job of the engine, begun through a contact, as a progress bar shows it."""

from collections.abc import Callable
from typing import Any, Literal, Protocol

from engine.wire.messages import Accepted, Cancel, Ended, Failure, Reply, Reported, Request, Review, Solve, Swap

_CANCELLED = "cancelled"


class Asks(Protocol):
    """What a job is begun through, such as a `Contact`."""

    error: Failure | None

    def ask(self, request: Request, answered: Callable[[Reply], None] = ..., /) -> None: ...


class Work:
    """A solve, a swap or a review.

    `outcome` is empty while it goes on. `paths` are the files of the frames that are written, `layers` those of their
    layers where they are beside them, `failed` says why others are not; `failure` is why the whole is not done.
    """

    def __init__(self, contact: Asks, request: Solve | Swap | Review, ended: Callable[["Work"], None]) -> None:
        self.stage = "waiting"
        self.outcome: Literal["", "done", "cancelled", "failed"] = ""
        self.failure: Failure | None = None
        self._forget()
        self._contact, self._request, self._ended = contact, request, ended
        self._job = 0
        self._stopping = False

    @property
    def fraction(self) -> float:
        return self.done / self.total if self.total else 0.0

    def start(self) -> None:
        """Have it done; `ended` is called once it is over, however it ends."""
        self._contact.error = None
        self._contact.ask(self._request, self._take)

    def cancel(self) -> None:
        """Stop within one frame; finished frames stay."""
        self._stopping = True
        if self._job:
            self._contact.ask(Cancel(self._job))

    def _forget(self) -> None:
        """Nothing is done yet."""
        self.done, self.total, self.seconds_left = 0, 0, -1.0
        self.notices: list[str] = []
        self.paths: dict[int, str] = {}
        self.layers: dict[int, str] = {}
        self.failed: dict[int, str] = {}

    def _take(self, reply: Reply) -> None:
        match reply:
            case Accepted(job=job):
                self._job = job
                if self._stopping:
                    self.cancel()
            case Reported(event=event, seconds_left=left):
                self.seconds_left = left
                self._note(event)
            case Ended(failure=None):
                self._end("cancelled" if self._stopping else "done")
            case Ended(failure=Failure() as failure) | (Failure() as failure):
                self._fail(failure)

    def _fail(self, failure: Failure) -> None:
        if failure.code == _CANCELLED:
            self._end("cancelled")
        else:
            self.failure = self._contact.error = failure
            self._end("failed")

    def _end(self, outcome: Literal["done", "cancelled", "failed"]) -> None:
        self.outcome, self._job = outcome, 0
        self._ended(self)

    def _note(self, event: dict[str, Any]) -> None:
        match event:
            case {"type": "started", "frames": total}:
                self.total = total
            case {"type": "progress", "stage": stage, "done": done, "total": total}:
                self.stage, self.done, self.total = stage, done, total
            case {"type": "notice", "message": message}:
                self.notices.append(message)
            case {"type": "frame-done" | "frame-skipped", "frame": frame, "path": path}:
                self.paths[frame] = path
                if event.get("layers"):
                    self.layers[frame] = event["layers"]
                self._count()
            case {"type": "frame-failed", "frame": frame, "message": message}:
                self.failed[frame] = message
                self._count()

    def _count(self) -> None:
        self.stage, self.done = "render", len(self.paths) + len(self.failed)
