"""The engine and the command line as they are, but that a network's trial and its runs are ended after seconds.

Arguments: `engine TOLD` for an engine as tests.wire.engine_process is one, else a command line.
"""

import sys

from engine.cli.__main__ import main as command
from engine.models import trial
from engine.models.session import Model
from tests.wire.engine_process import main as serve

TRIAL, RUN = 8.0, 2.0


def main() -> None:
    trial._SECONDS = TRIAL
    Model.run.__defaults__ = (RUN,)
    if sys.argv[1] == "engine":
        del sys.argv[1]
        serve()
    else:
        command()


if __name__ == "__main__":
    main()
