"""Many clients at once do random things to one engine, and are killed: it loses no reply and keeps nothing."""

import contextlib
import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any

import msgspec
import pytest

from engine.jobs import RUNNING
from engine.wire.client import Client
from engine.wire.messages import Done, JobList, Jobs, Shutdown, State, Status
from tests.jobs.place import Record, shot_of, swap, works_on
from tests.wire.engines import ROOT, EngineProcess
from tests.wire.leased import linux
from tests.wire.visitor import JOB_PATIENCE, WAYS, Plan

CLIENTS, SECONDS = 24, 60.0
# Clients that are killed each second, on average, and seconds between two looks at the engine.
KILLS, LOOK = 1.0, 0.25
# MiB that the engine's memory may have grown by, from the first third of the time to the last.
GROWTH = 24.0
# Descriptors that it may have more in the end than before.
DESCRIPTORS = 8
OVER = ("done", "cancelled", "failed")


@dataclass
class Crowd:
    """The clients, and what those that were not killed have said."""

    engine: EngineProcess
    shot: dict[str, Any]
    outputs: Path
    until: float
    chance: random.Random
    running: list[subprocess.Popen] = field(default_factory=list)
    done: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)
    started: int = 0
    killed: int = 0

    def add(self) -> None:
        """Start another client."""
        self.started += 1
        address, server, public, secret, _ = self.engine
        keys = (address, server.decode(), public.decode(), secret.decode())
        plan = Plan(keys, self.started, self.until, self.shot, str(self.outputs))
        command = [sys.executable, "-m", "tests.wire.visitor"]
        process = subprocess.Popen(
            command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert process.stdin is not None
        process.stdin.write(msgspec.json.encode(plan))
        process.stdin.close()
        process.stdin = None
        self.running.append(process)

    def kill(self) -> None:
        """Kill a client with whatever it has, and replace it."""
        victim = self.running.pop(self.chance.randrange(len(self.running)))
        if victim.poll() is None:
            victim.kill()
            victim.communicate()
            self.killed += 1
        else:
            self._hear(victim)
        self.add()

    def end(self) -> None:
        """Wait for all clients, and hear what they say."""
        for process in self.running:
            self._hear(process)

    def close(self) -> None:
        for process in self.running:
            process.kill()
            process.wait()

    def _hear(self, process: subprocess.Popen) -> None:
        try:
            said, problems = process.communicate(timeout=self.until - time.monotonic() + 2 * JOB_PATIENCE)
        except subprocess.TimeoutExpired:
            self.lost.append(f"client {process.pid} did not end")
            return
        if process.returncode:
            self.lost.append(f"client {process.pid} ended with {process.returncode}: {problems.decode()[-2000:]}")
            return
        told = json.loads(said)
        self.done += Counter(told["done"])
        if told["lost"]:
            self.lost.append(f"client {process.pid}: {told['lost']}; it waits for {told['pending']}")


@pytest.fixture
def crowd(own_engine: EngineProcess, work: Path, tmp_path: Path) -> Iterator[Crowd]:
    shot = msgspec.to_builtins(shot_of(work))
    gathered = Crowd(own_engine, shot, tmp_path / "outputs", 0.0, random.Random(11))
    yield gathered
    gathered.close()


@linux
@pytest.mark.slow
def test_many_clients_that_come_and_go(
    own_engine: EngineProcess, crowd: Crowd, work: Path, whole: tuple[Path, Record]
) -> None:
    pid = own_engine.process.pid
    with own_engine.client() as client:
        _warmed(own_engine, client, work, whole[0])
        files, shared = _descriptors(pid), _shared()
        memory = _soaked(crowd, pid)
        crowd.end()
        _over(client)
        assert not crowd.lost, "\n".join(crowd.lost)
        assert crowd.done.keys() == {method.__name__ for method, _ in WAYS} and crowd.killed > SECONDS * KILLS / 4
        assert client.ask(Status(), State).leased == 0
        assert _descriptors(pid) <= files + DESCRIPTORS, _targets(pid)
        assert _shared() == shared
        third = len(memory) // 3
        first, last = median(memory[:third]), median(memory[-third:])
        assert last - first <= GROWTH, f"{first:.0f} MiB have become {last:.0f}: {[round(one) for one in memory[::8]]}"
        works_on(client, work, whole[0])
        assert client.ask(Shutdown(), Done) == Done()
    assert own_engine.process.wait(20) == 0
    assert _shared() == shared


def _warmed(engine: EngineProcess, client: Client, work: Path, whole: Path) -> None:
    """Everything that a job needs is compiled and loaded, in every thread that does jobs."""
    works_on(client, work, whole)
    links = [engine.link() for _ in range(2 * RUNNING)]
    for index, link in enumerate(links):
        link.send(swap(shot_of(work, f"warm{index}")))
    _until(lambda: all(job.state == "done" for job in client.ask(Jobs(), JobList).jobs), JOB_PATIENCE)
    for link in links:
        link.close()
    _until(lambda: client.ask(Status(), State).clients == 1, 20.0)


def _soaked(crowd: Crowd, pid: int) -> list[float]:
    """Let the crowd at the engine; its memory, at every look."""
    start = time.monotonic()
    crowd.until = start + SECONDS
    for _ in range(CLIENTS):
        crowd.add()
    memory = []
    while time.monotonic() < crowd.until:
        assert crowd.engine.process.poll() is None, "the engine has ended"
        memory.append(_memory(pid))
        if crowd.chance.random() < KILLS * LOOK:
            crowd.kill()
        time.sleep(LOOK)
    return memory


def _over(client: Client) -> None:
    """Wait until every job is over and every client but this one is gone."""
    _until(lambda: all(job.state in OVER for job in client.ask(Jobs(), JobList).jobs), JOB_PATIENCE)
    _until(lambda: client.ask(Status(), State).clients == 1, 20.0)


def _until(true: Callable[[], bool], seconds: float) -> None:
    end = time.monotonic() + seconds
    while not true() and time.monotonic() < end:
        time.sleep(0.1)
    assert true()


def _memory(pid: int) -> float:
    """MiB that a process has to itself: pictures that it shares are not its own, and come and go."""
    fields = Path(f"/proc/{pid}/statm").read_text().split()
    return (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGESIZE") / 2**20


def _descriptors(pid: int) -> int:
    return len(_targets(pid))


def _targets(pid: int) -> list[str]:
    found = []
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            found.append(str(path.readlink()))
    return found


def _shared() -> list[str]:
    return sorted(os.listdir("/dev/shm"))  # noqa: PTH208
