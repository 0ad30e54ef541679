"""For hosts: what the engine tells of footage, faces and work, in the few words that a panel has room for."""

from engine.wire.messages import Face, Footage, Previewed
from engine.wire.work import Work

STATES = {"none": "No engine", "starting": "Starting …", "connected": "Ready", "lost": "Lost; trying again …"}
# How the colour space of footage is known.
_KNOWN_BY = {
    "option": "as chosen",
    "attribute": "as the file says",
    "chromaticities": "by its chromaticities",
    "default": "assumed",
}


def of_footage(told: Footage) -> list[str]:
    """A line each: name and range, size and kind, colour space and how it is known."""
    return [
        f"{told.name}, {told.frames}",
        f"{told.width} × {told.height}, {told.kind}",
        f"{told.colorspace}, {_KNOWN_BY.get(told.known_by, told.known_by)}",
    ]


def of_face(told: Face) -> list[str]:
    """Its number and range; where it is not seen in all of that, in how many frames it is."""
    seen = [f"in {told.frames} of them"] if told.frames < told.last - told.first + 1 else []
    return [f"Face {told.number}, {told.first}–{told.last}", *seen]


def of_work(work: Work) -> str:
    """What is done, how much of it, and how long it will take."""
    left = f", {work.seconds_left:.0f} s left" if work.seconds_left >= 0 else ""
    return f"{work.stage.title()} {work.done} of {work.total}{left}"


def of_preview(told: Previewed, is_solved: bool) -> list[str]:
    """How many faces were replaced; with a hint, where the shot was not solved although it could be."""
    hint = ["From this frame alone: find faces for the whole shot"] if told.solved != "shot" and not is_solved else []
    return [f"Frame {told.frame}: {told.faces} replaced", *hint]
