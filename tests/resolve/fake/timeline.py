"""Timelines: tracks of clips, a playhead, and where an appended clip really comes to lie."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from .item import Item
from .markers import Marked
from .media import MediaPoolItem
from .refusal import FakeRefusal

if TYPE_CHECKING:
    from .project import Project

_NO_PLAYHEAD = ("media", "fusion")


@dataclass
class Track:
    name: str
    items: list[Item] = field(default_factory=list)
    enabled: bool = True
    locked: bool = False


class Timeline(Marked):
    """A timeline that begins at 01:00:00:00."""

    kind = "Timeline"

    def __init__(self, project: "Project", name: str) -> None:
        super().__init__(project.world)
        self.project, self.name, self.rate = project, name, project.rate
        self.start = self.playhead = round(3600 * self.rate)
        self.tracks = {"video": [Track("Video 1")], "audio": [Track("Audio 1")], "subtitle": []}
        self.markers, self.marks = {}, {}
        self.media = MediaPoolItem(project, name, None, "Timeline")

    def items(self) -> list[Item]:
        return [item for track in self.tracks["video"] for item in track.items]

    def end(self) -> int:
        """The frame after the last."""
        return max((item.start + item.duration for item in self.items()), default=self.start)

    def seen_at(self, frame: int) -> Item | None:
        """What is shown at a frame: the clip on the highest track that is on."""
        for track in reversed(self.tracks["video"]):
            for item in track.items:
                if track.enabled and item.enabled and item.start <= frame < item.start + item.duration:
                    return item
        return None

    def drop(self, items: list[Item]) -> None:
        for track in self.tracks["video"]:
            track.items = [item for item in track.items if item not in items]

    def place(self, item: Item, track: int) -> None:
        """Put a clip on a track; where an earlier one lies, that wins, and nobody says so [3rd]."""
        there = self.tracks["video"][track - 1].items
        taken = {frame for one in there for frame in range(one.start, one.start + one.duration)}
        free = [frame for frame in range(item.start, item.start + item.duration) if frame not in taken]
        if not free:
            return
        end = next((at for at in range(free[0], item.start + item.duration) if at in taken), item.start + item.duration)
        item.trim(free[0], end)
        there.append(item)
        there.sort(key=lambda one: one.start)

    def append(
        self,
        mediaPoolItem: MediaPoolItem,
        startFrame: int,
        endFrame: int,
        trackIndex: int,
        recordFrame: int,
        mediaType: int = 1,
    ) -> Item | None:
        end = min(endFrame + self.world.habits.end_inclusive, mediaPoolItem.length)
        if mediaType != 1:
            raise FakeRefusal("the fake does not append sound yet")
        if not 0 <= startFrame < end or not 1 <= trackIndex <= len(self.tracks["video"]) or recordFrame < self.start:
            return None
        if self.tracks["video"][trackIndex - 1].locked:
            return None
        item = Item(self, mediaPoolItem.name, mediaPoolItem, recordFrame)
        item.show(mediaPoolItem, startFrame, end)
        self.place(item, trackIndex)
        return item

    def last_marker(self) -> float:
        return self.end() - self.start

    def get_name(self) -> str:
        return self.name

    def get_start_frame(self) -> int:
        return self.start

    def get_end_frame(self) -> int:
        return self.end()

    def get_start_timecode(self) -> str:
        return self.project.timecode(self.start, self.rate)

    def get_media_pool_item(self) -> MediaPoolItem:
        return self.media

    def get_track_count(self, kind: str) -> int:
        return len(self.tracks[kind])

    def add_track(self, kind: str, options: Any = None) -> bool:
        tracks = self.tracks[kind]
        at = options.get("index", 0) if isinstance(options, dict) else 0
        track = Track(f"{kind.title()} {len(tracks) + 1}")
        tracks.insert(at - 1 if 1 <= at <= len(tracks) else len(tracks), track)
        return True

    def delete_track(self, kind: str, index: int) -> bool:
        track = self._track(kind, index)
        if track is None:
            return False
        self.tracks[kind].remove(track)
        return True

    def get_track_name(self, kind: str, index: int) -> str:
        track = self._track(kind, index)
        return track.name if track else ""

    def set_track_name(self, kind: str, index: int, name: str) -> bool:
        return self._set_on_track(kind, index, "name", name)

    def get_is_track_enabled(self, kind: str, index: int) -> bool:
        track = self._track(kind, index)
        return track is not None and track.enabled

    def set_track_enable(self, kind: str, index: int, on: bool) -> bool:
        return self._set_on_track(kind, index, "enabled", on)

    def get_is_track_locked(self, kind: str, index: int) -> bool:
        track = self._track(kind, index)
        return track is not None and track.locked

    def set_track_lock(self, kind: str, index: int, on: bool) -> bool:
        return self._set_on_track(kind, index, "locked", on)

    def get_item_list_in_track(self, kind: str, index: int) -> list[Item]:
        track = self._track(kind, index)
        return list(track.items) if track else []

    def delete_clips(self, items: list[Item], ripple: bool = False) -> bool:
        if ripple:
            raise FakeRefusal("a script of ours deletes without rippling")
        found = all(item in self.items() for item in items)
        self.drop(items)
        return found

    def get_current_timecode(self) -> str:
        return self.project.timecode(self.playhead, self.rate)

    def set_current_timecode(self, timecode: str) -> bool:
        hours, minutes, seconds, frames = map(int, timecode.split(":"))
        self.playhead = (hours * 3600 + minutes * 60 + seconds) * round(self.rate) + frames
        return True

    def get_current_video_item(self) -> Item | None:
        return None if self.world.page in _NO_PLAYHEAD else self.seen_at(self.playhead)

    def get_setting(self, name: str = "") -> Any:
        own = {"timelineFrameRate": f"{self.rate:g}"}
        return self.project.get_setting(name) | own if not name else own.get(name, self.project.get_setting(name))

    def set_mark_in_out(self, first: int, last: int, kind: str = "all") -> bool:
        """What is asked for counts as the timeline does; what is answered as the habit says."""
        zero = self.start if self.world.habits.marks_from_zero else 0
        return super().set_mark_in_out(first - zero, last - zero, kind)

    def _track(self, kind: str, index: int) -> Track | None:
        return self.tracks[kind][index - 1] if 1 <= index <= len(self.tracks[kind]) else None

    def _set_on_track(self, kind: str, index: int, name: str, value: Any) -> bool:
        track = self._track(kind, index)
        if track is None:
            return False
        setattr(track, name, value)
        return True
