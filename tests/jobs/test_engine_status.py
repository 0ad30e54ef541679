"""`faceplate engine status` of a real engine: what it says of itself, at work, and when it does not answer."""

import json
import os
import shutil
import signal
import time
from pathlib import Path

from tests.jobs.place import Begin, Command


def test_an_engine_says_how_it_is(command: Command, begin: Begin, work: Path) -> None:
    for number in range(1004, 1031):
        shutil.copy(work / "plate/sh.1001.exr", work / f"plate/sh.{number}.exr")
    command("engine", "start")
    idle = json.loads(command("engine", "status", "--json").stdout)
    assert idle["ready"] and idle["error"] is None and idle["state"]["pid"] == idle["pid"]
    assert idle["state"]["clients"] == 0 and idle["state"]["memory"] > 20 << 20
    assert "No jobs." in command("engine", "status").stdout
    with begin("swap", "plate", "grace", "-o", "out", "--json") as swap:
        assert swap.stdout is not None
        while "frame-done" not in swap.stdout.readline():
            pass
        busy = command("engine", "status").stdout.splitlines()
        assert ", networks on " in busy[1] and ", 1 client." in busy[1]
        assert busy[2].startswith("Memory ") and "leased 0" in busy[2]
        assert "render " in busy[3] and " of 30" in busy[3] and busy[3].endswith(f"  {work}/plate → {work}/out")
        swap.kill()
    assert not any(end in command("engine", "status").stdout for end in ("done", "failed"))


def test_one_that_does_not_answer_is_not_waited_for(command: Command) -> None:
    command("engine", "start")
    process = json.loads(command("engine", "status", "--json").stdout)["pid"]
    os.kill(process, signal.SIGSTOP)
    try:
        begun = time.monotonic()
        assert "does not answer" in command("engine", "status").stdout
        assert time.monotonic() - begun < 4
        found = json.loads(command("engine", "status", "--json").stdout)
        assert found["ready"] and found["state"] is None and found["error"]["code"] == "engine-silent"
    finally:
        os.kill(process, signal.SIGCONT)
