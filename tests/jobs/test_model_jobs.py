"""Whole jobs with a network: its licence is accepted or nothing is done, and its content decides what is done again."""

import hashlib
import json
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine import core, preview, recipe
from engine.errors import LicenceError
from engine.kept import Kept
from engine.models.used import with_licences_accepted
from engine.resume import DIGEST, Marks
from engine.wire.client import Client
from tests.jobs.place import Command, Record, read_exr, shot_of, swap

pytest.importorskip("onnx", reason="needs onnx to write a model")
from tests.swappers import tiny_networks as tiny

SIDE = 64
DFM = tiny.dfm("actor", SIDE, licence="for the film only", consent="Ada, the actor")
ACCEPTED = "actor.onnx: for the film only"


@pytest.fixture
def actor(work: Path, monkeypatch: pytest.MonkeyPatch, environment: dict[str, str]) -> Path:
    """A DFM beside its manifest, and no installed models at all."""
    monkeypatch.setenv("FACEPLATE_MODELS", str(work / "models"))
    environment["FACEPLATE_MODELS"] = str(work / "models")
    tiny.install(work, "actor", manifest=DFM)
    return work / "actor.onnx"


def test_nothing_is_done_until_the_licence_is_accepted_and_then_the_frame_says_so(work: Path, actor: Path):
    shot, report = shot_of(work, "out", f"swapper={actor}"), Record()
    with pytest.raises(LicenceError, match="for the film only"):
        core.run(shot, report)
    assert not report and not (work / "out").exists()
    shot = with_licences_accepted(shot)
    assert core.run(shot, report, frames="1001").done == 1
    _, header = read_exr(work / "out/sh.1001.exr")
    (told,) = json.loads(header["faceplate:licence"])
    assert told == {
        "model": "actor.onnx",
        "sha256": hashlib.sha256(actor.read_bytes()).hexdigest(),
        "licence": "for the film only",
        "commercial": "unknown",
        "accepted": "in the recipe",
        "consent": "Ada, the actor",
    }
    assert json.loads(header["faceplate:recipe"])["accepted_licences"] == [ACCEPTED]
    assert str(work) not in header["faceplate:licence"]


def test_an_engine_refuses_a_hosts_recipe_and_goes_on_with_one_that_accepts(work: Path, actor: Path, client: Client):
    shot = shot_of(work, "out", f"swapper={actor}")
    failure = client.work(swap(shot, frames="1001"), lambda told: None).failure
    assert failure is not None and failure.code == "licence" and ACCEPTED in failure.remedy
    accepting = recipe.with_settings(shot, [f"accepted_licences=['{ACCEPTED}']"])
    assert client.work(swap(accepting, frames="1001"), lambda told: None).failure is None
    assert (work / "out/sh.1001.exr").is_file()


def test_a_preview_is_refused_as_a_job_is(work: Path, actor: Path):
    shot = shot_of(work, "out", f"swapper={actor}", "plate.frames=1001")
    for shows in ("result", "matte"):
        with pytest.raises(LicenceError):
            preview.look(shot, 1001, shows, None, Kept(1 << 30), lambda box: None)
    preview.look(shot, 1001, "plate", None, Kept(1 << 30), lambda box: None)


def test_another_content_or_another_use_of_it_is_done_again(work: Path, actor: Path, monkeypatch: pytest.MonkeyPatch):
    shot = with_licences_accepted(shot_of(work, "out", f"swapper={actor}"))
    plate = core.Plate.open(shot.plate.path, "", shot.plate.colorspace)
    tracks, consents = core.Tracks.load(Path(shot.tracks)), core.check_consents(shot)

    def digest_now(shot=shot) -> str:
        return str(Marks(shot, plate, tracks, consents).of(1001, 1)[DIGEST])

    first = digest_now()
    assert digest_now(msgspec.structs.replace(shot, accepted_licences=(*shot.accepted_licences, "a: b"))) == first
    # The same name, another content: only the last bits of some weights differ.
    with monkeypatch.context() as patch:
        patch.setattr(tiny, "OFFSET", np.nextafter(tiny.OFFSET, np.float32(1)))
        tiny.install(work, "actor", manifest=DFM)
    assert digest_now() != first
    tiny.install(work, "actor", manifest=DFM)
    assert digest_now() == first
    tiny.install(work, "actor", manifest=msgspec.structs.replace(DFM, template="ffhq_512"))
    assert digest_now() != first
    elsewhere = work / "elsewhere"
    elsewhere.mkdir()
    tiny.install(elsewhere, "actor", manifest=DFM)
    assert digest_now(recipe.with_settings(shot, [f"swapper={elsewhere / 'actor.onnx'}"])) == first


def test_the_commands_put_the_acceptance_into_the_recipe(work: Path, actor: Path, command: Command):
    line = ["swap", "plate", "grace", "-o", "out", "--tracks", "sh.tracks", "--frames", "1001", "--local"]
    line += ["--set", "swapper=actor.onnx", "--save-shot", "shot.toml"]
    refused = command(*line, "--json")
    assert refused.returncode == 2
    told = json.loads(refused.stdout.splitlines()[-1])
    assert told["code"] == "licence" and ACCEPTED in told["remedy"]
    assert recipe.load(work / "shot.toml").accepted_licences == ()
    rendered = command("render", "shot.toml", "--frames", "1001", "--local", "--accept-licence")
    assert rendered.returncode == 0, rendered.stderr
    done = command(*line, "--accept-licence")
    assert done.returncode == 0, done.stderr
    assert recipe.load(work / "shot.toml").accepted_licences == (ACCEPTED,)
    again = command("render", "shot.toml", "--frames", "1001", "--local")
    assert again.returncode == 0, again.stderr


def test_a_wrong_acceptance_is_refused_by_name(work: Path):
    for wrong in ("actor", ": MIT", "actor:"):
        with pytest.raises(recipe.RecipeError, match="accepted_licences"):
            shot_of(work, "out", f"accepted_licences=['{wrong}']")
