"""Several questions one after the other: they end by an answer, by a refusal, and with the engine."""

from collections.abc import Callable
from typing import Any

from engine.wire.contact import Contact
from engine.wire.errors import EngineIncompatible
from engine.wire.frames import attach
from engine.wire.messages import Failure, Lease, Leased, Preview, Release, State, Status, Submit
from engine.wire.talk import Talk, converse
from tests.wire.test_contact import contact as contact
from tests.wire.test_contact import kill_engine, until
from tests.wire.test_contact import place as place


def told(contact: Contact, talk: Callable[[], Talk]) -> None:
    until(contact, converse(contact, talk()))


def test_each_is_given_the_answer_to_its_question(contact: Contact) -> None:
    replies: list[Any] = []

    def talk() -> Talk:
        replies.append((yield Lease(4, 4, 3, "float32")))
        attach(Lease(4, 4, 3, "float32"), replies[0])[...] = 0.5
        replies.append((yield Release(replies[0].lease)))
        replies.append((yield Status()))

    told(contact, talk)
    assert isinstance(replies[0], Leased) and isinstance(replies[2], State)
    assert contact.error is None


def test_a_refusal_ends_it_and_what_it_holds_is_let_go(contact: Contact) -> None:
    asked: list[str] = []
    leases: list[str] = []

    def talk() -> Talk:
        leased = yield Lease(4, 4, 3, "float32")
        leases.append(leased.lease)
        try:
            yield Preview({"no such": "recipe"}, 1)
            asked.append("after the refusal")
        finally:
            contact.release(leased.lease)

    told(contact, talk)
    assert contact.error is not None and contact.error.code == "recipe" and not asked
    replies: list[Any] = []
    contact.ask(Submit(leases[0]), replies.append)
    until(contact, lambda: bool(replies))
    assert isinstance(replies[0], Failure) and replies[0].code == "lease"


def test_its_own_error_is_the_contacts(contact: Contact) -> None:
    def talk() -> Talk:
        yield Status()
        raise EngineIncompatible("It was not what it should be.")

    told(contact, talk)
    assert contact.error is not None and contact.error.message == "It was not what it should be."


def test_with_the_engine_it_ends_and_starts_no_other(contact: Contact) -> None:
    def talk() -> Talk:
        leased = yield Lease(4, 4, 3, "float32")
        try:
            kill_engine()
            yield Status()
        finally:
            contact.release(leased.lease)

    told(contact, talk)
    assert contact.state != "connected" and not contact._waiting
    assert contact.error is not None and contact.error.code == "engine-gone"
