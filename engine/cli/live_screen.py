"""What the live view of `faceplate engine run` draws: the engine's state, its jobs, and the end of its log."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from rich.cells import cell_len
from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from engine.cli.state import ACTIVE, duration, left, memory, pace, readiness

if TYPE_CHECKING:
    from engine.wire.messages import JobState, State

# Lines of the log that there is always room for, and the lines that are neither log nor jobs.
_LOG_LINES, _FIXED_LINES = 3, 8
_STYLES = {"waiting": "dim", "running": "cyan", "done": "green", "failed": "bold red", "cancelled": "yellow"}
_END = "Ctrl-C ends the engine once the frames in work are whole."
_ENDING = "The engine ends once the frames in work are whole; Ctrl-C ends it at once."
# What there is of a job, with the width of its column: 0 for what is left of the line.
_COLUMNS = (("", 4), ("job", 6), ("state", 10), ("stage", 8), ("", 0), ("frames", 12), ("per s", 7), ("left", 10))
# A bar below this many columns says nothing.
_NARROW = 66


def draw(state: "State | None", ending: bool, log: Sequence[tuple[str, str]], width: int, height: int) -> Group:
    """The whole screen, in `width` columns and `height` lines; `log` is (style, text) of its last lines.

    Without a state the engine is not ready yet.
    """
    jobs = _most_telling(state.jobs if state else ())
    room = max(0, height - _FIXED_LINES - _LOG_LINES) // 2
    body = [*_head(state, width), _header(width)]
    for job in jobs[:room]:
        body += [_numbers(job, width), _line(f"     {_between(job.plate, job.output, width - 6)}", "dim")]
    body.append(_line(_beyond(len(jobs), room), "dim"))
    used = _FIXED_LINES + 2 * len(jobs[:room])
    last = log[-max(_LOG_LINES, height - used) :]
    body += [Rule("log", style="dim"), *(_line(text, style) for style, text in last)]
    body += [_line("")] * (height - used - len(last))
    return Group(*body, _line(_ENDING if ending else _END, "bold yellow" if ending else "dim"))


def _head(state: "State | None", width: int) -> list[RenderableType]:
    if state is None:
        return [_line("faceplate", "bold"), _line("The engine begins …"), _line(""), Rule("jobs", style="dim")]
    name = f"faceplate {state.engine}, process {state.pid}, running for {duration(state.seconds)}"
    ready = _line(", ".join(readiness(state)), "" if state.warm >= 1.0 else "yellow")
    return [_line(name, "bold"), ready, _line(memory(state)), Rule("jobs", style="dim")]


def _header(width: int) -> Table:
    return _row([Text(name, "dim") for name, _ in _COLUMNS], width)


def _numbers(job: "JobState", width: int) -> Table:
    counts = job.state in ACTIVE and job.total > 0
    bar = ProgressBar(job.total, min(job.done, job.total), complete_style="cyan") if counts else Text("")
    cells = [
        Text(str(job.job)),
        Text(job.kind),
        Text(job.state, _STYLES.get(job.state, "")),
        Text(job.stage),
        bar,
        Text(f"{job.done}/{job.total}" if job.total else ""),
        Text(pace(job).removesuffix(" frames/s")),
        Text(left(job).removesuffix(" left") if job.state == "running" else ""),
    ]
    return _row(cells, width)


def _row(cells: Sequence[RenderableType], width: int) -> Table:
    """One line of the table; its columns are those of every other line."""
    row = Table.grid(padding=(0, 1), expand=True)
    shown = [(cell, fixed) for cell, (_, fixed) in zip(cells, _COLUMNS, strict=True) if fixed or width >= _NARROW]
    for index, (_, fixed) in enumerate(shown):
        numeric = index == 0 or index >= len(shown) - 3
        row.add_column(
            width=fixed or None, ratio=None if fixed else 1, justify="right" if numeric else "left", no_wrap=True
        )
    row.add_row(*(cell for cell, _ in shown))
    return row


def _most_telling(jobs: "Iterable[JobState]") -> "list[JobState]":
    """Those that run, those that wait, and those that ended, the last ones first."""
    order = {"running": 0, "waiting": 1}
    return sorted(jobs, key=lambda job: (order.get(job.state, 2), job.job if job.state in order else -job.job))


def _beyond(count: int, room: int) -> str:
    if count > room:
        return f"     and {count - room} more: faceplate jobs"
    return "" if count else "     none yet"


def _between(plate: str, output: str, width: int) -> str:
    """Where a job goes from and to, in `width` columns; of paths that are too long the ends."""
    first, second = _printable(plate), _printable(output)
    # A solve has no frames to write.
    if not second:
        return _end_of(first, width)
    arrow = " → "
    half = (width - len(arrow)) // 2
    spare = width - len(arrow) - cell_len(second)
    first = _end_of(first, max(half, spare))
    return f"{first}{arrow}{_end_of(second, width - len(arrow) - cell_len(first))}"


def _end_of(text: str, width: int) -> str:
    if cell_len(text) <= width:
        return text
    while text and cell_len(text) >= width:
        text = text[1:]
    # From a folder on, unless that leaves too little.
    cut = text.find("/")
    return f"…{text[cut:] if 0 <= cut < len(text) // 2 else text}"


def _line(text: str, style: str = "") -> Text:
    return Text(_printable(text), style, no_wrap=True, overflow="ellipsis")


def _printable(text: str) -> str:
    """Without what a terminal would take for a command: a file may have any name."""
    return "".join(character if character.isprintable() else "�" for character in text)
