"""Faceplate in DaVinci Resolve. What is imported here also loads in a Python that is too old for the rest."""

import platform
import sys
from importlib.util import find_spec
from pathlib import Path

from engine.wire.folders import log_folder, logging_to

from .tell import Refused, log, say, warn

OLDEST = (3, 11)
LIBRARIES = Path(__file__).parents[1] / "lib"


def start(entry, resolve):
    """Do what a menu entry is called for; whether it was done. What goes wrong is told and logged, never raised."""
    with logging_to(log_folder() / "resolve.log", log):
        try:
            use_libraries(LIBRARIES)
            from . import entries

            entries.run(entry, resolve)
        except Exception as error:  # noqa: BLE001
            # What the engine has refused is in its own words.
            told = getattr(error, "failure", error)
            if not hasattr(told, "remedy"):
                log.exception("%s", entry)
                disk = isinstance(error, OSError) and Refused("disk", path=error.filename, why=error.strerror)
                told = disk or Refused("internal", error=error)
            warn(entry, told)
            return False
        say(entry + ": done.")
        return True


def use_libraries(folder, system=sys.platform, machine="", version=sys.version_info):
    """Have the libraries found that came with the scripts and fit this Python. Raises Refused where one is missing."""
    python = "{}.{}".format(*version)
    if version[:2] < OLDEST:
        raise Refused("old-python", python=python)
    processor = (machine or platform.machine()).lower().replace("amd64", "x86_64")
    # What is for this version alone, and what is for any since 3.12.
    sys.path[:0] = [str(folder / f"{system}-{processor}" / name) for name in (f"cp3{version[1]}", "abi3")]
    for module in ("msgspec", "zmq"):
        if not find_spec(module):
            raise Refused("no-library", library=module, python=python)
