# SPDX-License-Identifier: GPL-3.0-or-later
"""The contact with the engine that all of the extension shares, and the one timer that polls it."""

import time
import traceback
from collections import deque
from collections.abc import Callable

import bpy

from engine.wire.contact import Contact
from engine.wire.messages import Failure

from .preferences import preferences

# What other threads want to have done in the one that polls.
soon: deque[Callable[[], object]] = deque()
# What would take too long at once: in each turn a few pieces of it are done. They find what they change by name, since
# undo between two of them makes it anew.
pieces: deque[Callable[[], object]] = deque()
# Seconds after which no further piece is begun in a turn.
_TURN = 0.001
_UNEXPECTED = Failure(
    "internal", "Something in Blender was not as expected.", "Blender's console says what; try again."
)
engine = Contact("Blender", lambda: preferences().command, lambda: preferences().start)


def redraw() -> None:
    """Have the editors that show something of the engine drawn again."""
    for window in bpy.context.window_manager.windows:
        for area in window.screen.areas:
            if area.type in {"CLIP_EDITOR", "IMAGE_EDITOR"}:
                area.tag_redraw()


def turn() -> bool:
    """Do what is to be done soon, and poll the engine; whether anything happened."""
    # Other threads add to it at any time, and what is done may add itself again.
    for _ in range(len(soon)):
        _safely(soon.popleft())
    if not pieces:
        return bool(_safely(engine.poll))
    end = time.monotonic() + _TURN
    while pieces and time.monotonic() < end:
        _safely(pieces.popleft())
    return True


def _safely(call: Callable[[], object]) -> object:
    """Blender never calls a timer again that has raised: whatever goes wrong is told, and all else goes on."""
    try:
        return call()
    except Exception:  # noqa: BLE001
        traceback.print_exc()
        engine.error = _UNEXPECTED
        return True


def wait(done: Callable[[], bool]) -> None:
    """For scripts: do as the timer does, until `done`."""
    while not done():
        turn()
        time.sleep(0.002)


def _tick() -> float:
    if turn():
        redraw()
    return 0.02 if engine.busy or pieces else 0.1


def register() -> None:
    # Without a window nothing calls timers, and one that is left hangs the end of Blender 4.5.
    if not bpy.app.background:
        bpy.app.timers.register(_tick, persistent=True)


def unregister() -> None:
    if bpy.app.timers.is_registered(_tick):
        bpy.app.timers.unregister(_tick)
    engine.close()
    pieces.clear()
    soon.clear()
