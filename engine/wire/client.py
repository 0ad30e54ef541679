"""The client: asks the engine, and waits for answers no longer than it is told to.

`Link` is for user interfaces: it sends, and `poll` gives what has come, without waiting. `Client` is for programs: each
call waits for its answer. The engine says twice a second that it lives; where it is silent for longer, it is gone.
"""

import itertools
import os
import time
import weakref
from collections import deque
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Self, TypeVar

import zmq

from engine.wire.codec import MOST_BYTES, Malformed, decode_reply, encode, number_bytes, number_of
from engine.wire.errors import (
    EngineError,
    EngineGone,
    EngineIncompatible,
    EngineRefused,
    EngineSilent,
    Unsendable,
)
from engine.wire.messages import (
    VERSION,
    Accepted,
    Cancel,
    Chosen,
    Ended,
    Failure,
    Follow,
    Hello,
    Leased,
    Page,
    Release,
    Reply,
    Reported,
    Request,
    Review,
    Solve,
    Swap,
    Welcome,
)

# Seconds.
LIFE = 1.8
PATIENCE = 10.0
# Milliseconds: six days.
_NEVER = 1 << 29

Answer = TypeVar("Answer", bound=Reply)


class Link:
    """A connection to the engine. For one thread."""

    def __init__(self, address: str, server_key: bytes, client_public: bytes, client_secret: bytes) -> None:
        """Connect in the background; keys are in Z85, as the connection file has them. Raises EngineIncompatible."""
        self._context = zmq.Context()
        self._dealer = self._context.socket(zmq.DEALER)
        # A link that is dropped closes in this order, too: a context that goes first waits for its sockets for ever.
        self._close = weakref.finalize(self, _closed, self._dealer, self._context)
        try:
            self._dealer.setsockopt(zmq.CURVE_SERVERKEY, server_key)
            self._dealer.setsockopt(zmq.CURVE_PUBLICKEY, client_public)
            self._dealer.setsockopt(zmq.CURVE_SECRETKEY, client_secret)
        except zmq.ZMQError as error:
            self.close()
            raise EngineIncompatible("The engine's keys cannot be understood.", "Start it again.") from error
        self._dealer.setsockopt(zmq.ROUTING_ID, b"c" + os.urandom(15))
        self._dealer.setsockopt(zmq.MAXMSGSIZE, MOST_BYTES)
        self._dealer.setsockopt(zmq.LINGER, 0)
        # With no reconnecting at all (-1), what was received and not yet read goes away with the engine.
        self._dealer.setsockopt(zmq.RECONNECT_IVL, _NEVER)
        self._dealer.connect(address)
        self._numbers = itertools.count(1)
        self._heard = time.monotonic()

    @property
    def silent_for(self) -> float:
        """Seconds since the engine was last heard of."""
        return time.monotonic() - self._heard

    def send(self, request: Request) -> int:
        """Send a request; its number comes back with every answer.

        Raises EngineGone where nothing more fits, and Unsendable for a request that no engine could take.
        """
        data = _bytes_of(request)
        number = next(self._numbers)
        try:
            self._dealer.send_multipart([number_bytes(number), data], zmq.DONTWAIT)
        except zmq.Again as error:
            raise EngineGone("The engine takes no more requests.", "Start it again.") from error
        return number

    def poll(self, seconds: float = 0.0) -> Iterator[tuple[int, Reply]]:
        """The answers that have come, each with its request's number; waits for the first at most `seconds`.

        Raises EngineIncompatible for an answer that cannot be understood.
        """
        if not self._dealer.poll(round(seconds * 1000)):
            return
        while True:
            try:
                parts = self._dealer.recv_multipart(zmq.DONTWAIT)
            except zmq.Again:
                return
            self._heard = time.monotonic()
            if len(parts) != 2:
                # The engine says that it lives.
                continue
            try:
                yield number_of(parts[0]), decode_reply(parts[1])
            except Malformed as error:
                raise EngineIncompatible(
                    "The engine's answer cannot be understood.", "Update the engine or this program."
                ) from error

    def close(self) -> None:
        self._close()


class Client:
    """A program's connection to the engine: every call waits for its answer, and for no longer than `patience`."""

    def __init__(self, link: Link, name: str, patience: float = PATIENCE) -> None:
        """Greet the engine. Raises EngineGone where nobody answers, EngineIncompatible for another protocol.

        The link is the client's from here on: it is closed also where this raises.
        """
        self._link = link
        self._patience = patience
        self._early: deque[tuple[int, Reply]] = deque()
        # Requests whose answers come too late.
        self._given_up: set[int] = set()
        try:
            self.welcome = self.ask(Hello(VERSION, name), Welcome)
            check_version(self.welcome)
        except EngineError:
            link.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._link.close()

    def ask(self, request: Request, kind: type[Answer]) -> Answer:
        """Send a request that has one answer, of this kind.

        Raises EngineRefused with the engine's own failure, EngineSilent after `patience`, EngineGone within two seconds
        of the engine's end.
        """
        number = self._link.send(request)
        reply = self._next(number, time.monotonic() + self._patience)
        return of_kind(reply, kind)

    def work(
        self,
        request: Solve | Swap | Follow | Review,
        report: Callable[[Reported], None],
        stop: Callable[[], bool] = lambda: False,
        told: Callable[[Page | Chosen], None] = lambda reply: None,
    ) -> Ended:
        """Have a job done, or follow one, and report its events from this thread until it has ended.

        `stop` is asked several times a second; once it is true the job is cancelled, and this returns when the frames
        in work are whole. `told` hears what else is said of a review. Takes as long as it takes. Raises EngineRefused
        and EngineGone as `ask` does.
        """
        number = self._link.send(request)
        job, stopped = 0, False
        while True:
            if job and not stopped and stop():
                stopped = True
                self._link.send(Cancel(job))
            reply = self._next_or_none(number, 0.25)
            match reply:
                case None:
                    continue
                case Accepted():
                    job = reply.job
                case Reported():
                    report(reply)
                case Page() | Chosen():
                    told(reply)
                case Ended():
                    return reply
                case _:
                    of_kind(reply, Accepted)

    def _next(self, number: int, deadline: float) -> Reply:
        while (left := deadline - time.monotonic()) > 0:
            reply = self._next_or_none(number, min(left, 0.25))
            if reply is not None:
                return reply
        self._given_up.add(number)
        raise EngineSilent("The engine does not answer.", "Wait, or end it with `faceplate engine stop`.")

    def _next_or_none(self, number: int, seconds: float) -> Reply | None:
        """The next answer to a request. Raises EngineGone where the engine is silent altogether."""
        for index, (of, reply) in enumerate(self._early):
            if of == number:
                del self._early[index]
                return reply
        for of, reply in self._link.poll(seconds):
            if of not in self._given_up:
                self._early.append((of, reply))
            elif isinstance(reply, Leased):
                # It came too late, and nobody would release it.
                self._given_up.add(self._link.send(Release(reply.lease)))
        if self._link.silent_for > LIFE:
            raise EngineGone("The engine has gone.", "Start it again with `faceplate engine start`.")
        return None


def _closed(dealer: zmq.Socket[bytes], context: zmq.Context[zmq.Socket[bytes]]) -> None:
    dealer.close()
    context.term()


def check_version(welcome: Welcome) -> None:
    """Raises EngineIncompatible for an engine of another protocol."""
    if welcome.version != VERSION:
        raise EngineIncompatible(
            f"The engine speaks protocol {welcome.version}, this program {VERSION}.",
            "Update the older of the two, and start the engine again.",
        )


def _bytes_of(request: Request) -> bytes:
    try:
        data = encode(request)
    except UnicodeEncodeError as error:
        raise Unsendable("The request holds a path that is not UTF-8.", "Rename it, or reach it by a link.") from error
    if len(data) > MOST_BYTES:
        raise Unsendable(f"The request has {len(data)} bytes, and may have {MOST_BYTES}.")
    return data


def of_kind(reply: Reply, kind: type[Answer]) -> Answer:
    """The reply, if it is of this kind. Raises EngineRefused for a Failure, EngineIncompatible for another."""
    if isinstance(reply, Failure):
        raise EngineRefused(reply)
    if not isinstance(reply, kind):
        raise EngineIncompatible(
            f"The engine answered with {type(reply).__name__}.", "Update the engine or this program."
        )
    return reply
