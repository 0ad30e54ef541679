"""What a network is fed with: its own type, at once, and nothing that was copied twice."""

import msgspec
import numpy as np
import pytest

from engine.models.locate import open_named
from engine.models.manifest import Manifest, known
from engine.models.session import Model

pytest.importorskip("onnx", reason="needs onnx to write a model")
from tests.swappers import tiny_networks as tiny


def half(manifest: Manifest, name: str) -> Manifest:
    ports = [tuple(msgspec.structs.replace(port, type="float16") for port in each)
             for each in (manifest.inputs, manifest.outputs)]  # fmt: skip
    return msgspec.structs.replace(manifest, name=name, inputs=ports[0], outputs=ports[1])


@pytest.fixture
def network(tmp_path, monkeypatch):
    monkeypatch.setenv("FACEPLATE_MODELS", str(tmp_path))
    manifest = half(known()["simswap_256"], "halves")
    graph = tiny.Graph()
    graph.add("Identity", "target", name="result")
    shape = (1, 3, 256, 256)
    content = graph.model(
        [("target", shape, "float16"), ("source", (1, 512), "float16")], [("result", shape, "float16")]
    )
    tiny.install(tmp_path, "halves", content, manifest)
    return open_named("halves", "embedding")


def test_a_half_network_is_fed_halves_as_they_were_made(network, monkeypatch):
    fed, once = [], Model.run
    monkeypatch.setattr(Model, "run", lambda model, feeds: fed.append(feeds) or once(model, feeds))
    pictures = np.random.default_rng(1).random((1, 256, 256, 3), np.float32)
    target = network.target(pictures)
    assert target.dtype == np.float16 and target.flags.c_contiguous
    result = network.run({"target": target, "source": np.zeros((1, 512), np.float32)})["face"]
    assert np.shares_memory(fed[0]["target"], target)
    mean, std = (np.array(each, np.float32) for each in (network.manifest.mean, network.manifest.std))
    expected = ((pictures - mean) / std).transpose(0, 3, 1, 2).astype(np.float16)
    assert result.dtype == np.float32
    np.testing.assert_array_equal(result, expected)


@pytest.mark.parametrize(("layout", "channels"), [("nchw", "rgb"), ("nchw", "bgr"), ("nhwc", "bgr")])
def test_a_target_is_contiguous_in_every_order_of_axes_and_colours(network, layout, channels):
    network.manifest = msgspec.structs.replace(
        network.manifest, layout=layout, channels=channels, mean=(0.1, 0.2, 0.3), std=(0.5, 0.6, 0.7),
        inputs=known()["simswap_256"].inputs,
    )  # fmt: skip
    pictures = np.random.default_rng(2).random((2, 8, 8, 3), np.float32)
    shown = pictures[..., ::-1] if channels == "bgr" else pictures
    expected = (shown - np.array([0.1, 0.2, 0.3], np.float32)) / np.array([0.5, 0.6, 0.7], np.float32)
    target = network.target(pictures)
    assert target.dtype == np.float32 and target.flags.c_contiguous
    np.testing.assert_array_equal(target, expected if layout == "nhwc" else expected.transpose(0, 3, 1, 2))
