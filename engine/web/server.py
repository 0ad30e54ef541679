"""The web server in a thread of its own: at a port of loopback that the system gives, until the engine ends."""

import asyncio
import logging
import socket
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from engine.web.pages import Pages

LOOPBACK = "127.0.0.1"
# Connections at a time: a page has no more than six.
_MOST_CONNECTIONS = 256
# Bytes of a request's head.
_LONGEST_HEAD = 16384
# Seconds that the engine's end waits for the server's.
_PATIENCE = 2.0
_log = logging.getLogger(__name__)


class WebServer:
    """Serves `pages` from the moment that it is made."""

    def __init__(self, pages: "Pages") -> None:
        """Take a port, and begin. Raises OSError where there is none."""
        # Connections wait in it until the libraries are loaded.
        self._socket = socket.create_server((LOOPBACK, 0))
        self.port: int = self._socket.getsockname()[1]
        self.loop = asyncio.new_event_loop()
        self._pages = pages
        self._ending = asyncio.Event()
        self._thread = threading.Thread(target=self._run, name="web", daemon=True)
        self._thread.start()

    def do(self, call: "Callable[[WebServer], None]") -> None:
        """Have something done in the loop's thread, soon; nothing where it has ended. From any thread."""
        with suppress(RuntimeError):
            self.loop.call_soon_threadsafe(call, self)

    def close(self) -> None:
        """End it, and wait a moment for that."""
        self.do(lambda server: server._ending.set())
        self._thread.join(_PATIENCE)

    def _run(self) -> None:
        try:
            self.loop.run_until_complete(self._serve())
        except Exception:  # noqa: BLE001
            # The engine outlives its pages; what it was is in the log.
            _log.exception("the pages' server ends by an error")
        finally:
            self.loop.close()
            self._socket.close()

    async def _serve(self) -> None:
        # Only an engine that is asked for a page needs them.
        import uvicorn

        from engine.web.app import make_app

        config = uvicorn.Config(
            make_app(self._pages, self.port),
            lifespan="off",
            ws="none",
            http="h11",
            interface="asgi3",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=_MOST_CONNECTIONS,
            h11_max_incomplete_event_size=_LONGEST_HEAD,
            timeout_graceful_shutdown=1,
        )
        server = uvicorn.Server(config)
        serving = asyncio.create_task(server.serve([self._socket]))
        while not self._ending.is_set() and not serving.done():
            pause = self._pages.look()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ending.wait(), pause)
        self._pages.end()
        server.should_exit = True
        await serving
