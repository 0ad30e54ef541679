"""Proves that results are their plates everywhere but in the window that each declares to have changed.

Blocks that do not touch the window must be the same bytes. Those that do are decoded, as is everything in a file that
was written anew: the samples outside the window and all those of other channels must be the same bits. Headers must say
the same.
"""

import hashlib
import os
import struct
from collections.abc import Iterator
from pathlib import Path

from engine.errors import FaceplateError, FrameMissing, UsageError
from engine.events import Event, FrameFailed, Notice, shown
from engine.geometry import Box
from engine.plates.channels import OURS
from engine.plates.chunks import covering
from engine.plates.companion import layer_part_name
from engine.plates.compare import Allowed, Differences, all_bands, bands_of, chunk_digests, compare_samples
from engine.plates.exr import choose_picture
from engine.plates.header import WINDOW
from engine.plates.info import box_text
from engine.plates.layout import PartLayout
from engine.plates.naming import EXR_SUFFIX
from engine.plates.sequence import FrameSequence, find_sequence, range_text
from engine.plates.splice import ExrFile, is_lossy
from engine.plates.verified import ChannelChange, FrameVerified, HeaderChange, of_part

_OURS_PREFIX = "faceplate:"
# What a part says only in a file of several, or where a library has written it.
_OF_PARTS = frozenset({"name", "type", "chunkCount"})
# What may differ where a part was written anew; its channels are compared one by one.
_STORAGE = frozenset({"compression", "lineOrder", "tiles"})


def verify_frames(plate: str | os.PathLike[str], out: str | os.PathLike[str]) -> Iterator[Event]:
    """Compare the frames of a result with those of its plate; both are named as for `find_sequence`.

    Frames are paired by number; two single files are a pair whatever theirs are. Gives a FrameVerified for each pair, a
    FrameFailed where it cannot be compared or the plate has no such frame, and a Notice of frames that only the plate
    has. Raises PlateError where no frames are found, UsageError where they are not EXR.
    """
    first, second = find_sequence(plate), find_sequence(out)
    for sequence in (first, second):
        _check_kind(sequence)
    known = set(first.frames)
    pairs = {number: first.path(number) if number in known else None for number in second.frames}
    left = known - pairs.keys()
    if Path(plate).is_file() and Path(out).is_file():
        pairs, left = {second.frames[0]: first.path(first.frames[0])}, set()
    for number, path in pairs.items():
        yield _verified(path, second.path(number), number)
    if left:
        yield Notice("not-rendered", f"{shown(out)} has no frames {range_text(left)}.")


def verify_frame(plate: Path, out: Path, frame: int = 1) -> FrameVerified:
    """Compare a frame of a result with its plate's frame, both EXR files; `frame` is only told.

    Takes memory for a band of either file. Raises FrameUnreadable where a file is damaged, PlateUnsupported where the
    plate has no picture that could have been changed.
    """
    return _Verification(plate, out).run(frame)


class _Verification:
    """Two open files, and what was found so far."""

    def __init__(self, plate: Path, out: Path) -> None:
        self._first, self._second = ExrFile(plate), ExrFile(out)
        self._picture = choose_picture(plate, self._first.layout)
        self._chunks = self._new = self._repacked = self._outside = self._identical = self._inside = 0
        self._digests = hashlib.sha256(), hashlib.sha256()
        self._unlike = False
        self._storage: set[str] = set()
        self._added: list[str] = []
        self._channels: list[ChannelChange] = []
        self._headers: list[HeaderChange] = []
        self._problems: list[str] = []
        self._notes: list[str] = []
        self._window = self._declared()

    def run(self, frame: int) -> FrameVerified:
        old, new = self._first.layout.parts, self._second.layout.parts
        if self._first.table.rebuilt:
            self._notes.append("The plate's table of chunks is damaged.")
        if self._second.table.rebuilt:
            self._problems.append("The table of chunks is damaged.")
        for number, (before, after) in enumerate(zip(old, new, strict=False)):
            self._part(number, before, after)
        for number, part in enumerate(old[len(new) :], len(new)):
            self._problems.append(f"The part {part.name or number} is missing.")
        for number, part in enumerate(new[len(old) :], len(old)):
            if part.name == layer_part_name(self._first.layout):
                self._added.append(f"part {part.name}")
            else:
                self._problems.append(f"The part {part.name or number} is not the plate's.")
        found = self._unlike or self._problems or self._channels
        if not found and 0 < self._repacked < self._outside:
            self._problems.append(f"{self._repacked} chunks outside the window are not the plate's bytes.")
        self._first.check_unchanged()
        self._second.check_unchanged()
        return self._result(frame)

    def _result(self, frame: int) -> FrameVerified:
        return FrameVerified(
            frame=frame,
            plate=shown(self._first.path),
            path=shown(self._second.path),
            same=not (self._channels or self._headers or self._problems),
            window=self._window,
            chunks=self._chunks,
            new_chunks=self._new,
            repacked_chunks=self._repacked,
            identical_bytes=self._identical,
            changed_samples=self._inside,
            written_anew=self._unlike or 0 < self._repacked == self._outside,
            storage=tuple(sorted(self._storage)),
            plate_digest=self._digests[0].hexdigest(),
            digest=self._digests[1].hexdigest(),
            added=tuple(self._added),
            channels=tuple(self._channels),
            headers=tuple(self._headers),
            problems=tuple(self._problems),
            notes=tuple(self._notes),
        )

    def _declared(self) -> Box | None:
        """The window that the result says was changed, where there can be one."""
        number = self._picture.part
        if number >= len(self._second.layout.parts):
            return None
        kind, value = self._second.layout.parts[number].attributes.get(WINDOW, ("", b""))
        if not kind:
            return None
        if kind != "box2i" or len(value) != struct.calcsize("<4i"):
            self._notes.append("The declared window cannot be understood, and counts for nothing.")
            return None
        x0, y0, x1, y1 = struct.unpack("<4i", value)
        box = Box(x0, y0, x1 + 1, y1 + 1)
        if not box.empty and box.intersect(self._first.layout.parts[number].window) != box:
            self._notes.append(f"The declared window {box_text(box)} leaves the picture, and counts for nothing.")
            return None
        return None if box.empty else box

    def _part(self, number: int, before: PartLayout, after: PartLayout) -> None:
        digests = chunk_digests(self._first, number), chunk_digests(self._second, number)
        touched = self._touched(number, before), self._touched(number, after)
        for total, own, inside in zip(self._digests, digests, touched, strict=True):
            for index, digest in enumerate(own):
                if index not in inside:
                    total.update(digest)
        alike = _stored(before) == _stored(after)
        changed = [index for index, digest in enumerate(digests[1]) if not alike or digest != digests[0][index]]
        repacked = sum(index not in touched[1] for index in changed)
        packed = [chunk.packed for chunk in self._second.table.parts[number]]
        self._chunks += len(packed)
        self._new += len(changed)
        self._outside += len(packed) - len(touched[1])
        self._repacked += repacked
        self._identical += sum(packed) - sum(packed[index] for index in changed)
        self._unlike = self._unlike or not alike
        if not alike:
            self._compare_all(number, before, after)
        elif changed:
            self._compare_changed(number, before, changed, recompressed=not repacked)
        self._compare_headers(number, before, after, anew=not alike or repacked > 0)

    def _touched(self, number: int, part: PartLayout) -> frozenset[int]:
        if self._window is None or number != self._picture.part:
            return frozenset()
        return frozenset(covering(part, self._window)[0])

    def _compare_changed(self, number: int, part: PartLayout, changed: list[int], recompressed: bool) -> None:
        of = of_part(self._label(number))
        if part.deep:
            self._problems.append(f"{len(changed)} chunks{of}, which is deep, are not the plate's.")
            return
        full = part.levels[0].across * part.levels[0].down if part.levels else part.chunk_count
        smaller = sum(index >= full for index in changed)
        if smaller:
            self._problems.append(f"{smaller} chunks of smaller levels{of} are not the plate's.")
        bands = bands_of(part, [index for index in changed if index < full])
        found = self._compare(number, bands, {channel.name for channel in part.channels})
        if found.outside and recompressed and is_lossy(part):
            self._notes.append(
                "The chunks that hold the window were compressed again, with loss: `output.chunks` = auto avoids it."
            )

    def _compare_all(self, number: int, before: PartLayout, after: PartLayout) -> None:
        of = of_part(self._label(number))
        if before.window != after.window or before.deep or after.deep:
            self._problems.append(f"The chunks{of} are stored in another way, and could not be compared.")
            return
        if len(after.levels) > 1:
            self._problems.append(f"The smaller levels{of} are stored in another way, and could not be compared.")
        old = {channel.name: channel for channel in before.channels}
        new = {channel.name: channel for channel in after.channels}
        for name, channel in new.items():
            if name not in old and number == self._picture.part and name.rpartition(".")[0] in OURS:
                self._added.append(f"channel {name}")
            elif name not in old:
                self._problems.append(f"The channel {name}{of} is not the plate's.")
            elif old[name] != channel:
                self._problems.append(f"The channel {name}{of} is of another type.")
        self._problems += [f"The channel {name}{of} is missing." for name in old if name not in new]
        self._compare(number, all_bands(before, after), {name for name in old if new.get(name) == old[name]})

    def _compare(self, number: int, bands: Iterator[Box], names: set[str]) -> Differences:
        window = self._window if number == self._picture.part else None
        allowed = None if window is None else Allowed(frozenset(self._picture.names), window)
        found = compare_samples(self._first, self._second, number, bands, names, allowed)
        label = self._label(number)
        self._inside += found.inside
        self._channels += [ChannelChange(label, name, *found.outside[name]) for name in sorted(found.outside)]
        for box, error in found.damaged:
            self._problems.append(f"{error.message.rstrip('.')}, in {box_text(box)}{of_part(label)}.")
        return found

    def _compare_headers(self, number: int, before: PartLayout, after: PartLayout, anew: bool) -> None:
        old, new = before.attributes, after.attributes
        converted = anew or self._second.layout.multi_part != self._first.layout.multi_part
        for name in sorted(old.keys() | new.keys()):
            if old.get(name) == new.get(name) or name.startswith(_OURS_PREFIX):
                continue
            if converted and name in _OF_PARTS and (name != "name" or name not in old):
                continue
            if anew and name in _STORAGE:
                self._storage.add(name)
            elif not (anew and name == "channels"):
                how = "missing" if name not in new else "changed" if name in old else "added"
                self._headers.append(HeaderChange(self._label(number), name, how))

    def _label(self, number: int) -> str:
        """The part's name or number; empty in a file of one."""
        parts = self._first.layout.parts
        return "" if len(parts) == 1 else parts[number].name or str(number)


def _check_kind(sequence: FrameSequence) -> None:
    if sequence.suffix.lower() != EXR_SUFFIX:
        raise UsageError(
            f"{shown(sequence.path(sequence.frames[0]))} is not an EXR file.",
            "Only EXR frames that were made from EXR frames can be compared with them.",
        )


def _verified(plate: Path | None, out: Path, frame: int) -> FrameVerified | FrameFailed:
    try:
        if plate is None:
            raise FrameMissing(f"The plate has no frame {frame}, and {shown(out)} is there.", "Check both ranges.")
        return verify_frame(plate, out, frame)
    except FaceplateError as error:
        return FrameFailed(frame, error.code, shown(error.message), shown(error.remedy))


def _stored(part: PartLayout) -> tuple[object, ...]:
    """How a part is stored: where it is alike, chunks have the same places, and equal ones the same bytes."""
    return part.kind, part.window, part.channels, part.compression, part.tiles
