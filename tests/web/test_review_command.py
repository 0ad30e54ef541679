"""`faceplate review`: the page from the command line, of an engine that runs."""

import os
import re
from pathlib import Path
from typing import NamedTuple

import pytest

from engine import recipe
from tests.jobs.conftest import begin, command, environment
from tests.jobs.place import Begin, Command
from tests.web.hosting import ask

__all__ = ["begin", "command", "environment"]


class Address(NamedTuple):
    port: int
    token: str


def test_without_an_engine(command: Command) -> None:
    done = command("review", "plate")
    assert done.returncode == 1 and "No engine runs" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="A browser that does nothing is a command of POSIX")
def test_what_is_chosen_is_run_and_saved(
    command: Command, begin: Begin, environment: dict[str, str], work: Path
) -> None:
    environment["BROWSER"] = "true"
    command("engine", "start")
    with begin("review", "plate", "-o", "out", "--save-shot", "sh.toml") as process:
        assert process.stdout is not None and process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:([0-9]+)/#(\S+)", process.stdout.readline())
        assert found
        page = Address(int(found[1]), found[2])
        assert ask(page, "/api/people", {"folder": str(work)}).status == 200
        assert ask(page, "/api/assign", {"face": "largest", "identity": str(work / "grace")}).status == 200
        assert ask(page, "/api/run", {}).status == 200
        output, errors = process.communicate(timeout=120)
    assert process.returncode == 0 and "3 done" in output, errors
    assert recipe.load(work / "sh.toml").replace[0].identity == str(work / "grace")
    assert len(list((work / "out").glob("*.exr"))) == 3
