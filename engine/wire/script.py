"""For scripts, which may wait: a shot from its recipe to its frames, with what goes on told in lines."""

import math
import time
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from engine.wire.contact import Contact
from engine.wire.errors import EngineRefused
from engine.wire.messages import Failure, Swap
from engine.wire.messages import Review as ReviewRequest
from engine.wire.review import Review
from engine.wire.sequence import Files, files_of
from engine.wire.work import Work

# Seconds without anything new after which a job, or one that has no page yet, is given up. A page is left by whoever
# looks at it.
PATIENCE, PAGE_PATIENCE = 900.0, 60.0
_PAUSE = 0.02
_STUCK = Failure("engine-stuck", "The engine has done nothing new for a long time.", "See `faceplate jobs`.", True)
_CANCELLED = Failure("cancelled", "It was cancelled.", "Run it again when you like.", True)


class Script(NamedTuple):
    """A host's script: what the host calls itself, the faceplate command, where empty means to look for it, and what
    a line of text is given to that says what goes on."""

    host: str
    command: str
    tell: Callable[[str], object]

    def swap(self, shot: dict[str, Any]) -> Files:
        """Have a recipe run as it is; its frames. Raises EngineRefused with why not, also where one is missing."""
        return _files(self._done(lambda contact: Work(contact, Swap(shot), lambda work: None)))

    def review(self, shot: dict[str, Any], title: str) -> tuple[dict[str, Any], Files]:
        """Have a person choose in the engine's page, which is opened, and run it; the recipe that was run, and its
        frames. Raises EngineRefused as `swap` does, and where the page is left."""

        def opened(url: str) -> None:
            self.tell("Choose in the page that opens in the browser, and run it there.")
            if not webbrowser.open(url):
                self.tell(f"Open it yourself: {url}")

        made: list[Review] = []

        def make(contact: Contact) -> Work:
            made.append(Review(contact, ReviewRequest(shot, title), opened, lambda work: None))
            return made[0]

        files = _files(self._done(make))
        return made[0].shot, files

    def _done(self, make: Callable[[Contact], Work]) -> Work:
        contact = Contact(self.host, lambda: self.command)
        try:
            work = make(contact)
            work.start()
            self._wait(contact, work)
            return work
        finally:
            contact.close()

    def _wait(self, contact: Contact, work: Work) -> None:
        seen: Any = None
        since = time.monotonic()
        while not work.outcome:
            contact.poll()
            now = (contact.state, work.stage, work.done)
            if now != seen:
                seen, since = now, time.monotonic()
                self.tell(f"{work.stage}, {work.done} of {work.total} frames" if work.total else work.stage)
            elif time.monotonic() - since > _patience(work):
                work.cancel()
                work.failure = _STUCK
                return
            time.sleep(_PAUSE)


def _patience(work: Work) -> float:
    if not isinstance(work, Review):
        return PATIENCE
    return PAGE_PATIENCE if work.stage == "waiting" else math.inf


def _files(work: Work) -> Files:
    if work.outcome != "done":
        raise EngineRefused(work.failure or _CANCELLED)
    files = files_of(map(Path, work.paths.values()))
    if work.failed or files is None:
        frame, why = next(iter(work.failed.items()), (0, "there are gaps."))
        message = f"{len(work.failed)} frames could not be made; frame {frame}: {why}"
        raise EngineRefused(Failure("frames-failed", message, "Mend them, and run it again."))
    return files
