"""Manifests: the published ones say what their models are, and one that contradicts itself is refused."""

import math
import re

import msgspec
import pytest

from engine.errors import ModelError
from engine.models import manifest as manifests
from engine.models.manifest import FOLDER, Manifest, known, read, to_text

PUBLISHED = {
    *("inswapper_128", "inswapper_128_fp16", "simswap_256", "simswap_unofficial_512"),
    *("ghost_1_256", "ghost_2_256", "ghost_3_256", "hififace_unofficial_256"),
    *("hyperswap_1a_256", "hyperswap_1b_256", "hyperswap_1c_256", "uniface_256", "blendswap_256"),
    *("arcface_w600k_r50", "crossface_simswap", "crossface_ghost", "crossface_hififace"),
    *("gfpgan_1_2", "gfpgan_1_3", "gfpgan_1_4", "codeformer", "restoreformer_plus_plus"),
    *("gpen_bfr_256", "gpen_bfr_512", "gpen_bfr_1024", "gpen_bfr_2048"),
    *("xseg_1", "xseg_2", "xseg_3", "bisenet_resnet_18", "bisenet_resnet_34"),
}


def write(path, **changes):
    path.write_text(to_text(msgspec.structs.replace(known()["simswap_256"], **changes)), encoding="utf-8")
    return path


def test_all_that_are_published_are_known_by_the_names_of_their_files():
    assert set(known()) == PUBLISHED
    assert {path.stem for path in FOLDER.glob("*.toml")} == PUBLISHED


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_published_manifest_holds_together(name, tmp_path):
    manifest = known()[name]
    assert manifest.origin and manifest.licence and not manifest.commercial
    assert not manifest.converter or known()[manifest.converter].family == "converter"
    for port in (*manifest.inputs, *manifest.outputs):
        if port.role in ("target", "face", "mask", "classes"):
            sides = port.shape[1:3] if manifest.layout == "nhwc" else port.shape[-2:]
            assert sides == (manifest.size, manifest.size)
    if manifest.source == "picture":
        assert [port.shape[-1] for port in manifest.inputs if port.role == "source"] == [manifest.source_size]
    (tmp_path / "again.toml").write_text(to_text(manifest), encoding="utf-8")
    assert read(tmp_path / "again.toml") == manifest


def test_what_is_pinned_has_its_publishers_address_and_no_two_are_one_file():
    pinned = {name: manifest for name, manifest in known().items() if manifest.sha256}
    assert PUBLISHED - set(pinned) == {
        *("blendswap_256", "ghost_1_256", "ghost_2_256", "gfpgan_1_2", "gfpgan_1_3", "restoreformer_plus_plus"),
    }
    hashes = [each for manifest in pinned.values() for each in (manifest.sha256, *manifest.also)]
    assert len(set(hashes)) == len(hashes)
    for manifest in known().values():
        assert re.fullmatch(r"https://github\.com/[\w-]+/[\w-]+/releases/download/[\w./-]+", manifest.url)
        assert manifest.url.endswith(f"/{manifest.file}")


@pytest.mark.parametrize(
    ("changes", "part"),
    [
        ({"family": "magic"}, "family"),
        ({"sha256": "12"}, "sha256"),
        ({"also": ("12",)}, "also"),
        ({"template": "arcface"}, "template"),
        ({"size": -1}, "size"),
        ({"std": (0.0, 1.0, 1.0)}, "std"),
        ({"mean": (math.nan, 0.0, 0.0)}, "mean"),
        ({"range": (1.0, 0.0)}, "range does not rise"),
        ({"converter": ""}, "converter is named"),
        ({"inputs": ()}, "no inputs"),
        ({"inputs": known()["simswap_256"].inputs[:1]}, "source and target"),
        ({"inputs": 2 * known()["simswap_256"].inputs}, "a role of its own"),
        ({"family": "dfm"}, "no source"),
    ],
)
def test_a_manifest_that_makes_no_sense_is_refused(tmp_path, changes, part):
    with pytest.raises(ModelError, match=part) as caught:
        read(write(tmp_path / "wrong.toml", **changes))
    assert "wrong.toml" in caught.value.message and caught.value.remedy


CLASSES = known()["bisenet_resnet_34"].outputs
MASKS = known()["xseg_1"].outputs


@pytest.mark.parametrize(
    ("name", "changes", "part"),
    [
        ("gfpgan_1_4", {"outputs": MASKS}, "output face"),
        ("gfpgan_1_4", {"source": "plain"}, "no source"),
        ("codeformer", {"inputs": known()["codeformer"].inputs[1:]}, "input target"),
        ("xseg_1", {"outputs": CLASSES + MASKS}, "mask, or else"),
        ("xseg_1", {"outputs": known()["gfpgan_1_4"].outputs}, "mask, or else"),
        ("xseg_1", {"classes": (1,)}, "classes are named"),
        ("xseg_1", {"mask": "hand"}, "mask"),
        ("bisenet_resnet_34", {"classes": ()}, "classes are named"),
        ("bisenet_resnet_34", {"classes": (1, 19)}, "a channel for each class"),
        ("bisenet_resnet_34", {"classes": (-1,)}, "classes"),
        ("bisenet_resnet_34", {"outputs": (msgspec.structs.replace(CLASSES[0], shape=("N", 19)),)}, "four sides"),
    ],
)
def test_an_enhancer_or_an_occlusion_network_that_makes_no_sense_is_refused(tmp_path, name, changes, part):
    text = to_text(msgspec.structs.replace(known()[name], **changes))
    (tmp_path / "wrong.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=part):
        read(tmp_path / "wrong.toml")


@pytest.mark.parametrize(("text", "part"), [("name = [", "not TOML"), ("nmae = 'x'", "nmae"), ("", "name")])
def test_a_file_that_is_no_manifest_is_refused(tmp_path, text, part):
    (tmp_path / "wrong.toml").write_text(text, encoding="utf-8")
    with pytest.raises(ModelError, match=part):
        read(tmp_path / "wrong.toml")
    with pytest.raises(ModelError, match="no manifest"):
        read(tmp_path / "absent.toml")


def test_what_is_known_cannot_be_changed_by_a_caller():
    known().clear()
    assert isinstance(manifests.known()["inswapper_128"], Manifest)
