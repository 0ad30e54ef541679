"""The engine and the command line as they are, but that a network's trial has less memory, and ends as runs do: soon.

Arguments: `engine TOLD` for an engine as tests.wire.engine_process is one, else a command line.
"""

import sys

from engine.cli.__main__ import main as command
from engine.models import trial
from engine.models.session import Model
from tests.wire.engine_process import main as serve

# Seconds of a trial and of a run, and bytes of a trial beside the file.
TRIAL, RUN, BESIDE = 10.0, 3.0, 5 << 28


def main() -> None:
    trial._SECONDS, trial._BESIDE = TRIAL, BESIDE
    Model.run.__defaults__ = (RUN,)
    if sys.argv[1] == "engine":
        del sys.argv[1]
        serve()
    else:
        command()


if __name__ == "__main__":
    main()
