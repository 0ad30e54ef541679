"""A network in DeepFaceLab's layout that was really trained: it is known as a DFM, and its face is on the plate."""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
from skimage.io import imread

pytest.importorskip("torch", reason="needs PyTorch to train a network: pip install torch")
pytest.importorskip("onnx", reason="needs onnx to write a model")

from engine.faces.analyse import Face, analyse_picture
from engine.faces.identity import embed
from engine.faces.tracks import Tracks
from kernels.view import make_view, view
from tests.jobs.place import REPOSITORY, read_exr, read_layers
from tests.jobs.trained_dfm import Chip, Dfm, chip, export, run, train

FRAME = 1001
STEP = 1 / 255
# The network's own picture where the matte is, as it is.
BARE = (
    *("view.exposure=1", "match.amount=0", "match.contrast=0", "match.low_frequency=0", "match.sharpness=0"),
    *("matte.skin=0", "matte.facing=0", "composite.seam=0", "composite.grain=0"),
)
# Training takes longer than anything else here.
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore::DeprecationWarning:torch")]

Command = Callable[..., str]


class Trained(NamedTuple):
    """A network that makes `celeb`'s face, the face of the plate, and the file that the network was exported to."""

    network: Dfm
    mesh: np.ndarray
    plate: Chip
    celeb: Chip
    face: Face
    file: Path


def shown(path: Path) -> np.ndarray:
    """A frame's picture (h, w, 3), RGB in the model view."""
    channels, _ = read_exr(path)
    return view(np.stack([channels[name].astype(np.float32) for name in "RGB"], axis=2), make_view())


@pytest.fixture(scope="module")
def place(originals: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the originals, for all that is written here."""
    return Path(shutil.copytree(originals, tmp_path_factory.mktemp("place") / "place"))


@pytest.fixture(scope="module")
def trained(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Trained:
    [track] = Tracks.load(place / "sh.tracks").tracks
    geometry = track.at(FRAME)
    assert geometry is not None
    mesh = np.asarray(geometry.mesh, np.float64)
    portrait = imread(place / "grace/grace_hopper.jpg").astype(np.float32) / np.float32(255)
    face = analyse_picture(portrait)[0]
    plate, celeb = chip(shown(place / f"plate/sh.{FRAME}.exr"), mesh), chip(portrait, face.mesh)
    network = train(plate, celeb)
    file = tmp_path_factory.mktemp("exported") / "actor.dfm"
    export(network, file)
    return Trained(network, mesh, plate, celeb, face, file)


@pytest.fixture(scope="module")
def command(place: Path, tmp_path_factory: pytest.TempPathFactory) -> Command:
    """Run `faceplate` with a models' folder of its own, beside the plate; what it printed."""
    models = tmp_path_factory.mktemp("models")
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "FACEPLATE_MODELS": str(models)}

    def run(*arguments: object) -> str:
        line = [sys.executable, "-m", "engine.cli", *map(str, arguments)]
        done = subprocess.run(
            line, cwd=place, env=environment, capture_output=True, text=True, timeout=300, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    return run


@pytest.fixture(scope="module")
def added(trained: Trained, command: Command) -> str:
    """What `faceplate models add` said."""
    return command("models", "add", trained.file, "--accept-licence")


@pytest.fixture(scope="module")
def swapped(added: str, command: Command, place: Path) -> Callable[[float], Path]:
    """The frame with the face replaced at a morph value."""

    def swapped(morph: float) -> Path:
        folder = f"morph{morph:g}"
        settings = [f"--set={each}" for each in (*BARE, "swapper=actor", f"network.morph={morph:g}")]
        options = ("--tracks", "sh.tracks", "--layers", "matte", "--frames", FRAME, "--local")
        command("swap", "plate", "grace", "-o", folder, *options, *settings)
        return place / folder / f"sh.{FRAME}.exr"

    return swapped


def test_it_is_added_as_a_dfm_by_its_names_alone(added: str, command: Command) -> None:
    assert "actor: dfm" in added
    told = command("models", "show", "actor")
    for part in ("in_face:0: target ['N', 64, 64, 3]", "morph_value:0: morph", "out_celeb_face:0: face", "bgr", "nhwc"):
        assert part in told


@pytest.mark.parametrize("morph", [1.0, 0.0])
def test_the_plate_shows_what_the_network_makes(
    trained: Trained, swapped: Callable[[float], Path], place: Path, morph: float
) -> None:
    after = swapped(morph)
    matte = read_layers(after)["matte.V"].astype(np.float32)
    made = chip(shown(after), trained.mesh).picture
    inside = chip(np.repeat(matte[..., None], 3, axis=2), trained.mesh).picture[..., 0] > 0.99
    assert inside.sum() > 500
    target_mask, face, mask = run(trained.network, trained.plate.picture, morph)

    def error(picture: np.ndarray) -> float:
        return float(np.abs(made - picture)[inside].mean())

    assert error(face) < 3 * STEP
    # What a wrong order of colours or of axes would be.
    for wrong in (face[..., ::-1], face.transpose(1, 0, 2), face[::-1], face[:, ::-1]):
        assert error(wrong) > 2 * error(face)
    outside = chip(np.repeat(matte[..., None], 3, axis=2), trained.mesh).picture[..., 0]
    assert outside[np.minimum(target_mask, mask)[..., 0] < 0.02].max() < 0.1


def test_the_face_is_nearer_to_the_models_person_and_all_else_is_the_plates(
    trained: Trained, swapped: Callable[[float], Path], place: Path
) -> None:
    before, after = place / f"plate/sh.{FRAME}.exr", swapped(1.0)
    plain, result = shown(before), shown(after)
    celeb, mesh = trained.celeb, trained.mesh
    face = celeb.mask > 0.99

    def colours(picture: np.ndarray) -> float:
        """How far the face is from the person's, in the model view."""
        return float(np.abs(chip(picture, mesh).picture - celeb.picture)[face].mean())

    def likeness(picture: np.ndarray) -> float:
        return float(np.linalg.norm(embed(picture, mesh) - trained.face.embedding))

    assert colours(result) < 0.6 * colours(plain)
    assert likeness(result) < likeness(plain) - 0.1
    channels, _ = read_exr(before)
    changed, _ = read_exr(after)
    matte = read_layers(after)["matte.V"] > 0
    assert 0.02 < matte.mean() < 0.5
    for name, plane in channels.items():
        assert np.array_equal(plane[~matte], changed[name][~matte]), name
