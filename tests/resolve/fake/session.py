"""The objects that a script begins with: Resolve itself, and its projects."""

from typing import TYPE_CHECKING, Any

from .project import Project
from .refusal import FakeRefusal
from .remote import Thing

if TYPE_CHECKING:
    from .world import World


class Resolve(Thing):
    """The application."""

    kind = "Resolve"

    def get_project_manager(self) -> "ProjectManager":
        return ProjectManager(self.world)

    def get_media_storage(self) -> "MediaStorage":
        return MediaStorage(self.world)

    def get_product_name(self) -> str:
        return "DaVinci Resolve Studio" if self.world.edition == "studio" else "DaVinci Resolve"

    def get_version(self) -> list[Any]:
        return list(self.world.version)

    def get_version_string(self) -> str:
        major, minor, patch, build, suffix = self.world.version
        return f"{major}.{minor}.{patch}{suffix}.{build}"

    def get_current_page(self) -> str | None:
        return self.world.page

    def open_page(self, page: str) -> bool:
        self.world.page = page
        return True


class ProjectManager(Thing):
    """The one project that is open."""

    kind = "ProjectManager"

    def __init__(self, world: "World") -> None:
        super().__init__(world)

    def get_current_project(self) -> Project | None:
        return self.world.project

    def save_project(self) -> bool:
        if self.world.project is None:
            return False
        if self.world.project.name == "Untitled Project":
            raise FakeRefusal("SaveProject of an untitled project opens a dialog that nobody answers")
        return True


class MediaStorage(Thing):
    """By signature only: the fake has none of its calls."""

    kind = "MediaStorage"
