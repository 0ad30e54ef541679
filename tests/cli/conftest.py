"""Runs the real command in a process of its own."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[2]
COMMAND = (sys.executable, "-m", "engine.cli")
Command = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def environment() -> dict[str, str]:
    """Finds the packages of this checkout from any folder; wide enough that no line is folded."""
    return os.environ | {"PYTHONPATH": str(REPOSITORY), "COLUMNS": "200"}


@pytest.fixture
def faceplate(tmp_path: Path, environment: dict[str, str]) -> Command:
    """Run `faceplate ARGUMENTS` in `tmp_path`; never a traceback, whatever the status."""

    def run(*arguments: str | bytes | Path, **options: Any) -> subprocess.CompletedProcess[str]:
        options = {"input": "", "capture_output": True} | options
        done = subprocess.run(
            [*COMMAND, *arguments],
            cwd=tmp_path,
            env=environment,
            encoding="utf-8",
            errors="strict",
            timeout=120,
            check=False,
            **options,
        )
        assert "Traceback" not in (done.stderr or ""), done.stderr
        return done

    return run
