"""An error of the engine as the value that travels to a client."""

import logging

from engine.errors import FaceplateError
from engine.events import shown
from engine.wire.errors import CodedError
from engine.wire.messages import Failure

# Characters: more than the longest path has. A client can send a text that makes an answer too long to be sent.
LONGEST = 4096
# What is in the log; a person can do nothing about it.
INTERNAL = Failure("internal", "Something went wrong inside the engine.", "Its log says what.")


def failure_of(error: CodedError) -> Failure:
    """Code, sentence, remedy and retry of an error; text that is not UTF-8 is made readable."""
    return Failure(error.code, short(shown(error.message)), short(shown(error.remedy)), error.retry)


def failure_from(error: Exception, log: logging.Logger, doing: str) -> Failure:
    """Whatever went wrong, for whoever waits for an answer: the engine outlives it.

    What is none of the engine's own errors goes to the log, with what was being done.
    """
    if isinstance(error, FaceplateError):
        return failure_of(error)
    log.error("%s", doing, exc_info=error)
    return INTERNAL


def short(text: str) -> str:
    """A text that may quote what a client has sent, without its middle where it is too long."""
    half = LONGEST // 2
    return text if len(text) <= LONGEST else f"{text[:half]} … {text[-half:]}"
