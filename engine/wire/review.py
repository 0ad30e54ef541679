"""For user interfaces: a person's choice in a page of the engine, and the run that follows it, as one piece of work."""

from collections.abc import Callable
from typing import Any

from engine.wire.contact import Contact
from engine.wire.messages import Chosen, Page, Reply
from engine.wire.messages import Review as Request
from engine.wire.work import Work


class Review(Work):
    """What a person chooses and has done in a page: `shot` is the recipe that was run last, as plain values.

    A run that fails leaves the page as it is, so only the last run's frames count. Cancelled when the page is left.
    """

    def __init__(
        self, contact: Contact, request: Request, opened: Callable[[str], object], ended: Callable[[Work], None]
    ) -> None:
        """`opened` is called with the address of the page, which is for a browser on this machine."""
        super().__init__(contact, request, ended)
        self.shot: dict[str, Any] = {}
        self._opened = opened

    def _take(self, reply: Reply) -> None:
        match reply:
            case Page(url=url):
                self.stage = "choosing"
                self._opened(url)
            case Chosen(shot=shot):
                self.shot = shot
                self._forget()
            case _:
                super()._take(reply)
