"""Where the process begins: `faceplate`, and `python -m engine.cli`."""

import signal


def main() -> None:
    """Load the command line and run it."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        # Until a command takes over, Ctrl-C ends the process without a word; Python would show what it was importing.
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from engine.cli.main import main as run

    run()


if __name__ == "__main__":
    main()
