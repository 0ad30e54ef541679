"""An entry of Workspace ▸ Scripts ▸ Faceplate: the installer copies this file for each, and fills in the two names."""

import os
import sys

ENTRY = ""
# Where the scripts' own files may be: nothing tells a menu script for certain where it is itself.
PLACES = ()

places = [os.path.expandvars(os.path.expanduser(place)) for place in PLACES]  # noqa: PTH111
sys.path[:0] = [place for place in places if os.path.isdir(os.path.join(place, "faceplate_resolve"))][:1]  # noqa: PTH112, PTH118
try:
    import faceplate_resolve  # pyright: ignore[reportMissingImports]
except ImportError as error:
    print("Faceplate is not whole, install it again: {}. It may be in: {}".format(error, places))  # noqa: T201, UP032
else:
    faceplate_resolve.start(ENTRY, globals().get("resolve"))
