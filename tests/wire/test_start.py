"""Clients that start an engine where none runs: real commands, real engines, and whatever may go wrong between."""

import os
import shlex
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from engine.lock import holder
from engine.wire.client import Client, Link
from engine.wire.command import VARIABLE, clean_environment, find_command
from engine.wire.errors import CommandMissing, EngineError, EngineMissing, EngineSilent
from engine.wire.messages import Done, Shutdown, State, Status
from engine.wire.start import Beginning, begin, connect_or_start
from tests.wire.engines import ROOT

REAL = f'PYTHONPATH={shlex.quote(str(ROOT))} exec {shlex.quote(sys.executable)} -m engine.cli "$@"'
ERROR = '{"type": "error", "code": "engine-missing", "message": "No room.", "remedy": "Make some.", "retry": true}'

Make = Callable[[str], Path]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The runtime folder of this process and its engine, which is ended afterwards."""
    monkeypatch.setenv("FACEPLATE_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("FACEPLATE_LOGS", str(tmp_path / "logs"))
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "run").mkdir(mode=0o700)
    yield tmp_path / "run"
    if (pid := holder(tmp_path / "run")) is not None:
        os.kill(pid, signal.SIGKILL)


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a `faceplate` command of a shell's line; `runs` has a line for each time that it is run."""

    def make(line: str) -> Path:
        command = tmp_path / "bin" / "faceplate"
        command.parent.mkdir(exist_ok=True)
        command.write_text(f"#!/bin/sh\necho $$ >> {shlex.quote(str(tmp_path / 'runs'))}\n{line}\n")
        command.chmod(0o755)
        monkeypatch.setenv(VARIABLE, str(command))
        return command

    return make


def runs(place: Path) -> list[str]:
    path = place.with_name("runs")
    return path.read_text().split() if path.exists() else []


def works(process: int) -> bool:
    """Whether it is there, and not merely waited for by nobody."""
    try:
        return psutil.Process(process).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def polled(beginning: Beginning) -> Link:
    """What it comes to; no look at it takes long."""
    while True:
        begun = time.monotonic()
        link = beginning.poll()
        assert time.monotonic() - begun < 0.3
        if link is not None:
            return link
        time.sleep(0.05)


def test_an_engine_is_started_once_and_found_afterwards(
    place: Path, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(REAL)
    # As a host may have it for its own Python.
    monkeypatch.setenv("PYTHONHOME", str(place / "nothing"))
    monkeypatch.setenv("LD_LIBRARY_PATH", str(place / "nothing"))
    with connect_or_start("first") as client:
        assert client.welcome.pid == holder(place) and len(runs(place)) == 1
        assert client.ask(Status(), State).clients == 1
    link = polled(begin("second"))
    with Client(link, "second") as client:
        assert client.welcome.pid == holder(place)
        client.ask(Shutdown(), Done)
    assert len(runs(place)) == 1


def test_a_user_interface_never_waits(place: Path, make: Make) -> None:
    make(REAL)
    with begin("host") as beginning:
        assert beginning.poll() is None
        Client(polled(beginning), "host").close()
    assert holder(place)


def test_two_that_begin_at_once_get_one_engine(place: Path, make: Make) -> None:
    make(REAL)
    both = [begin("one"), begin("two")]
    # Neither finds one, so each runs the command.
    assert [each.poll() for each in both] == [None, None]
    clients = [Client(polled(each), "test") for each in both]
    assert len(runs(place)) == 2
    assert {client.welcome.pid for client in clients} == {holder(place)}
    for client in clients:
        client.close()


def test_one_that_was_killed_is_replaced(place: Path, make: Make) -> None:
    make(REAL)
    connect_or_start("host").close()
    killed = holder(place)
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    while holder(place):
        time.sleep(0.02)
    assert (place / "engine.json").exists() and (place / "engine.sock").exists()
    with connect_or_start("host") as client:
        assert client.welcome.pid == holder(place) != killed


def test_one_that_hangs_is_not_waited_for(place: Path, make: Make) -> None:
    make(REAL)
    connect_or_start("host").close()
    hanging = holder(place)
    assert hanging is not None
    os.kill(hanging, signal.SIGSTOP)
    begun = time.monotonic()
    with pytest.raises(EngineSilent, match="does not answer"):
        connect_or_start("host")
    assert time.monotonic() - begun < 8 and holder(place) == hanging


@pytest.mark.parametrize("patience", [0.3, 1.0])
def test_a_command_that_hangs_is_ended(place: Path, make: Make, patience: float) -> None:
    make(f"sleep 60 & echo $! >> {shlex.quote(str(place.with_name('runs')))}; wait")
    begun = time.monotonic()
    with pytest.raises(EngineSilent, match=f"within {patience:g} s"):
        connect_or_start("host", patience=patience)
    assert time.monotonic() - begun < patience + 1
    # With what it has started itself.
    assert len(runs(place)) == 2 and not any(works(int(process)) for process in runs(place))


@pytest.mark.parametrize(
    ("line", "message", "remedy"),
    [
        (f"echo '{ERROR}'; echo later >&2; exit 1", "could not be started: No room.", "Make some."),
        ("echo one >&2; echo 'two: \\377' >&2; exit 2", "could not be started: two: �", "doctor"),
        ("head -c 9000000 /dev/zero; exit 1", "could not be started: ", "doctor"),
        ("exit 3", "ended with status 3", "doctor"),
        ("kill -9 $$", "ended with status -9", "doctor"),
        ("exit 0", "ended as soon as", "doctor"),
    ],
)
def test_a_command_that_fails_has_the_last_word(place: Path, make: Make, line: str, message: str, remedy: str) -> None:
    make(line)
    beginning = begin("host")
    with pytest.raises(EngineMissing) as raised:
        polled(beginning)
    assert message in raised.value.message and remedy in raised.value.remedy
    assert raised.value.code == "engine-missing"
    # It is over, and says so again.
    with pytest.raises(EngineMissing) as again:
        beginning.poll()
    assert again.value is raised.value and len(runs(place)) == 1


def test_a_command_that_is_no_program(place: Path, make: Make) -> None:
    command = make("")
    command.write_bytes(b"\x7fELF, or so it says")
    with pytest.raises(EngineMissing, match="cannot be run"):
        connect_or_start("host")


def test_a_command_that_is_not_there(place: Path, make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    make(REAL)
    for named in (str(place / "nothing"), "nothing-of-this-name", "./faceplate"):
        with pytest.raises(CommandMissing, match="preferences"):
            connect_or_start("host", named)
        monkeypatch.setenv(VARIABLE, named)
        with pytest.raises(CommandMissing, match=VARIABLE):
            connect_or_start("host")
    assert not runs(place) and issubclass(CommandMissing, EngineError)


def program(path: Path) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return str(path)


def test_where_the_command_is_looked_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (VARIABLE, "UV_TOOL_BIN_DIR", "PIPX_BIN_DIR", "XDG_BIN_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", os.pathsep.join(("", ".", str(tmp_path / "bin"))))
    # In the current folder anybody's project may lie.
    monkeypatch.chdir(tmp_path)
    program(tmp_path / "faceplate")
    if not Path("/usr/local/bin/faceplate").exists():
        with pytest.raises(CommandMissing, match="not found"):
            find_command()
    # Each goes before those that were there.
    for folder in (".local/share/uv/tools/faceplate/bin", ".local/bin", "bin"):
        there = program(tmp_path / folder / "faceplate")
        assert find_command() == find_command("") == there
    monkeypatch.setenv(VARIABLE, program(tmp_path / "mine"))
    assert find_command() == str(tmp_path / "mine")
    assert find_command("~/faceplate") == str(tmp_path / "faceplate")
    assert find_command("faceplate") == str(tmp_path / "bin/faceplate")


def test_a_hosts_own_python_and_libraries_are_left_out() -> None:
    kept = {"PATH": "p", "HOME": "h", "OCIO": "o", "FACEPLATE_RUNTIME": "r", "CUDA_PATH": "c", "PYTHONUSERBASE": "u"}
    dropped = ("PYTHONHOME", "PYTHONPATH", "PYTHONNOUSERSITE", "LD_LIBRARY_PATH", "LD_PRELOAD", "DYLD_LIBRARY_PATH")
    assert clean_environment(kept | dict.fromkeys(dropped, "x")) == kept
