"""Has a command's job done by the resident engine where one runs, and in this process where none does."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from engine.cli.session import Session

if TYPE_CHECKING:
    from engine.errors import FaceplateError
    from engine.shot import Shot
    from engine.wire.client import Client
    from engine.wire.messages import Chosen, Failure, Follow, Page, Review, Solve, Swap


def run_swap(current: Session, shot: "Shot", frames: str, redo: bool, local: bool) -> None:
    """A whole job: solved where it has no tracks yet, and rendered."""

    def request() -> "Swap":
        from engine.wire.messages import Swap

        return Swap(_whole_shot(shot), frames, redo)

    if not _done_by_engine(current, local, request):
        from engine import core

        core.run(shot, current.report, cancelled=current.cancelled, redo=redo, frames=frames)


def run_solve(current: Session, shot: "Shot", tracks: Path, local: bool) -> None:
    """The first pass alone, kept in the file `tracks`."""

    def request() -> "Solve":
        from engine.wire.messages import Solve

        return Solve(_whole_shot(shot), _whole(os.fspath(tracks)))

    if not _done_by_engine(current, local, request):
        from engine import core

        core.solve_shot(shot, tracks, current.report, cancelled=current.cancelled)


def run_review(
    current: Session,
    shot: "Shot",
    title: str,
    frames: str,
    redo: bool,
    opened: Callable[[str], None],
    chosen: "Callable[[Shot], None]",
) -> None:
    """Have the engine serve a page for a shot until it is over, and show the events of what is run in it.

    `opened` is called with the page's address, `chosen` with each recipe that is run. Raises EngineMissing where no
    engine runs, and the error of the last job; a page that was left is Cancelled.
    """
    from engine import recipe
    from engine.wire.connect import connect
    from engine.wire.messages import Chosen, Page, Review

    def told(reply: Page | Chosen) -> None:
        match reply:
            case Page(url=url):
                opened(url)
            case Chosen(shot=plain):
                chosen(recipe.parse(plain))

    with connect("faceplate review") as client:
        follow(current, client, Review(_whole_shot(shot), title, frames, redo), told)


def _done_by_engine(current: Session, local: bool, make: "Callable[[], Solve | Swap]") -> bool:
    """Whether the engine did the job, which `make` describes with whole paths; its events were shown as they came.

    False with `local`, where no engine runs, and where the engine could not do it in the same way: it has another
    version or colour configuration, or a path is not UTF-8. Raises the job's own error, and EngineError.
    """
    from engine.wire.errors import Unsendable

    client = None if local else _connected()
    if client is None:
        return False
    with client:
        try:
            request = make()
            follow(current, client, request)
        except Unsendable:
            return False
    return True


def follow(
    current: Session,
    client: "Client",
    request: "Solve | Swap | Follow | Review",
    told: "Callable[[Page | Chosen], None]" = lambda reply: None,
) -> None:
    """Show a job's events until it has ended; in a patient session Ctrl-C cancels it. Raises its error."""
    from engine.events import decode_event
    from engine.wire.errors import EngineRefused

    try:
        ended = client.work(request, lambda one: current.report(decode_event(one.event)), current.cancelled, told)
    except EngineRefused as error:
        raise _error_of(error.failure) from error
    if ended.failure is not None:
        raise _error_of(ended.failure)


def _whole_shot(shot: "Shot") -> dict[str, Any]:
    import msgspec

    from engine.recipe import with_paths

    return msgspec.to_builtins(with_paths(shot, _whole))


def _whole(path: str) -> str:
    """A path as the engine, which stands elsewhere, understands it; a slash at its end, which says folder, stays."""
    return os.path.join(os.getcwd(), path)  # noqa: PTH109, PTH118


def _connected() -> "Client | None":
    """A client of the engine, if one runs that does what this process would do."""
    from engine import __version__
    from engine.wire.connect import connect
    from engine.wire.errors import EngineIncompatible, EngineMissing

    try:
        client = connect("faceplate")
    except (EngineMissing, EngineIncompatible):
        return None
    if client.welcome.engine != __version__ or client.welcome.color_config != os.environ.get("OCIO", ""):
        client.close()
        return None
    return client


def _error_of(failure: "Failure") -> "FaceplateError":
    from engine.errors import error_of_code

    return error_of_code(failure.code, failure.message, failure.remedy)
