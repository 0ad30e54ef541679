"""All faces of a frame together: the same as each alone, and as few runs as there can be."""

import msgspec
import numpy as np
import pytest

from engine.kept import Kept
from engine.models.catalogue import canonical_mesh
from engine.models.locate import open_named
from engine.models.manifest import known
from engine.models.session import Model
from engine.recipe import with_settings
from engine.shot import Shot
from engine.swappers.base import Seen
from engine.swappers.dfm import DfmSwapper
from engine.swappers.embedding import EmbeddingSwapper
from engine.swappers.references import Identity
from engine.swappers.together import swap_all
from kernels.view import make_view

pytest.importorskip("onnx", reason="needs onnx to write a model")
from tests.swappers import tiny_networks as tiny

SIDE = 256


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEPLATE_MODELS", str(tmp_path))
    tiny.install(tmp_path, "arcface_w600k_r50")
    free = msgspec.structs.replace(known()["inswapper_128"], name="free")
    tiny.install(tmp_path, "free", tiny.swapper(free, "batch"), free)
    tiny.install(tmp_path, "single", tiny.swapper(free), msgspec.structs.replace(free, name="single"))
    return tmp_path


@pytest.fixture
def runs(monkeypatch):
    """The batches that networks with a target were run on."""
    counted, once = [], Model.run

    def run(model, feeds, timeout=60.0):
        if "target" in feeds:
            counted.append(len(feeds["target"]))
        return once(model, feeds, timeout)

    monkeypatch.setattr(Model, "run", run)
    return counted


def seen(number, *settings):
    """A face in the middle of a picture of its own."""
    mesh = canonical_mesh().vertices.astype(np.float64) * [9.0, -9.0, -9.0]
    mesh = np.concatenate([mesh, np.zeros((10, 3))]) + [SIDE / 2, SIDE / 2, 0.0]
    picture = np.random.default_rng(number).uniform(0.2, 0.6, (SIDE, SIDE, 3)).astype(np.float32)
    return Seen(picture, mesh, make_view(), with_settings(Shot(swapper="free"), settings))


def swapper(name, reference, digest="digest"):
    return EmbeddingSwapper(open_named(name, "embedding"), Identity([reference], digest), 2)


def same(patch, other):
    assert patch.parts == other.parts == {}
    return all(np.array_equal(a, b, equal_nan=True) for a, b in zip(patch[:-1], other[:-1], strict=True))


def test_faces_of_one_network_are_one_run_and_each_gets_its_own_answer(
    folder, runs, hopper_reference, astronaut_reference
):
    faces = [(swapper("free", hopper_reference), seen(1)), (swapper("free", astronaut_reference), seen(2))]
    alone = [swapper.swap(seen) for swapper, seen in faces]
    assert runs == [4, 4]
    runs.clear()
    together = list(swap_all(faces))
    assert runs == [8]
    assert all(same(patch, other) for patch, other in zip(together, alone, strict=True))
    assert not same(alone[0], alone[1])


def test_a_file_that_takes_one_picture_is_run_once_for_each(folder, runs, hopper_reference):
    faces = [(swapper("single", hopper_reference), seen(number)) for number in (1, 2)]
    together = list(swap_all(faces))
    assert runs == [1] * 8
    batched = list(swap_all([(swapper("free", hopper_reference), seen(number)) for number in (1, 2)]))
    for one, other in zip(together, batched, strict=True):
        np.testing.assert_allclose(one.pixels, other.pixels, atol=1e-5)


def test_a_large_batch_is_cut_into_runs_of_one_size(folder, runs, hopper_reference):
    faces = [(swapper("free", hopper_reference), seen(number)) for number in range(9)]
    alone = [swapper.swap(seen) for swapper, seen in faces]
    runs.clear()
    together = list(swap_all(faces))
    assert runs == [16, 16, 4]
    assert all(same(patch, other) for patch, other in zip(together, alone, strict=True))


def test_networks_that_differ_are_not_mixed(folder, runs, hopper_reference):
    tiny.install(folder, "other", tiny.swapper(known()["inswapper_128"], "batch", emap=-tiny.EMAP),
                 msgspec.structs.replace(known()["inswapper_128"], name="other"))  # fmt: skip
    faces = [(swapper(name, hopper_reference), seen(1)) for name in ("free", "other", "free")]
    first, second, third = swap_all(faces)
    assert sorted(runs) == [4, 8]
    assert same(first, third)
    assert not same(first, second)


def test_a_value_that_a_batch_has_once_keeps_faces_apart_where_it_differs(folder, runs):
    size = 64
    ports, face = known()["inswapper_128"].inputs, known()["inswapper_128"].outputs[0]
    manifest = msgspec.structs.replace(
        known()["inswapper_128"], name="morphing", family="dfm", source="none", size=size, template="dfl_whole_face",
        inputs=(msgspec.structs.replace(ports[0], shape=("N", 3, size, size)),
                msgspec.structs.replace(ports[1], role="morph", name="morph", shape=(1,))),
        outputs=(msgspec.structs.replace(face, name="face", shape=("N", 3, size, size)),),
    )  # fmt: skip
    tiny.install(folder, "morphing", tiny.swapper(manifest), manifest)
    network = open_named("morphing", "dfm")
    alike = [(DfmSwapper(network, SIDE // size), seen(n, "network.morph=0.25")) for n in (1, 2)]
    different = [(DfmSwapper(network, SIDE // size), seen(n, f"network.morph={n / 4}")) for n in (1, 2)]
    list(swap_all(alike))
    assert runs == [32]
    runs.clear()
    patches = list(swap_all(different))
    assert runs == [16, 16]
    for (swapper_of, shown), patch in zip(different, patches, strict=True):
        assert same(patch, swapper_of.swap(shown))


def test_what_was_kept_is_not_run_again_and_a_part_of_a_batch_is_run_with_all_of_it(folder, runs, hopper_reference):
    kept = Kept(1 << 28)
    network, person = open_named("free", "embedding"), Identity([hopper_reference], "digest")
    faces = [(EmbeddingSwapper(network, person, 2, kept), seen(number)) for number in (1, 2)]
    first = list(swap_all(faces))
    assert runs[-1] == 8
    runs.clear()
    again = list(swap_all(faces))
    assert runs == []
    changed = [faces[0], (faces[1][0], seen(2, "network.likeness=0.4"))]
    list(swap_all(changed))
    assert runs[-1] == 8
    assert all(same(patch, other) for patch, other in zip(first, again, strict=True))
