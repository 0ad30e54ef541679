"""`python -m engine.hosts OUTPUT WHEELS BUILDER ...`: makes the Blender extension, for `make addons`."""

import sys
from pathlib import Path

from engine.hosts.extension import build


def main() -> None:
    """Make the zip, and say where it is."""
    output, wheels, *builder = sys.argv[1:]
    sys.stdout.write(f"{build(builder, Path(output), Path(wheels))}\n")


if __name__ == "__main__":
    main()
