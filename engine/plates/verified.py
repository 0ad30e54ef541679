"""What `faceplate verify` says of a frame, as data and as lines for a person."""

from typing import Literal

import msgspec

from engine.events import Event
from engine.geometry import Box
from engine.plates.info import box_text


class ChannelChange(msgspec.Struct, frozen=True):
    """Samples of a channel that differ where they must not; `box` holds them all. `part` is empty in a file of one."""

    part: str
    channel: str
    samples: int
    box: Box


class HeaderChange(msgspec.Struct, frozen=True):
    """An attribute of a part's header that is not as in the plate; `added` ones are not the plate's."""

    part: str
    attribute: str
    how: Literal["missing", "changed", "added"]


class FrameVerified(Event, frozen=True, kw_only=True, tag="frame-verified"):
    """How a frame of a result differs from its plate's frame. Boxes are in the file's own coordinates.

    same: nothing differs but samples of the picture inside `window`, and what this program adds.
    window: what the frame declares as changed; None where it declares nothing, or nothing that can be.
    chunks: packed blocks of the plate's parts in the result. new_chunks: those whose bytes are not the plate's.
    repacked_chunks: of these, the ones that do not touch the window. identical_bytes: packed bytes of all others.
    changed_samples: samples of the picture that differ inside the window.
    written_anew: a part is stored in another way, or no block outside the window is the plate's: then samples were
    compared instead of bytes. storage: the attributes that say how.
    plate_digest, digest: SHA-256, in hex, over the SHA-256 of each packed block outside the window, part by part in the
    order of the chunk tables, of the plate's parts in either file.
    added: parts and channels that this program adds. channels, headers, problems: what else is not as in the plate.
    notes: what a person should know, and is not wrong.
    """

    frame: int
    plate: str
    path: str
    same: bool
    window: Box | None
    chunks: int
    new_chunks: int
    repacked_chunks: int
    identical_bytes: int
    changed_samples: int
    written_anew: bool
    storage: tuple[str, ...]
    plate_digest: str
    digest: str
    added: tuple[str, ...]
    channels: tuple[ChannelChange, ...]
    headers: tuple[HeaderChange, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...]

    def lines(self) -> list[str]:
        """Plain text: a line for the frame, then one for each thing that is added, wrong, or should be known."""
        details = [f"added: {', '.join(self.added)}"] if self.added else []
        details += self.problems
        for change in self.channels:
            where = f"{change.samples} samples differ in {box_text(change.box)}"
            details.append(f"channel {change.channel}{of_part(change.part)}: {where}")
        details += [f"header {one.attribute}{of_part(one.part)}: {one.how}" for one in self.headers]
        details += [f"note: {note}" for note in self.notes]
        return [f"frame {self.frame}: {self._verdict()}; {self._counts()}", *(f"  {detail}" for detail in details)]

    def _verdict(self) -> str:
        if not self.same:
            return "something else changed"
        if self.written_anew:
            how = f" ({', '.join(self.storage)})" if self.storage else ""
            return f"written anew{how}: the samples outside the window are the same, the bytes are not"
        return "only the window changed" if self.new_chunks else "nothing changed"

    def _counts(self) -> str:
        inside = ""
        if self.window is not None:
            inside = f"{self.changed_samples} samples of the picture changed in the window {box_text(self.window)}, "
        return (
            f"{inside}{self.new_chunks} of {self.chunks} chunks are new, {self.identical_bytes} bytes are the plate's"
        )


def of_part(part: str) -> str:
    """The part behind the name of what is in it; nothing in a file of one part."""
    return f" of part {part}" if part else ""
