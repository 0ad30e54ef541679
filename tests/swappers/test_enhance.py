"""The enhancer after a swapper: its answer in its place on a plate in a file, and big faces in tiles without a grid."""

import msgspec
import numpy as np
import pytest

from engine.errors import ModelError
from engine.faces.tracks import FaceGeometry
from engine.models.locate import open_named
from engine.models.manifest import known
from engine.render import Renderer
from engine.shot import Network, Replace, Shot
from engine.swappers.enhance import OVERLAP, Enhancer, join, split, tile_starts, tile_weights
from engine.swappers.references import Identity

pytest.importorskip("onnx", reason="needs onnx to write a model")
import test_network_swappers as swapped

from tests.swappers import tiny_networks as tiny

ENHANCERS = sorted(name for name, manifest in known().items() if manifest.family == "enhancer")
STEP = swapped.STEP
# An enhancer's picture so small that the plate's face is several of them.
SMALL = msgspec.structs.replace(
    known()["gfpgan_1_4"],
    name="small",
    size=96,
    inputs=(msgspec.structs.replace(known()["gfpgan_1_4"].inputs[0], shape=("N", 3, 96, 96)),),
    outputs=(msgspec.structs.replace(known()["gfpgan_1_4"].outputs[0], shape=("N", 3, 96, 96)),),
)


def plain(manifest, tilt=0.0):
    """An enhancer that gives back what it is shown, less half of `tilt` on its left and more so on its right."""
    graph = tiny.Graph()
    u = graph.constant(tilt * 2 * (tiny.across(manifest.size) - 0.5).reshape(1, 1, 1, -1))
    graph.add("Add", manifest.inputs[0].name, u, name="made")
    shape = ("N", 3, manifest.size, manifest.size)
    return graph.model([(manifest.inputs[0].name, shape, "float")], [("made", shape, "float")])


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name in ("inswapper_128", "uniface_256", "hyperswap_1a_256", "simswap_256", "crossface_simswap",
                 "arcface_w600k_r50", *ENHANCERS):  # fmt: skip
        tiny.install(folder, name)
    tiny.install(folder, "person", manifest=swapped.DFM)
    for name, content in {"small": plain(SMALL), "tilted": plain(SMALL, 0.2)}.items():
        tiny.install(folder, name, content, msgspec.structs.replace(SMALL, name=name))
    return folder


@pytest.fixture(autouse=True)
def installed(folder, monkeypatch):
    monkeypatch.setenv("FACEPLATE_MODELS", str(folder))


@pytest.fixture(scope="module")
def stage(tmp_path_factory, hopper_reference):
    return swapped.Stage(tmp_path_factory.mktemp("stage"), hopper_reference)


def check(stage, swapper, more, enhancer, weight, shown, amount=1.0):
    """Hold a frame against the two closed forms, one after the other, at the plate's own pixels."""
    before, after, matte = shown
    face, _ = swapped.expected(stage, swapper, before, more)
    matrix = swapped.to_template(stage.mesh, enhancer.template, 1.0)
    y, x = np.mgrid[0 : swapped.SIZE[0], 0 : swapped.SIZE[1]] + 0.5
    u = (matrix[0, 0] * x + matrix[0, 1] * y + matrix[0, 2])[..., None]
    enhanced = np.clip(tiny.GAIN * face + tiny.OFFSET + tiny.RAMP * u + tiny.MORPH * weight, 0, 1)
    answer = face + amount * (enhanced - face)
    whole = matte > 0.999
    assert whole.sum() > 4000
    assert np.abs(after - answer)[whole].max() < STEP
    assert np.abs(face - answer)[whole].max() > 4 * STEP or amount == 0.0
    np.testing.assert_array_equal(after[matte == 0.0], before[matte == 0.0])


@pytest.mark.parametrize("boost", [1, 4])
@pytest.mark.parametrize("name", ENHANCERS)
def test_each_published_enhancer_paints_what_it_says_after_a_boosted_swap(stage, name, boost):
    manifest, enhancer = known()["inswapper_128"], known()[name]
    more = tiny.SOURCE * swapped.told(manifest, stage.reference)
    settings = (f"network.boost={boost}", f"network.enhancer={name}", "network.fidelity=0.75")
    # Without tiles, so that the picture across which the network's answer rises is one.
    shown = stage.render("inswapper_128", *settings, "network.enhance_scale=1")
    weight = 0.75 if name == "codeformer" else 0.0
    check(stage, manifest, more, enhancer, weight, shown)


@pytest.mark.parametrize("name", ["simswap_256", "uniface_256", "hyperswap_1a_256", "person"])
@pytest.mark.parametrize("amount", [0.0, 0.4])
def test_every_family_is_enhanced_by_as_much_as_is_asked_for(stage, name, amount):
    manifest = swapped.DFM if name == "person" else known()[name]
    of_person = tiny.MORPH * 0.5 if name == "person" else tiny.SOURCE * swapped.told(manifest, stage.reference)
    shown = stage.render(name, "network.enhancer=gpen_bfr_512", f"network.enhance={amount}")
    check(stage, manifest, of_person, known()["gpen_bfr_512"], 0.0, shown, amount)


def test_a_crop_is_as_fine_as_the_plate_and_no_finer_than_twice_that(stage):
    """Sides of the crop for faces of several sizes, against the enhancer's picture of 512."""
    unit = 1.0 / np.hypot(*swapped.to_template(stage.mesh, "ffhq_512", 1.0)[0, :2])

    def side(own, swapped_pixels=0.0, scale=4.0, name="gfpgan_1_4"):
        mesh = stage.mesh * (own / unit)
        face = FaceGeometry(mesh=mesh, pose=np.zeros(3, np.float32), confidence=1.0, bridged=False)
        enhancer = Enhancer(open_named(name, "enhancer"), Network(enhance_scale=scale))
        return enhancer.crop(face, swapped_pixels).size[0], enhancer

    assert side(200.0)[0] == pytest.approx(400, abs=1)
    assert side(400.0)[0] == 512
    assert side(900.0)[0] == pytest.approx(900, abs=1)
    assert side(900.0, scale=1.0)[0] == 512
    assert side(9000.0)[0] == 2048
    crop, enhancer = side(9000.0, swapped_pixels=0.3)
    assert crop == pytest.approx(2700, abs=2) and enhancer.side(crop) == 2048
    assert enhancer.side(400) == 512 and enhancer.side(900) == 900


@pytest.mark.parametrize("side", [96, 97, 120, 168, 169, 250, 384])
def test_tiles_cover_a_face_and_their_weights_are_one_everywhere(side):
    size, starts = 96, tile_starts(side, 96)
    assert starts[0] == 0 and starts[-1] == side - size
    assert (np.diff(starts) <= (1 - OVERLAP) * size + 1).all()
    weights = tile_weights(starts, size, side)
    np.testing.assert_allclose(weights.sum(0), 1.0, atol=1e-6)
    assert weights.min() >= -1e-6
    for start, weight in zip(starts, weights, strict=True):
        assert np.abs(weight[:start]).max(initial=0) < 1e-6 and np.abs(weight[start + size :]).max(initial=0) < 1e-6
    picture = np.random.default_rng(3).random((side, side, 3), np.float32)
    np.testing.assert_allclose(join(split(picture, starts, size), starts, side), picture, atol=1e-6)


def test_what_differs_from_tile_to_tile_makes_no_step():
    """A bias of one for every other tile rises no faster than over its overlap."""
    side, size = 384, 96
    starts = tile_starts(side, size)
    bias = [np.full((size, size, 3), (row + column) % 2, np.float32)
            for row in range(len(starts)) for column in range(len(starts))]  # fmt: skip
    whole = join(np.stack(bias), starts, side)
    assert whole.min() < 0.01 and whole.max() > 0.99
    steps = max(np.abs(np.diff(whole, axis=axis)).max() for axis in (0, 1))
    # A smoothstep over an eighth of a tile or more is at its steepest one and a half times as steep as a ramp.
    assert steps < 1.6 / (size / 8)


def test_a_big_face_is_one_batch_of_tiles_that_change_nothing(stage, monkeypatch):
    batches = []
    once = type(open_named("small", "enhancer")).enhance
    monkeypatch.setattr(
        type(open_named("small", "enhancer")), "enhance",
        lambda network, pictures, weight: batches.append(len(pictures)) or once(network, pictures, weight),
    )  # fmt: skip
    manifest = known()["inswapper_128"]
    more = tiny.SOURCE * swapped.told(manifest, stage.reference)
    before, after, matte = stage.render("inswapper_128", "network.enhancer=small", "network.boost=2")
    face, _ = swapped.expected(stage, manifest, before, more)
    whole = matte > 0.999
    assert np.abs(after - face)[whole].max() < STEP
    (count,) = batches
    assert count >= 9 and round(count**0.5) ** 2 == count


def test_no_grid_is_seen_where_tiles_differ(stage):
    """Each tile of this one is darker on its left than on its right: the steps between them are spread out."""
    _, same, matte = stage.render("inswapper_128", "network.boost=2", "network.enhancer=small")
    _, tilted, _ = stage.render("inswapper_128", "network.boost=2", "network.enhancer=tilted")
    change, whole = tilted - same, matte > 0.999
    assert np.ptp(change[whole]) > 0.08
    for axis in (0, 1):
        both = whole & np.roll(whole, 1, axis)
        # From one tile to the next the change is over 0.1; spread out, it takes at least a dozen pixels.
        assert np.abs(change - np.roll(change, 1, axis))[both].max() < 0.02


def test_an_enhancer_that_is_another_kind_of_model_or_not_there_is_refused(stage):
    identity = [Identity([stage.reference], "digest")]
    for name, part in (("inswapper_128", "family embedding"), ("nothing", "no model called")):
        shot = Shot(swapper="person", replace=(Replace(identity="x"),), network=Network(enhancer=name))
        with pytest.raises(ModelError, match=part):
            Renderer(shot, stage.tracks, stage.plate.color, identity)


def test_the_mesh_swapper_has_no_use_for_it(stage):
    """Its patch is made from photographs, which are as fine as the plate: these settings are the networks'."""
    frames = []
    for settings in (Network(), Network(enhancer="nothing", detail=1.0)):
        frame, shot = stage.plate.read(1), Shot(replace=(Replace(identity="x"),), network=settings)
        renderer = Renderer(shot, stage.tracks, stage.plate.color, [Identity([stage.reference], "")])
        assert renderer.render(frame).faces == 1
        frames.append(frame.rgb(frame.data_window))
    np.testing.assert_array_equal(*frames)
