"""The brought networks that this process has open. A file is opened only as what was tried, and after it was tried.

What was installed was tried then, and its manifest holds the file to that. Any other file is tried first in a process
that may be lost, once for its content and manifest: to load it, or to run it, may take for ever, or all memory.
"""

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from cachetools import LRUCache

from engine.errors import ModelError
from engine.events import shown
from engine.kept import file_digest
from engine.models.brought import Brought
from engine.models.catalogue import read_checked
from engine.models.check import check_model
from engine.models.expectation import expectation
from engine.models.files import sha256_of
from engine.models.manifest import Manifest
from engine.models.pool import POOL, Trial

# Seconds for which a refusal is remembered: what it was due to may also have been this machine's load.
_REFUSED = 600.0
_REMEMBERED = 256


class Located(NamedTuple):
    """A model file and its manifest; `installed` where it lies in the models' folder, and so was tried before."""

    path: Path
    manifest: Manifest
    installed: bool


_lock = threading.Lock()
_tried: LRUCache[Trial, None] = LRUCache(_REMEMBERED)
_refused: LRUCache[Trial, tuple[float, ModelError]] = LRUCache(_REMEMBERED)


def open_brought(found: Located) -> Brought:
    """Open a model as its manifest says, once in a process while its file and its manifest stay as they are.

    Raises ModelError and ModelTimeout.
    """
    trial = ensure_tried(found)
    return POOL.get(trial, lambda: read_checked(found.path, trial[0]), lambda got: Brought(found.manifest, got))


def ensure_tried(found: Located, stopped: Callable[[], bool] = lambda: False) -> Trial:
    """Try the model in a process that may be lost, unless it was already: its SHA-256 and manifest.

    Raises ModelError and ModelTimeout, for some minutes without another trial; Cancelled once `stopped()`, which is
    asked often while the model is tried.
    """
    manifest = found.manifest
    trial = content_of(found), manifest
    if manifest.sha256 and manifest.sha256 != trial[0]:
        raise ModelError(
            f"{shown(found.path)} is not the file that {shown(manifest.name)} is: its SHA-256 is {trial[0]}, "
            f"expected: {manifest.sha256}.",
            "Bring the file that the manifest is for, and install it: faceplate models add FILE.",
        )
    if found.installed and manifest.sha256:
        return trial
    with _lock:
        if trial in _tried:
            return trial
        until, refusal = _refused.get(trial, (0.0, None))
    if refusal is not None and time.monotonic() < until:
        raise type(refusal)(refusal.message, refusal.remedy)
    try:
        check_model(found.path, shown(manifest.name), expectation(manifest), stopped=stopped)
    except ModelError as error:
        with _lock:
            # Anew: what was raised holds on to all that was at work.
            _refused[trial] = time.monotonic() + _REFUSED, type(error)(error.message, error.remedy)
        raise
    with _lock:
        _tried[trial] = None
    return trial


def content_of(found: Located) -> str:
    """The SHA-256 of the file, which is read again where it may have changed. Raises ModelError."""
    path, manifest = found.path, found.manifest
    try:
        return file_digest(path, sha256_of)
    except OSError as error:
        raise ModelError(
            f"The model {shown(manifest.name)} is not installed: there is no file {shown(path)}.",
            f"Bring {manifest.file or path.name} from {manifest.url or manifest.origin}: faceplate models add FILE.",
        ) from error
