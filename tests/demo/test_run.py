"""The demo as a user runs it, on fewer frames."""

import io
import json
from pathlib import Path

import cv2
import numpy as np
import OpenImageIO
import pytest
from PIL import Image, ImageSequence
from rich.console import Console

from engine.demo.photos import PHOTOS
from engine.demo.run import main, write_identity
from engine.errors import OutputError, UsageError
from engine.events import Event, Finished, FrameDone
from engine.provenance.consent import check_consent

FRAMES = 4


def test_the_identity_is_the_photo_with_a_consent_that_holds(tmp_path: Path):
    for photo in PHOTOS.values():
        folder = tmp_path / photo.key
        folder.mkdir()
        write_identity(photo, folder)
        assert check_consent(folder).person == photo.person
        (picture,) = [path for path in folder.iterdir() if path.suffix != ".toml"]
        stored = cv2.imread(str(picture))
        assert stored is not None
        np.testing.assert_allclose(stored[..., ::-1] / 255, photo.pixels(), atol=1e-6)


def test_wrong_wishes_are_refused(tmp_path: Path):
    with pytest.raises(UsageError):
        main(tmp_path, 0)
    tmp_path.joinpath("file").touch()
    with pytest.raises(OutputError):
        main(tmp_path / "file", 1)


def read(path: Path) -> tuple[OpenImageIO.ImageSpec, dict[str, np.ndarray]]:
    picture = OpenImageIO.ImageBuf(str(path))
    pixels = picture.get_pixels()
    assert pixels is not None, picture.geterror()
    return picture.spec(), {name: pixels[..., index] for index, name in enumerate(picture.spec().channelnames)}


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[Event], str]:
    # A space in the path is what people have.
    output = tmp_path_factory.mktemp("a demo") / "out"
    events: list[Event] = []
    said = io.StringIO()
    assert main(output, FRAMES, events.append, console=Console(file=said, width=120)) == 0
    return output, events, said.getvalue()


@pytest.mark.slow
def test_it_leaves_plate_result_and_pictures(demo: tuple[Path, list[Event], str]):
    output, events, said = demo
    names = [f"plate.{number}.exr" for number in range(1001, 1001 + FRAMES)]
    assert sorted(path.name for path in (output / "plate").iterdir()) == names
    layers = [name.replace("plate.", "plate.layers.") for name in names]
    assert sorted(path.name for path in (output / "result").glob("[!.]*")) == names + layers
    with Image.open(output / "contact_sheet.png") as sheet:
        assert sheet.size[0] == 4 * 480
        assert np.asarray(sheet).std() > 30
    with Image.open(output / "watch.webp") as watch:
        assert watch.size == (1280, 360)
        assert sum(1 for _ in ImageSequence.Iterator(watch)) == FRAMES
    assert sum(isinstance(event, FrameDone) for event in events) == FRAMES
    assert [event.done for event in events if isinstance(event, Finished)] == [FRAMES]
    assert "Grace Hopper" in said and "jitter" in said and "contact_sheet.png" in said


@pytest.mark.slow
def test_the_face_is_somebody_elses_and_steady(demo: tuple[Path, list[Event], str]):
    report = json.loads((demo[0] / "report.json").read_bytes())
    numbers = report["numbers"]
    assert report["frames"] == report["faces"] == FRAMES
    assert numbers["to_target_before"] < 0.45
    assert numbers["to_source_after"] < numbers["to_source_before"] - 0.2
    assert numbers["to_source_after"] < numbers["to_target_after"]
    assert numbers["swim"] < 1.3
    assert numbers["jitter_result"] < 2 * numbers["jitter_plate"]
    # Percent of the face's width. So short a shot is all ends, where smoothing has little to lean on.
    assert numbers["jitter_track"] < 0.25


@pytest.mark.slow
def test_everything_but_the_face_is_the_plate_to_the_bit(demo: tuple[Path, list[Event], str]):
    output = demo[0]
    plate, before = read(output / "plate" / "plate.1002.exr")
    result, after = read(output / "result" / "plate.1002.exr")
    _, layers = read(output / "result" / "plate.layers.1002.exr")
    assert set(after) == set(before) and {"patch.R", "patch.A", "matte.V", "stmap.R"} < set(layers)
    outside = layers["matte.V"] == 0
    assert 0.5 < outside.mean() < 0.99
    for name in "RGB":
        np.testing.assert_array_equal(after[name][outside], before[name][outside])
        assert not np.array_equal(after[name][~outside], before[name][~outside])
    for name in "AZ":
        np.testing.assert_array_equal(after[name], before[name])
    for name in ("x", "y", "width", "height", "full_x", "full_y", "full_width", "full_height"):
        assert getattr(result, name) == getattr(plate, name)
    for name in ("smpte:TimeCode", "framesPerSecond", "chromaticities", "compression"):
        assert result[name] == plate[name]
    assert [result[f"faceplate:{name}"] for name in ("recipe", "version", "synthetic")]
