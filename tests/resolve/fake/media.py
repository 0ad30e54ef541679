"""The media pool: bins, what is imported into the current one, and the clips in them."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from . import pixels
from .markers import Marked
from .refusal import FakeRefusal
from .remote import Thing

if TYPE_CHECKING:
    from .project import Project
    from .timeline import Item, Timeline
    from .world import World

# The properties of a clip that the interface shows, as far as known [3rd].
PROPERTIES = (
    *("Alpha mode", "Bit Depth", "Clip Color", "Clip Name", "Cloud Sync", "Comments", "Data Level", "Date Added"),
    *("Date Created", "Date Modified", "Description", "Drop frame", "Duration", "End", "End TC", "FPS", "File Name"),
    *("File Path", "Flags", "Format", "Frames", "Good Take", "IDT", "In", "Input Color Space", "Input Gamma"),
    *("Input LUT", "Keyword", "Out", "PAR", "Proxy", "Reel Name", "Resolution", "Scene", "Shot", "Slate TC", "Start"),
    *("Start TC", "Super Scale", "Take", "Type", "Usage", "Video Codec"),
)
_SETTABLE = frozenset({"Alpha mode", "Clip Name", "Comments", "Data Level", "Description", "FPS", "Input Color Space"})


class MediaPoolItem(Marked):
    """A clip of the media pool: frames on disk, a timeline, or neither."""

    kind = "MediaPoolItem"

    def __init__(self, project: "Project", name: str, frames: pixels.Frames | None, sort: str = "Video") -> None:
        super().__init__(project.world)
        self.project, self.name, self.frames, self.sort = project, name, frames, sort
        self.markers, self.marks = {}, {}
        self.length = frames.length if frames else 0
        self.set: dict[str, Any] = {}
        self.rate = 0.0
        self.reset()

    def reset(self) -> None:
        """As after an import."""
        self.set = {}
        self.rate = self.world.habits.imported_rate or self.project.rate

    def space(self) -> str:
        """OpenColorIO's name of what the numbers are, in a managed project."""
        own = str(self.get_clip_property("Input Color Space"))
        key = "colorAcesIDT" if self.project.is_aces else "colorSpaceInput"
        return self.project.spaces[own if own in self.project.spaces else self.project.settings[key]]

    def last_marker(self) -> float:
        return self.length - 1

    def get_name(self) -> str:
        return self.name

    def set_name(self, name: str) -> bool:
        self.name = name
        return True

    def get_media_id(self) -> str:
        return "media-" + self.uid

    def get_clip_property(self, name: str | None = None) -> Any:
        if not name:
            return {one: self._property(one) for one in PROPERTIES}
        if name not in PROPERTIES:
            raise FakeRefusal(f"a clip has no property {name!r}")
        return self._property(name)

    def _property(self, name: str) -> Any:
        frames = self.frames
        values: dict[str, Any] = {
            "Type": self.sort,
            "File Path": frames.shown if frames else "",
            "File Name": Path(frames.shown).name if frames else "",
            "Clip Name": self.name,
            "FPS": self.rate if self.world.habits.rate_is_number else f"{self.rate:g}",
            "Frames": str(self.length),
            "Start": str(frames.first if frames else 0),
            "End": str(frames.last if frames else self.length - 1),
            "Start TC": self.project.timecode(frames.first, self.rate) if frames else "",
            "Format": (frames.tail[1:].upper() if not frames.movie else "QuickTime") if frames else "",
            "Input Color Space": "Project" if self.project.is_managed else "",
        }
        return self.set.get(name, values.get(name, ""))

    def set_clip_property(self, name: str, value: Any) -> bool:
        if name not in PROPERTIES:
            raise FakeRefusal(f"a clip has no property {name!r}")
        if name == "Input Color Space":
            locked = self.project.is_aces and self.world.habits.aces_input_locked
            if locked or not self.project.is_managed or value not in {"Project", *self.project.spaces}:
                return False
        if name == "FPS":
            self.rate = float(value)
        elif name in _SETTABLE:
            self.set[name] = value
        return name in _SETTABLE

    def replace_clip(self, path: str) -> bool:
        frames = pixels.from_form(path, self.world.habits.replace_form)
        if frames is None:
            return False
        self.frames, self.length = frames, frames.length
        if self.world.habits.replace_resets:
            self.reset()
        return True


class Folder(Thing):
    """A bin."""

    kind = "Folder"

    def __init__(self, world: "World", name: str) -> None:
        super().__init__(world)
        self.name = name
        self.folders: list[Folder] = []
        self.clips: list[MediaPoolItem] = []

    def every(self) -> "list[Folder]":
        """This bin, and all in it."""
        return [self, *(one for folder in self.folders for one in folder.every())]

    def get_name(self) -> str:
        return self.name

    def get_clip_list(self) -> list[MediaPoolItem]:
        return list(self.clips)

    def get_sub_folder_list(self) -> "list[Folder]":
        return list(self.folders)


class MediaPool(Thing):
    """All bins of a project."""

    kind = "MediaPool"

    def __init__(self, project: "Project") -> None:
        super().__init__(project.world)
        self.project = project
        self.root = self.current = Folder(project.world, "Master")

    def get_root_folder(self) -> Folder:
        return self.root

    def get_current_folder(self) -> Folder:
        return self.current

    def set_current_folder(self, folder: Folder) -> bool:
        if folder not in self.root.every():
            return False
        self.current = folder
        return True

    def add_sub_folder(self, folder: Folder, name: str) -> Folder | None:
        if any(one.name == name for one in folder.folders):
            return None
        made = Folder(self.world, name)
        folder.folders.append(made)
        # The new bin is the current one [3rd].
        self.current = made
        return made

    def delete_folders(self, folders: list[Folder]) -> bool:
        every = self.root.every()
        for folder in folders:
            self.delete_clips([clip for one in folder.every() for clip in one.clips])
            for parent in every:
                if folder in parent.folders:
                    parent.folders.remove(folder)
        if self.current not in self.root.every():
            self.current = self.root
        return all(folder in every for folder in folders)

    def delete_clips(self, clips: list[MediaPoolItem]) -> bool:
        for folder in self.root.every():
            folder.clips = [clip for clip in folder.clips if clip not in clips]
        for timeline in self.project.timelines:
            timeline.drop([item for item in timeline.items() if item.media in clips])
        return True

    def import_media(self, items: list[Any]) -> list[MediaPoolItem]:
        made = []
        for one in items:
            if isinstance(one, str):
                frames = pixels.from_file(one)
            else:
                frames = pixels.from_printf(one["FilePath"], one["StartIndex"], one["EndIndex"])
            if frames is not None:
                made.append(self.add(frames))
        return made

    def add(self, frames: pixels.Frames) -> MediaPoolItem:
        clip = MediaPoolItem(self.project, Path(frames.shown).name, frames)
        self.current.clips.append(clip)
        return clip

    def create_empty_timeline(self, name: str) -> "Timeline | None":
        return self.project.add_timeline(name)

    def delete_timelines(self, timelines: "list[Timeline]") -> bool:
        return self.project.remove_timelines(timelines)

    def append_to_timeline(self, items: list[Any], *more: Any) -> "list[Item | None]":
        timeline = self.project.current
        if timeline is None:
            return []
        if not isinstance(items, list) or not all(isinstance(one, dict) for one in items):
            raise FakeRefusal("the fake does not append clips without saying where yet")
        return [timeline.append(**info) for info in items]
