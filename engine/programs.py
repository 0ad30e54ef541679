"""Where the programs that Faceplate works in usually are."""

import contextlib
import shutil
from pathlib import Path

# The program's name, and where systems usually have it: folders, and what to look for in them.
HOSTS: dict[str, tuple[str, tuple[tuple[str, str], ...]]] = {
    "Blender": (
        "blender",
        (
            ("/opt", "[Bb]lender*/blender"),
            ("~", "[Bb]lender*/blender"),
            ("/snap/bin", "blender"),
            ("/var/lib/flatpak/app", "org.blender.Blender"),
            ("/Applications", "Blender*.app"),
            ("C:/Program Files/Blender Foundation", "Blender*/blender.exe"),
        ),
    ),
    "DaVinci Resolve": (
        "resolve",
        (
            ("/opt", "resolve/bin/resolve"),
            ("/Applications", "DaVinci Resolve*/DaVinci Resolve*.app"),
            ("C:/Program Files/Blackmagic Design", "DaVinci Resolve/Resolve.exe"),
        ),
    ),
}


def find_host(name: str) -> list[str]:
    """Every installation of a host that is found, as a path: a program, or on macOS and with Flatpak a folder."""
    program, places = HOSTS[name]
    found = {place for place in [shutil.which(program)] if place}
    for folder, wildcard in places:
        # There is no home where the user has no name, as in some containers.
        with contextlib.suppress(OSError, RuntimeError):
            found |= {str(path) for path in Path(folder).expanduser().glob(wildcard)}
    return sorted(found)
