"""The lock of the one engine: against other processes, and against processes that were killed."""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from engine import lock
from engine.lock import holder, only_engine
from engine.wire.errors import EngineRuns, PlaceUnsafe

ROOT = Path(__file__).parents[1]
# Takes the lock, says so, and keeps it until its standard input ends.
HOLD = """
import subprocess, sys
from pathlib import Path
from engine.lock import only_engine
from engine.wire.errors import EngineRuns
try:
    with only_engine(Path(sys.argv[1])):
        print("held", flush=True)
        {then}
        sys.stdin.read()
except EngineRuns as error:
    print("runs", error.pid, flush=True)
"""
LOOK = """
import sys
from pathlib import Path
from engine.lock import holder
print("looks", flush=True)
while True:
    holder(Path(sys.argv[1]))
"""
Process = subprocess.Popen[str]
Launch = Callable[..., Process]


@pytest.fixture
def launch(tmp_path: Path) -> Iterator[Launch]:
    """Start a script in a process of its own, given `tmp_path`; each is ended with the test."""
    begun: list[Process] = []

    def start(script: str) -> Process:
        command = [sys.executable, "-c", script, str(tmp_path)]
        begun.append(subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
        return begun[-1]

    yield start
    for process in begun:
        process.kill()
        process.communicate()


def said(process: Process) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_nobody_holds_it_at_first_and_at_last(tmp_path: Path):
    assert holder(tmp_path) is None and not list(tmp_path.iterdir())
    with only_engine(tmp_path):
        assert holder(tmp_path) == os.getpid()
    assert holder(tmp_path) is None
    with only_engine(tmp_path):
        assert holder(tmp_path) == os.getpid()


def test_it_is_given_back_after_an_error(tmp_path: Path):
    with pytest.raises(RuntimeError), only_engine(tmp_path):
        raise RuntimeError
    assert holder(tmp_path) is None


def test_a_second_engine_is_told_of_the_first(tmp_path: Path, launch: Launch):
    first = launch(HOLD.format(then=""))
    assert said(first) == "held" and holder(tmp_path) == first.pid
    begun = time.monotonic()
    with pytest.raises(EngineRuns, match=str(first.pid)) as caught, only_engine(tmp_path):
        pass
    # It is not mistaken for one that only looks, which would be waited for.
    assert time.monotonic() - begun < lock._PATIENCE
    assert caught.value.pid == first.pid
    # Having been refused changes nothing for the first.
    assert holder(tmp_path) == first.pid
    first.communicate("")
    assert holder(tmp_path) is None


def test_a_killed_engine_gives_it_back_and_leaves_its_number(tmp_path: Path, launch: Launch):
    first = launch(HOLD.format(then=""))
    assert said(first) == "held"
    first.send_signal(signal.SIGKILL)
    first.wait(20)
    assert (tmp_path / "engine.lock").read_text() == f"{first.pid}\n"
    assert holder(tmp_path) is None
    with only_engine(tmp_path):
        assert (tmp_path / "engine.lock").read_text() == f"{os.getpid()}\n"


def test_a_process_that_a_killed_engine_had_started_does_not_keep_it(tmp_path: Path, launch: Launch):
    child = "child = subprocess.Popen(['sleep', '30'], close_fds=False); print(child.pid, flush=True)"
    first = launch(HOLD.format(then=child))
    assert said(first) == "held"
    sleeping = int(said(first))
    try:
        first.kill()
        first.wait(20)
        assert holder(tmp_path) is None
    finally:
        os.kill(sleeping, signal.SIGKILL)


def test_of_many_that_begin_at_once_one_gets_it(tmp_path: Path, launch: Launch):
    many = [launch(HOLD.format(then="")) for _ in range(6)]
    answers = [said(process) for process in many]
    assert answers.count("held") == 1
    winner = many[answers.index("held")]
    assert sorted(answers) == ["held", *[f"runs {winner.pid}"] * 5]


def test_looking_keeps_nobody_from_taking_it(tmp_path: Path, launch: Launch):
    with only_engine(tmp_path):
        pass
    for looking in [launch(LOOK), launch(LOOK)]:
        assert said(looking) == "looks"
    for _ in range(200):
        with only_engine(tmp_path):
            assert holder(tmp_path) == os.getpid()


def test_those_that_look_do_not_take_each_other_for_the_engine(tmp_path: Path, launch: Launch):
    (tmp_path / "engine.lock").write_text("4711\n")
    (tmp_path / "engine.lock").chmod(0o600)
    looking = launch(LOOK)
    assert said(looking) == "looks"
    end = time.monotonic() + 1
    while time.monotonic() < end:
        assert holder(tmp_path) is None


@pytest.mark.parametrize("content", ["", "0\n", "-1\n", "none\n"])
def test_who_holds_it_without_a_number_is_no_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str):
    monkeypatch.setattr(lock, "_NAMED_WITHIN", 0.05)
    file = tmp_path / "engine.lock"
    file.write_text(content)
    file.chmod(0o600)
    with file.open() as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        with pytest.raises(PlaceUnsafe, match="does not say"):
            holder(tmp_path)
        with pytest.raises(PlaceUnsafe, match="does not say"), only_engine(tmp_path):
            pass


def test_what_the_last_engine_left_is_gone_before_the_next_has_a_number(tmp_path: Path, launch: Launch):
    (tmp_path / "engine.lock").write_text("4711\n")
    (tmp_path / "engine.lock").chmod(0o600)
    (tmp_path / "engine.json").write_text("{}")
    first = launch(HOLD.format(then="").replace("from engine.lock import only_engine", LATE))
    assert said(first) == "locked" and said(first) == "locked"
    assert not (tmp_path / "engine.json").exists()
    assert holder(tmp_path) == first.pid


def test_a_number_that_comes_a_little_later_is_waited_for(tmp_path: Path, launch: Launch):
    first = launch(HOLD.format(then="").replace("from engine.lock import only_engine", LATE))
    assert said(first) == "locked"
    assert holder(tmp_path) == first.pid


# The moment between taking the lock and writing the number, made long.
LATE = """
import time
from engine import lock
from engine.lock import only_engine
write = lock._write_name
def late(*arguments):
    print("locked", flush=True)
    time.sleep(0.2)
    write(*arguments)
lock._write_name = late
"""


def test_a_lock_that_may_be_somebody_elses_is_refused(tmp_path: Path):
    file = tmp_path / "engine.lock"
    (tmp_path / "victim").write_text("kept")
    file.symlink_to(tmp_path / "victim")
    with pytest.raises(PlaceUnsafe, match="it is a link"), only_engine(tmp_path):
        pass
    assert (tmp_path / "victim").read_text() == "kept"
    file.unlink()
    file.write_text("")
    file.chmod(0o666)
    with pytest.raises(PlaceUnsafe, match="others could"), only_engine(tmp_path):
        pass
    with pytest.raises(PlaceUnsafe, match="others could"):
        holder(tmp_path)


def test_a_place_that_cannot_lock_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def cannot(descriptor: int, how: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", cannot)
    with pytest.raises(PlaceUnsafe, match="cannot hold a lock"), only_engine(tmp_path):
        pass
