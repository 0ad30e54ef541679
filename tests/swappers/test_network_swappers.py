"""Swappers with a network, on a plate in a file: the right answer, at its place, in its colours and range."""

import cv2
import msgspec
import numpy as np
import pytest

from engine.errors import ModelError, RecipeError
from engine.faces.tracks import Track, Tracks
from engine.geometry import Box
from engine.kept import Kept
from engine.models.catalogue import canonical_mesh
from engine.models.locate import open_named
from engine.models.manifest import Role, known
from engine.models.session import Model
from engine.plates.frame import Frame
from engine.plates.plate import Plate
from engine.plates.write import write_frame
from engine.recipe import with_settings
from engine.render import Renderer
from engine.shot import Output, Replace, Shot
from engine.swappers.references import Identity
from engine.swappers.templates import TEMPLATES
from kernels.view import make_view, seen_of_exposed, view

pytest.importorskip("onnx", reason="needs onnx to write a model")
from tests.swappers import tiny_networks as tiny

STEP = 1 / 255
EMBEDDING = sorted(name for name, manifest in known().items() if manifest.family == "embedding")
IMAGE = sorted(name for name, manifest in known().items() if manifest.family == "image")
# Nothing but the swapper itself: its picture where the hull is, as it is.
BARE = (
    *("match.amount=0", "match.contrast=0", "match.low_frequency=0", "match.sharpness=0"),
    *("matte.skin=0", "matte.facing=0", "composite.seam=0", "composite.grain=0"),
)
SIZE = (420, 400)
DFM = tiny.dfm("person", 224, morph=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in known():
        tiny.install(folder, name)
    tiny.install(folder, "person", manifest=DFM)
    return folder


@pytest.fixture(autouse=True)
def installed(folder, monkeypatch):
    monkeypatch.setenv("FACEPLATE_MODELS", str(folder))


def face_mesh():
    """The canonical face, 478 points, turned by ten degrees in the middle of the plate."""
    vertices = canonical_mesh().vertices.astype(np.float64) * [11.0, -11.0, -11.0]
    irises = [vertices[list(ring)].mean(0) for ring in (canonical_mesh().right_eye, canonical_mesh().left_eye)]
    mesh = np.concatenate([vertices, np.repeat(irises, 5, axis=0)])
    cosine, sine = np.cos(np.radians(10.0)), np.sin(np.radians(10.0))
    mesh[:, :2] = mesh[:, :2] @ np.array([[cosine, sine], [-sine, cosine]])
    return mesh + [205.0, 200.0, 0.0]


class Stage:
    """A plate of one smooth frame on disk, and what a renderer makes of it."""

    def __init__(self, folder, reference):
        y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]].astype(np.float32) / 400.0
        light = np.stack([0.3 + 0.2 * np.sin(5 * x), 0.2 + 0.1 * y, 0.15 + 0.1 * np.cos(4 * (x + y))], axis=2)
        frame = Frame.new(1, {n: light[..., i].astype(np.float16) for i, n in enumerate("RGB")},
                          Box(0, 0, SIZE[1], SIZE[0]), Box(0, 0, SIZE[1], SIZE[0]))  # fmt: skip
        write_frame(frame, folder / "plate.0001.exr")
        self.folder, self.mesh, self.reference = folder, face_mesh(), reference
        self.plate = Plate.open(folder / "plate.0001.exr")
        track = Track(id=0, person=0, frames=np.array([1], np.int32), mesh=self.mesh[None].astype(np.float32),
                      pose=np.zeros((1, 3), np.float32), confidence=np.ones(1, np.float32),
                      identity=np.zeros(128, np.float32), bridged=np.zeros(1, bool))  # fmt: skip
        self.tracks = Tracks(plate="plate", frames=(1, 1), size=SIZE, exposure=1.0, cuts=(), tracks=(track,))

    def render(self, name, *settings):
        """The frame before and after in the model view, and the matte, all (h, w, …), read back from files."""
        shot = Shot(swapper=name, replace=(Replace(identity="person"),), output=Output(path="out", layers=("matte",)))
        shot = with_settings(shot, [*BARE, *settings])
        frame = self.plate.read(1)
        report = Renderer(shot, self.tracks, self.plate.color, [Identity([self.reference], "digest")]).render(frame)
        assert report.faces == 1
        matte = frame.added["matte.V"].astype(np.float32)
        write_frame(frame, self.folder / "result.0001.exr")
        shown = []
        for plate in (self.plate, Plate.open(self.folder / "result.0001.exr")):
            picture = plate.read(1)
            shown.append(view(picture.rgb(picture.data_window), make_view()))
        return *shown, matte


@pytest.fixture(scope="module")
def stage(tmp_path_factory, hopper_reference):
    return Stage(tmp_path_factory.mktemp("stage"), hopper_reference)


def to_template(mesh, template, size):
    """The similarity from five points to a template, (2, 3), by complex least squares: apart from the engine's own."""
    eyes = [mesh[list(ring), :2].mean(0) for ring in (canonical_mesh().right_eye, canonical_mesh().left_eye)]
    points = np.array([*eyes, mesh[1, :2], mesh[61, :2], mesh[291, :2]]) @ [1, 1j]
    goal = TEMPLATES[template] * size @ [1, 1j]
    centred = points - points.mean()
    turn = (centred.conj() @ (goal - goal.mean())) / (centred.conj() @ centred)
    shift = goal.mean() - turn * points.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def shown_of(reference):
    return seen_of_exposed(np.ascontiguousarray(reference.light), make_view())


def chip(picture, mesh, template, size):
    """A face as a network sees it, by OpenCV, whose pixels are counted from their centres."""
    matrix = to_template(mesh, template, size)
    matrix[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
    scale = float(np.hypot(*matrix[0, :2]))
    picture = cv2.GaussianBlur(picture, (0, 0), max(0.35 / scale, 0.01))
    return cv2.warpAffine(picture, matrix, (size, size), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def embedding_of(picture, mesh):
    return (chip(picture, mesh, "arcface_112_v2", 112) * 2 - 1).mean((0, 1)) @ tiny.RECOGNISER


def told(manifest, reference, push=0.0, other=0.0):
    """The number that the tiny network reads out of what it is told of the person."""
    picture = shown_of(reference)
    if manifest.source == "picture":
        return chip(picture, reference.mesh, manifest.source_template, manifest.source_size)[..., 0].mean()
    embedding = embedding_of(picture, reference.mesh)
    embedding = embedding * (1 - push) + push * other * np.linalg.norm(embedding) / (np.linalg.norm(other) or 1.0)
    source = embedding @ tiny.EMAP / np.linalg.norm(embedding) if manifest.source == "emap" else embedding
    source = source @ tiny.CONVERTER if manifest.source == "converter" else source
    return float((source / np.linalg.norm(source) if manifest.normalised else source) @ tiny.READING)


def expected(stage, manifest, before, more):
    """What the network makes of the plate, computed at the plate's own pixels; and u there."""
    matrix = to_template(stage.mesh, manifest.template, 1.0)
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] + 0.5
    u = matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2]
    answer = tiny.GAIN * before + tiny.OFFSET + tiny.RAMP * u[..., None] + more
    return np.clip(answer, 0.0, 1.0), u


def check(stage, manifest, shown, more):
    before, after, matte = shown
    answer, u = expected(stage, manifest, before, more)
    whole = matte > 0.999
    assert whole.sum() > 4000
    assert np.abs(after - answer)[whole].max() < STEP
    np.testing.assert_array_equal(after[matte == 0.0], before[matte == 0.0])
    return u, matte


@pytest.mark.parametrize("name", EMBEDDING + IMAGE)
def test_each_published_model_paints_what_it_says(stage, name):
    manifest = known()[name]
    more = tiny.SOURCE * told(manifest, stage.reference)
    u, matte = check(stage, manifest, stage.render(name), more)
    if any(port.role == "mask" for port in manifest.outputs):
        assert matte[u < 0.3].max() < 1e-3 and matte[(u > 0.45) & (u < 0.55)].max() > 0.999


@pytest.mark.parametrize("boost", [2, 3, 4, 8])
def test_pixel_boost_gives_the_same_at_a_larger_size(stage, boost):
    manifest = known()["inswapper_128"]
    shown = stage.render("inswapper_128", f"network.boost={boost}")
    check(stage, manifest, shown, tiny.SOURCE * told(manifest, stage.reference))


@pytest.mark.parametrize("morph", [0.0, 0.75])
def test_a_dfm_takes_its_own_order_of_axes_and_colours_and_both_masks(stage, morph):
    shown = stage.render("person", f"network.morph={morph}", "network.boost=2")
    u, matte = check(stage, DFM, shown, tiny.MORPH * morph)
    assert matte[u < 0.3].max() < 1e-3 and matte[u > 0.7].max() < 1e-3


@pytest.mark.parametrize(("likeness", "push"), [(0.0, 0.35), (0.25, 0.175), (1.0, -0.35)])
def test_likeness_takes_the_plates_own_face_into_the_embedding_or_out_of_it(stage, likeness, push):
    manifest = known()["ghost_1_256"]
    shown = stage.render("ghost_1_256", f"network.likeness={likeness}")
    pushed = told(manifest, stage.reference, push, embedding_of(shown[0], stage.mesh))
    assert np.abs(tiny.SOURCE * (pushed - told(manifest, stage.reference))).max() > 2 * STEP
    check(stage, manifest, shown, tiny.SOURCE * pushed)


def test_a_free_batch_is_runs_of_a_fixed_size_and_gives_the_same(folder, monkeypatch):
    manifest = known()["hyperswap_1a_256"]
    assert not open_named("hyperswap_1a_256", "embedding").batched
    free = msgspec.structs.replace(manifest, name="free")
    tiny.install(folder, "free", tiny.swapper(free, "batch"), free)
    network = open_named("free", "embedding")
    assert network.batched
    runs = []
    once = Model.run
    monkeypatch.setattr(Model, "run", lambda model, feeds: runs.append(feeds) or once(model, feeds))
    pictures = np.random.default_rng(1).random((9, 256, 256, 3), np.float32)
    source = np.ones((1, 512), np.float32)
    feeds: dict[Role, np.ndarray] = {"target": network.target(pictures), "source": source}
    whole = network.run(feeds)
    assert [len(feeds["target"]) for feeds in runs] == [4, 4, 1]
    runs.clear()
    single = open_named("hyperswap_1a_256", "embedding").run(feeds)
    for role, result in whole.items():
        np.testing.assert_allclose(result, single[role], atol=1e-6)
    assert len(runs) == 9


def test_half_floats_are_given_and_taken(folder):
    manifest = known()["simswap_256"]
    half = [msgspec.structs.replace(port, type="float16") for port in manifest.inputs]
    outputs = [msgspec.structs.replace(port, type="float16") for port in manifest.outputs]
    halves = msgspec.structs.replace(manifest, name="halves", inputs=tuple(half), outputs=tuple(outputs))
    graph = tiny.Graph()
    graph.add("Identity", "target", name="result")
    content = graph.model(
        [("target", (1, 3, 256, 256), "float16"), ("source", (1, 512), "float16")],
        [("result", (1, 3, 256, 256), "float16")],
    )
    tiny.install(folder, "halves", content, halves)
    picture = np.random.default_rng(2).random((1, 256, 256, 3), np.float32)
    network = open_named("halves", "embedding")
    result = network.run({"target": picture.transpose(0, 3, 1, 2), "source": np.zeros((1, 512), np.float32)})["face"]
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, picture.transpose(0, 3, 1, 2).astype(np.float16))


@pytest.mark.parametrize(("ending", "part"), [("nan", "no numbers"), ("constant", "constant picture")])
def test_a_network_that_gives_no_picture_is_refused(stage, folder, ending, part):
    manifest = msgspec.structs.replace(known()["inswapper_128"], name=ending)
    tiny.install(folder, ending, tiny.swapper(manifest, ending=ending), manifest)
    with pytest.raises(ModelError, match=part):
        stage.render(ending)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda m: {"inputs": (msgspec.structs.replace(m.inputs[0], name="picture"), m.inputs[1])}, "inputs of"),
        (lambda m: {"inputs": (msgspec.structs.replace(m.inputs[0], shape=(1, 3, 64, 64)), m.inputs[1])}, "64, 64"),
        (lambda m: {"inputs": (msgspec.structs.replace(m.inputs[0], type="float16"), m.inputs[1])}, "float16"),
        (lambda m: {"outputs": (msgspec.structs.replace(m.outputs[0], name="image"),)}, "expected: image"),
    ],
)
def test_a_file_unlike_its_manifest_is_refused_with_what_was_expected(folder, change, part):
    manifest = known()["inswapper_128"]
    other = msgspec.structs.replace(manifest, name="other", **change(manifest))
    tiny.install(folder, "other", tiny.swapper(manifest), other)
    with pytest.raises(ModelError, match=part) as caught:
        open_named("other", "embedding")
    assert "expected" in caught.value.message and caught.value.remedy


def test_a_matrix_of_another_shape_is_refused(folder):
    manifest = msgspec.structs.replace(known()["inswapper_128"], name="odd")
    tiny.install(folder, "odd", tiny.swapper(manifest, emap=np.ones((512, 256))), manifest)
    with pytest.raises(ModelError, match=r"\(512, 512\).*\(512, 256\)"):
        open_named("odd", "embedding")


def test_what_is_not_installed_is_said_with_where_to_bring_it(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEPLATE_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="inswapper_128 is not installed") as caught:
        stage.render("inswapper_128")
    assert known()["inswapper_128"].url in caught.value.remedy
    tiny.install(tmp_path, "inswapper_128")
    with pytest.raises(ModelError, match="arcface_w600k_r50 is not installed") as caught:
        stage.render("inswapper_128")
    assert caught.value.code == "model" and "faceplate models add" in caught.value.remedy
    with pytest.raises(ModelError, match="no model called"):
        stage.render("nothing_like_it")
    with pytest.raises(ModelError, match="family recogniser"):
        tiny.install(tmp_path, "arcface_w600k_r50")
        stage.render("arcface_w600k_r50")


def test_a_boost_that_nobody_s_face_is_large_enough_for_is_refused(stage, tmp_path):
    def larger(port):
        return msgspec.structs.replace(port, shape=tuple(1024 if side == 224 else side for side in port.shape))

    inputs, outputs = tuple(map(larger, DFM.inputs)), tuple(map(larger, DFM.outputs))
    tiny.install(tmp_path, "large", manifest=msgspec.structs.replace(DFM, size=1024, inputs=inputs, outputs=outputs))
    with pytest.raises(RecipeError, match="8192 pixels wide; 4096 are the most") as caught:
        stage.render(str(tmp_path / "large.onnx"), "network.boost=8")
    assert caught.value.remedy == "Set network.boost to 4 or less."


def test_another_recogniser_makes_another_face_though_all_else_was_kept(stage, tmp_path, monkeypatch):
    monkeypatch.setenv("FACEPLATE_MODELS", str(tmp_path))
    keep = Kept(1 << 28)
    for name in ("inswapper_128", "arcface_w600k_r50"):
        tiny.install(tmp_path, name)

    def rendered():
        shot = with_settings(Shot(swapper="inswapper_128", replace=(Replace(identity="person"),)), BARE)
        frame = stage.plate.read(1)
        Renderer(shot, stage.tracks, stage.plate.color, [Identity([stage.reference], "digest")], keep).render(frame)
        return frame.rgb(frame.data_window).copy()

    first = rendered()
    np.testing.assert_array_equal(rendered(), first)
    monkeypatch.setattr(tiny, "RECOGNISER", -tiny.RECOGNISER)
    tiny.install(tmp_path, "arcface_w600k_r50")
    assert (rendered() != first).any()


def test_a_path_stands_for_a_model_with_its_manifest_beside_it(stage, tmp_path):
    tiny.install(tmp_path, "mine", manifest=msgspec.structs.replace(DFM, name="mine"))
    check(stage, DFM, stage.render(str(tmp_path / "mine.onnx")), tiny.MORPH * 0.5)
