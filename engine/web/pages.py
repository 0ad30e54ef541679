"""All pages of an engine: they begin with the first `Review`, share one server, and end with the engine."""

import hmac
import logging
import secrets
import threading
from collections.abc import Callable
from typing import Any

from engine.errors import FaceplateError
from engine.failure import failure_from
from engine.web.contact import Answered, Ask, PageContact
from engine.web.page import ReviewPage
from engine.web.server import WebServer
from engine.wire.messages import Page, Request, Review

# Pages that may be open, and those that have ended and still say so.
MOST = 32
# Seconds between looks at which pages are still there.
_LOOK = 0.5
_log = logging.getLogger(__name__)


class PageError(FaceplateError):
    """A page cannot be served."""

    code = "page"
    retry = True


class Pages:
    """The pages of an engine. `start`, `vanished` and `close` are for any thread, the rest is for the web's loop."""

    def __init__(self, ask: Ask, left: Callable[[bytes], None]) -> None:
        """`ask` asks the engine in the name of a page; `left` is called with that name once the page is over."""
        self._ask, self._left = ask, left
        self._lock = threading.Lock()
        self._server: WebServer | None = None
        self._closing = False
        # By their names as clients of the engine.
        self._pages: dict[bytes, ReviewPage] = {}
        self._people = ""

    def __contains__(self, client: bytes) -> bool:
        """Whether a client of the engine is a page that is there."""
        return client in self._pages

    def start(self, request: Review, client: bytes, answer: Answered) -> None:
        """Serve a page; everything about it goes to `answer`. Raises PageError."""
        with self._lock:
            if self._closing:
                raise PageError("The engine is ending.", "Start it again.")
            if len(self._pages) >= MOST:
                raise PageError(f"{MOST} pages are open already.", "Close some.")
            try:
                self._server = self._server or WebServer(self)
            except OSError as error:
                raise PageError(f"The page cannot be served: {error.strerror}.", "Try again.") from error
            self._server.do(lambda server: self._open(server, request, client, answer))

    def vanished(self, client: bytes) -> None:
        """A host has gone: its pages are told, and what they have begun goes on."""
        server = self._server
        if server is not None:
            server.do(lambda _: self._tell_vanished(client))

    def close(self) -> None:
        """End every page and the server; waits no longer than a moment."""
        with self._lock:
            self._closing = True
        if self._server is not None:
            self._server.close()

    def find(self, token: str) -> ReviewPage | None:
        """The page of a token; every one is compared, in a time that says nothing."""
        found = None
        for page in list(self._pages.values()):
            if hmac.compare_digest(page.token.encode(), token.encode("utf-8", "replace")):
                found = page
        return found

    def look(self) -> float:
        """End and forget the pages that were left; the seconds until this is to be called again."""
        for client, page in list(self._pages.items()):
            page.check()
            if page.is_over and page.is_forgotten:
                del self._pages[client]
        return _LOOK

    def end(self) -> None:
        """The engine ends: so do the pages."""
        for page in list(self._pages.values()):
            page.end()

    def _open(self, server: WebServer, request: Review, client: bytes, answer: Answered) -> None:
        name = b"page " + secrets.token_bytes(12)
        contact = PageContact(name, self._ask, server.loop)
        try:
            page = ReviewPage(request, client, contact, answer, self._people, self._over)
        except Exception as error:  # noqa: BLE001
            answer(failure_from(error, _log, "a page that was asked for"))
            return
        self._pages[name] = page
        answer(Page(f"http://127.0.0.1:{server.port}/#{page.token}"))
        page.begin()

    def _over(self, page: ReviewPage) -> None:
        self._people = page.folder
        self._left(page.contact.client)

    def _tell_vanished(self, client: bytes) -> None:
        for page in self._pages.values():
            page.vanished(client)


def asking(handle: Callable[[bytes, Any, Answered], None]) -> Ask:
    """What handles a client's request and raises, as something that answers with a Failure."""

    def ask(client: bytes, request: Request, answer: Answered) -> None:
        try:
            handle(client, request, answer)
        except Exception as error:  # noqa: BLE001
            answer(failure_from(error, _log, f"a page's request {type(request).__name__}"))

    return ask
