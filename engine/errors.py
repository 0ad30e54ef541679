"""Every error that Faceplate reports: a stable code, one sentence, and what to do about it.

Foreign exceptions (OpenEXR, OpenImageIO, onnxruntime, the operating system) are mapped to this tree once, at the
module that calls the foreign library. Nothing above that module catches anything else.
"""

from engine.wire.errors import CodedError


class FaceplateError(CodedError):
    """Base of the tree."""

    code = "error"
    retry = False


def error_of_code(code: str, message: str, remedy: str) -> FaceplateError:
    """The error that another process had, from its code; of the base's kind where the code is not known here."""
    waiting: list[type[FaceplateError]] = [FaceplateError]
    while waiting:
        kind = waiting.pop()
        if kind.code == code:
            return kind(message, remedy)
        waiting += kind.__subclasses__()
    return FaceplateError(message, remedy)


class UsageError(FaceplateError):
    """The command or the recipe asks for something that does not make sense; exit status 2."""

    code = "usage"


class RecipeError(UsageError):
    """A recipe has an unknown key, a wrong type or a value out of range."""

    code = "recipe"


class PlateError(FaceplateError):
    """A plate cannot be found, opened, understood or read."""

    code = "plate"


class PlateNotFound(PlateError):
    code = "plate-not-found"


class FrameMissing(PlateError):
    code = "frame-missing"


class FrameUnreadable(PlateError):
    """The frame is truncated, damaged, or not what its name says."""

    code = "frame-unreadable"


class PlateUnsupported(PlateError):
    """The frame is whole, but of a kind that cannot be edited (deep, luminance-chroma, no picture part)."""

    code = "plate-unsupported"


class ColorError(FaceplateError):
    """A colour space or a colour configuration cannot be found or used."""

    code = "color"


class UnknownColorspace(ColorError, UsageError):
    """The person asked for a colour space that is not there, or is not for pictures; exit status 2."""


class OutputError(FaceplateError):
    """A frame cannot be written; nothing with its final name was left behind."""

    code = "output"


class OutputRefused(UsageError):
    """The output would overwrite a plate, or names a place that cannot hold it."""

    code = "output-refused"


class DiskFull(OutputError):
    code = "disk-full"
    retry = True


class ModelError(FaceplateError):
    """A model file is missing, changed, malformed, or not the shape that its adapter expects."""

    code = "model"


class ModelTimeout(ModelError):
    """A model run was ended by its watchdog."""

    code = "model-timeout"


class LicenceError(UsageError):
    """Nobody has accepted the licence of a model that is not cleared for commercial use; exit status 2."""

    code = "licence"


class DownloadError(ModelError):
    """A model's publisher cannot be reached, or does not have the file; the same call may succeed later."""

    code = "download"
    retry = True


class NoFace(FaceplateError):
    """No face was found where one is needed."""

    code = "no-face"


class IdentityError(FaceplateError):
    """An identity folder has no usable picture, or pictures of more than one person."""

    code = "identity"


class ConsentError(FaceplateError):
    """The consent record of an identity is missing, unreadable, or does not cover today."""

    code = "consent"


class TracksError(FaceplateError):
    """A tracks file is unreadable, or belongs to another plate."""

    code = "tracks"


class Cancelled(FaceplateError):
    """The person stopped the job; whole frames are kept."""

    code = "cancelled"


class LeaseError(FaceplateError):
    """A picture cannot be leased, or there is no such lease; an error never says whose it is or where it lies."""

    code = "lease"


class NoRoom(LeaseError):
    """There is no memory for a leased picture now."""

    code = "no-room"
    retry = True
