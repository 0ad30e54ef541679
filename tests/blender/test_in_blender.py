"""Runs the tests in `inside/` in the real bpy: each of its modules in a Blender process of its own."""

import subprocess
from pathlib import Path

import pytest

from tests.blender.conftest import Blender

INSIDE = Path(__file__).parent / "inside"
MODULES = sorted(path.name for path in INSIDE.glob("test_*.py"))


@pytest.mark.blender
@pytest.mark.slow
@pytest.mark.parametrize("module", MODULES)
def test_inside(blender: Blender, module: str, place: dict[str, str]) -> None:
    command = [blender.python, "-m", "pytest", "-q", "-x", "-c", INSIDE / "pytest.ini", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [*command, INSIDE / module], env=place, cwd=INSIDE, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout[-20000:] + done.stderr[-5000:]
