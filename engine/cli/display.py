"""Shows events: one line of JSON each, for programs, or a progress bar and a few lines, for people.

What is written to standard output goes to `sys.__stdout__`: a session turns `sys.stdout` away, so that what a library
prints cannot mix with it.
"""

import sys
from typing import Any, Protocol, Self

from engine.events import (
    Error,
    Event,
    Finished,
    FrameDone,
    FrameFailed,
    FrameSkipped,
    Notice,
    Progress,
    Started,
    encode,
)


class Display(Protocol):
    """Takes events as they happen, between `__enter__` and `__exit__`; an `Error` also after it."""

    def __enter__(self) -> Self: ...

    def __exit__(self, *error: object) -> None: ...

    def show(self, event: Event) -> None: ...


class JsonLines:
    """Every event as one line of JSON on standard output."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        pass

    def show(self, event: Event) -> None:
        json_line(encode(event))


class Terminal:
    """A progress bar and failures on standard error, a summary on standard output."""

    def __init__(self) -> None:
        from rich.console import Console

        self._console = Console(stderr=True, highlight=False, markup=False, emoji=False, soft_wrap=True)
        self._bar: Any = None
        self._tasks: dict[str, Any] = {}
        self._frames = 0
        self._output = ""
        self._failures: dict[str, list[int]] = {}
        self._notes: set[str] = set()

    def __enter__(self) -> Self:
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        columns = TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()
        # The bar would send what is printed meanwhile to its own terminal, wherever standard output goes.
        self._bar = Bar(
            *columns,
            console=self._console,
            disable=not self._console.is_terminal,
            redirect_stdout=False,
            redirect_stderr=False,
        )
        return self

    def __exit__(self, *error: Any) -> None:
        self._bar.stop()

    def show(self, event: Event) -> None:
        match event:
            case Started():
                self._frames, self._output = event.frames, event.output
            case Progress():
                self._advance(event.stage, event.done, event.total)
            case Notice():
                self._console.print(f"note: {event.message}")
            case FrameDone():
                self._advance("render")
                self._noted(event)
            case FrameSkipped():
                self._advance("render")
            case FrameFailed():
                self._advance("render")
                self._failed(event)
            case Finished():
                self._finish(event)
            case Error():
                self._console.print(f"error: {event.message}")
                if event.remedy:
                    self._console.print(event.remedy)

    def _advance(self, stage: str, done: int | None = None, total: int | None = None) -> None:
        if stage not in self._tasks:
            # Not sooner: a question that is asked before has the terminal to itself.
            self._bar.start()
            self._tasks[stage] = self._bar.add_task(stage, total=total or self._frames)
        if done is None:
            self._bar.advance(self._tasks[stage])
        else:
            self._bar.update(self._tasks[stage], completed=done)

    def _noted(self, event: FrameDone) -> None:
        # What many frames share is told once.
        if event.note and event.note not in self._notes:
            self._notes.add(event.note)
            self._console.print(f"note, from frame {event.frame} on: {event.note}")

    def _failed(self, event: FrameFailed) -> None:
        reason = f"{event.message} {event.remedy}".strip()
        frames = self._failures.setdefault(reason, [])
        frames.append(event.frame)
        # A reason that many frames share is told once now, and with all its frames at the end.
        if len(frames) == 1:
            self._console.print(f"frame {event.frame}: {reason}")

    def _finish(self, event: Finished) -> None:
        from engine.plates.sequence import range_text

        self._bar.stop()
        for reason, frames in self._failures.items():
            if len(frames) > 1:
                self._console.print(f"frames {range_text(frames)}: {reason}")
        counts = [f"{event.done} done"]
        counts += [f"{event.skipped} there already"] if event.skipped else []
        counts += [f"{event.failed} failed"] if event.failed else []
        each = f", {event.seconds / event.done:.2f} s each" if event.done else ""
        line(f"{self._output}: {', '.join(counts)}, in {event.seconds:.1f} s{each}")


def line(text: str) -> None:
    """Print one line on standard output, whatever its encoding."""
    stream = sys.__stdout__
    if stream is None:
        return
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding) + "\n")
    stream.flush()


def json_line(data: bytes) -> None:
    """Print one line of JSON, in UTF-8, on standard output."""
    stream = sys.__stdout__
    if stream is None:
        return
    stream.buffer.write(data + b"\n")
    stream.buffer.flush()
