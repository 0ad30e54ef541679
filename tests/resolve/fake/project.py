"""A project: its settings, its colour, its timelines, and what a frame of one looks like."""

from typing import TYPE_CHECKING, Any

import numpy as np

from . import color, pixels
from .media import MediaPool
from .refusal import FakeRefusal
from .render import RenderQueue
from .timeline import Timeline

if TYPE_CHECKING:
    from .world import World

# The settings that a project shows which say something of colour, time and size, as far as known [3rd].
_SETTINGS = {
    "colorScienceMode": "davinciYRGB",
    "separateColorSpaceAndGamma": "0",
    "useCustomSettings": "0",
    "isAutoColorManage": "0",
    "colorSpaceInput": "Rec.709 Gamma 2.4",
    "colorSpaceTimeline": "Rec.709 Gamma 2.4",
    "colorSpaceOutput": "Rec.709 Gamma 2.4",
    "colorSpaceInputGamma": "",
    "colorSpaceTimelineGamma": "",
    "colorSpaceOutputGamma": "",
    "colorAcesIDT": "No Input Transform",
    "colorAcesODT": "No Output Transform",
    "colorAcesNodeLUTProcessingSpace": "ACEScc AP1 Timeline Space",
    "colorSpaceOutputToneMapping": "None",
    "useCATransform": "0",
    "useInverseDRT": "0",
    "timelineFrameRate": "24",
    "timelinePlaybackFrameRate": "24",
    "timelineResolutionWidth": "1920",
    "timelineResolutionHeight": "1080",
    "nodeStackLayers": "1",
    "superScale": "1",
}
SCIENCES = ("davinciYRGB", "davinciYRGBColorManaged", "davinciYRGBColorManagedv2", "acescc", "acescct")
_SPACES = ("colorSpaceInput", "colorSpaceTimeline", "colorSpaceOutput", "colorAcesIDT", "colorAcesODT")


class Project(RenderQueue):
    kind = "Project"

    def __init__(self, world: "World", name: str, rate: str) -> None:
        super().__init__(world)
        self.name = name
        self.settings = _SETTINGS | {"timelineFrameRate": rate, "timelinePlaybackFrameRate": rate.split()[0]}
        self.pool = MediaPool(self)
        self.timelines: list[Timeline] = []
        self.current: Timeline | None = None

    @property
    def rate(self) -> float:
        return float(self.settings["timelineFrameRate"].split()[0])

    @property
    def is_aces(self) -> bool:
        return self.settings["colorScienceMode"].startswith("aces")

    @property
    def is_managed(self) -> bool:
        return self.settings["colorScienceMode"] != "davinciYRGB"

    @property
    def spaces(self) -> dict[str, str]:
        """What the menus of this kind of project have, with OpenColorIO's names."""
        return color.ACES_SPACES if self.is_aces else color.SPACES

    @staticmethod
    def timecode(frame: int, rate: float) -> str:
        seconds, frames = divmod(frame, round(rate))
        return f"{seconds // 3600:02d}:{seconds // 60 % 60:02d}:{seconds % 60:02d}:{frames:02d}"

    def picture(self, timeline: Timeline, frame: int) -> tuple[pixels.Pixels, str]:
        """(height, width, 3) of what a timeline shows at a frame, graded, and the space of its numbers; empty where the
        project is not colour managed."""
        item = timeline.seen_at(frame)
        if item is None or item.media is None or item.media.frames is None:
            return np.zeros((16, 16, 3), np.float32), color.LINEAR if self.is_managed else ""
        frames = item.media.frames
        found = pixels.read(frames.path(frames.first + item.source_at(frame)))
        space = item.media.space() if self.is_managed else ""
        if item.gain != 1.0:
            graded = color.LINEAR if space else ""
            return color.converted(found, space, graded) * np.float32(item.gain), graded
        return found, space

    def rendered(self, timeline: Timeline, frame: int) -> pixels.Pixels:
        """The same, in the project's output colour space."""
        found, space = self.picture(timeline, frame)
        output = self.settings["colorAcesODT" if self.is_aces else "colorSpaceOutput"]
        return color.converted(found, space, self.spaces[output]) if space else found

    def timeline_now(self) -> Timeline | None:
        return self.current

    def add_timeline(self, name: str) -> Timeline | None:
        if any(one.name == name for one in self.timelines):
            return None
        made = Timeline(self, name)
        self.timelines.append(made)
        self.pool.current.clips.append(made.media)
        # A new timeline is opened [3rd].
        self.current = made
        return made

    def remove_timelines(self, timelines: list[Timeline]) -> bool:
        found = all(one in self.timelines for one in timelines)
        self.timelines = [one for one in self.timelines if one not in timelines]
        self.pool.delete_clips([one.media for one in timelines])
        if self.current in timelines:
            self.current = self.timelines[0] if self.timelines else None
        return found

    def get_name(self) -> str:
        return self.name

    def get_media_pool(self) -> MediaPool:
        return self.pool

    def get_timeline_count(self) -> int:
        return len(self.timelines)

    def get_timeline_by_index(self, index: int) -> Timeline | None:
        return self.timelines[index - 1] if 1 <= index <= len(self.timelines) else None

    def get_current_timeline(self) -> Timeline | None:
        return self.current

    def set_current_timeline(self, timeline: Timeline) -> bool:
        if timeline not in self.timelines:
            return False
        self.current = timeline
        return True

    def get_setting(self, name: str = "") -> Any:
        if not name:
            return dict(self.settings)
        if name not in self.settings:
            raise FakeRefusal(f"a project has no setting {name!r}")
        return self.settings[name]

    def set_setting(self, name: str, value: str) -> bool:
        if name not in self.settings:
            raise FakeRefusal(f"a project has no setting {name!r}")
        known = {"colorScienceMode": SCIENCES} | dict.fromkeys(_SPACES, tuple(self.spaces))
        of_aces = name.startswith("colorAces")
        if value not in known.get(name, (value,)) or (name in _SPACES and of_aces != self.is_aces):
            return False
        if name == "timelineFrameRate" and self.timelines:
            return False
        self.settings[name] = value
        return True
