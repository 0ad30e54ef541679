"""Frames through three stages at once: one thread reads ahead, the caller's edits, one writes behind.

Where several GPUs are there, several threads edit, as many frames at a time.
"""

from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

from engine.errors import FaceplateError

# Frames that wait before the edit, and after it. One hides the disk; each costs a frame's memory, and twice that with
# layers.
DEPTH = 1

Item = TypeVar("Item")
Edited = TypeVar("Edited")
Written = TypeVar("Written")


def flow(
    numbers: Iterable[int],
    read: Callable[[int], Item],
    edit: Callable[[Item], Edited],
    write: Callable[[Edited], Written],
    stopped: Callable[[], bool],
    at_once: int = 1,
) -> Generator[tuple[int, Written | FaceplateError], None, None]:
    """Run every frame through the stages, and yield its number with what `write` returned, or why there is nothing.

    at_once: how many frames are edited at the same time; by the caller's own thread where it is 1.

    A `FaceplateError` of a stage is that frame's outcome, and the others go on. Once `stopped()`, no further frame is
    edited; those that wait to be written are written and yielded.
    """
    waiting = iter(numbers)
    reads: deque[tuple[int, Future[Item]]] = deque()
    writes: deque[tuple[int, Future[Written]]] = deque()
    with (
        ThreadPoolExecutor(1, "read") as reader,
        ThreadPoolExecutor(at_once, "edit") as editor,
        ThreadPoolExecutor(1, "write") as writer,
    ):
        try:
            _read_ahead(reads, waiting, reader, read, at_once)
            while reads and not stopped():
                # A future keeps its frame: none is held here when the next ones are read.
                group = [reads.popleft() for _ in range(min(at_once, len(reads)))]
                for number, edited in _edit_all(group, edit, editor):
                    if isinstance(edited, FaceplateError):
                        yield number, edited
                    else:
                        writes.append((number, writer.submit(write, edited)))
                    del edited
                _read_ahead(reads, waiting, reader, read, at_once)
                while writes and (len(writes) > DEPTH * at_once or writes[0][1].done()):
                    yield _outcome(*writes.popleft())
            while writes:
                yield _outcome(*writes.popleft())
        finally:
            for _, coming in reads:
                coming.cancel()


def _edit_all(
    group: list[tuple[int, Future[Item]]], edit: Callable[[Item], Edited], editor: ThreadPoolExecutor
) -> Iterator[tuple[int, Edited | FaceplateError]]:
    """Edit the frames of a group, all at the same time; empties it."""

    def edited(coming: Future[Item]) -> Edited | FaceplateError:
        try:
            return edit(coming.result())
        except FaceplateError as error:
            return error

    if len(group) == 1:
        number, coming = group.pop()
        yield number, edited(coming)
        return
    numbers = [number for number, _ in group]
    under_way = deque(editor.submit(edited, group.pop(0)[1]) for _ in numbers)
    for number in numbers:
        yield number, under_way.popleft().result()


def _read_ahead(
    reads: deque[tuple[int, Future[Item]]],
    waiting: Iterator[int],
    reader: ThreadPoolExecutor,
    read: Callable[[int], Item],
    at_once: int,
) -> None:
    while len(reads) < DEPTH * at_once and (number := next(waiting, None)) is not None:
        reads.append((number, reader.submit(read, number)))


def _outcome(number: int, writing: Future[Written]) -> tuple[int, Written | FaceplateError]:
    try:
        return number, writing.result()
    except FaceplateError as error:
        return number, error
