"""The engine as a process of its own: runs it, starts it, ends it, and says how it stands.

`serve` is that process. Whatever ends it, the system takes its lock back, and the next one clears away what it left.
"""

import faulthandler
import logging
import os
import platform
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Protocol

import msgspec

from engine import __version__
from engine.events import shown
from engine.lock import holder, only_engine
from engine.log import log_file, logging_to, open_log
from engine.wire.errors import EngineError, EngineMissing, EngineSilent
from engine.wire.place import Connection, left_behind, read_connection, runtime_folder

_RUN = (sys.executable, "-m", "engine.cli", "engine", "run", "--quiet")
_PAUSE = 0.05
_SECOND_ENDS = 5.0
# In a session of its own it outlives the terminal or the host that started it; on Windows it has no console.
_NO_WINDOW = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP if sys.platform == "win32" else 0

_log = logging.getLogger(__name__)


class Server(Protocol):
    """What moves the bytes. It tells clients how to connect (`write_connection`) once it listens."""

    def run(self) -> None:
        """Serve until it is asked to end."""

    def stop(self) -> None:
        """Ask `run` to end once the frames in work are whole; before `run`, that it ends at once.

        Called by a signal handler, within `run`'s own thread.
        """


class Standing(msgspec.Struct, frozen=True):
    """How the engine stands.

    `pid` is 0 when none runs; `ready` when clients can connect to it; `stale` when a dead one left files behind, which
    the next one clears away. `started` in seconds since 1970, 0 when unknown.
    """

    place: str
    log: str
    pid: int = 0
    ready: bool = False
    stale: bool = False
    engine: str = ""
    protocol: int = 0
    started: float = 0.0


def serve(make_server: Callable[[Path], Server], echo: logging.Handler | None = None) -> None:
    """Be this user's engine: make the server for the runtime folder, and run it until a client or a signal ends it.

    The first SIGINT or SIGTERM ends it once the frames in work are whole, the second one at once. What is logged is
    given to `echo` too. Raises EngineRuns, PlaceUnsafe, FaceplateError, and KeyboardInterrupt where it ended at once.
    """
    place = runtime_folder()
    with only_engine(place), logging_to(log_file(), echo):
        _log.info("faceplate %s begins, with Python %s, in %s", __version__, platform.python_version(), shown(place))
        # Where native code crashes, only this says where.
        if sys.__stderr__ is not None:
            faulthandler.enable(sys.__stderr__)
        try:
            _run(make_server, place)
        except BaseException:
            _log.exception("ends by an error")
            raise
        finally:
            _log.info("ends")


def start(options: Sequence[str] = (), patience: float = 20.0) -> tuple[Standing, bool]:
    """Start this user's engine in the background unless one runs; how it stands, and whether this call started it.

    `options` are those of `faceplate engine run`.

    Raises EngineMissing when it ends at once, EngineSilent when it is not ready within `patience` seconds, PlaceUnsafe.
    """
    place = runtime_folder()
    process = _detached(options) if holder(place) is None else None
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = standing()
        if found.ready:
            return found, process is not None and _came_first(process, found.pid)
        if not found.pid and (process is None or process.poll() is not None):
            raise EngineMissing(f"The engine ended as it began.{_last_words()}", f"Its log is {shown(log_file())}.")
        time.sleep(_PAUSE)
    raise EngineSilent(f"The engine was not ready within {patience:g} s.", f"Its log is {shown(log_file())}.")


def stop(ask: Callable[[Connection], None] | None = None, patience: float = 60.0) -> int:
    """End this user's engine once the frames in work are whole; its process, or 0 when none runs.

    `ask` asks over the wire; where it cannot, or is left out, the process gets a signal, which on Windows ends it at
    once. Raises EngineSilent when it has not ended within `patience` seconds, PlaceUnsafe.
    """
    place = runtime_folder()
    pid = holder(place)
    if pid is None:
        return 0
    connection = read_connection(place)
    if ask is None or connection is None or connection.pid != pid or not _asked(ask, connection):
        _signal(pid)
    end = time.monotonic() + patience
    while holder(place) == pid:
        if time.monotonic() > end:
            raise EngineSilent(f"The engine, process {pid}, still works.", "Ask again, and it ends at once.")
        time.sleep(_PAUSE)
    return pid


def standing() -> Standing:
    """How this user's engine stands, without asking it. Raises PlaceUnsafe."""
    place = runtime_folder()
    here = Standing(shown(place), shown(log_file()))
    pid = holder(place)
    if pid is None:
        return msgspec.structs.replace(here, stale=any(os.path.lexists(path) for path in left_behind(place)))
    connection = read_connection(place)
    if connection is None or connection.pid != pid:
        return msgspec.structs.replace(here, pid=pid)
    return msgspec.structs.replace(
        here,
        pid=pid,
        ready=True,
        engine=connection.engine,
        protocol=connection.protocol,
        started=connection.started,
    )


def _run(make_server: Callable[[Path], Server], place: Path) -> None:
    with _ended_by_signals() as ending:
        server = make_server(place)
        ending.server = server
        if not ending.wanted:
            server.run()


class _Ending:
    """Turns the first signal into a request, also while the server is being made, and the second into an end."""

    def __init__(self) -> None:
        self.server: Server | None = None
        self.wanted = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self.wanted:
            raise KeyboardInterrupt
        self.wanted = True
        if self.server is not None:
            self.server.stop()


@contextmanager
def _ended_by_signals() -> Iterator[_Ending]:
    ending = _Ending()
    kept = {number: signal.signal(number, ending) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield ending
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def _detached(options: Sequence[str]) -> "subprocess.Popen[bytes]":
    # Made anew each time: what libraries print has no bound, and the log is turned over by its own process.
    output = open_log(_output_file(), os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
    try:
        return subprocess.Popen(
            [*_RUN, *options],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # The folder that holds this engine: `-m` finds the same one there, and no other folder is kept in use.
            cwd=Path(__file__).parents[1],
            env=os.environ | {"FACEPLATE_LOGS": str(log_file().parent)},
            start_new_session=True,
            creationflags=_NO_WINDOW,
        )
    except OSError as error:
        raise EngineMissing(f"The engine cannot be started: {error.strerror}.") from error
    finally:
        os.close(output)


def _came_first(process: "subprocess.Popen[bytes]", pid: int) -> bool:
    """Whether the process is the engine; one that came second ends at once, and before the caller goes on."""
    try:
        if process.pid != pid:
            process.wait(_SECOND_ENDS)
        return process.pid == pid
    except subprocess.TimeoutExpired:
        # On Windows the Python of a virtual environment runs the real one, which has another number, and waits for it.
        return True


def _output_file() -> Path:
    return log_file().with_name("engine.out")


def _last_words() -> str:
    """What the process printed about its end, for the message."""
    try:
        lines = _output_file().read_text(encoding="utf-8", errors="replace").split("\n")
    except OSError:
        return ""
    said = [line.strip() for line in lines if line.strip()]
    errors = [line.removeprefix("error: ") for line in said if line.startswith("error: ")]
    return f" It said: {(errors or said)[-1]}" if said else ""


def _asked(ask: Callable[[Connection], None], connection: Connection) -> bool:
    try:
        ask(connection)
    except EngineError:
        return False
    return True


def _signal(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGTERM)
    except ProcessLookupError:
        # It has ended by itself meanwhile.
        return
