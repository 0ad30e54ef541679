"""An engine that has nothing to do takes next to nothing."""

import os
import time
from pathlib import Path

import pytest

from tests.jobs.place import Record, works_on
from tests.wire.engines import EngineProcess
from tests.wire.leased import linux

# Seconds that are looked at, after some for threads that still wait for more work; and the share of a core.
WATCHED, SETTLED, SHARE = 20.0, 3.0, 0.01


@linux
@pytest.mark.slow
def test_a_warm_engine_with_a_client_is_idle(own_engine: EngineProcess, work: Path, whole: tuple[Path, Record]) -> None:
    with own_engine.client() as client:
        works_on(client, work, whole[0])
        time.sleep(SETTLED)
        before = _seconds(own_engine.process.pid)
        time.sleep(WATCHED)
        used = _seconds(own_engine.process.pid) - before
        assert used < SHARE * WATCHED, f"{used:.2f} s of {WATCHED:.0f}"


def _seconds(pid: int) -> float:
    """What a process has taken of all cores."""
    # The name, in brackets, may hold anything.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
