"""Brings a model file from its publisher: over HTTP, through the environment's proxy, going on where it was cut off."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

import urllib3
from urllib3.exceptions import HTTPError, ProtocolError, ReadTimeoutError

from engine import __version__
from engine.errors import DownloadError, ModelError
from engine.events import shown
from engine.models.files import LARGEST, sha256_of, writing

# Seconds without a byte.
_CONNECT, _READ = 15.0, 30.0
_PIECE = 1 << 18
# Connections in a row that end without a single new byte.
_BARREN = 3
_LATER = "Try again later: what has come so far is kept, and the download goes on from there."

Progress = Callable[[int, int], None]
"""Called with the bytes that are there and the bytes of the whole, 0 where the publisher does not say."""


def fetch(url: str, sha256: str, part: Path, progress: Progress) -> None:
    """Bring the file at `url` into `part` and hold it against its SHA-256; go on with what `part` has already.

    A connection that breaks is made again as long as bytes come. What has come stays in `part` when the publisher
    cannot be reached any more, or the person stops; a whole file that is another one does not.

    Raises DownloadError, ModelError when the file has another SHA-256 or is too large, OutputError, DiskFull.
    """
    with _manager(url) as manager:
        begun = part.exists()
        _Download(manager, url, part, progress).run()
        if begun and sha256_of(part) != sha256:
            # The first half may be of another edition of the file.
            part.unlink()
            _Download(manager, url, part, progress).run()
    if sha256_of(part) != sha256:
        part.unlink()
        raise ModelError(
            f"What {_host(url)} gave is not the file that was expected: its SHA-256 differs.",
            "Look at the publisher's page whether the file was renewed; do not use it before you know why.",
        )


class _Download:
    """One file on its way: `run` asks for what is missing until all of it is there."""

    def __init__(self, manager: Any, url: str, part: Path, progress: Progress) -> None:
        self._manager, self._url, self._part, self._progress = manager, url, part, progress

    def run(self) -> None:
        most, barren = self._have(), 0
        while True:
            try:
                if self._ask(self._have()):
                    return
            except (ProtocolError, ReadTimeoutError) as error:
                have = self._have()
                most, barren = max(most, have), 0 if have > most else barren + 1
                if barren == _BARREN:
                    raise _unreachable(self._url, error) from error
            except HTTPError as error:
                raise _unreachable(self._url, error) from error

    def _have(self) -> int:
        return self._part.stat().st_size if self._part.exists() else 0

    def _ask(self, have: int) -> bool:
        """Ask for the file from byte `have` on and take what comes; whether it is whole now."""
        headers = {"Accept-Encoding": "identity", "User-Agent": f"faceplate/{__version__}"}
        headers |= {"Range": f"bytes={have}-"} if have else {}
        response = self._manager.request("GET", self._url, headers=headers, preload_content=False)
        try:
            match response.status:
                case 200:
                    return self._take(response, 0, _number(response.headers.get("Content-Length")))
                case 206 if (found := _range(response.headers.get("Content-Range"))) and found[0] == have:
                    return self._take(response, *found)
                case 206 | 416 if have:
                    # The part is as long as the whole or longer, or other bytes were sent than were asked for.
                    return self._start_anew(_range(response.headers.get("Content-Range")), have)
                case status:
                    raise _refused(self._url, status)
        finally:
            response.close()

    def _start_anew(self, found: tuple[int, int] | None, have: int) -> bool:
        if found and found[1] == have:
            return True
        self._part.unlink()
        return False

    def _take(self, response: Any, at: int, whole: int) -> bool:
        if whole > LARGEST:
            raise _too_large(self._url)
        with writing(self._part), self._part.open("r+b" if at else "wb") as file:
            file.seek(at)
            self._progress(at, whole)
            for piece in response.stream(_PIECE, decode_content=False):
                file.write(piece)
                at += len(piece)
                self._progress(at, whole)
                if at > LARGEST:
                    break
        if at > LARGEST:
            self._part.unlink()
            raise _too_large(self._url)
        return True


def _manager(url: str) -> Any:
    """Connections to where the URL leads: through the proxy that the environment, or the system, names for it."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise DownloadError(f"{shown(url)} is not an address on the web.", "Correct the manifest's address.")
    retries = urllib3.Retry(
        total=8, connect=2, read=False, redirect=5, status=3, backoff_factor=0.5, backoff_max=8,
        status_forcelist=(429, 500, 502, 503, 504), retry_after_max=30, raise_on_status=False,
    )  # fmt: skip
    options: dict[str, Any] = {"retries": retries, "timeout": urllib3.Timeout(connect=_CONNECT, read=_READ)}
    proxies = {} if proxy_bypass(parts.hostname) else getproxies()
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    if not proxy:
        return urllib3.PoolManager(**options)
    name = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
    login = f"{unquote(name.username)}:{unquote(name.password or '')}" if name.username else None
    place = f"{name.scheme}://{name.netloc.rpartition('@')[2]}"
    try:
        return urllib3.ProxyManager(place, proxy_headers=urllib3.make_headers(proxy_basic_auth=login), **options)
    except HTTPError as error:
        raise DownloadError(f"The proxy {place} cannot be used: {_sentence(error)}", "Correct HTTPS_PROXY.") from error


def _unreachable(url: str, error: HTTPError) -> DownloadError:
    # The reason behind urllib3's own words, without the address of the pool.
    reason = getattr(error, "reason", None) or error
    return DownloadError(f"The download from {_host(url)} failed: {_sentence(reason)}", _LATER)


def _refused(url: str, status: int) -> DownloadError:
    if status in (404, 410):
        return DownloadError(f"{_host(url)} does not have the file any more ({status}).", f"The address was {url}.")
    return DownloadError(f"{_host(url)} does not give the file: HTTP status {status}.", _LATER)


def _too_large(url: str) -> ModelError:
    return ModelError(f"What {_host(url)} gives is larger than an ONNX file can be: {LARGEST} bytes.")


def _host(url: str) -> str:
    return urlsplit(url).netloc.rpartition("@")[2]


def _sentence(error: object) -> str:
    return f"{' '.join(str(error).split())[:300] or type(error).__name__}."


def _number(text: str | None) -> int:
    return int(text) if text and text.isdecimal() else 0


def _range(text: str | None) -> tuple[int, int] | None:
    """Where a Content-Range begins and how long the whole is, as `bytes 100-199/200` or `bytes */200` says."""
    found = re.fullmatch(r"bytes (?:(\d+)-\d+|\*)/(\d+)", text or "")
    return (int(found[1] or 0), int(found[2])) if found else None
