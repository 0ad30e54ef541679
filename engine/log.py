"""What the engine's process puts down about itself: a file of bounded size that only its user can read.

What is logged names files and codes, never a person or what a recipe holds. A message of an error may quote both, so of
an error the log has its type, its code and where it came from.
"""

import logging
import logging.handlers
import os
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from types import TracebackType

from engine.errors import OutputError
from engine.events import shown
from engine.folders import make_folder
from engine.wire.folders import log_folder

# Bytes of one file, and how many older ones are kept.
_FILE_BYTES, _OLDER = 1 << 20, 3
_ErrorTriple = tuple[type[BaseException], BaseException, TracebackType | None] | tuple[None, None, None]
_LAYOUT = "%(asctime)s %(process)d %(levelname)s %(name)s: %(message)s"


def log_file() -> Path:
    """The engine's log, in the folder that hosts have theirs in."""
    return log_folder() / "engine.log"


def open_log(path: Path, flags: int) -> int:
    """Open a file of the log, and nobody else's to read; the descriptor. Raises FaceplateError."""
    make_folder(path.parent)
    try:
        descriptor = os.open(path, flags | getattr(os, "O_NOFOLLOW", 0), 0o600)
        # It may have been there, with another mode; Windows has only access lists.
        if sys.platform != "win32":
            os.fchmod(descriptor, 0o600)
    except OSError as error:
        raise OutputError(
            f"The log {shown(path)} cannot be written: {error.strerror}.", "Name another folder in FACEPLATE_LOGS."
        ) from error
    return descriptor


@contextmanager
def logging_to(path: Path, echo: logging.Handler | None = None) -> Iterator[None]:
    """Keep what `engine` logs, from INFO, and others' warnings, in the file, and give it to `echo` too.

    Raises FaceplateError when the file cannot be written.
    """
    file = _PrivateFile(path, maxBytes=_FILE_BYTES, backupCount=_OLDER, encoding="utf-8", errors="backslashreplace")
    handlers = [file, *([echo] if echo else [])]
    for handler in handlers:
        handler.setFormatter(_Discreet(_LAYOUT))
        logging.getLogger().addHandler(handler)
    logging.getLogger("engine").setLevel(logging.INFO)
    try:
        yield
    finally:
        for handler in handlers:
            logging.getLogger().removeHandler(handler)
            handler.close()


class _PrivateFile(logging.handlers.RotatingFileHandler):
    def _open(self) -> TextIOWrapper:
        descriptor = open_log(Path(self.baseFilename), os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        return os.fdopen(descriptor, "a", encoding=self.encoding, errors=self.errors)


class _Discreet(logging.Formatter):
    """Of an error, and of those behind it: its type, its code, and the lines of our files, without its message."""

    def formatException(self, ei: _ErrorTriple) -> str:  # noqa: N802
        error = ei[1]
        lines: list[str] = []
        while error is not None:
            code = getattr(error, "code", None) or getattr(error, "errno", None)
            lines.append(f"{type(error).__name__} ({code})" if code else type(error).__name__)
            lines += [f"  {at.filename}:{at.lineno} {at.name}" for at in traceback.extract_tb(error.__traceback__)]
            error = error.__cause__ or error.__context__
        return "\n".join(lines)
