"""What pictures of persons show, kept on the disk: a picture is measured once, whichever process uses it, and when.

Each picture has a small file in the user's cache folder (or in FACEPLATE_CACHE), named by a digest of the picture's
bytes, its name, and all that decides how it is measured: so a changed picture is another one, and nothing that is
kept can be out of date. A file is whole or it does not count, one that is damaged is written again, and where the
folder cannot be written, pictures are measured each time. Nothing is written beside the pictures.

What a face measures is a person's own. The files can be read by their user only, and those that were not used for
KEPT_DAYS are removed.
"""

import hashlib
import os
import platform
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path

import llvmlite.binding
import msgspec
import platformdirs

from engine.errors import IdentityError
from engine.models.session import devices
from engine.swappers.portrait import Portrait

VARIABLE = "FACEPLATE_CACHE"
KEPT_DAYS = 60.0
_DAY = 86400.0
_PACKAGES = ("faces", "models", "plates", "swappers")
_LIBRARIES = (
    "numpy",
    "numba",
    "llvmlite",
    "opencv-python-headless",
    "onnxruntime",
    "onnxruntime-gpu",
    "openimageio",
    "openexr",
    "scipy",
)
_ENDING = ".portrait"
_LARGEST = 1 << 20


class Unfit(msgspec.Struct, frozen=True, forbid_unknown_fields=True, tag="unfit"):
    """Why a picture is no reference, whoever looks at it."""

    message: str
    remedy: str


_ENTRY = msgspec.msgpack.Decoder(Portrait | Unfit)


def index_folder() -> Path:
    """Where pictures' measurements are kept; it need not be there."""
    named = os.environ.get(VARIABLE, "")
    cache = Path(named).absolute() if named else platformdirs.user_cache_path("faceplate", appauthor=False)
    return cache / "pictures"


def recall(path: Path, sha256: str, examine: Callable[[Path], Portrait]) -> Portrait:
    """The portrait of a picture, from the index, or measured now by `examine` and kept.

    sha256: of the picture's bytes, in hex. Raises what `examine` raises; an IdentityError is kept, too.
    """
    place = _place(path, sha256)
    entry = _read(place)
    if entry is None:
        before = _state(path)
        try:
            entry = examine(path)
        except IdentityError as error:
            entry = Unfit(error.message, error.remedy)
        # What was measured must be what the digest is of.
        if _state(path) == before:
            _write(place, entry)
    if isinstance(entry, Unfit):
        raise IdentityError(entry.message, entry.remedy)
    return entry


def _place(path: Path, sha256: str) -> Path:
    parts = hashlib.sha256(msgspec.msgpack.encode((_measured_by(), _colours(), os.fsencode(path.name), sha256)))
    return index_folder() / f"{parts.hexdigest()}{_ENDING}"


@cache
def _measured_by() -> str:
    """All that decides a measurement to the last bit: the code (it names the networks), libraries, the processor."""
    libraries = [f"{name} {_version_of(name)}" for name in _LIBRARIES]
    features = llvmlite.binding.get_host_cpu_features().flatten()
    processor = platform.machine(), llvmlite.binding.get_host_cpu_name(), features
    return "\n".join([_sources(), *libraries, *processor, *(str(device) for device in devices())])


def _sources() -> str:
    """A digest of the code that a measurement may go through, in hex."""
    engine, whole = Path(__file__).parents[1], hashlib.sha256()
    for folder in (*(engine / name for name in _PACKAGES), engine.with_name("kernels")):
        for path in sorted(folder.glob("*.py")):
            whole.update(hashlib.sha256(path.read_bytes()).digest())
    return whole.hexdigest()


def _version_of(library: str) -> str:
    try:
        return version(library)
    except ModuleNotFoundError:
        # As onnxruntime where it is onnxruntime-gpu.
        return "none"


def _colours() -> str:
    """The colour configuration of the user's own, by which some pictures are read."""
    own = os.environ.get("OCIO", "")
    try:
        return f"{own} {hashlib.sha256(Path(own).read_bytes()).hexdigest()}" if own else ""
    except OSError:
        return own


def _state(path: Path) -> tuple[int, ...]:
    try:
        stat = path.stat()
    except OSError:
        return ()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns


def _read(place: Path) -> Portrait | Unfit | None:
    """The entry of a picture; None where there is none that is whole."""
    try:
        with place.open("rb") as file:
            content = file.read(_LARGEST)
        if time.time() - place.stat().st_mtime > _DAY:
            # It was used: see `_forget`.
            with suppress(OSError):
                os.utime(place)
    except OSError:
        return None
    digest, entry = content[:32], content[32:]
    if hashlib.sha256(entry).digest() != digest:
        return None
    try:
        return _ENTRY.decode(entry)
    except (msgspec.DecodeError, RecursionError):
        return None


def _write(place: Path, entry: Portrait | Unfit) -> None:
    """Keep an entry, whole or not at all; nobody needs it to be kept."""
    content = msgspec.msgpack.encode(entry)
    with suppress(OSError):
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=".", suffix=_ENDING, dir=place.parent)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(hashlib.sha256(content).digest() + content)
            Path(name).replace(place)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
        _forget(place.parent)


def _forget(folder: Path) -> None:
    """Remove what was not used for long, and what was left unfinished."""
    old = time.time() - KEPT_DAYS * _DAY
    for path in folder.glob(f"*{_ENDING}"):
        with suppress(OSError):
            if path.stat().st_mtime < old:
                path.unlink()
