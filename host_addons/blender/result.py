# SPDX-License-Identifier: GPL-3.0-or-later
"""What becomes of a result, once its frames are written."""

import bpy

from . import settings


def arrived(uid: int, paths: dict[int, str], failed: dict[int, str]) -> None:
    """Called when a swap has ended, however it did: the file of each frame that is written, and why others are not.

    `uid` is the session's number of the clip, which may have been removed meanwhile, or made anew by undo.
    """
    clip = next((clip for clip in bpy.data.movieclips if clip.session_uid == uid), None)
    if clip is not None and paths:
        settings.settings_of(clip).result = paths[min(paths)]
