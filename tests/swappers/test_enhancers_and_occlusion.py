"""Enhancers and occlusion networks, opened by their published manifests: their answers are right in every colour."""

import msgspec
import numpy as np
import pytest

from engine.errors import ModelError
from engine.models.check import check_model
from engine.models.expectation import expectation
from engine.models.locate import open_named
from engine.models.manifest import Port, known

pytest.importorskip("onnx", reason="needs onnx to write a model")
import tiny_networks as tiny

ENHANCERS = sorted(name for name, manifest in known().items() if manifest.family == "enhancer")
OCCLUSION = sorted(name for name, manifest in known().items() if manifest.family == "occlusion")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEPLATE_MODELS", str(tmp_path))
    return tmp_path


def pictures(size, count=2):
    """Smooth pictures, so that every channel has most values of [0, 1]."""
    y, x = (np.mgrid[0:size, 0:size] + 0.5) / size
    one = np.stack([x, y, 1 - x], axis=2).astype(np.float32)
    return np.stack([one if each % 2 == 0 else one[::-1] * 0.5 for each in range(count)])


def enhanced(seen, weight=0.0):
    u = tiny.across(seen.shape[2])[None, None, :, None]
    return np.clip(tiny.GAIN * seen + tiny.OFFSET + tiny.RAMP * u + weight * tiny.MORPH, 0, 1)


def of_mask(seen):
    return np.clip(seen @ tiny.MASK + tiny.MASK_OFFSET, 0, 1)


def of_classes(seen, classes):
    likelihood = np.exp((seen @ tiny.LOGITS.T).astype(np.float64))
    return likelihood[..., list(classes)].sum(-1) / likelihood.sum(-1)


@pytest.mark.parametrize("name", ENHANCERS)
def test_each_published_enhancer_gives_its_face(folder, name):
    manifest = tiny.install(folder, name)
    check_model(folder / f"{name}.onnx", name, expectation(manifest))
    network = open_named(name, "enhancer")
    assert network.size == manifest.size
    seen = pictures(network.size, 2 if network.size <= 512 else 1)
    weighs = any(port.role == "weight" for port in manifest.inputs)
    assert weighs == (name == "codeformer")
    for weight in (0.0, 0.25, 1.0) if weighs else (0.5,):
        made = network.enhance(seen, weight)
        assert made.dtype == np.float32
        np.testing.assert_allclose(made, enhanced(seen, weight * weighs), atol=1e-5)


@pytest.mark.parametrize("name", OCCLUSION)
def test_each_published_occlusion_network_says_where_the_face_is(folder, name):
    manifest = tiny.install(folder, name)
    check_model(folder / f"{name}.onnx", name, expectation(manifest))
    network = open_named(name, "occlusion")
    seen = pictures(network.size)
    found = network.visible(seen)
    answer = of_classes(seen, manifest.classes) if manifest.classes else of_mask(seen)
    assert found.dtype == np.float32 and found.shape == seen.shape[:3]
    assert np.ptp(answer) > 0.5
    np.testing.assert_allclose(found, answer, atol=1e-5)


def test_a_mask_of_what_lies_before_the_face_and_one_of_another_range(folder):
    for changes, answer in (
        ({"mask": "occluder"}, lambda seen: 1 - of_mask(seen)),
        ({"range": (-2.0, 2.0)}, of_mask),
        ({"channels": "rgb"}, of_mask),
    ):
        manifest = msgspec.structs.replace(known()["xseg_1"], name="other", **changes)
        tiny.install(folder, "other", manifest=manifest)
        seen = pictures(256)
        np.testing.assert_allclose(open_named("other", "occlusion").visible(seen), answer(seen), atol=1e-5)
        (folder / "other.onnx").unlink()


def test_outputs_beside_the_first_are_no_matter(folder):
    graph = tiny.Graph()
    for name in ("first", "second"):
        graph.add("Mul", "input", graph.constant(0.5 if name == "first" else 0.0), name=name)
    ports = [(name, (1, 3, 512, 512), "float") for name in ("input", "first", "second")]
    tiny.install(folder, "restoreformer_plus_plus", graph.model(ports[:1], ports[1:]))
    seen = pictures(512, 1)
    made = open_named("restoreformer_plus_plus", "enhancer").enhance(seen)
    np.testing.assert_allclose(made, (seen - 0.5) * 0.5 + 0.5, atol=1e-5)


def test_a_file_may_leave_batch_and_weight_open(folder):
    manifest = known()["codeformer"]
    target, weight = manifest.inputs
    open_ = msgspec.structs.replace(manifest, inputs=(target, msgspec.structs.replace(weight, shape=("any",))))
    tiny.install(folder, "codeformer", tiny.swapper(open_, "batch"))
    network = open_named("codeformer", "enhancer")
    assert network.batched
    seen = pictures(512, 3)
    np.testing.assert_allclose(network.enhance(seen, 0.5), enhanced(seen, 0.5), atol=1e-5)


@pytest.mark.parametrize(
    ("name", "port", "part"),
    [
        ("codeformer", {"inputs": (1, {"type": "float"})}, r"tensor\(double\).*expected: tensor\(float\)"),
        ("codeformer", {"inputs": (1, {"name": "w"})}, "expected: input, w"),
        ("xseg_1", {"outputs": (0, {"shape": ("N", 256, 256, 2)})}, "256, 2"),
        ("bisenet_resnet_18", {"outputs": (0, {"shape": ("N", 20, 512, 512)})}, "20, 512"),
    ],
)
def test_a_file_unlike_its_manifest_is_refused_with_what_was_expected(folder, name, port, part):
    manifest = known()[name]
    ((which, (place, changes)),) = port.items()
    ports = list(getattr(manifest, which))
    ports[place] = msgspec.structs.replace(ports[place], **changes)
    other = msgspec.structs.replace(manifest, name="other", **{which: tuple(ports)})
    tiny.install(folder, "other", tiny.BUILDERS[manifest.family](manifest), other)
    for refuse in (
        lambda: open_named("other", manifest.family),
        lambda: check_model(folder / "other.onnx", "other", expectation(other)),
    ):
        with pytest.raises(ModelError, match=part) as told:
            refuse()
        assert "expected" in told.value.message and told.value.remedy


def test_what_gives_no_numbers_or_no_picture_is_refused(folder):
    manifest = known()["gfpgan_1_4"]
    for ending, part in (("nan", "no numbers"), ("constant", "constant picture")):
        tiny.install(folder, ending, tiny.swapper(manifest, ending=ending), manifest)
        with pytest.raises(ModelError, match=part):
            open_named(ending, "enhancer").enhance(pictures(512, 1))
        with pytest.raises(ModelError, match=part):
            check_model(folder / f"{ending}.onnx", ending, expectation(manifest))


def test_classes_that_are_the_same_everywhere_are_refused_and_a_constant_mask_is_not(folder):
    manifest = known()["bisenet_resnet_18"]
    graph = tiny.Graph()
    zero = graph.add("Mul", "input", graph.constant(0.0))
    graph.add("Conv", zero, graph.constant(np.ones((19, 3, 1, 1))), name="made")
    content = graph.model([("input", (1, 3, 512, 512), "float")], [("made", (1, 19, 512, 512), "float")])
    tiny.install(folder, "same", content, manifest)
    with pytest.raises(ModelError, match="constant map of classes"):
        check_model(folder / "same.onnx", "same", expectation(manifest))
    masks = msgspec.structs.replace(
        manifest, name="free", classes=(), outputs=(Port(role="mask", shape=("N", 1, 512, 512)),)
    )
    graph = tiny.Graph()
    zero = graph.add("Mul", "input", graph.constant(0.0))
    graph.add("Conv", zero, graph.constant(np.ones((1, 3, 1, 1))), graph.constant(np.ones(1)), name="made")
    content = graph.model([("input", (1, 3, 512, 512), "float")], [("made", (1, 1, 512, 512), "float")])
    tiny.install(folder, "free", content, masks)
    check_model(folder / "free.onnx", "free", expectation(masks))
    np.testing.assert_array_equal(open_named("free", "occlusion").visible(pictures(512, 2)), 1.0)


def test_another_family_is_refused_by_name(folder):
    tiny.install(folder, "xseg_1")
    with pytest.raises(ModelError, match="family occlusion; here one of enhancer"):
        open_named("xseg_1", "enhancer")
