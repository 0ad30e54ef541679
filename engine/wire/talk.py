"""For user interfaces: several questions one after the other, without waiting in between."""

from collections.abc import Callable, Generator
from typing import Any

from engine.wire.contact import Contact
from engine.wire.errors import EngineError, failure_of
from engine.wire.messages import Failure, Reply, Request

# Yields requests, and is given the reply to each.
Talk = Generator[Request, Any, None]


def converse(contact: Contact, talk: Talk) -> Callable[[], bool]:
    """Ask what `talk` yields, giving it each reply; what tells whether it is over.

    A Failure, and an EngineError that it raises, become the contact's error and end it.
    """
    over: list[bool] = []

    def go_on(reply: Reply | None) -> None:
        if isinstance(reply, Failure):
            end(reply)
            return
        try:
            request = talk.send(reply)
        except StopIteration:
            end(None)
        except EngineError as error:
            end(failure_of(error))
        except BaseException:
            end(None)
            raise
        else:
            contact.ask(request, go_on)

    def end(failure: Failure | None) -> None:
        over.append(True)
        talk.close()
        if failure is not None:
            contact.error = failure

    go_on(None)
    return lambda: bool(over)
