"""The plate's skin texture on a softer patch: by the amount, in its band alone, without edges and without more grain.

The plate is drawn: skin with pores of random waves, whose place is known to a fraction of a pixel, dark features where
the mesh has them, and a hair across a cheek.
"""

import msgspec
import numpy as np
import pytest

from engine.faces.mesh import face_width
from engine.geometry import Box
from engine.models.catalogue import canonical_mesh
from engine.models.manifest import Port
from engine.plates.frame import Frame
from engine.plates.plate import Plate
from engine.plates.write import write_frame
from engine.swappers import atlas
from engine.swappers.detail_return import band, return_detail
from kernels.blur import gaussian
from kernels.grain_measure import measure_grain
from kernels.match import FLOOR
from kernels.mesh import rasterize
from kernels.view import exposed, make_view, seen_of_exposed

SIZE = (520, 480)
# Plate pixels for one of the network's: it makes no wave shorter than eight.
PIXEL = 4.0
VIEW = make_view()
SKIN = np.array([0.34, 0.24, 0.19], np.float32)
CHEEK = (slice(300, 364), slice(124, 188))

_random = np.random.default_rng(11)
_turn = _random.uniform(0, 2 * np.pi, 160)
# Pores are waves of 2.5 to 5 pixels.
_length = _random.uniform(2.5, 5.0, 160)
WAVES = np.stack([np.cos(_turn) / _length, np.sin(_turn) / _length], axis=1)
PHASES = _random.uniform(0, 2 * np.pi, 160)


def pores(shift):
    """Texture in log light (h, w), deviation 0.03, that lies `shift` (x, y) further."""
    y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] + 0.5
    total = sum(np.cos(2 * np.pi * (fx * (x - shift[0]) + fy * (y - shift[1])) + phase)
                for (fx, fy), phase in zip(WAVES, PHASES, strict=True))  # fmt: skip
    return (0.03 * total / np.sqrt(80)).astype(np.float32)


class Drawn:
    """A face as a plate, with and without its pores, and a patch: the skin alone, its features somewhere else."""

    def __init__(self, shift=(0.0, 0.0), hair=True, features=True):
        vertices = canonical_mesh().vertices.astype(np.float64) * [26.0, -26.0, -26.0]
        self.mesh = vertices + [240.0 + shift[0], 260.0 + shift[1], 0.0]
        raster = rasterize(self.mesh, canonical_mesh().triangles, canonical_mesh().uv, SIZE)
        raster.attributes[~raster.covered] = np.nan
        self.texture = raster.attributes
        self.regions = regions = atlas.regions(self.texture)
        shade = np.zeros(SIZE, np.float32)
        if features:
            for field, depth in ((regions.eyes, 1.2), (regions.brows, 1.0), (regions.lips, 0.6), (regions.nostrils, 1)):
                shade -= depth * (field > 0)
        self.features = gaussian(shade, 0.7)
        if hair:
            y, x = np.mgrid[0 : SIZE[0], 0 : SIZE[1]] + 0.5
            away = (x - shift[0] - 320) * 0.94 + (y - shift[1] - 330) * 0.34
            self.features = self.features - 0.25 * np.exp(-0.5 * (away / 1.0) ** 2).astype(np.float32)
        self.plain = SKIN * np.exp(self.features)[..., None]
        self.light = np.asarray(self.plain * np.exp(pores(shift))[..., None], np.float32)
        moved = np.roll(np.roll(self.plain, 14, axis=0), -11, axis=1)
        self.patch = seen_of_exposed(gaussian(np.ascontiguousarray(moved, np.float32), PIXEL), VIEW)

    def back(self, amount, light=None, pixel=PIXEL):
        light = self.light if light is None else light
        width = face_width(self.mesh)
        return return_detail(light, self.patch, self.texture, VIEW, pixel, width, amount)

    def change(self, returned):
        """What came back, in log light (h, w, 3)."""
        before, after = (np.log(exposed(pixels, VIEW) + FLOOR) for pixels in (self.patch, returned.pixels))
        return after - before


@pytest.fixture(scope="module")
def drawn():
    return Drawn()


def powers(picture):
    """The spectrum of a square's middle, and each entry's frequency in cycles per pixel."""
    side = len(picture)
    window = np.hanning(side)[:, None] * np.hanning(side)
    down, across = np.fft.fftfreq(side)[:, None], np.fft.fftfreq(side)[None]
    return np.abs(np.fft.fft2(picture * window)) ** 2, np.hypot(down, across)


@pytest.mark.parametrize("amount", [0.5, 1.0])
def test_texture_comes_back_by_the_amount_in_its_band_alone(drawn, amount):
    change = drawn.change(drawn.back(amount))[..., 1]
    came, frequency = powers(change[CHEEK])
    own, _ = powers(pores((0, 0))[CHEEK])
    # The network's Nyquist frequency, and one and a half octaves above it.
    nyquist = 0.5 / PIXEL
    high, low = frequency > 2.6 * nyquist, frequency < nyquist
    assert np.sqrt(came[high].sum() / own[high].sum()) == pytest.approx(amount, rel=0.15)
    flat = np.exp(_random.standard_normal(SIZE).astype(np.float32) * 0.03)[..., None] * drawn.plain
    noisy, _ = powers(drawn.change(drawn.back(amount, np.asarray(flat, np.float32)))[..., 1][CHEEK])
    white, _ = powers(np.log(flat / drawn.plain)[..., 1][CHEEK])
    # Of white noise, which has as much below that frequency as above it, nothing below it comes.
    assert noisy[low].sum() < 0.01 * white[low].sum()
    assert noisy[high].sum() > 0.6 * amount**2 * white[high].sum()


def test_no_edge_of_a_feature_or_a_hair_comes_through(drawn):
    change = drawn.change(drawn.back(1.0))[..., 1]
    regions = drawn.regions
    for field, reach in ((regions.eyes, 0.03), (regions.brows, 0.02), (regions.lips, 0.01), (regions.nostrils, 0.01)):
        assert np.abs(change[field > -reach]).max() < 1e-5
    assert np.abs(change[regions.hull < 0.02]).max() < 1e-5
    features = Drawn(hair=False).features
    edges, hair = (
        band(np.ascontiguousarray(each[..., None]), 0.36 * PIXEL)[..., 0]
        for each in (features, drawn.features - features)
    )
    assert abs((change * edges).sum() / (edges * edges).sum()) < 0.005
    # The hair lies on the open skin of a cheek, where only its being long keeps it out.
    hair[:290], hair[370:] = 0.0, 0.0
    assert (hair**2).sum() > 0.3
    assert abs((change * hair).sum() / (hair * hair).sum()) < 0.1
    assert (change[CHEEK] ** 2).mean() ** 0.5 > 0.01


def test_what_has_no_share_is_the_patch_to_the_bit(drawn):
    returned = drawn.back(0.7)
    nothing = returned.share == 0.0
    assert nothing.any() and not nothing.all() and returned.share.max() <= 0.7
    np.testing.assert_array_equal(returned.pixels[nothing], drawn.patch[nothing])


def test_nothing_comes_back_unasked_or_to_a_patch_as_fine_as_the_plate(drawn):
    assert drawn.back(0.0) is None
    assert drawn.back(1.0, pixel=1.0) is None
    assert drawn.back(1.0, pixel=0.4) is None
    nearly = drawn.back(1.0, pixel=1.01)
    far = drawn.back(1.0)
    # It comes in gradually as the face grows.
    assert np.abs(drawn.change(nearly)).max() < 0.5 * np.abs(drawn.change(far)).max()


@pytest.mark.parametrize("matte", [1.0, 0.5])
def test_the_plates_grain_is_not_doubled(matte):
    drawn = Drawn(hair=False, features=False)
    skin = (drawn.regions.hull > 0.1) & (drawn.regions.eyes < -0.1) & (drawn.regions.lips < -0.06)
    skin &= (drawn.regions.brows < -0.07) & (drawn.regions.nostrils < -0.06)
    noise = np.random.default_rng(5).standard_normal((2, *SIZE, 3)).astype(np.float32) * 0.006
    plate = np.asarray(drawn.plain + noise[0], np.float32)
    returned = drawn.back(1.0, plate)
    assert returned is not None
    cover = np.full(SIZE, matte, np.float32)
    # As `synthesize_grain` makes it under a matte.
    made = noise[1] * np.float32(np.sqrt((2 - matte) / matte))

    def level(grain):
        result = plate + matte * (exposed(returned.pixels, VIEW) + grain - plate)
        variance = measure_grain(np.asarray(result, np.float32), skin.astype(np.float32)).variance
        return np.sqrt((variance * SKIN[:, None] ** np.arange(3)).sum(1)).mean()

    usual = measure_grain(plate, skin.astype(np.float32)).variance
    usual = np.sqrt((usual * SKIN[:, None] ** np.arange(3)).sum(1)).mean()
    assert usual == pytest.approx(0.006, rel=0.1)
    assert level(returned.rest_of_grain(made, cover)) == pytest.approx(usual, rel=0.12)
    assert level(made) > 1.2 * usual


def test_texture_sticks_to_a_face_that_moves_by_parts_of_a_pixel():
    changes = []
    for shift in ((0.0, 0.0), (0.3, 0.15), (0.6, 0.3)):
        moved = Drawn(shift)
        change = moved.change(moved.back(1.0))[..., 1]
        down, across = np.fft.fftfreq(SIZE[0])[:, None], np.fft.fftfreq(SIZE[1])[None]
        turned = np.fft.fft2(change) * np.exp(2j * np.pi * (across * shift[0] + down * shift[1]))
        changes.append(np.fft.ifft2(turned).real)
    strength = np.sqrt((changes[0] ** 2).mean())
    for change in changes[1:]:
        assert np.sqrt(((change - changes[0]) ** 2).mean()) < 0.12 * strength


def test_a_whole_frame_has_texture_and_the_plates_grain_and_no_more(tmp_path, monkeypatch, hopper_reference):
    """A network of 64 pixels that gives back what it is shown, through the renderer, on a grainy plate in a file."""
    pytest.importorskip("onnx", reason="needs onnx to write a model")
    import test_network_swappers as swapped

    from tests.swappers import tiny_networks as tiny

    monkeypatch.setenv("FACEPLATE_MODELS", str(tmp_path))
    (port,) = (port for port in swapped.DFM.inputs if port.role == "target")
    inputs = (msgspec.structs.replace(port, shape=("N", 64, 64, 3)),)
    face = Port(role="face", name="same", shape=("N", 64, 64, 3))
    same = msgspec.structs.replace(swapped.DFM, name="same", size=64, inputs=inputs, outputs=(face,))
    graph = tiny.Graph()
    graph.add("Identity", port.name, name="same")
    ports = [(name, ("N", 64, 64, 3), "float") for name in (port.name, "same")]
    tiny.install(tmp_path, "same", graph.model(ports[:1], ports[1:]), same)
    stage = swapped.Stage(tmp_path, hopper_reference)
    noise = np.random.default_rng(9).standard_normal((*swapped.SIZE, 3)).astype(np.float32) * 0.008
    light = SKIN + noise
    whole = Box(0, 0, swapped.SIZE[1], swapped.SIZE[0])
    frame = Frame.new(1, {n: np.ascontiguousarray(light[..., i]) for i, n in enumerate("RGB")}, whole, whole)
    write_frame(frame, tmp_path / "plate.0001.exr")
    stage.plate = Plate.open(tmp_path / "plate.0001.exr")
    plain = ("composite.grain=1", "match.sharpness=0")
    results = {}
    for detail in (0, 1):
        before, after, matte = stage.render("same", *plain, f"network.detail={detail}")
        results[detail] = exposed(np.ascontiguousarray(after), VIEW) - SKIN
    inside = matte > 0.999
    inside = np.ascontiguousarray(inside & (atlas.picture_regions(stage.mesh, swapped.SIZE).inner_face > -0.05))
    own = exposed(np.ascontiguousarray(before), VIEW) - SKIN
    assert own[inside].std() == pytest.approx(0.008, rel=0.1)
    for result in results.values():
        assert result[inside].std() == pytest.approx(own[inside].std(), rel=0.12)
    # With it, much of that grain is the plate's own; without it none is.
    alike = [np.corrcoef(own[inside].ravel(), results[detail][inside].ravel())[0, 1] for detail in (0, 1)]
    assert abs(alike[0]) < 0.35 and alike[1] > alike[0] + 0.25
