"""A real engine in a process of its own, and real clients of it."""

import contextlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import zmq

from engine.wire.client import Client, Link

ROOT = Path(__file__).parents[2]


class EngineProcess(NamedTuple):
    """Where an engine listens, its keys, and its process."""

    address: str
    server_public: bytes
    client_public: bytes
    client_secret: bytes
    process: subprocess.Popen[str]

    def link(self) -> Link:
        return Link(self.address, self.server_public, self.client_public, self.client_secret)

    def client(self, patience: float = 10.0) -> Client:
        return Client(self.link(), "test", patience)


def start_engine(folder: Path, program: tuple[str, ...] = ("tests.wire.engine_process",)) -> EngineProcess:
    """Start one; `program` is a module, with arguments, that starts it with the last argument it is given."""
    server, client = zmq.curve_keypair(), zmq.curve_keypair()
    told = json.dumps([f"ipc://{folder}/engine", server[0].decode(), server[1].decode(), client[0].decode()])
    command = [sys.executable, "-m", *program, told]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    address = process.stdout.readline().strip()
    assert address
    return EngineProcess(address, server[0], client[0], client[1], process)


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    """One engine for the tests of a module: what one test does to it, it must survive for the next."""
    with tempfile.TemporaryDirectory() as folder:
        running = start_engine(Path(folder))
        yield running
        running.process.terminate()
        running.process.wait(20)


@pytest.fixture
def own_engine(tmp_path: Path) -> Iterator[EngineProcess]:
    """An engine that the test may kill."""
    running = start_engine(tmp_path)
    yield running
    with contextlib.suppress(ProcessLookupError):
        running.process.kill()
    running.process.wait(20)


@pytest.fixture
def client(engine: EngineProcess) -> Iterator[Client]:
    with engine.client() as connected:
        yield connected


Raw = Callable[..., zmq.Socket]


@pytest.fixture
def raw() -> Iterator[Raw]:
    """A DEALER of a stranger's making: any keys, or none."""
    context = zmq.Context()

    def connect(engine: EngineProcess, public: bytes | None, secret: bytes | None, server: bytes | None) -> zmq.Socket:
        dealer = context.socket(zmq.DEALER)
        dealer.setsockopt(zmq.LINGER, 0)
        if public is not None and secret is not None and server is not None:
            dealer.setsockopt(zmq.CURVE_PUBLICKEY, public)
            dealer.setsockopt(zmq.CURVE_SECRETKEY, secret)
            dealer.setsockopt(zmq.CURVE_SERVERKEY, server)
        dealer.connect(engine.address)
        return dealer

    yield connect
    context.destroy(linger=0)
