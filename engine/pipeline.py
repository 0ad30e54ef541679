"""Frames through three stages at once: one thread reads ahead, the caller's edits, one writes behind."""

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
) -> Generator[tuple[int, Written | FaceplateError], None, None]:
    """Run every frame through the stages, and yield its number with what `write` returned, or why there is nothing.

    A `FaceplateError` of a stage is that frame's outcome, and the others go on. Once `stopped()`, no further frame is
    edited; those that wait to be written are written and yielded.
    """
    waiting = iter(numbers)
    reads: deque[tuple[int, Future[Item]]] = deque()
    writes: deque[tuple[int, Future[Written]]] = deque()
    with ThreadPoolExecutor(1, "read") as reader, ThreadPoolExecutor(1, "write") as writer:
        try:
            _read_ahead(reads, waiting, reader, read)
            while reads and not stopped():
                number, coming = reads.popleft()
                try:
                    edited = edit(coming.result())
                except FaceplateError as error:
                    yield number, error
                else:
                    writes.append((number, writer.submit(write, edited)))
                    del edited
                # A future keeps its frame: let go of it before the next one is read.
                del coming
                _read_ahead(reads, waiting, reader, read)
                while writes and (len(writes) > DEPTH or writes[0][1].done()):
                    yield _outcome(*writes.popleft())
            while writes:
                yield _outcome(*writes.popleft())
        finally:
            for _, coming in reads:
                coming.cancel()


def _read_ahead(
    reads: deque[tuple[int, Future[Item]]],
    waiting: Iterator[int],
    reader: ThreadPoolExecutor,
    read: Callable[[int], Item],
) -> None:
    while len(reads) < DEPTH and (number := next(waiting, None)) is not None:
        reads.append((number, reader.submit(read, number)))


def _outcome(number: int, writing: Future[Written]) -> tuple[int, Written | FaceplateError]:
    try:
        return number, writing.result()
    except FaceplateError as error:
        return number, error
