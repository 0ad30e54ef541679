"""An error of the engine as the value that travels to a client."""

from engine.errors import FaceplateError
from engine.events import shown
from engine.wire.messages import Failure

# What a client is told of an error that nobody expected.
INTERNAL = Failure("internal", "Something went wrong inside the engine.", "Its log says what.")


def failure_of(error: FaceplateError) -> Failure:
    """Code, sentence, remedy and retry of an error; text that is not UTF-8 is made readable."""
    return Failure(error.code, shown(error.message), shown(error.remedy), error.retry)
