"""Moves messages between clients and the engine. Everything that can block or fail in other ways is done elsewhere.

One thread owns the socket. Others hand it replies through their `Answer`, which wakes it. What arrives is held to be
hostile until it has been decoded: frames and parts are limited, keys are checked by CURVE, and a client that does not
take what it is sent loses progress first and is dropped in the end.
"""

import logging
import queue
import socket
import time
from collections import deque
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Protocol

import zmq
from zmq.auth.thread import ThreadAuthenticator

from engine.failure import INTERNAL, failure_from, short
from engine.wire.codec import MOST_BYTES, PARTS, Malformed, decode_request, encode, number_bytes, number_of
from engine.wire.messages import AnyRequest, Failure, Reply, Reported

# A reply to a request that may come later, from any thread.
Answer = Callable[[Reply], None]

_DOMAIN = "faceplate"
# Replies that wait for a client that does not read: beyond the first number its progress is left out, beyond the
# second it is given up.
_PATIENCE, _LIMIT = 256, 4096
# Messages taken in a row before replies are sent.
_BATCH = 64
# Milliseconds between looks at which clients are still there.
_LOOK = 500
_HEARTBEAT, _SILENCE, _HANDSHAKE = 2000, 10000, 5000
_NOBODY = number_bytes(2**64 - 1)
_log = logging.getLogger(__name__)


class Engine(Protocol):
    """What the server serves: called in the server's thread, so it must not block."""

    def handle(self, client: bytes, request: AnyRequest, answer: Answer) -> None:
        """Take a request. Raises FaceplateError, which becomes the answer."""

    def vanished(self, client: bytes) -> None:
        """A client has gone."""


@dataclass(slots=True)
class Keys:
    """CURVE keys in Z85: the server's pair, and the public key that clients must have."""

    server_public: bytes
    server_secret: bytes
    client_public: bytes


class Server:
    """A ROUTER at one address. `run` serves until `stop`."""

    def __init__(self, engine: Engine, address: str, keys: Keys) -> None:
        """Bind; raises zmq.ZMQError where the address cannot be had. `address` then is the real one, port included."""
        self._engine = engine
        self._context = zmq.Context()
        self._authenticator = ThreadAuthenticator(self._context)
        self._authenticator.start()
        self._authenticator.configure_curve_callback(_DOMAIN, _OnlyKey(keys.client_public))
        self._router = self._context.socket(zmq.ROUTER)
        for option, value in _options(keys).items():
            self._router.setsockopt(option, value)
        self._router.bind(address)
        self.address = self._router.getsockopt_string(zmq.LAST_ENDPOINT)
        self._outbox: queue.SimpleQueue[tuple[bytes, bytes, Reply]] = queue.SimpleQueue()
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker):
            end.setblocking(False)
        # What waits to be sent to each client.
        self._clients: dict[bytes, deque[tuple[bytes, Reply]]] = {}
        self._stopping = False

    @property
    def clients(self) -> Collection[bytes]:
        """The clients that are there."""
        return self._clients.keys()

    def stop(self) -> None:
        """End `run` once what is in the outbox is sent. From any thread, and from a signal handler."""
        self._stopping = True
        self._nudge()

    def run(self) -> None:
        """Serve until `stop`; then close everything."""
        poller = zmq.Poller()
        poller.register(self._router, zmq.POLLIN)
        poller.register(self._wake, zmq.POLLIN)
        looked = time.monotonic()
        try:
            while not self._stopping:
                waits = any(self._clients.values())
                ready = dict(poller.poll(20 if waits else _LOOK))
                if self._wake.fileno() in ready:
                    self._drain_wake()
                if self._router in ready:
                    self._receive()
                self._send()
                if time.monotonic() - looked > _LOOK / 1000:
                    self._look()
                    looked = time.monotonic()
            self._send()
        finally:
            self._close()

    def _tell(self, client: bytes, number: bytes, reply: Reply) -> None:
        self._outbox.put((client, number, reply))
        self._nudge()

    def _nudge(self) -> None:
        try:
            self._waker.send(b"\0")
        except (BlockingIOError, OSError):
            # It is awake already, or closed.
            return

    def _drain_wake(self) -> None:
        try:
            while self._wake.recv(4096):
                pass
        except BlockingIOError:
            return

    def _receive(self) -> None:
        for _ in range(_BATCH):
            try:
                client, parts = self._next()
            except zmq.Again:
                return
            self._take(client, parts)

    def _next(self) -> tuple[bytes, list[bytes]]:
        """A message: who sent it, and its parts; no more of them than one too many."""
        client = self._router.recv(zmq.DONTWAIT)
        parts: list[bytes] = []
        while self._router.getsockopt(zmq.RCVMORE):
            part = self._router.recv(zmq.DONTWAIT)
            if len(parts) <= PARTS:
                parts.append(part)
        return client, parts

    def _take(self, client: bytes, parts: list[bytes]) -> None:
        self._clients.setdefault(client, deque())
        try:
            if len(parts) != PARTS:
                raise Malformed("a request has two parts")
            number = parts[0]
            number_of(number)
            request = decode_request(parts[1])
        except Malformed as error:
            number = parts[0] if parts and len(parts[0]) == len(_NOBODY) else _NOBODY
            self._queue(client, number, Failure("malformed", short(f"The request cannot be understood: {error}.")))
            return
        try:
            self._engine.handle(client, request, lambda reply: self._tell(client, number, reply))
        except Exception as error:  # noqa: BLE001
            self._queue(client, number, failure_from(error, _log, f"request {type(request).__name__}"))

    def _queue(self, client: bytes, number: bytes, reply: Reply) -> None:
        pending = self._clients.get(client)
        if pending is None or (len(pending) >= _PATIENCE and isinstance(reply, Reported)):
            return
        if len(pending) >= _LIMIT:
            self._drop(client)
            return
        pending.append((number, reply))

    def _send(self) -> None:
        for _ in range(self._outbox.qsize()):
            self._queue(*self._outbox.get())
        for name, pending in list(self._clients.items()):
            while pending:
                number, reply = pending[0]
                try:
                    self._router.send_multipart([name, number, _bytes_of(reply)], zmq.DONTWAIT)
                except zmq.Again:
                    break
                except zmq.ZMQError:
                    # EHOSTUNREACH: it has gone.
                    self._drop(name)
                    break
                pending.popleft()

    def _look(self) -> None:
        """Tell every client that the engine lives, by an empty message; who has gone is found out by it."""
        for name in list(self._clients):
            try:
                self._router.send_multipart([name, b""], zmq.DONTWAIT)
            except zmq.Again:
                continue
            except zmq.ZMQError:
                self._drop(name)

    def _drop(self, client: bytes) -> None:
        if self._clients.pop(client, None) is not None:
            self._engine.vanished(client)

    def _close(self) -> None:
        for name in list(self._clients):
            self._drop(name)
        self._router.close(linger=1000)
        self._authenticator.stop()
        self._context.term()
        self._wake.close()
        self._waker.close()


class _OnlyKey:
    """Lets in whoever has the one client key of this engine."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def callback(self, domain: str, key: bytes) -> bool:
        return domain == _DOMAIN and key == self._key


def _bytes_of(reply: Reply) -> bytes:
    """A reply as it is sent; a failure in the place of one that no client could take."""
    try:
        data = encode(reply)
    except Exception:  # noqa: BLE001
        # The server outlives whatever the engine's other threads hand to it.
        _log.exception("reply %s", type(reply).__name__)
        return encode(INTERNAL)
    if len(data) > MOST_BYTES:
        return encode(Failure("too-long", "The answer is too long to be sent.", "Ask for less."))
    return data


def _options(keys: Keys) -> dict[int, int | bytes]:
    return {
        zmq.CURVE_SERVER: 1,
        zmq.CURVE_PUBLICKEY: keys.server_public,
        zmq.CURVE_SECRETKEY: keys.server_secret,
        zmq.ZAP_DOMAIN: _DOMAIN.encode(),
        zmq.ROUTER_MANDATORY: 1,
        zmq.MAXMSGSIZE: MOST_BYTES,
        zmq.RCVHWM: 1000,
        zmq.SNDHWM: 1000,
        zmq.LINGER: 0,
        zmq.HEARTBEAT_IVL: _HEARTBEAT,
        zmq.HEARTBEAT_TIMEOUT: _SILENCE,
        zmq.HANDSHAKE_IVL: _HANDSHAKE,
        zmq.BACKLOG: 64,
    }
