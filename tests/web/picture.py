"""Takes the picture of the page for the documentation: python -m tests.web.picture docs/page.jpg"""

import io
import shutil
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import sync_playwright

from engine.demo.photos import PHOTOS
from engine.demo.run import main as make_demo
from engine.demo.run import write_identity
from engine.provenance.consent import NAME
from engine.shot import Output, Plate, Shot
from tests.blender.picture import save
from tests.web.browsing import browsed
from tests.web.conftest import find_chromium
from tests.web.hosting import hosted
from tests.wire.engines import start_engine

FRAMES = 12
FRAME = 1007


def main(target: Path) -> None:
    path, options = find_chromium()
    with tempfile.TemporaryDirectory(prefix="shots-") as name, sync_playwright() as playwright:
        folder = Path(name)
        make_demo(folder / "demo", FRAMES)
        (folder / "people").mkdir()
        shutil.move(folder / "demo/identity", folder / "people/grace")
        without_consent(folder / "people/eileen")
        shot = Shot(plate=Plate(path=str(folder / "demo/plate")), output=Output(path=str(folder / "result")))
        engine = start_engine(folder)
        chromium = playwright.chromium.launch(executable_path=path, args=options)
        try:
            with hosted(engine, shot, title="sh010") as host, browsed(chromium, host.url, 1440, 860) as page:
                page.tab.get_by_label("Folder of people").fill(str(folder / "people"))
                page.press("Open")
                page.tab.locator("#people li").first.wait_for()
                page.press("Find Faces")
                page.tab.locator("img[alt='Face 1'][src]").wait_for()
                page.tab.get_by_label("Who replaces face 1").select_option(label="Grace Hopper")
                page.tab.get_by_label("Frame number").fill(str(FRAME))
                page.tab.get_by_label("Frame number").press("Enter")
                page.settled()
                page.wipe_to("ArrowLeft", 6)
                page.tab.mouse.click(1200, 20)
                picture = page.tab.screenshot()
        finally:
            chromium.close()
            engine.process.terminate()
            engine.process.wait(20)
    save(Image.open(io.BytesIO(picture)).convert("RGB"), target)


def without_consent(folder: Path) -> None:
    """Another person, who has allowed nothing."""
    folder.mkdir()
    write_identity(PHOTOS["astronaut"], folder)
    (folder / NAME).unlink()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
