"""What can go wrong between a client and the engine: a code, a sentence, a remedy, and whether to try again."""

from typing import ClassVar

from engine.wire.messages import Failure


class CodedError(Exception):
    """Base of all errors that are told to a person or a program, here and in the engine.

    `code` is stable and machine-readable, `message` is one sentence for a person, `remedy` says what to do,
    `retry` is true when the same call may succeed later without a change (a full disk, a busy device).
    """

    code: ClassVar[str]
    retry: ClassVar[bool]

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message} {self.remedy}".strip()


class EngineError(CodedError):
    """Base of what goes wrong between a client and the engine."""

    code = "engine"
    retry = True


class EngineMissing(EngineError):
    """No engine runs, and none could be started."""

    code = "engine-missing"


class CommandMissing(EngineMissing):
    """No engine runs, and the command that would start one is not there."""

    code = "command-missing"
    retry = False


class EngineGone(EngineError):
    """The engine died, or was ended, while something was asked of it."""

    code = "engine-gone"


class EngineSilent(EngineError):
    """The engine lives and does not answer in time."""

    code = "engine-silent"


class EngineIncompatible(EngineError):
    """The engine speaks another protocol, or refuses this client's key."""

    code = "engine-incompatible"
    retry = False


class EngineRefused(EngineError):
    """The engine answered with a Failure, which is `failure`."""

    code = "engine-refused"

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.message, failure.remedy)
        self.failure = failure


class Unsendable(EngineError):
    """A request cannot be sent: it holds text that is no Unicode, or it is too long."""

    code = "unsendable"
    retry = False


class HostChanged(EngineError):
    """What a host was asked about is not there any more, or is another thing by now."""

    code = "host-changed"


class EngineRuns(EngineError):
    """Another process is this user's engine already: `pid`."""

    code = "engine-runs"
    retry = False

    def __init__(self, pid: int) -> None:
        super().__init__(
            f"An engine runs already, as process {pid}.", "Use that one, or end it: faceplate engine stop."
        )
        self.pid = pid


class PlaceUnsafe(EngineError):
    """The engine's folder, or a file in it, could be somebody else's doing."""

    code = "place-unsafe"
    retry = False


def failure_of(error: EngineError) -> Failure:
    """An error of the client's side in the form of one that the engine tells."""
    return Failure(error.code, error.message, error.remedy, error.retry)
