"""A host that asks for a page, and what a browser could send to it."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

import msgspec

from engine.shot import Shot
from engine.wire.client import Link
from engine.wire.messages import VERSION, Hello, Page, Reply, Review
from tests.wire.engines import EngineProcess

PATIENCE = 60.0


class Host:
    """A client that has asked for a page: everything that it was told, and the page's address and token."""

    def __init__(self, link: Link, review: Review) -> None:
        self.replies: list[Reply] = []
        self._link = link
        link.send(Hello(VERSION, "test"))
        self._number = link.send(review)
        told = self.wait(lambda: next(iter(self.replies), None))
        assert isinstance(told, Page), told
        self.url = told.url
        address = urlsplit(told.url)
        assert address.hostname == "127.0.0.1" and address.port
        self.port, self.token = address.port, address.fragment

    def wait(self, done: Callable[[], Any], patience: float = PATIENCE) -> Any:
        """Listen until `done` gives something."""
        end = time.monotonic() + patience
        while not (found := done()):
            assert time.monotonic() < end, self.replies
            self.replies += [reply for number, reply in self._link.poll(0.05) if number == self._number]
        return found

    def last(self, kind: type) -> Any:
        """The last reply of a kind, once there is one."""
        return self.wait(lambda: next((reply for reply in reversed(self.replies) if isinstance(reply, kind)), None))

    def close(self) -> None:
        self._link.close()


class Served(Protocol):
    """Where a page is, and its token."""

    @property
    def port(self) -> int: ...

    @property
    def token(self) -> str: ...


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def plain(self) -> Any:
        return json.loads(self.body)


def ask(host: Served, path: str, body: Any = None, method: str = "", **headers: str | None) -> Answer:
    """Ask as the page's own script would; `headers` change that, and those that are None are left out.

    A body that is not bytes is sent as JSON.
    """
    sent: dict[str, str | None] = {"Host": f"127.0.0.1:{host.port}", "Authorization": f"Bearer {host.token}"}
    if body is not None:
        sent["Content-Type"] = "application/json"
        body = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent["Content-Length"] = str(len(body))
    sent |= {name.replace("_", "-"): value for name, value in headers.items()}
    connection = HTTPConnection("127.0.0.1", host.port, timeout=PATIENCE)
    try:
        connection.putrequest(method or ("GET" if body is None else "POST"), path, skip_host=True)
        for name, value in sent.items():
            if value is not None:
                connection.putheader(name, value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return Answer(answer.status, dict(answer.headers), answer.read())
    finally:
        connection.close()


def state_of(host: Host, after: int = 0) -> Any:
    return ask(host, f"/api/state?after={after}").plain


def until(host: Host, done: Callable[[Any], Any]) -> Any:
    """The page's state once `done` is true of it."""
    state, end = state_of(host), time.monotonic() + PATIENCE
    while not done(state):
        assert time.monotonic() < end, state
        state = state_of(host, state["version"])
    return state


@contextmanager
def hosted(engine: EngineProcess, shot: Shot, title: str = "sh010", **options: Any) -> Iterator[Host]:
    """A page for a shot, and the host that has asked for it."""
    link = engine.link()
    try:
        yield Host(link, Review(msgspec.to_builtins(shot), title, **options))
    finally:
        link.close()


def longer(work: Path, frames: int) -> None:
    """The plate as a shot of so many frames."""
    names = sorted((work / "plate").glob("*.exr"))
    for number in range(1001 + len(names), 1001 + frames):
        (work / f"plate/sh.{number}.exr").write_bytes(names[number % len(names)].read_bytes())


@contextmanager
def hosted_elsewhere() -> Iterator[str]:
    """The address of another site on this machine."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


class _Elsewhere(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Elsewhere</title>")

    def log_message(self, format: str, *args: object) -> None:
        pass
