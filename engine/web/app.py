"""What a page's browser may ask: the page's own files, which hold nothing, and, with the token, everything else.

Only loopback is listened to, but every website that a person visits can send requests there. So the name that was
asked for must be this server's own (else a foreign name could be made to lead here), a request that a browser says
comes from another site is refused, no other site is ever allowed to read an answer, and nothing is told or done without
the token, which only a script of the page itself can send.
"""

import logging
from collections.abc import Awaitable, Callable
from importlib import resources
from typing import TYPE_CHECKING, Annotated, Any

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from engine.failure import INTERNAL
from engine.web.fields import groups
from engine.web.page import Refused, ReviewPage
from engine.wire.messages import Failure, Shows

if TYPE_CHECKING:
    from engine.web.pages import Pages

# Bytes of a request's body.
MOST_BYTES = 64 << 10
# Of a frame number.
_FURTHEST = 2**31 - 1
_BEARER = "Bearer "
_KINDS = {"html": "text/html", "css": "text/css", "js": "text/javascript", "svg": "image/svg+xml"}
_HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob:; object-src 'none'; base-uri 'none'; form-action 'none';"
        " frame-ancestors 'none'"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
# A page's browser says this of its own script's requests.
_SAME_SITE = ("", "same-origin")
_log = logging.getLogger(__name__)
Handler = Callable[[Request], Awaitable[Response]]


class Change(msgspec.Struct, frozen=True):
    """Another value for a setting."""

    name: str
    value: Any


class Assign(msgspec.Struct, frozen=True):
    """Who replaces a face."""

    face: str
    identity: str


class People(msgspec.Struct, frozen=True):
    """Which folder's people are shown."""

    folder: str


class PictureOf(msgspec.Struct, frozen=True):
    """A frame, and as what it is shown, no wider than `width` pixels where that is not 0."""

    frame: Annotated[int, msgspec.Meta(ge=-_FURTHEST, le=_FURTHEST)]
    shows: Shows = "result"
    width: Annotated[int, msgspec.Meta(ge=0)] = 0


class Nothing(msgspec.Struct, frozen=True):
    """What is done needs no words."""


def make_app(pages: "Pages", port: int) -> ASGIApp:
    """The application for a server at `port` of loopback."""
    routes = [Route("/", _file("index.html")), *(Route(f"/{name}", _file(name)) for name in _names())]
    for name, read in _READS.items():
        routes.append(Route(f"/api/{name}", _for_page(pages, read), methods=["GET"]))
    for name, (kind, act) in _ACTS.items():
        routes.append(Route(f"/api/{name}", _for_page(pages, _acting(kind, act)), methods=["POST"]))
    return _Guard(Starlette(routes=routes), port)


class _Guard:
    """Refuses what does not come from a page of this very server, and gives every answer its headers."""

    def __init__(self, app: ASGIApp, port: int) -> None:
        self._app = app
        self._hosts = (f"127.0.0.1:{port}", f"localhost:{port}")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(Headers(scope=scope), scope["path"].startswith("/api/"))
        await (refusal or self._app)(scope, receive, guarded)

    def _refusal(self, headers: Headers, is_api: bool) -> Response | None:
        hosts, origins = headers.getlist("host"), headers.getlist("origin")
        if len(hosts) != 1 or hosts[0] not in self._hosts:
            return _failed(421, "wrong-host", "This name does not lead here.")
        if any(origin != f"http://{hosts[0]}" for origin in origins):
            return _failed(403, "wrong-origin", "Another site may not ask.")
        if is_api and headers.get("sec-fetch-site", "") not in _SAME_SITE:
            return _failed(403, "wrong-origin", "Another site may not ask.")
        return None


def _for_page(pages: "Pages", handle: Callable[[ReviewPage, Request], Awaitable[Response]]) -> Handler:
    """A handler that finds the page of the request's token, and says what was refused."""

    async def handler(request: Request) -> Response:
        given = request.headers.get("authorization", "")
        page = pages.find(given.removeprefix(_BEARER)) if given.startswith(_BEARER) else None
        if page is None:
            return _failed(401, "no-page", "There is no such page, or it has ended.", "Ask for it again.")
        page.heard()
        try:
            return await handle(page, request)
        except Refused as refused:
            return _json(refused.failure, 409)
        except (ValueError, RecursionError, msgspec.DecodeError) as error:
            # Numbers of a query, and bodies that are not what they should be.
            return _failed(400, "malformed", f"The request cannot be understood: {error}.")
        except Exception:  # noqa: BLE001
            # The page goes on; what it was is in the log.
            _log.exception("%s", request.url.path)
            return _json(INTERNAL, 500)

    return handler


def _acting(kind: type, act: Callable[[ReviewPage, Any], Awaitable[None] | None]) -> Any:
    async def handle(page: ReviewPage, request: Request) -> Response:
        if request.headers.get("content-type", "").partition(";")[0] != "application/json":
            return _failed(415, "malformed", "Only JSON is understood.")
        body = await _body(request)
        if body is None:
            return _failed(413, "too-long", f"A request has at most {MOST_BYTES} bytes.")
        waits = act(page, msgspec.json.decode(body, type=kind))
        if waits is not None:
            await waits
        return _json(page.state())

    return handle


async def _body(request: Request) -> bytes | None:
    """The body; None where it is too long, which is found out before all of it has come."""
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MOST_BYTES:
            return None
    return body


async def _state(page: ReviewPage, request: Request) -> Response:
    return _json(await page.news(int(request.query_params.get("after", "0"))))


async def _fields(page: ReviewPage, request: Request) -> Response:
    return _json(groups())


async def _picture(page: ReviewPage, request: Request) -> Response:
    asked = msgspec.convert(dict(request.query_params), PictureOf, strict=False)
    data, told = await page.picture(asked.frame, asked.shows, asked.width)
    about = {"X-Faces": str(told.faces), "X-Solved": told.solved, "X-Size": f"{told.width}x{told.height}"}
    return Response(data, media_type="image/png", headers=about)


async def _face(page: ReviewPage, request: Request) -> Response:
    return Response(await page.face(int(request.query_params.get("number", ""))), media_type="image/png")


async def _person(page: ReviewPage, request: Request) -> Response:
    return Response(await page.person(request.query_params.get("folder", "")), media_type="image/png")


_READS = {"state": _state, "fields": _fields, "picture": _picture, "face": _face, "person": _person}
_ACTS: dict[str, tuple[type, Callable[[ReviewPage, Any], Awaitable[None] | None]]] = {
    "change": (Change, lambda page, told: page.change(told.name, told.value)),
    "assign": (Assign, lambda page, told: page.assign(told.face, told.identity)),
    "people": (People, lambda page, told: page.list_people(told.folder)),
    "find": (Nothing, lambda page, told: page.find_faces()),
    "run": (Nothing, lambda page, told: page.run()),
    "cancel": (Nothing, lambda page, told: page.cancel()),
    "accept": (Nothing, lambda page, told: page.accept()),
    "leave": (Nothing, lambda page, told: page.leave()),
}


def _names() -> list[str]:
    return [entry.name for entry in resources.files("engine.web").joinpath("static").iterdir() if entry.is_file()]


def _file(name: str) -> Handler:
    data = resources.files("engine.web").joinpath("static", name).read_bytes()
    kind = _KINDS[name.rpartition(".")[2]]

    async def handler(request: Request) -> Response:
        return Response(data, media_type=kind)

    return handler


def _failed(status: int, code: str, message: str, remedy: str = "") -> Response:
    return _json(Failure(code, message, remedy), status)


def _json(value: Any, status: int = 200) -> Response:
    return Response(msgspec.json.encode(value), status, media_type="application/json")
