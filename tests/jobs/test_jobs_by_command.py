"""The commands have their jobs done by the engine where one runs, and say and write the same."""

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

from tests.jobs.place import FRAMES, Begin, Command, bytes_of


def events(done: subprocess.CompletedProcess[str]) -> list[dict]:
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_a_swap_with_an_engine_and_without(command: Command, work: Path) -> None:
    swap = ("swap", "plate", "grace", "--tracks", "sh.tracks", "--layers", "patch,matte", "--json")
    assert command("engine", "start").returncode == 0
    remote = command(*swap, "-o", "remote/")
    assert remote.returncode == 0, remote.stderr
    (job,) = events(command("jobs", "--json"))
    assert (job["kind"], job["state"], job["done"]) == ("swap", "done", len(FRAMES))
    assert job["plate"] == str(work / "plate")
    local = command(*swap, "-o", "local/", "--local")
    assert len(events(command("jobs", "--json"))) == 1
    assert bytes_of(work / "remote") == bytes_of(work / "local")
    assert [event["type"] for event in events(remote)] == [event["type"] for event in events(local)]
    again = command(*swap, "-o", "remote/")
    assert [event["type"] for event in events(again)].count("frame-skipped") == len(FRAMES)
    assert "3 of 3" in command("jobs").stdout


def test_what_fails_is_said_in_the_same_way(command: Command, work: Path) -> None:
    assert command("engine", "start").returncode == 0
    for arguments in (
        ("swap", "plate", "nobody", "-o", "out"),
        ("swap", "gone.%04d.exr", "grace", "-o", "out"),
        ("swap", "plate", "grace", "-o", "plate"),
        ("solve", "plate", "-o", "out.exr"),
    ):
        remote, local = command(*arguments), command(*arguments, "--local")
        assert remote.returncode == local.returncode in (1, 2), arguments
        assert remote.stderr.replace(f"{work}/", "") == local.stderr.replace(f"{work}/", "")


def test_an_interrupt_cancels_the_job_in_the_engine(command: Command, begin: Begin) -> None:
    assert command("engine", "start").returncode == 0
    with begin("swap", "plate", "grace", "-o", "out", "--json") as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130
    end = time.monotonic() + 20
    while events(command("jobs", "--json"))[-1]["state"] != "cancelled":
        assert time.monotonic() < end


def test_an_interrupt_ends_the_looking_and_not_the_job(command: Command, begin: Begin, work: Path) -> None:
    # Long enough that it is still at work when somebody looks.
    for number in range(1004, 1031):
        shutil.copy(work / "plate/sh.1001.exr", work / f"plate/sh.{number}.exr")
    assert command("engine", "start").returncode == 0
    with begin("swap", "plate", "grace", "-o", "out", "--json") as swap:
        assert swap.stdout is not None
        swap.stdout.readline()
        for arguments in (("--json",), ()):
            with begin("jobs", "--follow", 1, *arguments) as looking:
                assert looking.stdout is not None and looking.stderr is not None
                if arguments:
                    looking.stdout.readline()
                else:
                    # Without a terminal nothing is shown meanwhile.
                    time.sleep(2)
                looking.send_signal(signal.SIGINT)
                assert looking.wait(20) == 130
                told = looking.stdout.read() if arguments else looking.stderr.read()
                assert "Job 1 goes on" in told.splitlines()[-1] and "error" not in told
        assert swap.communicate(timeout=120) and swap.returncode == 0
    assert len(list((work / "out").glob("*.exr"))) == 30


def test_without_an_engine_there_are_no_jobs(command: Command) -> None:
    done = command("jobs")
    assert done.returncode == 1 and "No engine runs" in done.stderr
