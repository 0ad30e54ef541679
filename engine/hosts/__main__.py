"""`python -m engine.hosts OUTPUT WHEELS [BUILDER ...]`: makes what hosts install, for `make addons`.

The scripts for DaVinci Resolve, and with the command line of Blender's own builder the extension too.
"""

import sys
from pathlib import Path

from engine.hosts import extension, resolve


def main() -> None:
    """Make the zips, and say where they are."""
    output, wheels, *builder = sys.argv[1:]
    sys.stdout.write(f"{resolve.build(Path(output), Path(wheels))}\n")
    if builder:
        sys.stdout.write(f"{extension.build(builder, Path(output), Path(wheels))}\n")


if __name__ == "__main__":
    main()
