"""Puts the menu scripts into DaVinci Resolve's own folder, with what they need; also as a zip, for all systems.

In Resolve's `Fusion` folder, `Scripts/Utility/Faceplate` has the entries of the menu, and `Faceplate` all else: the
scripts' own package, with the contract in it as a part, and the libraries, one folder for each wheel. Resolve shows
every script below `Scripts` in its menu, so the rest must not lie there.
"""

import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
import numpy as np
import OpenEXR

from engine import __version__
from engine.events import shown
from engine.hosts.extension import HostError, copy, copy_wire, own_wheels, wheel_file
from engine.hosts.resolve_spaces import SPACES
from engine.programs import find_host

NAME = "faceplate_resolve"
SOURCE = Path(__file__).parents[2] / "host_addons" / "resolve"
MENU = ("Replace Face", "Replace Face Again", "Replace Face on Graded Picture", "Refresh Result", "Self-check")
# By system: Resolve's Fusion folder of the user, and the one for all users, with variables as the system writes them.
PLACES: dict[str, tuple[str, str]] = {
    "linux": ("~/.local/share/DaVinciResolve/Fusion", str(Path("/opt", "resolve", "Fusion"))),
    "darwin": (
        "~/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion",
        "/Library/Application Support/Blackmagic Design/DaVinci Resolve/Fusion",
    ),
    "win32": (
        r"%APPDATA%\Blackmagic Design\DaVinci Resolve\Support\Fusion",
        r"%PROGRAMDATA%\Blackmagic Design\DaVinci Resolve\Fusion",
    ),
}
# By system and processor, as Python names them: the wheels, without the Python that they are for, of what the scripts
# need. Those of msgspec are for one Python each, that of pyzmq for 3.12 and newer is one. In the versions of
# constraints.txt, and downloaded in these very files.
PYTHONS = ("cp311", "cp312", "cp313", "cp314")
_LINUX = "manylinux2014_x86_64.manylinux_2_17_x86_64.manylinux_2_28_x86_64"
_OLD_MACS = ("macosx_10_9_x86_64", "macosx_10_13_x86_64", "macosx_10_13_x86_64", "macosx_10_15_x86_64")
_MSGSPEC: dict[str, tuple[str, ...]] = {
    "linux-x86_64": (_LINUX,) * 4,
    "darwin-arm64": ("macosx_11_0_arm64",) * 4,
    "darwin-x86_64": _OLD_MACS,
    "win32-x86_64": ("win_amd64",) * 4,
}
_PYZMQ = {
    "linux-x86_64": "manylinux_2_26_x86_64.manylinux_2_28_x86_64",
    "darwin-arm64": "macosx_10_15_universal2",
    "darwin-x86_64": "macosx_10_15_universal2",
    "win32-x86_64": "win_amd64",
}
_SCRIPTS = Path("Scripts", "Utility", "Faceplate")
_FILES = Path("Faceplate")
_TEMPLATE = "menu.py"


def find_place(at: str = "", system: str = sys.platform) -> Path:
    """Resolve's Fusion folder of this user, or `at`. Raises HostError where there is no sign of a Resolve."""
    if at:
        place = Path(at).expanduser().absolute()
        if not place.is_dir():
            raise HostError(f"There is no folder {shown(place)}.", "Name Resolve's Fusion folder.")
        return place
    if system not in PLACES:
        raise HostError(f"There is no DaVinci Resolve for this system, {system}.")
    place = Path(expanded(PLACES[system][0]))
    # Its folder of the user is there once it has run; else the program itself must be.
    if not place.parent.is_dir() and not find_host("DaVinci Resolve"):
        raise HostError(
            "No DaVinci Resolve was found.",
            "Start it once; or say where its Fusion folder is: faceplate hosts install resolve --at PATH.",
        )
    return place


def expanded(place: str) -> str:
    """A place with the user's own folders in it."""
    return os.path.expandvars(Path(place).expanduser())


def install(place: Path, system: str = sys.platform) -> None:
    """Put the scripts, and the libraries for this system, into a Fusion folder. Raises HostError."""
    with tempfile.TemporaryDirectory() as folder:
        assemble(Path(folder), own_wheels(), [system], [str(place / _FILES)])
        try:
            # What an earlier version had, and this one has not, must not stay.
            remove(place)
            for part in (_SCRIPTS, _FILES):
                shutil.copytree(Path(folder) / part, place / part, dirs_exist_ok=True)
        except OSError as error:
            raise HostError(
                f"{shown(place)} cannot be written: {error.strerror or error}.", "Close Resolve, or name another --at."
            ) from error


def is_installed(place: Path) -> bool:
    """Whether all of the scripts are there."""
    return (place / _FILES / NAME / "__init__.py").is_file() and all(
        (place / _SCRIPTS / f"{entry}.py").is_file() for entry in MENU
    )


def remove(place: Path) -> bool:
    """Take the scripts away, and nothing else; whether anything was there. Raises HostError."""
    ours = [place / _FILES / NAME, place / _FILES / "lib"] if (place / _FILES / NAME).is_dir() else []
    entries = [path for path in (place / _SCRIPTS / f"{entry}.py" for entry in MENU) if path.is_file()]
    try:
        for path in ours:
            if path.is_dir():
                shutil.rmtree(path)
        for path in entries:
            path.unlink()
        for folder in (place / _FILES, place / _SCRIPTS):
            if folder.is_dir() and not any(folder.iterdir()):
                folder.rmdir()
    except OSError as error:
        raise HostError(f"{shown(place)} cannot be changed: {error.strerror}.", "Close Resolve.") from error
    return bool(ours or entries)


def build(output: Path, wheels: Path) -> Path:
    """Make the zip for all systems in the folder `output`; its path. It is unpacked into a Fusion folder.

    Raises HostError.
    """
    places = [os.path.join(place, _FILES) for pair in PLACES.values() for place in pair]  # noqa: PTH118
    output.mkdir(parents=True, exist_ok=True)
    path = output / f"{NAME}-{__version__}.zip"
    with tempfile.TemporaryDirectory() as folder:
        assemble(Path(folder), wheels, list(PLACES), places)
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for file in sorted(Path(folder).rglob("*")):
                packed.write(file, file.relative_to(folder))
    return path


def wheels_for(platform: str) -> Iterator[tuple[str, str]]:
    """The folder of the libraries, and the wheel that goes into it, for all Pythons of a system and processor."""
    for python, tags in zip(PYTHONS, _MSGSPEC[platform], strict=True):
        yield f"{platform}/{python}", f"msgspec-0.22.0-{python}-{python}-{tags}.whl"
    yield f"{platform}/cp311", f"pyzmq-27.3.0-cp311-cp311-{_PYZMQ[platform]}.whl"
    yield f"{platform}/abi3", f"pyzmq-27.3.0-cp312-abi3-{_PYZMQ[platform]}.whl"


def assemble(folder: Path, wheels: Path, systems: Iterable[str], places: list[str]) -> None:
    """Put everything into a folder, laid out as in Resolve's. `places` are where the entries look for the rest.

    Libraries are downloaded to `wheels` unless they are there. Raises HostError.
    """
    if not (SOURCE / _TEMPLATE).is_file():
        raise HostError("The scripts for DaVinci Resolve are not here.", "Install Faceplate again.")
    package, libraries, scripts = folder / _FILES / NAME, folder / _FILES / "lib", folder / _SCRIPTS
    for made in (package, scripts):
        made.mkdir(parents=True)
    for path in SOURCE.glob("*.py"):
        if path.name != _TEMPLATE:
            copy(path, package / path.name, ".wire")
    copy_wire(package)
    _write_grey(package / "grey.exr")
    (package / "spaces.json").write_bytes(msgspec.json.format(msgspec.json.encode(SPACES), indent=1))
    template = (SOURCE / _TEMPLATE).read_text(encoding="utf-8")
    for entry in MENU:
        text = template.replace('ENTRY = ""', f"ENTRY = {entry!r}").replace(
            "PLACES = ()", f"PLACES = {tuple(places)!r}"
        )
        (scripts / f"{entry}.py").write_text(text, encoding="utf-8")
    for platform in (platform for platform in _PYZMQ if platform.partition("-")[0] in systems):
        for part, wheel in wheels_for(platform):
            with zipfile.ZipFile(wheel_file(wheel, wheels)) as packed:
                packed.extractall(libraries / part, [name for name in packed.namelist() if "/tests/" not in name])


def _write_grey(path: Path) -> None:
    """The frame that the self-check imports: middle grey, linear, in half floats."""
    grey = np.full((36, 64), 0.18, np.float16)
    header = {"compression": OpenEXR.NO_COMPRESSION, "type": OpenEXR.scanlineimage}
    OpenEXR.File(header, {name: grey for name in "RGB"}).write(str(path))
