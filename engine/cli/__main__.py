"""`python -m engine.cli` is `faceplate`."""

from engine.cli.main import main

main()
