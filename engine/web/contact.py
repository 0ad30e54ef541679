"""A page's way to the engine: it asks what any client can ask, and hears the answers in the web's loop."""

import asyncio
from collections.abc import Callable
from contextlib import suppress

from engine.wire.messages import Failure, Reply, Request

Answered = Callable[[Reply], None]
# Asks the engine in the name of a client; answers come from any thread, and none of it raises.
Ask = Callable[[bytes, Request, Answered], None]


class PageContact:
    """One client of the engine that lives within it. For the loop's thread."""

    def __init__(self, client: bytes, ask: Ask, loop: asyncio.AbstractEventLoop) -> None:
        self.client = client
        self.error: Failure | None = None
        self._ask, self._loop = ask, loop
        self._pending: set[asyncio.Future[Reply]] = set()

    def ask(self, request: Request, answered: Answered = lambda reply: None) -> None:
        """Send a request; each of its replies goes to `answered`, in the loop."""
        self._ask(self.client, request, lambda reply: self._hand(answered, reply))

    async def answer(self, request: Request) -> Reply:
        """The answer to a request that has one; a Failure where the page ends before."""
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._pending.add(future)
        self.ask(request, lambda reply: None if future.done() else future.set_result(reply))
        try:
            return await future
        finally:
            self._pending.discard(future)

    def close(self) -> None:
        """Let nobody wait any more."""
        for future in list(self._pending):
            if not future.done():
                future.set_result(Failure("cancelled", "The page has ended."))

    def _hand(self, answered: Answered, reply: Reply) -> None:
        # The loop is closed once the engine ends.
        with suppress(RuntimeError):
            self._loop.call_soon_threadsafe(answered, reply)
