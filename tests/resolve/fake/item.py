"""A clip of a timeline: what part of which media it shows, at what speed, and in which take."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .markers import Marked
from .media import MediaPoolItem

if TYPE_CHECKING:
    from .timeline import Timeline


@dataclass
class Take:
    """A part of a media, from its frame `first` to before `end`."""

    media: MediaPoolItem | None
    first: int
    end: int


class Item(Marked):
    """`duration` frames of the timeline at `start`, beginning at the media's frame `left`, from 0.

    `gain` stands for the grade, and is in linear light. A title, a generator and an adjustment clip have no media.
    """

    kind = "TimelineItem"

    def __init__(
        self, timeline: "Timeline", name: str, media: MediaPoolItem | None, start: int, speed: float = 1.0
    ) -> None:
        super().__init__(timeline.world)
        self.timeline, self.name, self.media, self.start, self.speed = timeline, name, media, start, speed
        self.left, self.duration, self.gain, self.enabled = 0, 0, 1.0, True
        self.markers, self.marks = {}, {}
        self.takes: list[Take] = []
        self.selected = 0

    @property
    def ratio(self) -> float:
        """Frames of the media for one of the timeline: by its speed, and by the two frame rates."""
        return self.speed * (self.media.rate / self.timeline.rate if self.media else 1)

    @property
    def span(self) -> int:
        """Frames of the media that are used."""
        return math.ceil(self.duration * abs(self.ratio) - 1e-6)

    def show(self, media: MediaPoolItem | None, first: int, end: int) -> None:
        """Show a part of a media, for as long as that takes."""
        self.media, self.left = media, first
        self.duration = max(1, math.floor((end - first) / abs(self.ratio) + 1e-6))

    def trim(self, start: int, end: int) -> None:
        """Keep only some frames of the timeline."""
        self.left += math.floor((start - self.start) * abs(self.ratio) + 1e-6)
        self.start, self.duration = start, end - start

    def source_at(self, frame: int) -> int:
        """The media's frame, from 0, that is shown at a frame of the timeline."""
        step = math.floor((frame - self.start) * abs(self.ratio) + 1e-6)
        return self.left + (step if self.speed > 0 else self.span - 1 - step)

    def last_marker(self) -> float:
        return max(self.left + self.duration, self.media.length if self.media else 0) - 1

    def get_name(self) -> str:
        return self.name

    def get_start(self, subframe: bool = False) -> float:
        return float(self.start) if subframe else self.start

    def get_end(self, subframe: bool = False) -> float:
        """The frame after the last."""
        end = self.start + self.duration
        return float(end) if subframe else end

    def get_duration(self, subframe: bool = False) -> float:
        return float(self.duration) if subframe else self.duration

    def get_left_offset(self, subframe: bool = False) -> float:
        return float(self.left) if subframe else self.left

    def get_right_offset(self, subframe: bool = False) -> float:
        whole = self.media.length if self.media else self.duration
        right = whole - self.left - self.span + self.world.habits.right_offset_off
        return float(right) if subframe else right

    def get_source_start_frame(self) -> int:
        if self.media is None:
            return 0
        first = self.media.frames.first if self.media.frames else 0
        return first + self.source_at(self.start) + self.world.habits.source_start_off

    def get_source_end_frame(self) -> int:
        if self.media is None:
            return 0
        first = self.media.frames.first if self.media.frames else 0
        return first + self.source_at(self.start + self.duration - 1)

    def get_media_pool_item(self) -> MediaPoolItem | None:
        return self.media

    def get_track_type_and_index(self) -> list[Any]:
        tracks = self.timeline.tracks["video"]
        return ["video", next(index for index, track in enumerate(tracks, 1) if self in track.items)]

    def get_clip_enabled(self) -> bool:
        return self.enabled

    def set_clip_enabled(self, on: bool) -> bool:
        self.enabled = on
        return True

    def add_take(self, media: MediaPoolItem, first: int | None = None, end: int | None = None) -> bool:
        stop = media.length if end is None else end + self.world.habits.take_end_inclusive
        if not 0 <= (first or 0) < stop <= media.length:
            return False
        if not self.takes:
            self.takes, self.selected = [Take(self.media, self.left, self.left + self.span)], 1
        self.takes.append(Take(media, first or 0, stop))
        return True

    def get_takes_count(self) -> int:
        return len(self.takes)

    def get_selected_take_index(self) -> int:
        return self.selected

    def get_take_by_index(self, index: int) -> dict[str, Any]:
        if not 1 <= index <= len(self.takes):
            return {}
        take = self.takes[index - 1]
        return {
            "startFrame": take.first,
            "endFrame": take.end - self.world.habits.take_end_inclusive,
            "mediaPoolItem": take.media,
        }

    def select_take_by_index(self, index: int) -> bool:
        if not 1 <= index <= len(self.takes):
            return False
        take, self.selected = self.takes[index - 1], index
        self.show(take.media, take.first, take.end)
        return True

    def delete_take_by_index(self, index: int) -> bool:
        if not 1 <= index <= len(self.takes) or len(self.takes) == 1 or index == self.selected:
            return False
        del self.takes[index - 1]
        self.selected -= index < self.selected
        return True

    def finalize_take(self) -> bool:
        done = bool(self.takes)
        self.takes, self.selected = [], 0
        return done
