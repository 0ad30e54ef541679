"""The live view of `faceplate engine run`, in a pseudo-terminal with a real engine at work."""

import fcntl
import os
import pty
import select
import signal
import struct
import sys
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.jobs.place import Begin

ON, OFF, SHOWN, HIDDEN = b"\x1b[?1049h", b"\x1b[?1049l", b"\x1b[?25h", b"\x1b[?25l"
# What Python loads before anything else: a view that fails, and frames in work that take a minute.
FAILS = """
import engine.cli.live_screen as screen
def draw(*arguments):
    raise RuntimeError("of the view")
screen.draw = draw
"""
WORKS = """
import time
from engine.jobs import JobQueue
JobQueue.close = lambda self: time.sleep(60)
"""


class Seat:
    """`faceplate engine run` at a terminal of 80 columns and 24 lines; `seen` is everything that came to it."""

    def __init__(self, environment: dict[str, str], *arguments: str) -> None:
        self.seen = b""
        self.process, self._terminal = pty.fork()
        if self.process == 0:
            fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 80, 0, 0))
            line = [sys.executable, "-m", "engine.cli", "engine", "run", *arguments]
            os.execve(sys.executable, line, environment)
        self.settings = termios.tcgetattr(self._terminal)

    def until(self, *texts: str, seconds: float = 40) -> None:
        """Wait until all of them are seen, after what was seen before."""
        begun, end = len(self.seen), time.monotonic() + seconds
        while not all(text.encode() in self.seen[begun:] for text in texts):
            assert time.monotonic() < end and self._read(), self.seen[-2000:].decode()

    def press(self, key: bytes) -> None:
        os.write(self._terminal, key)

    def same_settings(self) -> bool:
        return termios.tcgetattr(self._terminal) == self.settings

    def end(self) -> int:
        while self._read():
            pass
        return os.waitstatus_to_exitcode(os.waitpid(self.process, 0)[1])

    def close(self) -> None:
        os.close(self._terminal)

    def _read(self) -> bool:
        if not select.select([self._terminal], [], [], 5)[0]:
            return True
        try:
            more = os.read(self._terminal, 1 << 16)
        except OSError:
            return False
        self.seen += more
        return bool(more)


@pytest.fixture
def terminal(environment: dict[str, str]) -> dict[str, str]:
    for name in ("COLUMNS", "LINES", "NO_COLOR"):
        environment.pop(name, None)
    return environment | {"TERM": "xterm-256color", "LC_ALL": "C.UTF-8"}


@pytest.fixture
def seat(terminal: dict[str, str]) -> Iterator[Seat]:
    seat = Seat(terminal)
    yield seat
    seat.close()


def with_first(environment: dict[str, str], folder: Path, code: str) -> dict[str, str]:
    (folder / "sitecustomize.py").write_text(code)
    return environment | {"PYTHONPATH": f"{folder}{os.pathsep}{environment['PYTHONPATH']}"}


def until_ready(environment: dict[str, str]) -> None:
    end = time.monotonic() + 20
    while not (Path(environment["FACEPLATE_RUNTIME"]) / "engine.json").exists():
        assert time.monotonic() < end
        time.sleep(0.05)


def test_the_engine_and_its_jobs_are_shown_until_ctrl_c(seat: Seat, begin: Begin, work: Path) -> None:
    seat.until("The engine begins", "Ctrl-C ends the engine")
    assert seat.seen.count(ON) == 1 and HIDDEN in seat.seen
    seat.until("Warm, networks on")
    with begin("swap", "plate", "grace", "-o", "out", "--json") as swap:
        seat.until("1 client", "running", f"{work.name}/plate", "job 1 begins")
        assert swap.wait(60) == 0
    seat.until("3/3", "job 1 done", "no clients")
    assert seat.same_settings()
    seat.press(b"\x03")
    assert seat.end() == 0
    # The terminal is as before, and has the log.
    assert seat.seen.rindex(OFF) > seat.seen.rindex(ON) and seat.seen.rindex(SHOWN) > seat.seen.rindex(HIDDEN)
    left = seat.seen[seat.seen.rindex(OFF) :].decode()
    assert "job 1 begins, a swap" in left and " ends\r\n" in left


def test_a_second_ctrl_c_ends_it_at_once_and_restores_the_terminal(terminal: dict[str, str], tmp_path: Path) -> None:
    seat = Seat(with_first(terminal, tmp_path, WORKS))
    seat.until("Warm, networks on")
    seat.press(b"\x03")
    seat.until("Ctrl-C ends it at once")
    seat.press(b"\x03")
    assert seat.end() == 130
    assert seat.seen.rindex(OFF) > seat.seen.rindex(ON) and seat.seen.rindex(SHOWN) > seat.seen.rindex(HIDDEN)
    assert b"error: Stopped at once" in seat.seen[seat.seen.rindex(OFF) :]
    seat.close()


def test_ctrl_z_gives_the_terminal_back(seat: Seat) -> None:
    seat.until("Warm, networks on")
    seat.press(b"\x1a")
    assert os.WIFSTOPPED(os.waitpid(seat.process, os.WUNTRACED)[1])
    seat.until(OFF.decode())
    os.kill(seat.process, signal.SIGCONT)
    seat.until(ON.decode(), "Warm, networks on")
    seat.press(b"\x03")
    assert seat.end() == 0


def test_an_error_of_the_view_ends_the_view_alone(terminal: dict[str, str], tmp_path: Path) -> None:
    seat = Seat(with_first(terminal, tmp_path, FAILS))
    seat.until("the live view ends by an error", "RuntimeError")
    assert ON not in seat.seen and b"of the view" not in seat.seen
    until_ready(terminal)
    seat.press(b"\x03")
    assert seat.end() == 0 and b" ends\r\n" in seat.seen
    seat.close()


@pytest.mark.parametrize("change", [{"TERM": "dumb"}, {"PYTHONIOENCODING": "ascii"}])
def test_a_terminal_that_cannot_show_it_gets_the_log(terminal: dict[str, str], change: dict[str, str]) -> None:
    seat = Seat(terminal | change)
    seat.until("begins, with Python")
    until_ready(terminal)
    seat.press(b"\x03")
    assert seat.end() == 0 and ON not in seat.seen and b" ends\r\n" in seat.seen
    seat.close()


def test_quiet_shows_nothing(terminal: dict[str, str]) -> None:
    seat = Seat(terminal, "--quiet")
    until_ready(terminal)
    seat.press(b"\x03")
    assert seat.end() == 0 and ON not in seat.seen and b"begins" not in seat.seen
    seat.close()
