"""Timecodes (SMPTE ST 12-1) between text and the EXR header."""

import re
from typing import Any

import OpenEXR

_TEXT = re.compile(r"(\d\d)[:;](\d\d)[:;](\d\d)([:;])(\d\d)")


def make_timecode(text: str) -> OpenEXR.TimeCode:
    """The EXR attribute of `HH:MM:SS:FF`, or `HH:MM:SS;FF` for drop-frame. Raises ValueError for any other text."""
    found = _TEXT.fullmatch(text)
    if found is None:
        raise ValueError(f"{text!a} is no timecode")
    hours, minutes, seconds, frame = (int(found[group]) for group in (1, 2, 3, 5))
    if hours > 23 or minutes > 59 or seconds > 59 or frame > 59:
        raise ValueError(f"{text!a} is no timecode")
    return OpenEXR.TimeCode(hours, minutes, seconds, frame, found[4] == ";", *[0] * 13)


def timecode_text(timecode: Any) -> str:
    """The text of an EXR timecode, with a semicolon for drop-frame; empty for anything else."""
    if not isinstance(timecode, OpenEXR.TimeCode):
        return ""
    try:
        last = f"{';' if timecode.dropFrame else ':'}{timecode.frame:02d}"
        return f"{timecode.hours:02d}:{timecode.minutes:02d}:{timecode.seconds:02d}{last}"
    except ValueError:
        return ""
