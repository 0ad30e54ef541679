"""Threads that work for long give way to those that answer."""

import contextlib
import os
import sys
import threading

# Of nineteen steps that a thread can go down: enough that whoever wants to answer gets a core at once.
STEPS = 5


def give_way() -> None:
    """Put the calling thread, and those that it will start, behind the others of this machine.

    Only Linux has a priority of each thread.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            thread = threading.get_native_id()
            os.setpriority(os.PRIO_PROCESS, thread, os.getpriority(os.PRIO_PROCESS, thread) + STEPS)
