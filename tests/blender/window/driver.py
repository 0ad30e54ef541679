"""Drives a Blender with a window from within, step by step between its own events, and measures how long it hangs.

A story is a generator: it yields what is to be waited for, as a condition or as seconds.
"""

import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any

import bpy
import gpu
import numpy as np
from compatibility import load, module

Story = Generator["Callable[[], Any] | float", None, None]

# Seconds: between two steps, and until something that is waited for must have come.
_PAUSE = 0.01
_PATIENCE = 60.0

told: dict[str, Any] = {}
# The longest that Blender hung since this was last emptied, and the longest calls of the extension, in milliseconds.
stalls: dict[str, float] = {}


def run(story: Callable[[], Story]) -> None:
    """Have a story told once Blender's window is there, write what came of it, and end Blender."""
    bpy.context.preferences.view.show_splash = False
    bpy.app.timers.register(_Teller(story).step, first_interval=0.5)


class _Teller:
    def __init__(self, story: Callable[[], Story]) -> None:
        self._begin, self._story = story, None
        self._until: Callable[[], Any] = lambda: True
        self._deadline = self._last = 0.0

    def step(self) -> float | None:
        now = time.perf_counter()
        if self._last:
            _note("blender", now - self._last - _PAUSE)
        try:
            if self._story is None:
                _enable()
                self._story = self._begin()
            if self._until():
                self._wait_for(next(self._story))
            elif time.monotonic() > self._deadline:
                self._story.throw(TimeoutError("Nothing came."))
        except StopIteration:
            return _end()
        except Exception:  # noqa: BLE001
            told["trouble"] = traceback.format_exc()
            return _end()
        self._last = time.perf_counter()
        return _PAUSE

    def _wait_for(self, what: "Callable[[], Any] | float") -> None:
        self._deadline = time.monotonic() + _PATIENCE
        if callable(what):
            self._until = what
        else:
            end = time.monotonic() + what
            self._until = lambda: time.monotonic() >= end


def _enable() -> None:
    extension: Any = load()
    _watch()
    extension.register()
    # So Blender knows what to disable before it ends.
    extension.__addon_enabled__ = True
    unregister = extension.unregister

    def unregistered() -> None:
        unregister()
        sys.stdout.write("The extension was unregistered.\n")

    extension.unregister = unregistered


def _end() -> None:
    Path(os.environ["FACEPLATE_TEST_TOLD"]).write_text(json.dumps(told), encoding="utf-8")
    with bpy.context.temp_override(window=window()):
        bpy.ops.wm.quit_blender()


def _note(name: str, seconds: float) -> None:
    stalls[name] = max(stalls.get(name, 0.0), round(1e3 * seconds, 2))


def _watch() -> None:
    """Measure what the extension does on the main thread."""
    _measure(module("wire.contact").Contact, "poll", "poll")
    _measure(module("connection"), "turn", "turn")
    _measure(module("overlay"), "_draw", "overlay")
    _measure(module("panel")._classes[0], "draw", "panel")
    _measure(module("panel")._classes[1], "draw", "faces")
    _measure(module("operators")._Asks, "invoke", "invoke")
    _measure(module("operators").FACEPLATE_OT_assign, "invoke", "invoke")
    _measure(module("operators")._Works, "modal", "modal")
    _measure(module("preview"), "follow", "follow")
    _measure(module("result"), "arrived", "arrived")


def _measure(owner: Any, attribute: str, name: str) -> None:
    call = getattr(owner, attribute)

    def timed(*arguments: Any) -> Any:
        start = time.thread_time()
        try:
            return call(*arguments)
        finally:
            _note(name, time.thread_time() - start)

    # Blender counts the arguments of what it calls.
    measured = (lambda: timed(), lambda a: timed(a), lambda a, b: timed(a, b), lambda a, b, c: timed(a, b, c))
    setattr(owner, attribute, measured[call.__code__.co_argcount])


def window() -> Any:
    return bpy.context.window_manager.windows[0]


def area_of(kind: str) -> Any:
    return next(area for area in window().screen.areas if area.type == kind)


def region_of(area: Any, kind: str = "WINDOW") -> Any:
    return next(region for region in area.regions if region.type == kind)


def within(area: Any, kind: str = "WINDOW") -> Any:
    """The context of a region, for operators."""
    return bpy.context.temp_override(window=window(), area=area, region=region_of(area, kind))


def open_clip(folder: Path) -> Story:
    """The plate in a Movie Clip Editor in place of the 3D view, with the extension's tab of the sidebar in front."""
    area = area_of("VIEW_3D")
    area.type = "CLIP_EDITOR"
    yield _PAUSE
    files = [{"name": path.name} for path in sorted(folder.glob("*.exr"))]
    with within(area):
        bpy.ops.clip.open(directory=str(folder), files=files)
    area.spaces.active.show_region_toolbar = False
    area.spaces.active.show_region_ui = True
    yield 0.5
    sidebar = region_of(area, "UI")
    x, y = sidebar.x + sidebar.width // 2, sidebar.y + sidebar.height // 2
    window().event_simulate(type="MOUSEMOVE", value="NOTHING", x=x, y=y)
    for _ in range(8):
        # With Ctrl, the wheel goes from tab to tab, and stays at the last.
        window().event_simulate(type="WHEELDOWNMOUSE", value="PRESS", x=x, y=y, ctrl=True)
        yield 0.1
    stalls.pop("panel", None)
    sidebar.tag_redraw()
    yield lambda: "panel" in stalls


def press(kind: str) -> None:
    """A key, pressed and let go of."""
    for value in ("PRESS", "RELEASE"):
        window().event_simulate(type=kind, value=value)


def save_picture(path: Path, area: Any) -> None:
    """The whole window as a PNG."""
    with within(area):
        bpy.ops.screen.screenshot(filepath=str(path))


def look(area: Any, seen: list[Any]) -> Story:
    """Put what the area's main region shows now into `seen`: (height, width, 4), the bottom row first."""
    region = region_of(area)

    def read() -> None:
        buffer: Any = gpu.state.active_framebuffer_get()
        shown = buffer.read_color(0, 0, region.width, region.height, 4, 0, "FLOAT")
        # Of more dimensions, Blender 3.4 tells the strides wrongly.
        shown.dimensions = region.height * region.width * 4
        seen.append(np.array(shown, np.float32).reshape(region.height, region.width, 4))

    handler = area.spaces.active.draw_handler_add(read, (), "WINDOW", "POST_PIXEL")
    region.tag_redraw()
    yield lambda: seen
    area.spaces.active.draw_handler_remove(handler, "WINDOW")
