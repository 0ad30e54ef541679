"""Where a user's engine is: a private folder that holds its socket, its lock, and how to connect to it.

Whoever can write into the folder can pose as the engine, and whoever can read it can be its client. So nothing in it is
believed unless folder and file belong to this user and are closed to all others.
"""

import contextlib
import hashlib
import os
import stat
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import msgspec

from engine.wire.errors import PlaceUnsafe

CONNECTION, SOCKET, LOCK = "engine.json", "engine.sock", "engine.lock"

# Bytes of a socket's path, without the zero at its end.
_LONGEST_PATH = 103 if sys.platform == "darwin" else 107
_MOST_BYTES = 1 << 16
_UNFINISHED = ".engine-"
_ANOTHER = "Name a folder of your own in FACEPLATE_RUNTIME."
# A link is not followed, and a pipe is not waited for; Windows has neither flag.
_CAREFUL = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Connection(msgspec.Struct, frozen=True):
    """How a client reaches the engine: its address, the keys of CURVE in Z85, and which engine it is.

    `protocol` as in `messages.VERSION`; `started` in seconds since 1970.
    """

    address: str
    server_key: str
    client_public: str
    client_secret: str
    protocol: int
    engine: str
    # Signals are sent to it: zero and negative numbers would mean whole groups of processes.
    pid: Annotated[int, msgspec.Meta(gt=0)]
    started: float

    def __repr__(self) -> str:
        # The secret must not get into a log or a traceback.
        return f"Connection({self.address!r}, engine={self.engine!r}, pid={self.pid})"


def runtime_folder() -> Path:
    """The folder of this user's engine, made with mode 0700 where it is missing.

    FACEPLATE_RUNTIME; else `faceplate` in XDG_RUNTIME_DIR, where that is this user's; else a folder named by the user's
    number among the temporary files (Windows: in LOCALAPPDATA). Raises PlaceUnsafe when it is a link, belongs to
    somebody else, is open to others and cannot be closed, or was open for all to write in.
    """
    named = os.environ.get("FACEPLATE_RUNTIME", "")
    if not named:
        return _private(_usual_folder())
    if not Path(named).is_absolute():
        # Each program would look for the engine in another place.
        raise PlaceUnsafe(f"FACEPLATE_RUNTIME is {named}, which is not a whole path.", "Begin it at the root.")
    return _private(Path(named))


def address(folder: Path) -> str:
    """Where the engine of this folder listens: its socket, or on Windows a free port of this machine.

    Raises PlaceUnsafe.
    """
    return "tcp://127.0.0.1:*" if sys.platform == "win32" else f"ipc://{socket_path(folder)}"


def socket_path(folder: Path) -> Path:
    """The socket's file: in the folder, or in another private one where that path is too long or no Unicode.

    Raises PlaceUnsafe.
    """
    path = folder / SOCKET
    if len(os.fsencode(path)) <= _LONGEST_PATH and os.fsencode(path) == str(path).encode(errors="replace"):
        return path
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    return _private(Path("/tmp") / f"faceplate-{os.getuid()}-{digest}") / SOCKET


def write_connection(folder: Path, connection: Connection) -> None:
    """Tell clients how to connect: the file is whole, and nobody else's to read, whenever it is seen.

    Raises OSError.
    """
    # mkstemp makes the file anew, with mode 0600.
    descriptor, unfinished = tempfile.mkstemp(prefix=_UNFINISHED, dir=folder)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(msgspec.json.encode(connection))
            file.flush()
            os.fsync(descriptor)
        Path(unfinished).replace(folder / CONNECTION)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def read_connection(folder: Path) -> Connection | None:
    """How to connect, or None where the file is missing or damaged: then there is no engine to talk to.

    That the file is there does not mean that the engine lives. Raises PlaceUnsafe where the file is a link, somebody
    else's, or was open to others: it could lead to an engine that is not this user's.
    """
    try:
        descriptor = open_private(folder / CONNECTION, os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(os.read(descriptor, _MOST_BYTES), type=Connection)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    finally:
        os.close(descriptor)


def remove_connection(folder: Path) -> None:
    """Take back what `write_connection` told. Only for who holds the lock. Raises PlaceUnsafe."""
    _remove(folder / CONNECTION)


def left_behind(folder: Path) -> list[Path]:
    """The files that an engine has while it runs, there or not; without its lock, which stays. Raises PlaceUnsafe."""
    sockets = [] if sys.platform == "win32" else [socket_path(folder)]
    return [folder / CONNECTION, *folder.glob(f"{_UNFINISHED}*"), *sockets]


def clear(folder: Path) -> None:
    """Remove what an engine that died has left behind. Only for who holds the lock. Raises PlaceUnsafe."""
    for path in left_behind(folder):
        _remove(path)


def open_private(path: Path, flags: int) -> int:
    """Open a file that is this user's alone; the descriptor.

    Raises FileNotFoundError, and PlaceUnsafe where it is a link or no file, somebody else's, or open to others.
    """
    try:
        descriptor = os.open(path, flags | _CAREFUL, 0o600)
    except FileNotFoundError:
        raise
    except OSError as error:
        reason = "it is a link" if path.is_symlink() else error.strerror
        raise PlaceUnsafe(f"{path} cannot be trusted: {reason}.", "Remove it.") from error
    try:
        found = os.fstat(descriptor)
        if not stat.S_ISREG(found.st_mode):
            raise PlaceUnsafe(f"{path} cannot be trusted: it is not a file.", "Remove it.")
        if sys.platform != "win32" and (found.st_uid != os.getuid() or found.st_mode & 0o077):
            raise PlaceUnsafe(f"{path} cannot be trusted: others could write or read it.", "Remove it.")
    except PlaceUnsafe:
        os.close(descriptor)
        raise
    return descriptor


def _usual_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or tempfile.gettempdir()) / "Faceplate" / "run"
    session = os.environ.get("XDG_RUNTIME_DIR", "")
    # Under su and sudo it is still that of the user before, and in a container there may be none.
    with contextlib.suppress(OSError):
        if Path(session).is_absolute() and Path(session).stat().st_uid == os.getuid():
            return Path(session) / "faceplate"
    # Not TMPDIR, except on macOS where all of a user's programs share it: a host may have another than a terminal.
    return Path(tempfile.gettempdir() if sys.platform == "darwin" else "/tmp") / f"faceplate-{os.getuid()}"


def _private(folder: Path) -> Path:
    """The folder, once it is there, is this user's, and is closed to others."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.suppress(FileExistsError):
            folder.mkdir(mode=0o700)
        if sys.platform == "win32":
            # A user's own LOCALAPPDATA is closed to others by its access list, which folders in it inherit.
            return folder
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError as error:
        reason = "it is a link" if folder.is_symlink() else error.strerror
        raise PlaceUnsafe(f"The folder {folder} cannot be used: {reason}.", _ANOTHER) from error
    try:
        _close_to_others(folder, descriptor)
    except OSError as error:
        raise PlaceUnsafe(f"The folder {folder} cannot be closed to others: {error.strerror}.", _ANOTHER) from error
    finally:
        os.close(descriptor)
    return folder


def _close_to_others(folder: Path, descriptor: int) -> None:
    found, above = os.fstat(descriptor), folder.parent.stat()
    if found.st_uid != os.getuid():
        raise PlaceUnsafe(f"The folder {folder} belongs to somebody else.", _ANOTHER)
    if found.st_mode & (stat.S_IWOTH | stat.S_ISVTX):
        # It may be full of others' files, or be the folder for everybody's temporary ones, which must stay open.
        raise PlaceUnsafe(f"Everybody can write into the folder {folder}.", _ANOTHER)
    if above.st_mode & stat.S_IWOTH and not above.st_mode & stat.S_ISVTX:
        raise PlaceUnsafe(f"Everybody can put another folder in the place of {folder}.", _ANOTHER)
    if stat.S_IMODE(found.st_mode) != 0o700:
        os.fchmod(descriptor, 0o700)
        if stat.S_IMODE(os.fstat(descriptor).st_mode) & 0o077:
            raise PlaceUnsafe(f"The folder {folder} stays open to others on this file system.", _ANOTHER)


def _remove(path: Path) -> None:
    try:
        path.unlink(missing_ok=True)
    except OSError as error:
        raise PlaceUnsafe(f"{path} is in the engine's way: {error.strerror}.", "Remove it.") from error
