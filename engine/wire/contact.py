"""For user interfaces: a contact with the engine that is made without waiting, and made anew when it is lost.

A timer calls `poll`, which takes a few milliseconds at most; everything else happens in there.
"""

import time
from collections.abc import Callable
from typing import Literal

from engine.wire.client import LIFE, Link
from engine.wire.codec import encode
from engine.wire.errors import EngineError, EngineGone, EngineMissing, failure_of
from engine.wire.messages import Failure, Release, Reply, Request
from engine.wire.place import read_connection, runtime_folder
from engine.wire.start import Beginning, begin

Answered = Callable[[Reply], None]

# Seconds between the tries to find a lost engine again; then a person must ask for it.
PAUSES = (1.0, 2.0, 4.0, 8.0)
# An engine that is lost sooner than this, in seconds, is not given all the tries again.
_SETTLED = 30.0
# Seconds that answers are handed out for in a row.
_TURN = 0.003


class Contact:
    """Asks the engine and hands out its answers. For one thread.

    `error` is what went wrong last, with the engine or with what was asked of it; whoever acts next clears it.
    """

    def __init__(self, name: str, command: Callable[[], str] = str, starts: Callable[[], bool] = lambda: True) -> None:
        """`command` is asked for the faceplate command, where empty means to look for it, and `starts` for whether
        an engine is started without being asked to."""
        self.state: Literal["none", "starting", "connected", "lost"] = "none"
        self.error: Failure | None = None
        self._name, self._command, self._starts = name, command, starts
        self._link: Link | None = None
        self._beginning: Beginning | None = None
        # Those that are left; None until an engine was lost.
        self._pauses: list[float] | None = None
        self._next_try = self._since = 0.0
        self._wanted = False
        self._waiting: list[tuple[Request, Answered]] = []
        self._asked: dict[int, Answered] = {}
        self._known: dict[bytes, Reply | None] = {}

    @property
    def busy(self) -> bool:
        """Whether something is being waited for."""
        return bool(self._asked or self._waiting or self._beginning)

    def want(self) -> None:
        """Somebody looks: the next `poll` connects, unless that has failed before."""
        self._wanted = True

    def connect(self, start: bool = True) -> None:
        """Begin to connect; with `start`, to an engine that is started where none runs."""
        self.error, self._pauses = None, None
        if self.state != "connected" and self._beginning is None:
            self._begin(start)

    def ask(self, request: Request, answered: Answered = lambda reply: None) -> None:
        """Send a request, if need be once there is an engine; each of its replies goes to `answered`, from `poll`.

        Where the engine is missing or gets lost, the reply is a Failure.
        """
        if self._link is None:
            self._waiting.append((request, answered))
            if self.state == "none":
                self.connect()
            return
        try:
            self._asked[self._link.send(request)] = answered
        except EngineError as error:
            answered(failure_of(error))

    def release(self, lease: str) -> None:
        """Let go of a lease; with an engine that is gone, its leases are."""
        if self._link is not None:
            self.ask(Release(lease))

    def known(self, request: Request) -> Reply | None:
        """The answer to a question that is asked once; None until it has come. Asks only an engine that is there."""
        key = encode(request)
        if key not in self._known and self._link is not None:
            self._known[key] = None
            self.ask(request, lambda reply: self._known.update({key: reply}))
        return self._known.get(key)

    def forget(self) -> None:
        """Ask everything anew that was asked once."""
        self._known.clear()

    def poll(self) -> bool:
        """Go on with connecting, and hand out what has come; whether anything happened. Never waits."""
        before = self.state
        if self._beginning is not None:
            self._go_on(self._beginning)
        elif self.state == "lost" and time.monotonic() >= self._next_try:
            self._begin(self._starts())
        elif self._wanted and self.state == "none" and self.error is None:
            self.connect(self._starts())
        return (self._link is not None and self._take(self._link)) or self.state != before

    def wait(self, done: Callable[[], bool]) -> None:
        """For scripts: poll until `done`, which the loss of the engine must bring about too."""
        while not done():
            self.poll()
            time.sleep(0.002)

    def close(self) -> None:
        """Let go of the engine; whatever was asked of it fails."""
        self._wanted = False
        if self._beginning is not None:
            self._beginning.close()
        self._give_up(EngineGone("The engine was let go of."))
        self.error = None

    def _begin(self, start: bool) -> None:
        try:
            if not start and read_connection(runtime_folder()) is None:
                raise EngineMissing("No engine runs.", "Start it.")
            self._beginning = begin(self._name, self._command() or None)
            self.state = "starting"
        except EngineError as error:
            self._give_up(error)

    def _go_on(self, beginning: Beginning) -> None:
        try:
            link = beginning.poll()
        except EngineError as error:
            self._beginning = None
            self._try_again(error)
            return
        if link is not None:
            self._beginning, self._link = None, link
            self.state, self.error, self._since = "connected", None, time.monotonic()
            self.forget()
            waiting, self._waiting = self._waiting, []
            for request, answered in waiting:
                self.ask(request, answered)

    def _take(self, link: Link) -> bool:
        """Hand out what has come, for one turn; whether anything had."""
        end, taken = time.monotonic() + _TURN, False
        try:
            for number, reply in link.poll():
                taken = True
                answered = self._asked.pop(number, None) if reply.ends else self._asked.get(number)
                if answered is not None:
                    answered(reply)
                if time.monotonic() > end or self._link is None:
                    return taken
            if link.silent_for > LIFE:
                raise EngineGone("The engine has gone.", "Start it again; what was done stays.")
        except EngineError as error:
            self._lose(error)
        return taken

    def _lose(self, error: EngineError) -> None:
        if self._pauses is None or time.monotonic() - self._since > _SETTLED:
            self._pauses = list(PAUSES)
        self._drop(error)
        self._try_again(error)

    def _try_again(self, error: EngineError) -> None:
        if not self._pauses or not error.retry:
            self._give_up(error)
            return
        self.state, self.error = "lost", failure_of(error)
        self._next_try = time.monotonic() + self._pauses.pop(0)

    def _give_up(self, error: EngineError) -> None:
        self.state, self.error, self._beginning = "none", failure_of(error), None
        self._drop(error)
        waiting, self._waiting = self._waiting, []
        for _, answered in waiting:
            answered(failure_of(error))

    def _drop(self, error: EngineError) -> None:
        """Close the link; whatever was asked through it fails."""
        if self._link is not None:
            self._link.close()
            self._link = None
        asked, self._asked = self._asked, {}
        for answered in asked.values():
            answered(failure_of(error))
