"""What is not documented, or not the same in every Resolve, so that a test can have it either way.

[3rd] marks what others have reported, and [?] what nobody has: it is assumed here, and Self-check is to find it out.
"""

from dataclasses import dataclass, field
from typing import Literal


@dataclass
class Habits:
    """One Resolve's ways."""

    # [3rd] AppendToTimeline does not use the frame that `endFrame` names; AddTake does [?].
    end_inclusive: bool = False
    take_end_inclusive: bool = True
    # [?] The frame that MarkOut names is rendered; marks of a timeline count from its first frame.
    mark_out_inclusive: bool = True
    marks_from_zero: bool = True
    # [3rd] By how much GetSourceStartFrame misses; and [?] GetRightOffset.
    source_start_off: int = 1
    right_offset_off: int = 0
    # Calls, as `Timeline.AddTrack`, that answer True and do nothing.
    lies: set[str] = field(default_factory=set)
    # Calls that answer False and do nothing.
    refuses: set[str] = field(default_factory=set)
    # Calls that this version does not have.
    missing: set[str] = field(default_factory=set)
    # [3rd] Formats go by their name or their extension: scripts use both.
    formats_by: Literal["name", "extension", "either"] = "either"
    # How many looks at a render job see it unfinished, and how it ends.
    render_polls: int = 3
    render_ends: Literal["complete", "fail", "never"] = "complete"
    # [3rd] Digits of the frame's number in the name of a rendered file.
    frame_digits: int = 8
    # [?] Rendering opens the Deliver page.
    render_opens_deliver: bool = True
    # [?] How ReplaceClip wants a sequence named: by its first file, with %04d, or with [1001-1010].
    replace_form: Literal["first", "printf", "range"] = "first"
    # "Replaces the underlying asset and metadata": Input Color Space and FPS are as after an import.
    replace_resets: bool = True
    # [3rd] FPS is a number, not text.
    rate_is_number: bool = True
    # Frames a second of an imported sequence; 0 is the project's.
    imported_rate: float = 0.0
    # [?] Characters of a marker's customData that are kept; 0 is all.
    custom_data_kept: int = 0
    # [3rd] Input Color Space can not be set in a project that works in ACES.
    aces_input_locked: bool = True
