"""Occlusion networks in whole jobs: what they say is laid over the plate in its place, whatever makes the new face."""

from pathlib import Path

import msgspec
import numpy as np
import pytest
from scipy import ndimage

from engine import core, recipe
from engine.errors import LicenceError, ModelError
from engine.events import FrameDone, FrameSkipped
from engine.faces.tracks import Tracks
from engine.models.used import models_of, with_licences_accepted
from engine.portable import digest, portable
from engine.shot import Shot
from kernels.view import make_view, view
from tests.jobs.place import Record, read_exr, read_layers, shot_of

pytest.importorskip("onnx", reason="needs onnx to write a model")
from tests.swappers import tiny_networks as tiny

LAYERS = "output.layers=matte,mattes"


@pytest.fixture
def models(work: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = work / "models"
    folder.mkdir()
    monkeypatch.setenv("FACEPLATE_MODELS", str(folder))
    for name in ("xseg_1", "bisenet_resnet_18"):
        tiny.install(folder, name)
    return folder


def run(shot: Shot, frames: str = "1001") -> Record:
    report = Record()
    core.run(with_licences_accepted(shot), report, frames=frames)
    return report


def layers(work: Path) -> dict[str, np.ndarray]:
    return {name: values.astype(np.float32) for name, values in read_layers(work / "out/sh.1001.exr").items()}


def seen_plate(work: Path) -> np.ndarray:
    shot, tracks = Shot(), Tracks.load(work / "sh.tracks")
    channels = read_exr(work / "plate/sh.1001.exr")[0]
    rgb = np.stack([channels[name] for name in "RGB"], axis=2).astype(np.float32)
    return view(rgb, make_view(np.eye(3), tracks.exposure, shot.view.knee, shot.view.white))


def answer(name: str, seen: np.ndarray) -> np.ndarray:
    """What the tiny network says of each pixel."""
    if name == "xseg_1":
        return np.clip(seen @ tiny.MASK + tiny.MASK_OFFSET, 0, 1)
    classes = tiny.known()[name].classes
    likelihood = np.exp((seen @ tiny.LOGITS.T).astype(np.float64))
    return likelihood[..., list(classes)].sum(-1) / likelihood.sum(-1)


@pytest.mark.parametrize("name", ["xseg_1", "bisenet_resnet_18"])
def test_what_a_network_says_of_a_pixel_lies_on_that_pixel(work: Path, models: Path, name: str) -> None:
    run(shot_of(work, "out", LAYERS, f"matte.occlusion={name}"))
    found = layers(work)
    inside = np.asarray(ndimage.binary_erosion(found["matte.hull"] > 0.5, iterations=3), np.bool_)
    expected = answer(name, seen_plate(work))
    ours, theirs = (np.asarray(ndimage.gaussian_filter(one, 2.0)) for one in (found["matte.occluders"], expected))
    assert np.ptp(theirs[inside]) > 0.2
    np.testing.assert_allclose(ours[inside], theirs[inside], atol=0.04)
    assert np.corrcoef(ours[inside], theirs[inside])[0, 1] > 0.98


def test_it_is_a_factor_of_the_matte_as_far_as_its_strength(work: Path, models: Path) -> None:
    run(shot_of(work, "free", LAYERS))
    free = read_layers(work / "free/sh.1001.exr")["matte.V"].astype(np.float32)
    run(shot_of(work, "out", LAYERS, "matte.occlusion=xseg_1"))
    full = layers(work)
    np.testing.assert_allclose(full["matte.V"], free * full["matte.occluders"], atol=2e-3)
    run(shot_of(work, "out", LAYERS, "matte.occlusion=xseg_1", "matte.occlusion_strength=0.5"))
    half = layers(work)
    np.testing.assert_allclose(half["matte.V"], free * (0.5 + 0.5 * full["matte.occluders"]), atol=2e-3)


def test_of_two_networks_the_stricter_one_counts(work: Path, models: Path) -> None:
    run(shot_of(work, "out", LAYERS, "matte.occlusion=xseg_1, bisenet_resnet_18"))
    both = layers(work)["matte.occluders"]
    for name in ("xseg_1", "bisenet_resnet_18"):
        run(shot_of(work, "out", LAYERS, f"matte.occlusion={name}"))
        assert (both <= layers(work)["matte.occluders"] + 5e-3).all()
    assert both.any()


def test_another_file_of_it_makes_the_frames_anew(work: Path, models: Path) -> None:
    shot = shot_of(work, "out", "matte.occlusion=xseg_1")
    assert len(run(shot).of(FrameDone)) == 1
    assert len(run(shot).of(FrameSkipped)) == 1
    path = models / "xseg_1.onnx"
    tiny.install(models, "xseg_1", path.read_bytes() + b"\x72\x00")
    assert len(run(shot).of(FrameDone)) == 1


def test_its_licence_is_asked_for_and_a_missing_one_says_what_to_bring(work: Path, models: Path) -> None:
    report = Record()
    with pytest.raises(LicenceError, match="xseg_1"):
        core.run(shot_of(work, "out", "matte.occlusion=xseg_1"), report)
    with pytest.raises(ModelError, match="xseg_3 is not installed"):
        run(shot_of(work, "out", "matte.occlusion=xseg_3"))
    with pytest.raises(ModelError, match="family"):
        tiny.install(models, "gfpgan_1_4")
        run(shot_of(work, "out", "matte.occlusion=gfpgan_1_4"))


def test_a_recipe_names_them_by_path_too(work: Path, models: Path) -> None:
    for suffix in (".onnx", ".toml"):
        (models / f"xseg_1{suffix}").rename(work / f"mine{suffix}")
    shot = shot_of(work, "out", f"matte.occlusion={work}/mine.onnx, bisenet_resnet_18")
    assert [used.model for used in models_of(shot)] == ["mine.onnx", "bisenet_resnet_18"]
    recipe.save(shot, work / "sh.toml")
    assert 'occlusion = "mine.onnx, bisenet_resnet_18"' in (work / "sh.toml").read_text()
    assert recipe.load(work / "sh.toml") == shot
    assert portable(shot)["matte"]["occlusion"] == "mine.onnx, bisenet_resnet_18"
    other = msgspec.structs.replace(shot, matte=msgspec.structs.replace(shot.matte, occlusion="bisenet_resnet_18"))
    assert digest(other) != digest(shot)
