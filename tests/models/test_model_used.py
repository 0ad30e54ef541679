"""The networks of a recipe: which they are, what their content is, and whose licence has been accepted, by what."""

import hashlib
from datetime import datetime
from pathlib import Path

import msgspec
import pytest
import tomlkit

from engine.errors import LicenceError, ModelError
from engine.models import store
from engine.models.manifest import Manifest, known, to_text
from engine.models.used import Licence, check_licences, models_of, with_licences_accepted
from engine.portable import digest, portable
from engine.shot import Network, Replace, Shot

GHOST = Shot(swapper="ghost_1_256")
ACCEPTED = (
    "ghost_1_256: Apache-2.0; its embedding is made by ArcFace, which is non-commercial",
    "crossface_ghost: unknown",
    "arcface_w600k_r50: non-commercial",
)
DFM = msgspec.structs.replace(known()["xseg_1"], name="actor", family="dfm", licence="", consent="Ada, the actor")


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "models"
    folder.mkdir()
    monkeypatch.setenv(store.VARIABLE, str(folder))
    for name in ("ghost_1_256", "crossface_ghost", "arcface_w600k_r50", "uniface_256"):
        install(folder / f"{name}.onnx", known()[name])
    return folder


def install(path: Path, manifest: Manifest, content: bytes = b"") -> Path:
    """A file, which is no model, beside a manifest: nothing here opens it."""
    path.write_bytes(content or path.stem.encode())
    path.with_suffix(".toml").write_text(to_text(msgspec.structs.replace(manifest, sha256="")), encoding="utf-8")
    return path


def put_down(folder: Path, name: str, sha256: str) -> None:
    """What `models add --accept-licence` leaves beside a model."""
    kept = store.Acceptance(name, "any", sha256, "ada", datetime.fromisoformat("2026-01-02T03:04:05Z"))
    text = tomlkit.dumps(msgspec.to_builtins(kept, builtin_types=(datetime,)))
    (folder / f"{name}.licence.toml").write_text(text, encoding="utf-8")


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_a_recipe_names_its_networks_and_they_theirs(folder):
    found = models_of(GHOST)
    assert [used.model for used in found] == ["ghost_1_256", "crossface_ghost", "arcface_w600k_r50"]
    assert [used.sha256 for used in found] == [sha256(folder / f"{used.model}.onnx") for used in found]
    assert [used.model for used in models_of(Shot(swapper="uniface_256"))] == ["uniface_256"]
    assert models_of(Shot()) == [] and check_licences(Shot()) == []


def test_an_enhancer_counts_as_any_other_network_of_the_recipe(folder, tmp_path):
    path = install(tmp_path / "finer.onnx", known()["gfpgan_1_4"])
    shot = Shot(swapper="uniface_256", network=Network(enhancer=str(path)))
    assert [used.model for used in models_of(shot)] == ["uniface_256", "finer.onnx"]
    with pytest.raises(LicenceError, match=r"finer\.onnx"):
        check_licences(shot)
    assert [told.model for told in check_licences(with_licences_accepted(shot))] == ["uniface_256", "finer.onnx"]
    assert portable(shot)["network"]["enhancer"] == "finer.onnx"
    with pytest.raises(ModelError, match="family image; here one of enhancer"):
        models_of(Shot(swapper="ghost_1_256", network=Network(enhancer="uniface_256")))
    # The mesh swapper uses no network.
    assert models_of(Shot(network=Network(enhancer="nothing"))) == []


def test_the_networks_of_each_person_are_the_recipe_s(folder):
    people = Replace(identity="a"), Replace(identity="b", swapper="uniface_256"), Replace(identity="c", swapper="mesh")
    named = [used.model for used in models_of(msgspec.structs.replace(GHOST, replace=people))]
    assert named == ["ghost_1_256", "uniface_256", "crossface_ghost", "arcface_w600k_r50"]
    assert [used.model for used in models_of(msgspec.structs.replace(GHOST, replace=people[1:]))] == ["uniface_256"]


def test_one_that_is_not_there_or_of_another_family_is_an_error(folder):
    (folder / "crossface_ghost.onnx").unlink()
    for ask in (models_of, check_licences, with_licences_accepted):
        with pytest.raises(ModelError, match="crossface_ghost is not installed") as told:
            ask(GHOST)
        assert "faceplate models add" in told.value.remedy
    with pytest.raises(ModelError, match="family recogniser"):
        models_of(Shot(swapper="arcface_w600k_r50"))
    with pytest.raises(ModelError, match="there is no file"):
        models_of(Shot(swapper=str(install(folder / "mine.onnx", DFM).rename(folder / "other.onnx").with_stem("mine"))))


def test_what_is_not_cleared_is_refused_until_all_of_it_is_accepted():
    with pytest.raises(LicenceError) as told:
        check_licences(GHOST)
    assert told.value.code == "licence"
    for entry in ACCEPTED:
        assert entry in told.value.message and entry in told.value.remedy
    assert "--accept-licence" in told.value.remedy
    with pytest.raises(LicenceError) as told:
        check_licences(msgspec.structs.replace(GHOST, accepted_licences=ACCEPTED[:2]))
    assert ACCEPTED[2] in told.value.message and ACCEPTED[0] not in told.value.message
    licences = check_licences(msgspec.structs.replace(GHOST, accepted_licences=ACCEPTED))
    assert [(each.commercial, each.accepted) for each in licences] == [
        ("no", "in the recipe"),
        ("unknown", "in the recipe"),
        ("no", "in the recipe"),
    ]


def test_accepting_puts_them_into_the_recipe_once_and_decides_no_pixel():
    shot = with_licences_accepted(GHOST)
    assert shot.accepted_licences == ACCEPTED
    assert with_licences_accepted(shot) == shot
    assert digest(shot) == digest(GHOST)
    assert portable(shot)["accepted_licences"] == ACCEPTED
    assert with_licences_accepted(Shot()) == Shot()


def test_a_licence_that_has_changed_since_is_not_accepted(folder):
    manifest = msgspec.structs.replace(known()["uniface_256"], licence="only on Sundays")
    shot = with_licences_accepted(Shot(swapper="uniface_256"))
    check_licences(shot)
    install(folder / "uniface_256.onnx", manifest)
    with pytest.raises(LicenceError, match="only on Sundays"):
        check_licences(shot)


def test_what_is_cleared_needs_no_acceptance(folder):
    install(folder / "free.onnx", msgspec.structs.replace(known()["uniface_256"], licence="MIT", commercial=True))
    shot = Shot(swapper="free")
    assert with_licences_accepted(shot) == shot
    assert check_licences(shot) == [Licence("free", sha256(folder / "free.onnx"), "MIT", "yes")]


def test_who_installed_it_accepted_it_for_this_content_by_whatever_name(folder):
    shot = Shot(swapper="uniface_256")
    put_down(folder, "uniface_256", sha256(folder / "uniface_256.onnx"))
    (told,) = check_licences(shot)
    assert told.accepted == "where it is installed"
    (folder / "uniface_256.onnx").write_bytes(b"another content")
    with pytest.raises(LicenceError):
        check_licences(shot)
    put_down(folder, "crossface_ghost", sha256(folder / "uniface_256.onnx"))
    assert check_licences(shot)[0].accepted == "where it is installed"
    (folder / "arcface_w600k_r50.licence.toml").write_text("broken", encoding="utf-8")
    assert check_licences(shot)[0].accepted == "where it is installed"


def test_what_the_recipe_says_comes_first_so_that_it_is_the_same_everywhere(folder):
    put_down(folder, "uniface_256", sha256(folder / "uniface_256.onnx"))
    (told,) = check_licences(with_licences_accepted(Shot(swapper="uniface_256")))
    assert told.accepted == "in the recipe"


def test_a_file_by_its_path_is_held_to_the_same_and_a_dfm_says_whose_consent_it_needs(tmp_path):
    path = install(tmp_path / "actor.dfm", DFM)
    shot = Shot(swapper=str(path))
    with pytest.raises(LicenceError, match=r"actor\.dfm: unknown") as told:
        check_licences(shot)
    assert str(tmp_path) not in told.value.message
    (told,) = check_licences(with_licences_accepted(shot))
    assert told == Licence("actor.dfm", sha256(path), "unknown", "unknown", "in the recipe", "Ada, the actor")
    install(path, msgspec.structs.replace(DFM, consent=""))
    (told,) = check_licences(with_licences_accepted(shot))
    assert "must name them" in told.consent


def test_a_digest_is_of_the_content_and_of_how_it_is_used_and_of_nothing_else(folder):
    path, manifest = folder / "uniface_256.onnx", known()["uniface_256"]

    def one() -> str:
        return models_of(Shot(swapper="uniface_256"))[0].digest

    first = one()
    install(path, msgspec.structs.replace(manifest, licence="MIT", origin="elsewhere", url="", consent="Ada"))
    assert one() == first
    install(path, msgspec.structs.replace(manifest, range=(0.0, 1.0)))
    assert one() != first
    install(path, manifest, b"another content")
    assert one() != first
    install(path, manifest)
    assert one() == first
