"""What an artist sets acts on a network's face as on the built-in swapper's."""

import numpy as np
import pytest
from test_network_swappers import DFM, STEP, Stage, expected

from engine.swappers.atlas import picture_regions
from engine.swappers.hull import matte_blur
from kernels.view import exposed, make_view, seen_of_exposed

pytest.importorskip("onnx", reason="needs onnx to write a model")
from tests.swappers import tiny_networks as tiny

BOTH = ("network.morph=0.5", "network.boost=2")


@pytest.fixture(scope="module")
def stage(tmp_path_factory, hopper_reference):
    return Stage(tmp_path_factory.mktemp("stage"), hopper_reference)


@pytest.fixture(autouse=True)
def installed(tmp_path, monkeypatch):
    tiny.install(tmp_path, "person", manifest=DFM)
    tiny.install(tmp_path, "uniface_256")
    monkeypatch.setenv("FACEPLATE_MODELS", str(tmp_path))


@pytest.mark.parametrize("stops", [-1.0, 0.5])
def test_exposure_is_in_stops_of_the_new_faces_light(stage, stops):
    before, after, matte = stage.render("person", *BOTH, f"match.exposure={stops}")
    answer = expected(stage, DFM, before, 0.5 * tiny.MORPH)[0].astype(np.float32)
    answer = seen_of_exposed(exposed(answer, make_view()) * np.float32(2.0**stops), make_view())
    whole = matte > 0.999
    assert whole.sum() > 4000
    assert np.abs(after - answer)[whole].max() < STEP


@pytest.mark.parametrize(("setting", "region"), [("network.eyes", "eyes"), ("network.mouth", "inner_lips")])
@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_the_plates_own_eyes_and_mouth_are_kept_where_that_is_asked_for(stage, setting, region, amount):
    *_, without = stage.render("uniface_256")
    *_, matte = stage.render("uniface_256", f"{setting}={amount}")
    inside = getattr(picture_regions(stage.mesh, matte.shape), region)
    width = np.ptp(stage.mesh[:468, 0])
    deep, beyond = inside >= 0.5 * inside.max(), inside < -(0.03 + 4.0 * matte_blur(width) / width)
    assert without[deep].min() > 0.9
    assert matte[deep].mean() == pytest.approx((1.0 - amount) * without[deep].mean(), abs=0.2)
    assert matte[deep].mean() < without[deep].mean() - 0.3
    np.testing.assert_allclose(matte[beyond], without[beyond], atol=2e-3)


@pytest.mark.parametrize(
    "setting", ["match.amount=1", "match.contrast=1", "composite.grain=1", "composite.opacity=0.5"]
)
def test_each_of_the_others_changes_the_face_and_nothing_beside_it(stage, setting):
    # Contrast is a part of the colour's match.
    basis = ("network.morph=0.5", *(("match.amount=1",) if "contrast" in setting else ()))
    before, plain, _ = stage.render("person", *basis)
    _, after, matte = stage.render("person", *basis, setting)
    assert (after != plain)[matte > 0.4].any()
    np.testing.assert_array_equal(after[matte == 0.0], before[matte == 0.0])
