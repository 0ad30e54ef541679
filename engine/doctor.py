"""Looks whether this machine has what Faceplate needs, by doing what a job does: one finding for each thing.

Every library is loaded inside the check that needs it, so that one that is broken is a finding and ends nothing.
"""

import os
import platform
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal

import msgspec

from engine import __version__
from engine.events import shown
from engine.programs import HOSTS, find_host
from engine.wire.errors import CodedError

Verdict = Literal["good", "note", "fault"]

# The smallest of the bundled networks.
_NETWORK = "blazeface"
_GIB = 1 << 30
# GiB. A float32 RGBA picture of 4096 x 2160 takes 0.13 of shared memory, and a client has several; a half RGBA frame of
# that size takes up to 0.07 of a disk, without its layers.
_LEAST_SHARED, _LEAST_FREE = 0.5, 10.0
_AGAIN = "Install Faceplate again."
_REQUIREMENT = re.compile(r"([A-Za-z0-9._-]+)(?:\[[^]]*])?(?:>=([0-9.]+))?$")


class Finding(msgspec.Struct, frozen=True):
    """What one check found: `good`, a `note` (it works, and could be better), or a `fault`, and what to do about it."""

    name: str
    verdict: Verdict
    message: str
    remedy: str = ""


def examine() -> Iterator[Finding]:
    """Every finding, as soon as it is known; takes some seconds. Raises nothing."""
    for name, check in _CHECKS.items():
        try:
            yield from check()
        except CodedError as error:
            yield Finding(name, "fault", shown(error.message), shown(error.remedy))
        except Exception as error:  # noqa: BLE001 - whatever a broken library raises is the answer
            yield Finding(name, "fault", _said(error), _AGAIN)


def _python() -> Iterator[Finding]:
    # An older one than Faceplate needs would not have come this far.
    yield Finding("python", "good", f"{platform.python_version()} at {shown(sys.executable)}, {platform.platform()}.")


def _packages() -> Iterator[Finding]:
    try:
        requirements = metadata.requires("faceplate") or []
    except metadata.PackageNotFoundError:
        message = "Faceplate is not installed in this Python, so what it requires is not known."
        yield Finding("packages", "note", message, "Install it: python -m pip install -e '.[cpu]'")
        return
    modules: dict[str, list[str]] = {}
    for module, owners in metadata.packages_distributions().items():
        for owner in owners:
            modules.setdefault(_plain(owner), []).append(module)
    for requirement in requirements:
        # What is behind a ";" is wanted by an extra, or by another system.
        if ";" not in requirement and (parts := _REQUIREMENT.match(requirement)):
            name, least = parts.groups(default="")
            yield _package(name, least, modules.get(_plain(name), []))


def _package(name: str, least: str, modules: list[str]) -> Finding:
    install = f"python -m pip install '{name}>={least}'" if least else f"python -m pip install {name}"
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, "fault", "It is not installed.", install)
    if _numbers(version) < _numbers(least):
        return Finding(name, "fault", f"{version} is older than {least}.", install)
    try:
        for module in modules:
            if module.isidentifier() and not module.startswith("_"):
                import_module(module)
    except Exception as error:  # noqa: BLE001 - as in `examine`
        return Finding(name, "fault", f"{version} cannot be loaded: {_said(error)}", f"{install} --force-reinstall")
    return Finding(name, "good", f"{version}.")


def _device() -> Iterator[Finding]:
    from engine.models.session import ran_by

    ran, cards = ran_by(_NETWORK), _graphics_cards()
    shares = " and ".join(f"{provider} ran {count}" for provider, count in ran.items())
    message = f"{shares} of {sum(ran.values())} operators of {_NETWORK}"
    if not cards:
        yield Finding("device", "good", f"{message}, on {os.cpu_count()} cores; there is no NVIDIA graphics card.")
    elif "CUDAExecutionProvider" in ran:
        yield Finding("device", "good", f"{message}, on {cards[0]}.")
    else:
        remedy = "Remove the package onnxruntime, install faceplate[cuda], and look whether the driver is new enough."
        yield Finding("device", "note", f"{message}; {cards[0]} is not used.", remedy)


def _graphics_cards() -> list[str]:
    """The names of the graphics cards that NVIDIA's driver knows; none where there is no driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return []
    command = [tool, "--query-gpu=name", "--format=csv,noheader"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=20, check=True)
    except (OSError, subprocess.SubprocessError):
        return []
    return [line.strip() for line in listed.stdout.splitlines() if line.strip()]


def _color() -> Iterator[Finding]:
    from engine.plates.color import named_color

    named_color("ACEScg")
    own = os.environ.get("OCIO", "")
    yield Finding(
        "color", "good", f"OpenColorIO opens {'$OCIO, ' + shown(own) if own else 'its built-in ACES configurations'}."
    )


def _kernels() -> Iterator[Finding]:
    import kernels
    from kernels.elementary import power

    # Numba decides where: beside the sources, in NUMBA_CACHE_DIR, or in the user's cache where it cannot write there.
    folder = Path(power.stats.cache_path or kernels.__path__[0])
    sources = {path.stem: path.stat().st_mtime for path in Path(kernels.__path__[0]).glob("*.py")}
    made = [
        path
        for path in folder.glob(f"*.py{sys.version_info.major}{sys.version_info.minor}.nbi")
        if path.stat().st_mtime >= sources.get(path.name.partition(".")[0], float("inf"))
    ]
    if made:
        yield Finding("kernels", "good", f"{len(made)} kernels are compiled, in {shown(folder)}.")
    else:
        message = f"No kernel is compiled yet in {shown(folder)}: the first job waits a minute or two for it."
        yield Finding("kernels", "note", message, "faceplate engine warm")


def _hosts() -> Iterator[Finding]:
    for name in HOSTS:
        found = find_host(name)
        # Nothing that is needed is missing: the command line works without a host.
        message = f"found at {shown(', '.join(found))}." if found else "not found."
        yield Finding(name, "good" if found else "note", message)


def _engine() -> Iterator[Finding]:
    from engine.resident import standing
    from engine.wire.place import runtime_folder

    yield Finding("runtime folder", "good", f"{shown(runtime_folder())} is this user's alone.")
    found = standing()
    if found.stale:
        message = "No engine runs; one that died has left files behind."
        yield Finding("engine", "note", message, "The next one clears them away: faceplate engine start")
    elif not found.pid:
        yield Finding("engine", "good", "No engine runs; a host, or `faceplate engine start`, starts one.")
    elif not found.ready:
        message = f"An engine, process {found.pid}, is not ready to be connected to."
        yield Finding("engine", "note", message, f"Wait, or look into {found.log}.")
    elif found.engine != __version__:
        message = f"The engine that runs, process {found.pid}, is faceplate {found.engine}, and this is {__version__}."
        yield Finding("engine", "note", message, "faceplate engine stop")
    else:
        yield Finding("engine", "good", f"An engine runs, as process {found.pid}.")


def _space() -> Iterator[Finding]:
    free = shutil.disk_usage(Path.cwd()).free / _GIB
    message = f"{free:.1f} GiB are free in {shown(Path.cwd())}."
    scarce = free < _LEAST_FREE
    yield Finding("disk", "note" if scarce else "good", message, "Long shots need more." if scarce else "")
    shared = Path("/dev/shm")
    if sys.platform.startswith("linux"):
        size = shutil.disk_usage(shared).total / _GIB if shared.is_dir() else 0.0
        remedy = "Give it more: docker run --shm-size 2g, or mount -o remount,size=2g" if size < _LEAST_SHARED else ""
        message = f"{shared} has {size:.2f} GiB, for the pictures that hosts and engine share."
        yield Finding("shared memory", "note" if remedy else "good", message, remedy)


def _said(error: Exception) -> str:
    text = " ".join(str(error).split())[:200]
    return shown(f"{type(error).__name__}: {text}")


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _numbers(version: str) -> list[int]:
    """The release in a version, as numbers: 2.0.1rc1 is older than nothing that has 2.0.1 or less as its least."""
    release = re.match(r"[0-9.]*", version)
    return [int(number) for number in release[0].split(".") if number] if release else []


_CHECKS: dict[str, Callable[[], Iterator[Finding]]] = {
    "python": _python,
    "packages": _packages,
    "device": _device,
    "color": _color,
    "kernels": _kernels,
    "hosts": _hosts,
    "engine": _engine,
    "space": _space,
}
