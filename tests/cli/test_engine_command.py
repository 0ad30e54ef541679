"""`faceplate engine`: real processes that start, run, end, are killed and get in each other's way.

What they serve is a stand-in that listens and does nothing: these tests are about the process around the server.
"""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from engine import __version__, resident
from engine.lock import holder
from engine.wire.errors import EngineMissing, EngineSilent
from engine.wire.messages import VERSION
from engine.wire.place import Connection, read_connection, write_connection

Command = Callable[..., subprocess.CompletedProcess[str]]

# Python loads this before anything else; `engine.assemble` is then the stand-in, in every process of a test.
BEFORE_ALL = """
import pathlib
import engine
engine.__path__.insert(0, str(pathlib.Path(__file__).parent / "parts"))
"""
SERVER = """
import os, socket, time
from engine import __version__
from engine.wire.messages import VERSION
from engine.wire.place import Connection, address, socket_path, write_connection

class Assembly:
    def __init__(self, place, memory):
        if "STAND_IN_BROKEN" in os.environ:
            raise RuntimeError("the face of Anna")
        self.place, self.asked = place, False
        time.sleep(float(os.environ.get("STAND_IN_BEGINS", 0)))

    def run(self):
        with socket.socket(socket.AF_UNIX) as listening:
            # Fails where a file is left.
            listening.bind(str(socket_path(self.place)))
            write_connection(
                self.place,
                Connection(address(self.place), "k", "p", "s", VERSION, __version__, os.getpid(), time.time()),
            )
            while not self.asked:
                time.sleep(0.01)
            time.sleep(float(os.environ.get("STAND_IN_WORKS", 0)))

    def stop(self):
        self.asked = True
"""


@pytest.fixture
def place(tmp_path: Path, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The runtime folder of this test's commands and of this process; an engine that is left is killed."""
    stand_in = tmp_path / "stand-in"
    (stand_in / "parts").mkdir(parents=True)
    (stand_in / "sitecustomize.py").write_text(BEFORE_ALL)
    (stand_in / "parts" / "assemble.py").write_text(SERVER)
    environment["PYTHONPATH"] = f"{stand_in}{os.pathsep}{environment['PYTHONPATH']}"
    for name, folder in (("FACEPLATE_RUNTIME", "run"), ("FACEPLATE_LOGS", "logs")):
        environment[name] = str(tmp_path / folder)
    for name in ("FACEPLATE_RUNTIME", "FACEPLATE_LOGS", "PYTHONPATH"):
        monkeypatch.setenv(name, environment[name])
    yield tmp_path / "run"
    if (pid := holder(tmp_path / "run")) is not None:
        os.kill(pid, signal.SIGKILL)


@contextmanager
def engine(environment: dict[str, str], *arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`faceplate engine ARGUMENTS` while the block runs, with its standard error."""
    command = [sys.executable, "-m", "engine.cli", "engine", *arguments]
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as begun:
        try:
            yield begun
        finally:
            begun.kill()


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def is_ready(place: Path) -> bool:
    return place.exists() and read_connection(place) is not None


def log(tmp_path: Path) -> str:
    return (tmp_path / "logs" / "engine.log").read_text(encoding="utf-8")


def test_it_starts_stands_and_ends(faceplate: Command, place: Path, tmp_path: Path):
    begun = faceplate("engine", "start")
    pid = holder(place)
    assert begun.returncode == 0 and begun.stdout == f"An engine runs, as process {pid}.\n"
    again = faceplate("engine", "start")
    assert again.returncode == 0 and again.stdout == f"An engine runs already, as process {pid}.\n"
    found = json.loads(faceplate("engine", "status", "--json").stdout)
    assert found["pid"] == pid and found["ready"] and not found["stale"]
    assert (found["engine"], found["protocol"]) == (__version__, VERSION)
    assert found["place"] == str(place) and found["log"] == str(tmp_path / "logs" / "engine.log")
    assert abs(found["started"] - time.time()) < 60
    assert f"as process {pid}: faceplate {__version__}, since 2" in faceplate("engine", "status").stdout
    assert found["state"] is None and found["error"]["code"] == "engine-incompatible"
    ended = faceplate("engine", "stop")
    assert ended.returncode == 0 and ended.stdout == f"The engine, process {pid}, has ended.\n"
    assert holder(place) is None and [path.name for path in place.iterdir()] == ["engine.lock"]
    assert faceplate("engine", "status").stdout.startswith("No engine runs.\n")
    ended = faceplate("engine", "stop")
    assert ended.returncode == 0 and ended.stdout == "No engine runs.\n"


def test_it_outlives_who_started_it_and_holds_no_folder(faceplate: Command, place: Path, tmp_path: Path):
    faceplate("engine", "start")
    pid = holder(place)
    assert pid is not None and os.getsid(pid) == pid
    if sys.platform == "linux":
        assert Path(f"/proc/{pid}/cwd").readlink() == Path(__file__).parents[2]
        assert Path(f"/proc/{pid}/fd/0").readlink() == Path("/dev/null")
        assert Path(f"/proc/{pid}/fd/1").readlink() == tmp_path / "logs" / "engine.out"


def test_of_several_that_start_at_once_one_engine_comes(
    faceplate: Command, place: Path, environment: dict[str, str], tmp_path: Path
):
    command = [sys.executable, "-m", "engine.cli", "engine", "start"]
    starters = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(4)]
    answers = sorted(starter.communicate(timeout=60)[0] for starter in starters)
    assert [starter.returncode for starter in starters] == [0] * 4
    pid = holder(place)
    already = f"An engine runs already, as process {pid}.\n"
    assert answers == [already, already, already, f"An engine runs, as process {pid}.\n"]
    assert log(tmp_path).count(" begins, ") == 1
    # Those that came second are gone, and do not take over when the first ends.
    faceplate("engine", "stop")
    time.sleep(1)
    assert holder(place) is None


def test_a_starter_that_came_second_waits_for_its_own_process_to_end():
    with subprocess.Popen(["sleep", "0.3"]) as second:
        assert resident._came_first(second, second.pid) and second.poll() is None
        assert not resident._came_first(second, second.pid + 1) and second.poll() == 0


def test_after_a_kill_the_next_one_clears_up_and_works(faceplate: Command, place: Path):
    faceplate("engine", "start")
    first = holder(place)
    assert first is not None
    os.kill(first, signal.SIGKILL)
    wait_for(lambda: holder(place) is None)
    assert {path.name for path in place.iterdir()} == {"engine.lock", "engine.sock", "engine.json"}
    found = json.loads(faceplate("engine", "status", "--json").stdout)
    assert found["stale"] and not found["ready"] and found["pid"] == 0
    assert "has left files" in faceplate("engine", "status").stdout
    assert faceplate("engine", "stop").stdout == "No engine runs.\n"
    begun = faceplate("engine", "start")
    second = holder(place)
    assert begun.returncode == 0 and second not in (None, first)
    connection = read_connection(place)
    assert connection is not None and connection.pid == second
    faceplate("engine", "stop")
    assert [path.name for path in place.iterdir()] == ["engine.lock"]


@pytest.mark.parametrize("left", ["socket", "link", "open", "damaged"])
def test_whatever_is_left_there_is_cleared(faceplate: Command, place: Path, tmp_path: Path, left: str):
    place.mkdir(mode=0o700)
    connection = place / "engine.json"
    match left:
        case "socket":
            with socket.socket(socket.AF_UNIX) as listening:
                listening.bind(str(place / "engine.sock"))
        case "link":
            connection.symlink_to(tmp_path / "elsewhere")
        case "open":
            connection.write_text("{}")
            connection.chmod(0o666)
        case "damaged":
            connection.write_bytes(b"\xff")
    assert json.loads(faceplate("engine", "status", "--json").stdout)["stale"]
    assert faceplate("engine", "start").returncode == 0
    assert read_connection(place) is not None and not (tmp_path / "elsewhere").exists()


def test_a_process_that_only_has_the_number_of_a_dead_engine_is_left_alone(faceplate: Command, place: Path):
    place.mkdir(mode=0o700)
    with subprocess.Popen(["sleep", "60"]) as other:
        write_connection(place, Connection("ipc://x", "k", "p", "s", VERSION, __version__, other.pid, 0.0))
        (place / "engine.lock").write_text(f"{other.pid}\n")
        (place / "engine.lock").chmod(0o600)
        assert faceplate("engine", "stop").stdout == "No engine runs.\n"
        assert other.poll() is None
        other.kill()


def test_a_second_one_in_the_foreground_is_refused(faceplate: Command, place: Path):
    faceplate("engine", "start")
    done = faceplate("engine", "run")
    assert done.returncode == 1 and f"as process {holder(place)}." in done.stderr
    assert read_connection(place) is not None


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_in_the_foreground_it_tells_and_ends_on_a_signal(place: Path, environment: dict[str, str], number: int):
    with engine(environment, "run") as running:
        wait_for(lambda: is_ready(place))
        running.send_signal(number)
        shown = running.communicate(timeout=20)[1]
        assert running.returncode == 0 and "begins, with Python" in shown and shown.endswith(" ends\n")
    assert [path.name for path in place.iterdir()] == ["engine.lock"]


def test_a_second_signal_ends_it_at_once(place: Path, environment: dict[str, str]):
    with engine(environment | {"STAND_IN_WORKS": "60"}, "run", "--quiet") as running:
        wait_for(lambda: is_ready(place))
        running.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        assert running.poll() is None
        running.send_signal(signal.SIGTERM)
        shown = running.communicate(timeout=20)[1]
        assert running.returncode == 130 and shown.startswith("error: Stopped at once")
    assert [path.name for path in place.iterdir()] == ["engine.lock"]


def test_a_signal_while_it_begins_ends_it_too(place: Path, environment: dict[str, str]):
    with engine(environment | {"STAND_IN_BEGINS": "1"}, "run") as running:
        wait_for(lambda: place.exists() and holder(place))
        assert running.stderr is not None and "begins" in running.stderr.readline()
        time.sleep(0.3)
        running.send_signal(signal.SIGTERM)
        shown = running.communicate(timeout=20)[1]
        assert running.returncode == 0 and shown.endswith(" ends\n")


def test_stopping_waits_for_work_in_hand(faceplate: Command, place: Path, environment: dict[str, str]):
    environment["STAND_IN_WORKS"] = "1.5"
    faceplate("engine", "start")
    begun = time.monotonic()
    assert faceplate("engine", "stop").returncode == 0
    assert time.monotonic() - begun > 1.5 and holder(place) is None


def test_stopping_gives_up_in_the_end_and_a_second_time_ends_it(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAND_IN_WORKS", "60")
    resident.start()
    with pytest.raises(EngineSilent, match="still works"):
        resident.stop(patience=0.3)
    assert resident.stop(patience=20) and holder(place) is None


def test_stopping_asks_before_it_sends_a_signal(place: Path):
    asked: list[Connection] = []

    def end(connection: Connection) -> None:
        asked.append(connection)
        os.kill(connection.pid, signal.SIGKILL)

    def cannot(connection: Connection) -> None:
        asked.append(connection)
        raise EngineSilent("Nothing comes back.")

    for ask, is_cleared in ((end, False), (cannot, True)):
        pid = resident.start()[0].pid
        assert resident.stop(ask) == pid == asked[-1].pid
        # Only an engine that ends by a signal clears up; a killed one cannot.
        assert (place / "engine.json").exists() != is_cleared
    assert len(asked) == 2 and resident.stop(ask=end) == 0


def test_an_engine_that_fails_as_it_begins_is_reported(faceplate: Command, place: Path, environment: dict[str, str]):
    environment["STAND_IN_BROKEN"] = "1"
    done = faceplate("engine", "start", "--json")
    error = json.loads(done.stdout)
    assert done.returncode == 1 and error["code"] == "engine-missing"
    assert "ended as it began" in error["message"] and "engine.log" in error["remedy"]
    assert holder(place) is None


def test_the_log_has_the_kind_of_an_error_and_not_what_it_quotes(
    faceplate: Command, place: Path, environment: dict[str, str], tmp_path: Path
):
    environment["STAND_IN_BROKEN"] = "1"
    faceplate("engine", "start")
    assert "RuntimeError" in log(tmp_path) and "assemble.py:" in log(tmp_path) and "Anna" not in log(tmp_path)


def test_an_engine_that_is_never_ready_is_given_up(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("STAND_IN_BEGINS", "60")
    with pytest.raises(EngineSilent, match="not ready within 1 s"):
        resident.start(patience=1)
    assert resident.standing().pid == holder(place) != 0 and not resident.standing().ready


def test_a_python_without_the_engine_is_reported(place: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(resident, "_RUN", (sys.executable, "-c", "import sys; sys.exit('error: no such thing')"))
    with pytest.raises(EngineMissing, match="It said: no such thing"):
        resident.start()
    monkeypatch.setattr(resident, "_RUN", (str(place / "nothing"),))
    with pytest.raises(EngineMissing, match="cannot be started"):
        resident.start()


def test_its_files_are_its_users_alone(faceplate: Command, place: Path, tmp_path: Path):
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "engine.log").touch(0o666)
    kept = os.umask(0)
    try:
        faceplate("engine", "start")
    finally:
        os.umask(kept)
    for path in (logs / "engine.log", logs / "engine.out", place / "engine.json", place / "engine.lock"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


def test_a_folder_that_is_not_safe_is_refused(faceplate: Command, place: Path, tmp_path: Path):
    place.symlink_to(tmp_path)
    for command in ("start", "run", "stop", "status"):
        done = faceplate("engine", command, *(["--json"] if command != "run" else []))
        assert done.returncode == 1 and "is a link" in (done.stdout or done.stderr)
    assert json.loads(done.stdout)["code"] == "place-unsafe"


def test_a_log_that_cannot_be_written_is_said(faceplate: Command, place: Path, tmp_path: Path):
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "engine.log").mkdir()
    done = faceplate("engine", "run")
    assert done.returncode == 1 and "cannot be written" in done.stderr and "FACEPLATE_LOGS" in done.stderr
