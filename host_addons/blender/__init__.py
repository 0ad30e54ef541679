# SPDX-License-Identifier: GPL-3.0-or-later
"""Faceplate in Blender: what a person sets becomes a recipe, which the resident engine works on.

There is no mathematics of faces or colours here, and nothing waits for the engine: `connection` sends and polls.
"""

from . import connection, operators, overlay, panel, people, preferences, preview, render, settings

_PARTS = (preferences, settings, connection, people, preview, overlay, operators, panel, render)


def register() -> None:
    """Called by Blender when the extension is enabled."""
    for part in _PARTS:
        part.register()


def unregister() -> None:
    """Called by Blender when the extension is disabled, and before it ends."""
    for part in reversed(_PARTS):
        part.unregister()
