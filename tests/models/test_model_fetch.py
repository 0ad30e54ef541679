"""Downloads against a real HTTP server in this process: whole, cut off, gone on with, refused, and other files."""

import hashlib
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.errors import DownloadError, ModelError
from engine.models import fetch as fetching
from engine.models.fetch import fetch

CONTENT = np.random.default_rng(3).bytes(1_500_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


class Publisher(ThreadingHTTPServer):
    """Serves `content` at every path; `asked` holds the range and the path of each request.

    `cuts` are numbers of bytes after which the next connections break, `statuses` what the next requests get.
    """

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.content, self.ranges, self.says_length = CONTENT, True, True
        self.cuts: list[int] = []
        self.statuses: list[int] = []
        self.asked: list[tuple[str | None, str]] = []
        self.headers: list[Any] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/model.onnx"

    @property
    def begun_at(self) -> list[str | None]:
        return [range_ for range_, _ in self.asked]


class Answer(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        server, wanted = self.server, self.headers.get("Range")
        assert isinstance(server, Publisher)
        server.asked.append((wanted, self.path))
        server.headers.append(self.headers)
        whole = len(server.content)
        begin = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and server.ranges else 0
        if server.statuses:
            self._head(server.statuses.pop(0), {"Content-Length": "0", "Location": "/elsewhere"})
        elif begin >= whole:
            self._head(416, {"Content-Range": f"bytes */{whole}", "Content-Length": "0"})
        else:
            length = {"Content-Length": str(whole - begin)} if server.says_length else {}
            if wanted and server.ranges:
                self._head(206, length | {"Content-Range": f"bytes {begin}-{whole - 1}/{whole}"})
            else:
                self._head(200, length)
            self.wfile.write(server.content[begin:][: server.cuts.pop(0) if server.cuts else None])

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def publisher(monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    with Publisher() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


@pytest.fixture
def part(tmp_path: Path) -> Path:
    return tmp_path / "model.onnx.part"


def silent(done: int, whole: int) -> None:
    pass


def test_a_file_comes_whole_and_says_how_far_it_is(publisher, part):
    told: list[tuple[int, int]] = []
    fetch(publisher.url, SHA256, part, lambda done, whole: told.append((done, whole)))
    assert part.read_bytes() == CONTENT
    assert publisher.begun_at == [None]
    assert told[0] == (0, len(CONTENT))
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert told == sorted(told)


def test_a_download_goes_on_where_an_earlier_one_ended(publisher, part):
    part.write_bytes(CONTENT[:700_000])
    told: list[tuple[int, int]] = []
    fetch(publisher.url, SHA256, part, lambda done, whole: told.append((done, whole)))
    assert part.read_bytes() == CONTENT
    assert publisher.begun_at == ["bytes=700000-"]
    assert told[0] == (700_000, len(CONTENT))


def test_a_part_that_is_whole_already_is_not_brought_again(publisher, part):
    part.write_bytes(CONTENT)
    fetch(publisher.url, SHA256, part, silent)
    assert part.read_bytes() == CONTENT


@pytest.mark.parametrize("left", [b"another edition", CONTENT + b"more", bytes(len(CONTENT))])
def test_a_part_of_another_file_is_thrown_away_and_the_file_brought_whole(publisher, part, left):
    part.write_bytes(left)
    fetch(publisher.url, SHA256, part, silent)
    assert part.read_bytes() == CONTENT
    assert publisher.begun_at[-1] is None


def test_a_publisher_without_ranges_gives_the_file_from_the_start(publisher, part):
    publisher.ranges = False
    part.write_bytes(CONTENT[:700_000])
    fetch(publisher.url, SHA256, part, silent)
    assert part.read_bytes() == CONTENT
    assert len(publisher.asked) == 1


def test_a_broken_connection_is_made_again_and_goes_on(publisher, part):
    publisher.cuts = [400_000, 300_000, 0, 0]
    fetch(publisher.url, SHA256, part, silent)
    assert part.read_bytes() == CONTENT
    assert publisher.begun_at == [None, "bytes=400000-", "bytes=700000-", "bytes=700000-", "bytes=700000-"]


@pytest.mark.parametrize("ranges", [True, False])
def test_what_came_before_a_connection_that_stays_broken_is_kept(publisher, part, ranges):
    publisher.ranges = ranges
    publisher.cuts = [400_000] + [0 if ranges else 400_000] * 20
    with pytest.raises(DownloadError, match=r"127\.0\.0\.1") as told:
        fetch(publisher.url, SHA256, part, silent)
    assert told.value.retry
    assert "goes on from there" in told.value.remedy
    assert part.read_bytes() == CONTENT[:400_000]
    assert len(publisher.asked) < 10


def test_another_file_than_the_pinned_one_is_refused_and_not_kept(publisher, part):
    publisher.content = b"<html>log in first</html>"
    with pytest.raises(ModelError, match="SHA-256") as told:
        fetch(publisher.url, SHA256, part, silent)
    assert not isinstance(told.value, DownloadError)
    assert not part.exists()


def test_a_file_that_ends_too_soon_without_a_stated_length_is_refused(publisher, part):
    publisher.says_length, publisher.cuts = False, [1000]
    with pytest.raises(ModelError, match="SHA-256"):
        fetch(publisher.url, SHA256, part, silent)
    assert not part.exists()


@pytest.mark.parametrize(("status", "words"), [(404, "does not have"), (410, "does not have"), (403, "403")])
def test_a_file_that_is_not_given_is_an_error_with_its_reason(publisher, part, status, words):
    publisher.statuses = [status]
    with pytest.raises(DownloadError, match=words):
        fetch(publisher.url, SHA256, part, silent)
    assert not part.exists()
    assert len(publisher.asked) == 1


def test_what_is_kept_survives_an_answer_that_is_an_error(publisher, part):
    part.write_bytes(CONTENT[:1000])
    publisher.statuses = [403]
    with pytest.raises(DownloadError):
        fetch(publisher.url, SHA256, part, silent)
    assert part.read_bytes() == CONTENT[:1000]


def test_a_publisher_that_is_busy_is_asked_again(publisher, part):
    publisher.statuses = [503]
    fetch(publisher.url, SHA256, part, silent)
    assert part.read_bytes() == CONTENT


def test_a_redirection_keeps_the_range(publisher, part):
    part.write_bytes(CONTENT[:1000])
    publisher.statuses = [302]
    fetch(publisher.url, SHA256, part, silent)
    assert part.read_bytes() == CONTENT
    assert publisher.asked == [("bytes=1000-", "/model.onnx"), ("bytes=1000-", "/elsewhere")]


def test_redirections_without_an_end_are_an_error(publisher, part):
    publisher.statuses = [302] * 50
    with pytest.raises(DownloadError, match="redirects"):
        fetch(publisher.url, SHA256, part, silent)


def test_a_file_too_large_to_be_a_model_is_not_brought(publisher, part, monkeypatch):
    monkeypatch.setattr(fetching, "LARGEST", 100_000)
    for publisher.says_length in (True, False):
        with pytest.raises(ModelError, match="larger"):
            fetch(publisher.url, SHA256, part, silent)
        assert not part.exists()


def test_nobody_at_the_address_is_an_error(part):
    with pytest.raises(DownloadError, match="failed") as told:
        fetch("http://127.0.0.1:9/model.onnx", SHA256, part, silent)
    assert told.value.retry


@pytest.mark.parametrize("url", ["file:///etc/hostname", "ftp://127.0.0.1/x", "model.onnx", "http://"])
def test_an_address_that_is_not_on_the_web_is_refused(part, url):
    with pytest.raises(DownloadError, match="not an address"):
        fetch(url, SHA256, part, silent)


def test_the_proxy_of_the_environment_is_asked_with_its_login(publisher, part, monkeypatch):
    monkeypatch.setenv("http_proxy", f"http://ada:p%40ss@127.0.0.1:{publisher.server_port}")
    fetch("http://models.example/model.onnx", SHA256, part, silent)
    assert part.read_bytes() == CONTENT
    assert publisher.asked == [(None, "http://models.example/model.onnx")]
    assert publisher.headers[0]["Proxy-Authorization"] == "Basic YWRhOnBAc3M="


def test_a_host_that_needs_no_proxy_is_asked_itself(publisher, part, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    fetch(publisher.url, SHA256, part, silent)
    assert publisher.asked == [(None, "/model.onnx")]


@pytest.mark.parametrize("proxy", ["http://ada:secret@127.0.0.1:9", "socks5://ada:secret@127.0.0.1:9"])
def test_a_proxy_that_cannot_be_used_is_an_error_without_its_password(part, monkeypatch, proxy):
    monkeypatch.setenv("http_proxy", proxy)
    monkeypatch.delenv("no_proxy", raising=False)
    with pytest.raises(DownloadError) as told:
        fetch("http://models.example/model.onnx", SHA256, part, silent)
    assert "secret" not in str(told.value)
