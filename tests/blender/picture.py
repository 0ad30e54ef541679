"""Takes the picture of the extension for the README: python -m tests.blender.picture docs/blender.jpg"""

import sys
import tempfile
from pathlib import Path

from PIL import Image

from engine.demo.run import main as make_demo
from tests.blender.conftest import VERSIONS, engine_of, find_blender
from tests.blender.windowed import find_window, put_together, tell

FRAMES = 12
HEIGHT = 720
MOST_BYTES = 300_000


def main(target: Path) -> None:
    command, blender = find_window(HEIGHT), find_blender(VERSIONS[0])
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        make_demo(folder / "work", FRAMES)
        with engine_of(folder) as place:
            picture = folder / "picture.png"
            place |= put_together(folder, blender) | {"FACEPLATE_TEST_PICTURE": str(picture)}
            told = tell(command, "showing", place, folder)
        if told.status or "trouble" in told.notes:
            sys.exit(told.notes.get("trouble", told.output))
        save(Image.open(picture).convert("RGB"), target)


def save(picture: Image.Image, target: Path) -> None:
    """As good as a JPEG of that many bytes can be."""
    for quality in range(95, 40, -5):
        picture.save(target, quality=quality, optimize=True)
        if target.stat().st_size < MOST_BYTES:
            return


if __name__ == "__main__":
    main(Path(sys.argv[1]))
