"""A Resolve with a project in it: what a test makes and looks at, outside of the interface that scripts see."""

import itertools
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from . import color, pixels
from .habits import Habits
from .item import Item
from .media import MediaPoolItem
from .project import Project
from .refusal import FakeRefusal
from .remote import Remote
from .session import Resolve
from .timeline import Timeline

Edition = Literal["free", "studio"]


class World:
    """All that one Resolve is, shared by its objects."""

    def __init__(self, edition: Edition, habits: Habits, version: tuple[int, int, int, int, str]) -> None:
        self.edition, self.habits, self.version = edition, habits, version
        self.page: str | None = "edit"
        # What the dialog says that keeps every call from being answered.
        self.modal = ""
        self.refusals: list[FakeRefusal] = []
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self._ids = itertools.count(1)
        self.project: Project | None = None

    def new_id(self) -> str:
        return f"00000000-0000-4000-8000-{next(self._ids):012x}"


class FakeResolve:
    """A running Resolve. As a context it fails at its end if anything was refused, even if a script hid that."""

    def __init__(
        self,
        edition: Edition = "studio",
        *,
        habits: Habits | None = None,
        name: str = "Feature",
        rate: str = "24",
        version: tuple[int, int, int, int, str] = (21, 0, 0, 48, ""),
        settings: dict[str, str] | None = None,
    ) -> None:
        self.world = World(edition, habits or Habits(), version)
        self.project = self.world.project = Project(self.world, name, rate)
        for key, value in (settings or {}).items():
            if not self.project.set_setting(key, value):
                raise ValueError(f"{key} can not be {value!r}")
        self.timeline = self.add_timeline("Reel 1")

    def __enter__(self) -> "FakeResolve":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: TracebackType | None) -> None:
        if kind is None:
            self.verify()

    @property
    def habits(self) -> Habits:
        return self.world.habits

    @property
    def resolve(self) -> Any:
        """What a menu script has as `resolve`."""
        return Remote(Resolve(self.world))

    def scriptapp(self, name: str) -> Any:
        """What a script outside of Resolve gets: nothing from the free edition."""
        return self.resolve if name == "Resolve" and self.world.edition == "studio" else None

    def verify(self) -> None:
        """Raises FakeRefusal if there was any."""
        if self.world.refusals:
            raise FakeRefusal("; ".join(map(str, self.world.refusals)))

    def add_timeline(self, name: str) -> Timeline:
        made = self.project.add_timeline(name)
        if made is None:
            raise ValueError(f"there is a timeline {name} already")
        self.project.current = made
        return made

    def add_media(self, files: str | Path, *, space: str = "", rate: float = 0.0) -> MediaPoolItem:
        """Media in the current bin: the first file of a sequence, or a movie. `space` is its Input Color Space."""
        frames = pixels.from_file(str(files))
        if frames is None:
            raise FileNotFoundError(files)
        media = self.project.pool.add(frames)
        if space:
            media.set["Input Color Space"] = space
        media.rate = rate or media.rate
        return media

    def add_clip(
        self,
        files: "str | Path | MediaPoolItem",
        *,
        start: int | None = None,
        left_offset: int = 0,
        duration: int | None = None,
        speed: float = 1.0,
        track: int = 1,
        gain: float = 1.0,
        space: str = "",
        rate: float = 0.0,
    ) -> Item:
        """A clip on the current timeline: at frame `start` of it, else after all others; `duration` in its frames."""
        media = files if isinstance(files, MediaPoolItem) else self.add_media(files, space=space, rate=rate)
        timeline = self.timeline_now
        item = Item(timeline, media.name, media, timeline.end() if start is None else start, speed)
        item.show(media, left_offset, media.length)
        item.duration, item.gain = duration or item.duration, gain
        self._place(item, track)
        return item

    def add_title(self, name: str = "Text+", *, duration: int = 24, track: int = 1, start: int | None = None) -> Item:
        """A title, a generator or an adjustment clip: it has no media."""
        timeline = self.timeline_now
        item = Item(timeline, name, None, timeline.end() if start is None else start)
        item.duration = duration
        self._place(item, track)
        return item

    def add_nested(self, kind: str = "Compound", *, duration: int = 24, track: int = 1) -> Item:
        """A compound, a Fusion or a multicam clip: its media has no file."""
        media = MediaPoolItem(self.project, f"{kind} Clip 1", None, kind)
        media.length = duration
        self.project.pool.current.clips.append(media)
        item = Item(self.timeline_now, media.name, media, self.timeline_now.end())
        item.duration = duration
        self._place(item, track)
        return item

    def _place(self, item: Item, track: int) -> None:
        while len(self.timeline_now.tracks["video"]) < track:
            self.timeline_now.add_track("video")
        self.timeline_now.place(item, track)

    @property
    def timeline_now(self) -> Timeline:
        return self.project.current or self.timeline

    def park(self, frame: int) -> None:
        """Move the playhead."""
        self.timeline_now.playhead = frame

    def items(self, track: int) -> list[Item]:
        return list(self.timeline_now.tracks["video"][track - 1].items)

    def picture(self, frame: int) -> pixels.Pixels:
        """(height, width, 3) that the timeline shows at a frame: in linear ACES2065-1 where the project is colour
        managed, else as its numbers are."""
        found, space = self.project.picture(self.timeline_now, frame)
        return color.converted(found, space, color.LINEAR) if space else found

    def pictures(self, frames: Iterable[int]) -> list[pixels.Pixels]:
        return [self.picture(frame) for frame in frames]
