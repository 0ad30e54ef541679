"""The artist's own mattes, the regions' strengths and the layers of mattes, in whole jobs."""

import re
from pathlib import Path

import msgspec
import numpy as np
import OpenEXR
import pytest

from engine import core
from engine.errors import PlateNotFound
from engine.events import FrameDone, FrameFailed, FrameSkipped
from engine.faces.tracks import Tracks
from engine.shot import PARTS, ArtistMatte, Shot
from engine.wire.client import Client
from engine.wire.errors import EngineRefused
from engine.wire.frames import attach
from engine.wire.messages import Done, Lease, Leased, Preview, Previewed, Submit
from tests.jobs.place import FRAMES, Record, read_exr, read_layers, shot_of
from tests.plates.test_cryptomatte import float_of, metadata

SIDE = 272
LAYERS = ("output.layers=patch,matte,stmap,mattes",)
LEFT = np.zeros((SIDE, SIDE), np.float32)
LEFT[:, : SIDE // 2] = 1.0


def with_mattes(shot: Shot, *mattes: ArtistMatte) -> Shot:
    return msgspec.structs.replace(shot, mattes=mattes)


def own_channels(work: Path) -> None:
    """Give each frame of the plate a channel mask.R, which is white at the left, and a Cryptomatte of it."""
    for number in FRAMES:
        path = work / f"plate/sh.{number}.exr"
        channels, header = read_exr(path)
        hashes = {f"crypto00.{letter}": np.zeros_like(LEFT) for letter in "rgba"}
        hashes["crypto00.r"] = np.where(LEFT > 0, float_of("left"), float_of("right")).astype(np.float32)
        hashes["crypto00.g"] = np.ones_like(LEFT)
        kept = {name: header[name] for name in ("compression", "type")} | metadata("crypto", names=("left", "right"))
        OpenEXR.File(kept, channels | hashes | {"mask.R": LEFT}).write(str(path))


def run(shot: Shot) -> Record:
    report = Record()
    core.run(shot, report)
    return report


def matte_of(work: Path, number: int = 1001, name: str = "matte.V") -> np.ndarray:
    return read_layers(work / f"out/sh.{number}.exr")[name].astype(np.float32)


@pytest.fixture(scope="module")
def layered(originals: Path) -> dict[str, np.ndarray]:
    """The layers of a frame without any matte of an artist."""
    run(shot_of(originals, "layered", *LAYERS, "mesh.brows=0", "composite.opacity=0.75"))
    return {name: values.astype(np.float32) for name, values in read_layers(originals / "layered/sh.1001.exr").items()}


def test_every_part_of_the_matte_is_a_layer_and_their_product_is_the_matte(layered: dict[str, np.ndarray]) -> None:
    product = np.prod([layered[f"matte.{part}"] for part in PARTS], axis=0)
    np.testing.assert_allclose(0.75 * product, layered["matte.V"], atol=2e-3)
    inside = layered["matte.hull"] > 0.0
    assert (layered["matte.hull"] > 0.99).any() and not inside.all()
    for part in ("occlusion", "model"):
        values = layered[f"matte.{part}"]
        assert not values[~inside].any() and values.max() == 1.0 and np.ptp(values[inside]) > 0.5, part
    # This face looks into the camera, and nothing was asked of the others.
    for part in ("facing", "regions", "occluders"):
        np.testing.assert_array_equal(layered[f"matte.{part}"], inside)


def test_asking_for_them_changes_no_pixel(work: Path, whole: tuple[Path, Record]) -> None:
    run(shot_of(work, "out", *LAYERS))
    ours, theirs = read_layers(work / "out/sh.1001.exr"), read_layers(whole[0] / "sh.1001.exr")
    for name in ("matte.V", "patch.R", "patch.A"):
        np.testing.assert_array_equal(ours[name], theirs[name])
    ours, theirs = read_exr(work / "out/sh.1001.exr")[0], read_exr(whole[0] / "sh.1001.exr")[0]
    for name in ours:
        np.testing.assert_array_equal(ours[name], theirs[name])


@pytest.mark.parametrize(
    ("settings", "left"),
    [
        ({"channel": "mask.R"}, True),
        ({"channel": "mask.R", "keep": "holdout"}, False),
        ({"channel": "mask.R", "invert": True}, False),
        ({"cryptomatte": "left"}, True),
        ({"cryptomatte": "right"}, False),
    ],
)
def test_a_channel_of_the_plates_own_file_says_where(work: Path, settings: dict, left: bool) -> None:
    own_channels(work)
    run(with_mattes(shot_of(work, "out", *LAYERS), ArtistMatte(**settings)))
    halves = slice(0, SIDE // 2), slice(SIDE // 2, SIDE)
    kept, changed = halves if not left else halves[::-1]
    matte, drawn, hull = matte_of(work), matte_of(work, name="matte.own1"), matte_of(work, name="matte.hull")
    assert matte[:, changed].max() > 0.9 and not matte[:, kept].any()
    np.testing.assert_array_equal(drawn[:, changed], hull[:, changed] > 0)
    assert not drawn[:, kept].any()
    ours, plate = (read_exr(folder / "sh.1001.exr")[0] for folder in (work / "out", work / "plate"))
    for name in "RGB":
        np.testing.assert_array_equal(ours[name][:, kept], plate[name][:, kept])
        assert (ours[name] != plate[name])[:, changed].any()


@pytest.mark.parametrize(("combine", "expected"), [("multiply", np.multiply), ("min", np.minimum)])
def test_it_is_combined_as_it_says(work: Path, whole: tuple[Path, Record], combine: str, expected: np.ufunc) -> None:
    path = work / "grey.exr"
    ramp = np.broadcast_to(np.linspace(0, 1, SIDE, dtype=np.float32), (SIDE, SIDE)).astype(np.float32)
    OpenEXR.File({"compression": OpenEXR.ZIP_COMPRESSION}, {"V": ramp.copy()}).write(str(path))
    matte = ArtistMatte(path=str(path), combine=combine)  # type: ignore[arg-type]
    run(with_mattes(shot_of(work, "out", *LAYERS), matte))
    free = read_layers(whole[0] / "sh.1001.exr")["matte.V"].astype(np.float32)
    np.testing.assert_allclose(matte_of(work), expected(free, ramp), atol=2e-3)


def test_half_a_region_is_half_the_matte_there_and_all_of_it_elsewhere(work: Path, whole: tuple[Path, Record]) -> None:
    run(shot_of(work, "out", *LAYERS, "regions.nose=0.5"))
    free = read_layers(whole[0] / "sh.1001.exr")["matte.V"].astype(np.float32)
    ours, strength = matte_of(work), matte_of(work, name="matte.regions")
    np.testing.assert_allclose(ours, free * strength, atol=2e-3)
    face = Tracks.load(work / "sh.tracks").tracks[0].at(1001)
    assert face is not None
    at = {name: tuple(face.mesh[vertex, 1::-1].astype(int)) for name, vertex in {"nose": 4, "cheek": 50}.items()}
    assert strength[at["nose"]] == pytest.approx(0.5) and strength[at["cheek"]] == 1.0
    # No seam: from pixel to pixel it changes by less than an eye sees.
    inside = matte_of(work, name="matte.hull") > 0.5
    steps = [np.abs(np.diff(strength, axis=axis))[inside[1:, :] if axis == 0 else inside[:, 1:]] for axis in (0, 1)]
    assert max(step.max() for step in steps) < 0.5 * 1.5 / (0.04 * np.ptp(face.mesh[:468, 0])) * 1.5


def test_nothing_of_a_region_is_the_plate_to_the_bit(work: Path) -> None:
    run(shot_of(work, "out", *LAYERS, *(f"regions.{name}=0" for name in ("skin", "nose", "lips", "mouth"))))
    ours, plate = (read_exr(folder / "sh.1001.exr")[0] for folder in (work / "out", work / "plate"))
    face = Tracks.load(work / "sh.tracks").tracks[0].at(1001)
    assert face is not None
    for vertex in (4, 50, 13, 0, 199):
        x, y = face.mesh[vertex, :2].astype(int)
        np.testing.assert_array_equal(ours["R"][y - 2 : y + 3, x - 2 : x + 3], plate["R"][y - 2 : y + 3, x - 2 : x + 3])
    assert (ours["R"] != plate["R"]).any()


@pytest.mark.parametrize(
    ("matte", "part"),
    [
        (ArtistMatte(channel="mask.G"), r"no channel `mask\.G`; it has mask\.R, "),
        (ArtistMatte(cryptomatte="lfet"), r"no `lfet`; it has left, right"),
    ],
)
def test_what_is_not_in_the_plates_file_fails_the_frame(work: Path, matte: ArtistMatte, part: str) -> None:
    own_channels(work)
    failed = run(with_mattes(shot_of(work, "out"), matte)).of(FrameFailed)
    assert [event.code for event in failed] == ["matte"] * 3
    assert re.search(part, failed[0].message), failed[0].message
    assert not list((work / "out").glob("*.exr"))


def test_a_matte_that_is_not_there_stops_the_job(work: Path) -> None:
    with pytest.raises(PlateNotFound):
        run(with_mattes(shot_of(work, "out"), ArtistMatte(path=str(work / "nowhere/%04d.exr"))))


def test_only_frames_whose_matte_was_drawn_anew_are_done_anew(work: Path) -> None:
    (work / "drawn").mkdir()
    for number in FRAMES:
        OpenEXR.File({}, {"V": LEFT}).write(str(work / f"drawn/m.{number}.exr"))
    shot = with_mattes(shot_of(work, "out"), ArtistMatte(path=str(work / "drawn/m.####.exr")))
    run(shot)
    OpenEXR.File({}, {"V": LEFT[:, ::-1].copy()}).write(str(work / "drawn/m.1003.exr"))
    report = run(shot)
    assert [event.frame for event in report.of(FrameDone)] == [1003]
    assert [event.frame for event in report.of(FrameSkipped)] == [1001, 1002]
    other = msgspec.structs.replace(shot.mattes[0], grow=0.1)
    assert len(run(with_mattes(shot, other)).of(FrameDone)) == 3


def test_a_preview_has_them_too(client: Client, work: Path) -> None:
    own_channels(work)
    shot = with_mattes(shot_of(work, "out"), ArtistMatte(channel="mask.R"))
    told = client.ask(Preview(msgspec.to_builtins(shot), 1001, shows="matte"), Previewed)
    matte = attach(told, told, writing=False)
    assert matte[:, : SIDE // 2].any() and not matte[:, SIDE // 2 :].any()


def test_a_picture_from_memory_has_no_file_to_take_it_from(client: Client, work: Path) -> None:
    asked = Lease(SIDE, SIDE, 4, "float32")
    leased = client.ask(asked, Leased)
    channels = read_exr(work / "plate/sh.1001.exr")[0]
    attach(asked, leased)[...] = np.stack([channels[name] for name in "RGBA"], axis=2)
    client.ask(Submit(leased.lease), Done)
    shot = with_mattes(shot_of(work, "out"), ArtistMatte(channel="mask.R"))
    with pytest.raises(EngineRefused, match="from memory"):
        client.ask(Preview(msgspec.to_builtins(shot), 1001, source=leased.lease), Previewed)
