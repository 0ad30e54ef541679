"""One page: what a person chooses on it, the job that they have done, and what whoever asked for it is told.

Everything in here happens in the loop of the web's thread, so nothing needs a lock.
"""

import asyncio
import secrets
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from engine.errors import FaceplateError
from engine.failure import failure_of
from engine.web.choice import Choice
from engine.web.contact import Answered, PageContact
from engine.web.display import LINEAR, face_png, person_png, preview_png
from engine.web.state import FaceShown, Over, PageState, WorkShown, shown_work
from engine.wire.errors import CodedError
from engine.wire.messages import (
    Accepted,
    Chosen,
    Ended,
    Face,
    FaceList,
    Faces,
    Failure,
    Footage,
    Identities,
    Identity,
    IdentityList,
    Look,
    Preview,
    Previewed,
    Release,
    Reply,
    Reported,
    Request,
    Review,
    Shows,
    Solve,
    Superseded,
    Swap,
)
from engine.wire.work import Work

# Seconds: a page that is open asks for news that often at least; one that is not heard of for longer has been left,
# and sooner where it said so; a browser may take its time to open it.
NEWS, SILENCE, FAREWELL, OPENING = 4.0, 12.0, 3.0, 300.0
# Sections that decide which faces are found.
_SOLVING = ("plate", "solve", "tracks", "output")
_LEFT = Failure("cancelled", "The page was left.", "Ask for it again.")
_NO_PICTURE = Failure("no-picture", "There is no such picture.")


class Refused(Exception):
    """What a page asked for is not done; `failure` says why."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message)
        self.failure = failure


class ReviewPage:
    """A page for a `Review`, and its token. `ended` is called once, when it is over."""

    def __init__(
        self,
        request: Review,
        host: bytes,
        contact: PageContact,
        answer: Answered,
        people: str,
        ended: Callable[["ReviewPage"], None],
    ) -> None:
        """`host` is the client that asked for it, and `people` the folder of people to begin with, where the recipe has
        none. Raises RecipeError."""
        self.token = secrets.token_urlsafe(32)
        self.contact = contact
        self.choice = Choice(request.shot)
        self.folder = next((str(Path(entry["identity"]).parent) for entry in self.choice.people), people)
        self._request, self._answer, self._ended = request, answer, ended
        # Empty once it has gone.
        self._host, self._job = host, 0
        self._over: Over = ""
        self._footage: Footage | None = None
        self._faces: tuple[Face, ...] = ()
        self._solved = False
        self._people: tuple[Identity, ...] = ()
        self._pictures: dict[str, bytes] = {}
        self._problems: dict[str, Failure] = {}
        self._work: Work | None = None
        self._solving = False
        self._version = self._look = 1
        self._news = asyncio.Event()
        self._deadline = time.monotonic() + OPENING

    def begin(self) -> None:
        """Look at the footage, its faces, and the people."""
        self.contact.ask(Look(self.choice.shot["plate"]), self._take_footage)
        self._look_at_faces()
        if self.folder:
            self.contact.ask(Identities(self.folder), lambda reply: self._take_people(self.folder, reply))

    def heard(self) -> None:
        """The page is there."""
        self._deadline = time.monotonic() + SILENCE

    @property
    def is_over(self) -> bool:
        return bool(self._over)

    @property
    def is_forgotten(self) -> bool:
        """Whether nobody looks at it any more."""
        return self._deadline < time.monotonic()

    async def news(self, after: int) -> PageState:
        """How the page stands, once that is newer than version `after`, or after a few seconds."""
        self.heard()
        if self._version <= after:
            self._news.clear()
            try:
                await asyncio.wait_for(self._news.wait(), NEWS)
                # What happens together is told together.
                await asyncio.sleep(0.05)
            except TimeoutError:
                # There is none.
                return self.state()
        return self.state()

    def state(self) -> PageState:
        return PageState(
            version=self._version,
            look=self._look,
            title=self._request.title or (self._footage.name if self._footage else ""),
            host=bool(self._host),
            over=self._over,
            frames=self._request.frames,
            footage=self._footage,
            values=self.choice.values(),
            began=self.choice.began,
            replace=self.choice.people,
            solved=self._solved,
            faces=[_shown_face(face) for face in self._faces],
            folder=self.folder,
            people=list(self._people),
            problems=self._problems,
            work=self._shown_work(),
        )

    def change(self, name: str, value: Any) -> None:
        """Give a setting another value. Raises Refused."""
        self._check_changeable()
        _refusing(lambda: self.choice.change(name, value))
        self._changed(looks=not name.startswith("output."))
        if name.partition(".")[0] in _SOLVING:
            self._look_at_faces()

    def assign(self, face: str, identity: str) -> None:
        """Have a face replaced by the person in a folder, which must have been listed; by nobody where empty."""
        self._check_changeable()
        if identity and identity not in {one.folder for one in self._people}:
            raise Refused(Failure("no-person", "This person is not in the list.", "Open their folder of people first."))
        _refusing(lambda: self.choice.assign(face, identity))
        self._changed(looks=True)

    async def list_people(self, folder: str) -> None:
        """Show the people in a folder. Raises Refused."""
        path = Path(folder)
        with suppress(RuntimeError):
            # Who ~ is may not be known.
            path = path.expanduser()
        if not path.is_absolute():
            raise Refused(Failure("usage", "This is not a whole path.", "Begin it at the root, or with ~."))
        self._take_people(str(path), await self.contact.answer(Identities(str(path))))
        if "people" in self._problems:
            raise Refused(self._problems.pop("people"))

    def find_faces(self) -> None:
        """Begin the solve of the whole shot."""
        self._begin(Solve(self.choice.shot, ""), self._after_solve)

    def run(self) -> None:
        """Begin the job itself; it goes on when everybody has left. Raises Refused."""
        self._check_idle()
        if self._host:
            self._answer(Chosen(self.choice.shot))
        request = Swap(self.choice.shot, self._request.frames, self._request.redo, detach=True)
        self._begin(request, self._after_swap)

    def cancel(self) -> None:
        """Stop the job within one frame."""
        if self._is_working() and self._work:
            self._work.cancel()
            self._changed()

    def accept(self) -> None:
        """Be content with the frames that there are, though others have failed."""
        work = self._work
        if work is None or self._solving or work.outcome != "done" or not work.paths:
            raise Refused(Failure("usage", "There are no frames yet.", "Replace the faces first."))
        self._finish("done", Ended(self._job))

    def leave(self) -> None:
        """The page is closed, or loaded again: it is over unless it is heard of soon."""
        self._deadline = min(self._deadline, time.monotonic() + FAREWELL)
        # Another window that shows it is heard of at once.
        self._changed()

    async def picture(self, frame: int, shows: Shows, width: int) -> tuple[bytes, Previewed]:
        """A frame as PNG, no wider than `width`, and what was told of it. Raises Refused; newer ones go first."""
        told = await self.contact.answer(Preview(self.choice.shot, frame, shows, scrub=shows, colorspace=LINEAR))
        match told:
            case Previewed():
                try:
                    return await asyncio.to_thread(preview_png, told, width), told
                except CodedError as error:
                    raise Refused(failure_of(error)) from error
                finally:
                    self.contact.ask(Release(told.lease))
            case Superseded():
                raise Refused(Failure("superseded", "A newer picture was asked for.", retry=True))
            case Failure():
                raise Refused(told)
        raise Refused(_NO_PICTURE)

    async def face(self, number: int) -> bytes:
        """A face's thumbnail as PNG. Raises Refused."""
        for face in self._faces:
            if face.number == number and face.thumbnail:
                return await asyncio.to_thread(face_png, face.side, face.thumbnail)
        raise Refused(_NO_PICTURE)

    async def person(self, folder: str) -> bytes:
        """The first picture of a person who is listed, as PNG. Raises Refused."""
        for person in self._people:
            if person.folder == folder:
                if person.picture not in self._pictures:
                    self._pictures[person.picture] = await asyncio.to_thread(person_png, Path(person.picture))
                if data := self._pictures[person.picture]:
                    return data
        raise Refused(_NO_PICTURE)

    def vanished(self, client: bytes) -> None:
        """A client is gone; if it asked for the page, nobody is told any more, and a job goes on."""
        if client == self._host:
            self._host = b""
            self._changed()

    def check(self) -> None:
        """End the page where it was left and nothing is written."""
        if not self._over and self.is_forgotten and not self._is_writing():
            self._finish("left", Ended(0, _LEFT))

    def end(self) -> None:
        """The engine ends."""
        if not self._over:
            self._finish("engine", Ended(0, Failure("cancelled", "The engine has ended.", "Start it again.")))

    def _finish(self, over: Over, reply: Ended) -> None:
        self._over = over
        if self._host:
            self._answer(reply)
        self.contact.close()
        self._changed()
        self._ended(self)

    def _look_at_faces(self) -> None:
        asked = self.choice.shot
        self.contact.ask(Faces(asked), lambda reply: self._take_faces(asked, reply))

    def _take_footage(self, reply: Reply) -> None:
        self._note("footage", reply)
        if isinstance(reply, Footage):
            self._footage = reply
        self._changed(looks=True)

    def _take_faces(self, asked: dict[str, Any], reply: Reply) -> None:
        if any(asked[name] != self.choice.shot[name] for name in _SOLVING):
            # It was changed meanwhile, and asked anew.
            return
        self._solved = isinstance(reply, FaceList)
        self._faces = reply.faces if isinstance(reply, FaceList) else ()
        if not (isinstance(reply, Failure) and reply.code == "not-solved"):
            self._note("faces", reply)
        self._changed(looks=True)

    def _take_people(self, folder: str, reply: Reply) -> None:
        self._note("people", reply)
        if isinstance(reply, IdentityList):
            self.folder, self._people = folder, reply.identities
        self._changed()

    def _note(self, what: str, reply: Reply) -> None:
        self._problems.pop(what, None)
        if isinstance(reply, Failure):
            self._problems[what] = reply

    def _begin(self, request: Solve | Swap, ended: Callable[[Work], None]) -> None:
        self._check_idle()
        self._solving = isinstance(request, Solve)
        self._work = Work(_Told(self, self._heard_of_job), request, ended)
        self._work.start()
        self._changed()

    def _heard_of_job(self, reply: Reply) -> None:
        """What the engine says of the job, before the page shows it."""
        if isinstance(reply, Accepted):
            self._job = reply.job
        if self._host and not self._solving and isinstance(reply, Accepted | Reported):
            self._answer(reply)
        self._changed()

    def _after_solve(self, work: Work) -> None:
        self._look_at_faces()
        self._changed()

    def _after_swap(self, work: Work) -> None:
        self._changed()
        failure = work.failure or (_LEFT if work.outcome == "cancelled" else None)
        if work.outcome == "done" and (not work.failed or self.is_forgotten):
            self._finish("done", Ended(self._job))
        elif self.is_forgotten:
            self._finish("left", Ended(self._job, failure))

    def _shown_work(self) -> WorkShown | None:
        return None if self._work is None else shown_work("solve" if self._solving else "swap", self._work)

    def _is_working(self) -> bool:
        return self._work is not None and not self._work.outcome

    def _is_writing(self) -> bool:
        return self._is_working() and not self._solving

    def _check_idle(self) -> None:
        self._check_changeable()
        if self._is_working():
            raise Refused(Failure("busy", "The faces are being found.", "Wait, or cancel it."))

    def _check_changeable(self) -> None:
        if self._over:
            raise Refused(Failure("over", "This page is over.", "Ask for a new one."))
        if self._is_writing():
            raise Refused(Failure("busy", "The faces are being replaced.", "Wait, or cancel it."))

    def _changed(self, looks: bool = False) -> None:
        self._version += 1
        self._look += looks
        self._news.set()


class _Told:
    """The page's contact for its job: what comes is heard by the page as well."""

    def __init__(self, page: ReviewPage, heard: Callable[[Reply], None]) -> None:
        self.error: Failure | None = None
        self._page, self._heard = page, heard

    def ask(self, request: Request, answered: Answered = lambda reply: None, /) -> None:
        def both(reply: Reply) -> None:
            self._heard(reply)
            answered(reply)

        self._page.contact.ask(request, both)


def _shown_face(face: Face) -> FaceShown:
    picture = f"{face.number}.{hash(face.thumbnail) & 0xFFFFFFFF:x}" if face.thumbnail else ""
    return FaceShown(face.number, face.width, face.first, face.last, face.frames, picture)


def _refusing(call: Callable[[], None]) -> None:
    try:
        call()
    except FaceplateError as error:
        raise Refused(failure_of(error)) from error
