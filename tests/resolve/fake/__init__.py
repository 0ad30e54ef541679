"""A strict fake of DaVinci Resolve's scripting interface, for the real scripts and the real engine to run against.

What calls there are comes from the stubs of the documentation (`signatures`); any other call, argument or key is a
`FakeRefusal`, which is also kept, since a script's handler may hide it. Objects answer to any name, as Resolve's do
[3rd]: `hasattr` is always true, `name in dir(thing)` is not. What is not documented is in `habits`, to be had either
way. Media are files, and a render writes files, with colour converted by OpenColorIO.

Assumed, and not documented: rendered files are named with the frame of the timeline in eight digits; a marker of a
clip counts from its media's first frame; offsets of a retimed clip are in the media's frames; a picture is opaque; a
new bin is the current one, and a new timeline is opened [3rd]; GetEnd is the frame after the last [3rd].
"""

from .habits import Habits
from .pixels import Frames, write_exr, write_movie
from .refusal import FakeRefusal
from .world import FakeResolve

__all__ = ["FakeRefusal", "FakeResolve", "Frames", "Habits", "write_exr", "write_movie"]
