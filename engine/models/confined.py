"""Runs what a stranger's file decides in a process of its own, with an end to its time and its memory."""

import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import psutil

from engine.errors import Cancelled, ModelError, ModelTimeout

OUT_OF_MEMORY = 77
"""The status with which the child says that the system refused it memory."""

# Seconds between two looks at the child's memory.
_LOOK = 0.05
# Of the limit by the clock, in seconds of processors: more than the child's threads use up meanwhile.
_PROCESSORS = 8
_NO_WINDOW = getattr(subprocess, "CREATE_NO_WINDOW", 0)


class Limits(NamedTuple):
    """Seconds by the clock, and bytes of memory."""

    seconds: float
    memory: int


def run_confined(
    module: str, request: bytes, limits: Limits, subject: str, stopped: Callable[[], bool] = lambda: False
) -> bytes:
    """Run a module of ours with `request` on its standard input; what it wrote to its standard output.

    Its memory is watched, and where the system can also refuse it more address space, `bound` in the child has it do
    so at twice the limit. `subject` begins the messages. Raises ModelTimeout when it takes too long; ModelError when
    it takes too much memory, or ends otherwise than with status 0; Cancelled once `stopped()`, which is asked often.
    """
    command = [sys.executable, "-m", module, str(2 * limits.memory), str(1 + round(_PROCESSORS * limits.seconds))]
    # The folder that holds this engine, so that `-m` finds the same one there.
    place = Path(__file__).parents[2]
    try:
        child = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=place,
            creationflags=_NO_WINDOW,
        )
    except OSError as error:
        raise ModelError(f"No process can be started to try {subject}: {error.strerror}.") from error
    with child:
        try:
            return _watched(child, request, limits, subject, stopped)
        finally:
            child.kill()


def bound(arguments: Sequence[str]) -> None:
    """In the child: have the system refuse more address space than the first argument says, and keep no core dump.

    After as many seconds of processors as the second says it is ended even where its parent is there no more.
    """
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        # macOS knows this limit and does not hold it; there the parent's watch is the only one.
        resource.setrlimit(resource.RLIMIT_AS, (int(arguments[0]), int(arguments[0])))
        resource.setrlimit(resource.RLIMIT_CPU, (int(arguments[1]), int(arguments[1])))


def _watched(
    child: "subprocess.Popen[bytes]", request: bytes, limits: Limits, subject: str, stopped: Callable[[], bool]
) -> bytes:
    end = time.monotonic() + limits.seconds
    # It is sent once: after a timeout, `communicate` goes on with what it had.
    said: bytes | None = request
    while True:
        try:
            answer, _ = child.communicate(said, timeout=_LOOK)
            break
        except subprocess.TimeoutExpired:
            said = None
        if time.monotonic() > end:
            raise ModelTimeout(f"{subject} was ended after {limits.seconds:g} s.", "Do not use this file.")
        if _memory(child.pid) > limits.memory:
            raise _out_of_memory(limits, subject)
        if stopped():
            raise Cancelled("Stopped before it began.")
    if child.returncode == OUT_OF_MEMORY:
        raise _out_of_memory(limits, subject)
    if child.returncode:
        raise ModelError(f"{subject} ended its process with status {child.returncode}.", "Do not use this file.")
    return answer


def _memory(pid: int) -> int:
    try:
        return psutil.Process(pid).memory_info().rss
    except psutil.Error:
        return 0


def _out_of_memory(limits: Limits, subject: str) -> ModelError:
    return ModelError(f"{subject} needs more than {limits.memory / (1 << 30):.1f} GiB.", "Do not use this file.")
