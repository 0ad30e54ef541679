"""The live view of `faceplate engine run`: drawn twice a second on a screen of its own, where there is a terminal.

It only looks: a thread of its own draws, a terminal that takes nothing holds up nobody, and an error ends the view, not
the engine.
"""

import logging
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol, Self

if TYPE_CHECKING:
    from engine.resident import Server
    from engine.wire.messages import State

_EVERY = 0.5
# Lines of the log: drawn, and shown again when the view is gone.
_LINES = 200
# Seconds that the end waits for a terminal that takes nothing.
_PATIENCE = 2.0
_STYLES = {"WARNING": "yellow", "ERROR": "red", "CRITICAL": "bold red"}
_log = logging.getLogger(__name__)


class Watched(Protocol):
    """The engine, as far as the view looks at it; `ending` once it was asked to end."""

    ending: bool

    def state(self) -> "State": ...

    def run(self) -> None: ...

    def stop(self) -> None: ...


def live_view() -> "LiveView | None":
    """A view for standard output; None where that is no terminal that can be drawn on, or is another program's now."""
    stream = sys.__stdout__
    if stream is None or not stream.isatty() or not _in_front(stream.fileno()):
        return None
    if not stream.encoding.lower().startswith("utf"):
        return None
    from rich.console import Console

    console = Console(file=stream, highlight=False, markup=False, emoji=False)
    return None if console.is_dumb_terminal else LiveView(console)


class LiveView:
    """Draws from the moment that the engine is made until the block ends; `log` is the handler of what is logged."""

    def __init__(self, console: Any) -> None:
        self.log = _Log()
        self._console = console
        self._engine: Watched | None = None
        self._end, self._held = threading.Event(), False
        self._thread = threading.Thread(target=self._draw, name="view", daemon=True)
        self._live: Any = None

    def __enter__(self) -> Self:
        if sys.platform != "win32":
            signal.signal(signal.SIGTSTP, self._suspend)
        return self

    def __exit__(self, *error: object) -> None:
        self._end.set()
        if self._thread.ident is not None:
            self._thread.join(_PATIENCE)
        if sys.platform != "win32":
            signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        self.log.show()

    def watching(self, make: "Callable[[Path], Watched]") -> "Callable[[Path], Server]":
        """`make`, with the view of what it makes; it begins sooner, since making takes a while."""

        def made(place: Path) -> "Server":
            self._thread.start()
            self._engine = make(place)
            return self._engine

        return made

    def _draw(self) -> None:
        from rich.live import Live

        try:
            self._live = Live(
                console=self._console, screen=True, auto_refresh=False, redirect_stdout=False, redirect_stderr=False
            )
            try:
                while not self._end.is_set():
                    self._draw_once()
                    self._end.wait(_EVERY)
            finally:
                self._live.stop()
        except Exception:  # noqa: BLE001
            self.log.show()
            _log.exception("the live view ends by an error")

    def _draw_once(self) -> None:
        from engine.cli.live_screen import draw

        if self._held or not _in_front(self._console.file.fileno()):
            self._leave()
            return
        engine = self._engine
        state = engine.state() if engine else None
        ending = engine is not None and engine.ending
        screen = draw(state, ending, self.log.last(), *self._console.size)
        self.log.withhold()
        self._live.start()
        self._live.update(screen, refresh=True)

    def _leave(self) -> None:
        self._live.stop()
        self.log.show()

    def _suspend(self, number: int, frame: FrameType | None) -> None:
        """Ctrl-Z: give the terminal back as it was before the process stops."""
        self._held = True
        if self._live is not None:
            self._leave()
        os.kill(os.getpid(), signal.SIGSTOP)
        self._held = False


class _Log(logging.StreamHandler):
    """Shows what is logged on standard error; what comes while the view is there, when it has gone."""

    def __init__(self) -> None:
        super().__init__()
        self._last: deque[tuple[str, str]] = deque(maxlen=_LINES)
        self._withheld: deque[str] = deque(maxlen=_LINES)
        self._held = False

    def emit(self, record: logging.LogRecord) -> None:
        kind = record.exc_info[0] if record.exc_info else None
        text = f"{logging.Formatter().formatTime(record, '%H:%M:%S')} {record.getMessage()}"
        self._last.append((_STYLES.get(record.levelname, ""), f"{text}: {kind.__name__}" if kind else text))
        if self._held:
            self._withheld.append(self.format(record))
        else:
            super().emit(record)

    def last(self) -> list[tuple[str, str]]:
        """Style and text of the last lines."""
        return list(self._last)

    def withhold(self) -> None:
        """Show nothing until `show`."""
        self._held = True

    def show(self) -> None:
        """Show what was withheld, and from now on everything."""
        self.acquire()
        try:
            self._held = False
            while self._withheld:
                self.stream.write(self._withheld.popleft() + self.terminator)
            self.flush()
        except OSError:
            # The terminal has gone; the file has it all.
            self._withheld.clear()
        finally:
            self.release()


def _in_front(descriptor: int) -> bool:
    """Whether the terminal is this process's to draw on: a job that a shell runs behind must leave it alone."""
    if sys.platform == "win32":
        return True
    try:
        return os.tcgetpgrp(descriptor) == os.getpgrp()
    except OSError:
        return False
