"""Imports go one way: the contracts of pyproject.toml, and what kernels and host add-ons may import at all."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def imports(path: Path) -> Iterator[str]:
    """The full names of the modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            # What an add-on is called is known only where it is installed.
            own = node.level == 1 and path.is_relative_to(ROOT / "host_addons")
            assert own or node.level == 0, f"{path} has a relative import"
            if not own:
                yield node.module or ""


def foreign(package: str) -> set[str]:
    """Top-level modules outside the standard library that a package imports."""
    tops = {name.split(".")[0] for path in (ROOT / package).rglob("*.py") for name in imports(path)}
    return tops - set(sys.stdlib_module_names)


def test_contracts_of_the_layers():
    pytest.importorskip("importlinter", reason="import-linter is not installed")
    command = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    outcome = subprocess.run(
        [sys.executable, "-c", command, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    assert "0 broken" in outcome.stdout


def test_kernels_stand_on_arrays_alone():
    assert foreign("kernels") <= {"kernels", "numpy", "numba", "llvmlite", "cupy", "scipy"}


def test_the_contract_with_hosts_stands_alone():
    """Hosts carry `engine/wire` inside their own add-on, with pyzmq, msgspec and their own NumPy."""
    assert foreign("engine/wire") <= {"engine", "msgspec", "numpy", "zmq"}
    for path in (ROOT / "engine/wire").rglob("*.py"):
        reached = {name for name in imports(path) if name.split(".")[0] in {"engine", "kernels"}}
        assert all(name.startswith("engine.wire") for name in reached), f"{path}: {reached}"


def test_host_addons_reach_the_engine_only_through_wire():
    for path in (ROOT / "host_addons").rglob("*.py"):
        reached = {name for name in imports(path) if name.split(".")[0] in {"engine", "kernels"}}
        assert all(name == "engine.wire" or name.startswith("engine.wire.") for name in reached), f"{path}: {reached}"


def test_what_hosts_carry_needs_little():
    for path in (ROOT / "engine/wire").rglob("*.py"):
        names = {name for name in imports(path) if name.split(".")[0] not in sys.stdlib_module_names}
        assert all(
            name in {"numpy", "numpy.typing", "msgspec", "zmq"} or name.startswith("engine.wire.") for name in names
        ), f"{path}: {names}"


def test_the_engine_runs_without_the_packages_of_its_extras():
    """matplotlib and scikit-image are for the demo, Pillow for its pictures: nothing else may need them."""
    demo_only = {"matplotlib", "skimage", "PIL"}
    for path in (ROOT / "engine").rglob("*.py"):
        if "demo" not in path.parts:
            assert not demo_only & {name.split(".")[0] for name in imports(path)}, path
