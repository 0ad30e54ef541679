"""The project as others get it: what is tracked, what the wheel carries, what the pins hold, what the README says."""

import re
import subprocess
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import engine

ROOT = Path(__file__).parents[1]

# Places on one person's machine, and hosts of package registries: written so that this file does not match itself.
PRIVATE = (
    re.compile(r"(?<![\w.~*)}\]])/(?:home|root|work|Users|tmp|opt)/\w"),
    re.compile(r"(?<![\w.])[A-Z]:\\Users\\"),
    re.compile(r"\b(?:pypi|pythonhosted|npmjs|conda|artifactory)\.(?:org|com|io|anaconda)\b"),
)


# What is in the repository, and what would be after `git add --all`.
GIT_LS = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]


def tracked() -> list[Path]:
    try:
        listing = subprocess.run(GIT_LS, cwd=ROOT, capture_output=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a git checkout")
    paths = [ROOT / name for name in listing.decode().split("\0") if name]
    return [path for path in paths if path.is_file()]


def texts() -> Iterator[tuple[Path, str]]:
    for path in tracked():
        try:
            yield path, path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def test_the_patterns_find_what_they_are_for():
    for text in ("open('/ho" + "me/me/plate.exr')", "see https://py" + "pi.org/x", " /wo" + "rk/shared"):
        assert any(pattern.search(text) for pattern in PRIVATE), text


def test_no_private_paths_and_no_registry_hosts():
    found = [
        f"{path.relative_to(ROOT)}: {match[0]}"
        for path, text in texts()
        for pattern in PRIVATE
        if (match := pattern.search(text))
    ]
    assert not found


def test_nothing_that_was_made_is_tracked():
    made = {"__pycache__", ".venv", "build", "dist", "faceplate-demo", ".hypothesis"}
    for path in tracked():
        # engine/models/build is the module that makes the models.
        parts = [
            part for part in path.relative_to(ROOT).parts if path.parent.parent.name != "models" or part != "build"
        ]
        assert not made & set(parts) and path.suffix not in {".pyc", ".nbi", ".nbc", ".egg-info"}, path


def test_data_of_the_packages_is_there():
    models = resources.files("engine.models")
    names = {entry.name for entry in models.iterdir()}
    assert sum(name.endswith(".onnx") for name in names) == 4
    assert {"canonical468.npz", "NOTICE.md"} <= names


def test_the_wheel_carries_every_file_of_the_packages():
    globs = project()["tool"]["setuptools"]["package-data"]
    for path in tracked():
        relative = path.relative_to(ROOT)
        if relative.parts[0] in {"engine", "kernels", "host_addons"} and path.suffix != ".py":
            assert any(
                # fnmatch's * goes over a slash, and the wheel's does not.
                glob.count("/") == len(inner.parts) - 1 and fnmatch(inner.as_posix(), glob)
                for folder in relative.parents
                for inner in [relative.relative_to(folder)]
                for glob in globs.get(".".join(folder.parts), [])
            ), f"{relative} is in no wheel"


def test_every_folder_with_modules_is_a_package():
    for path in tracked():
        relative = path.relative_to(ROOT)
        if relative.parts[0] in {"engine", "kernels"} and path.suffix == ".py":
            assert path.with_name("__init__.py").is_file(), f"{relative.parent} would be left out of the wheel"


def test_every_requirement_is_pinned():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", pin) for pin in pins)
    versions = dict(pin.split("==") for pin in pins)
    assert len(versions) == len(pins)
    wanted = project()["project"]
    groups = [wanted["dependencies"], *wanted["optional-dependencies"].values()]
    for requirement in (Requirement(text) for group in groups for text in group):
        pinned = versions.get(canonicalize_name(requirement.name))
        assert pinned and requirement.specifier.contains(pinned), f"{requirement} is pinned to {pinned}"


def test_the_changelog_begins_with_this_version():
    headings = re.findall(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert headings[0] == engine.__version__


def test_the_readme_names_only_what_exists():
    from engine.cli.main import app

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    commands = set(re.findall(r"^faceplate (\w+)", text, re.MULTILINE))
    known = {command.callback.__name__ for command in app.registered_commands if command.callback}
    known |= {group.name for group in app.registered_groups if isinstance(group.name, str)}
    assert commands and commands <= known
    for link in re.findall(r"\]\((?!https?:|#)([^)]+)\)", text):
        assert (ROOT / link).exists(), link
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"^make (\w+)", text, re.MULTILINE)) <= targets
