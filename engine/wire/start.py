"""For hosts: connects to this user's engine, and starts one where none runs.

A program waits in `connect_or_start`. A user interface calls `begin`, and then `poll` from its timer, which never
waits. Starting is done by the command itself, so two programs that want an engine at once get the same one.
"""

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import time
from typing import Any, BinaryIO, Self

import msgspec

from engine.wire.client import LIFE, Client, Link, check_version, of_kind
from engine.wire.command import clean_environment, find_command
from engine.wire.connect import link_to
from engine.wire.errors import EngineError, EngineMissing, EngineSilent
from engine.wire.messages import VERSION, Hello, Welcome
from engine.wire.place import Connection, read_connection, runtime_folder

# Seconds; the command itself gives up after twenty.
START_PATIENCE = 30.0
_PAUSE = 0.02
# Bytes of what the command prints that are read for its last words.
_LAST = 4096
_NO_WINDOW = subprocess.CREATE_NO_WINDOW if sys.platform == "win32" else 0
_SEE = "See its log, or run `faceplate doctor`."


def connect_or_start(name: str, command: str | None = None, patience: float = START_PATIENCE) -> Client:
    """A client of this user's engine, which is started where none runs; `name` is what the client calls itself.

    `command` is the faceplate command where the host knows it; else it is looked for. Raises CommandMissing,
    EngineMissing with the command's last words, EngineSilent after `patience` seconds, EngineIncompatible, PlaceUnsafe.
    """
    with begin(name, command, patience) as beginning:
        while (link := beginning.poll()) is None:
            time.sleep(_PAUSE)
    return Client(link, name)


def begin(name: str, command: str | None = None, patience: float = START_PATIENCE) -> "Beginning":
    """Begin to connect, as `connect_or_start` does, without waiting. Raises nothing: `poll` does."""
    return Beginning(name, command, patience)


class Beginning:
    """A connection that is being made. For one thread."""

    def __init__(self, name: str, command: str | None, patience: float) -> None:
        self._name, self._command = name, command
        self._patience, self._deadline = patience, time.monotonic() + patience
        self._link: Link | None = None
        self._begun = False
        self._starter: _Starter | None = None
        self._error: EngineError | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def poll(self) -> Link | None:
        """None while it goes on, then the link to an engine that has answered; it is the caller's to close.

        Never waits. Raises the EngineError that it ended by, again whenever it is asked.
        """
        if self._error is None:
            try:
                return self._advanced()
            except EngineError as error:
                self._error = error
                self.close()
        raise self._error

    def close(self) -> None:
        """Give up what goes on; an engine that has begun by then stays."""
        if self._link is not None:
            self._link.close()
            self._link = None
        if self._starter is not None:
            self._starter.close()
            self._starter = None

    def _advanced(self) -> Link | None:
        if self._starter is not None:
            if not self._starter.is_done():
                self._check_deadline()
                return None
            self._starter.close()
            self._starter = None
        if self._link is None:
            self._greet_or_start()
            return None
        return self._answered(self._link)

    def _greet_or_start(self) -> None:
        """Greet the engine that the connection file tells of; start one where there is none, or a dead one's."""
        connection = read_connection(runtime_folder())
        if connection is not None and (self._begun or not _is_dead(connection)):
            self._link = link_to(connection)
            self._link.send(Hello(VERSION, self._name))
        elif self._begun:
            raise EngineMissing("The engine has ended as soon as it was started.", _SEE)
        else:
            self._start()

    def _start(self) -> None:
        self._begun = True
        self._starter = _Starter(find_command(self._command))

    def _answered(self, link: Link) -> Link | None:
        """The link, once the engine has answered the greeting. Who is silent may have died, and is started once."""
        for _, reply in link.poll():
            check_version(of_kind(reply, Welcome))
            self._link = None
            return link
        if link.silent_for > LIFE:
            link.close()
            self._link = None
            if self._begun:
                raise EngineSilent("The engine runs and does not answer.", "End it: faceplate engine stop.")
            self._start()
        self._check_deadline()
        return None

    def _check_deadline(self) -> None:
        if time.monotonic() > self._deadline:
            raise EngineSilent(f"The engine was not there within {self._patience:g} s.", _SEE)


class _Starter:
    """`faceplate engine start`, running. What it prints goes to a file: an engine that had a pipe would keep it."""

    def __init__(self, command: str) -> None:
        """Run it. Raises EngineMissing."""
        self._output: BinaryIO = tempfile.TemporaryFile()  # noqa: SIM115
        try:
            self._process = subprocess.Popen(
                (command, "engine", "start", "--json"),
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=self._output,
                env=clean_environment(os.environ),
                # Ctrl-C in the terminal that the host was started from is not for it.
                start_new_session=True,
                creationflags=_NO_WINDOW,
            )
        except OSError as error:
            self._output.close()
            raise EngineMissing(f"{command} cannot be run: {error.strerror}.", "Install Faceplate again.") from error

    def is_done(self) -> bool:
        """Whether an engine runs by now. Raises EngineMissing where the command has failed."""
        status = self._process.poll()
        if status:
            message, remedy = self._last_words()
            raise EngineMissing(f"The engine could not be started: {message}", remedy)
        return status == 0

    def close(self) -> None:
        """End the command where it still runs; the engine is in a session of its own."""
        if self._process.poll() is None:
            # The second: it has just ended by itself.
            with contextlib.suppress(subprocess.TimeoutExpired, OSError):
                if sys.platform == "win32":
                    self._process.kill()
                else:
                    os.killpg(self._process.pid, signal.SIGKILL)
                self._process.wait(0.1)
        self._output.close()

    def _last_words(self) -> tuple[str, str]:
        """The command's own error and remedy; where it printed something else, the end of that."""
        self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, self._output.tell() - _LAST))
        lines = [line.strip() for line in self._output.read().decode(errors="replace").splitlines() if line.strip()]
        for line in reversed(lines):
            told = _error_of(line)
            if told is not None:
                return told
        return (lines[-1] if lines else f"the command ended with status {self._process.returncode}."), _SEE


def _error_of(line: str) -> tuple[str, str] | None:
    try:
        told: Any = msgspec.json.decode(line)
    except msgspec.DecodeError:
        return None
    if not isinstance(told, dict) or told.get("type") != "error":
        return None
    return str(told.get("message")), str(told.get("remedy"))


def _is_dead(connection: Connection) -> bool:
    """Whether the engine's process is certainly gone; Windows has no harmless way to ask."""
    if sys.platform == "win32":
        return False
    try:
        os.kill(connection.pid, 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        # Its number is somebody else's by now.
        return True
    return False
