"""What all commands share: showing events, Ctrl-C, and turning errors into a message and an exit status."""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from pathlib import Path
from types import FrameType
from typing import NoReturn

import typer

from engine.cli.display import Display, JsonLines, Terminal
from engine.errors import Cancelled, FaceplateError, UsageError
from engine.events import Error, Event, Finished, shown
from engine.wire.errors import CodedError

FAILED, WRONG_USAGE, INTERRUPTED = 1, 2, 130


class Session:
    """One run of a command: `report` shows an event, `cancelled` is true once the person asked to stop.

    `failed` is the number of frames that the job, once finished, could not do.
    """

    def __init__(self, display: Display, patient: bool) -> None:
        self.display = display
        self._patient = patient
        self._stopping = False
        self.failed = 0

    def report(self, event: Event) -> None:
        """Show an event. Raises `OSError` when standard output takes no more."""
        if isinstance(event, Finished):
            self.failed = event.failed
        self.display.show(event)

    def cancelled(self) -> bool:
        return self._stopping

    def interrupt(self, number: int, frame: FrameType | None) -> None:
        """Signal handler: the first time ends a patient job after the frames in flight, the second time at once."""
        at_once = self._stopping or not self._patient
        self._stopping = True
        if at_once:
            raise KeyboardInterrupt


@contextmanager
def session(json: bool = False, patient: bool = True) -> Iterator[Session]:
    """Show events, as lines of JSON or for people, and end with the exit status that belongs to an error.

    A command that is not `patient` has nothing to finish first: Ctrl-C ends it at once. What libraries print to
    standard output goes to standard error.
    """
    display = JsonLines() if json else Terminal()
    current = Session(display, patient)
    kept = {number: signal.signal(number, current.interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        with display, Path(os.devnull).open("w") as nowhere, redirect_stdout(sys.stderr or nowhere):
            yield current
    except CodedError as error:
        _end(current, error)
    except MemoryError:
        _end(current, FaceplateError("There is not enough memory.", "Close other programs, or use smaller frames."))
    except KeyboardInterrupt:
        _end(current, Cancelled("Stopped at once; the frames that are there are whole."))
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


def exit_status(current: Session) -> None:
    """End the command with status 1 when a frame of its job failed."""
    if current.failed:
        raise typer.Exit(FAILED)


def _end(current: Session, error: CodedError) -> NoReturn:
    current.display.show(Error(error.code, shown(error.message), shown(error.remedy), error.retry))
    match error:
        case Cancelled():
            raise typer.Exit(INTERRUPTED) from error
        case UsageError():
            raise typer.Exit(WRONG_USAGE) from error
        case _:
            raise typer.Exit(FAILED) from error
