"""Pass 2 on a real face in awkward plates: overscan, cuts by the frame's border, alpha, highlights, other primaries."""

import shutil
from pathlib import Path
from typing import Any

import colour
import cv2
import matplotlib
import msgspec
import numpy as np
import pytest
import skimage.data

from engine.faces.analyse import analyse_picture
from engine.faces.tracks import Track, Tracks
from engine.geometry import Box
from engine.plates.frame import Frame
from engine.plates.plate import Plate
from engine.plates.write import write_frame
from engine.recipe import with_settings
from engine.render import Renderer
from engine.shot import Key, Output, Replace, Shot, Solve
from engine.solve import solve

# The astronaut's head, and how much larger than the photo it is on the plate.
HEAD, SCALE = (slice(0, 240), slice(110, 340)), 2.0
LAYERS = ("patch", "matte", "stmap")
OVERSCAN = 9


def linear(picture):
    signal = picture.astype(np.float32) / 255.0
    return np.where(signal <= 0.04045, signal / 12.92, ((signal + 0.055) / 1.055) ** 2.4).astype(np.float32)


@pytest.fixture(scope="module")
def light():
    """(480, 460, 3) scene-linear Rec.709, with a little grain."""
    head = cv2.resize(linear(skimage.data.astronaut())[HEAD], None, fx=SCALE, fy=SCALE, interpolation=cv2.INTER_CUBIC)
    return (np.maximum(head, 0.0) + np.random.default_rng(0).normal(0.0, 0.004, head.shape)).astype(np.float32)


def make_frame(light, window=None, number=1, dtype: Any = np.float16, alpha=None, header=None):
    window = Box(0, 0, light.shape[1], light.shape[0]) if window is None else window
    channels = {name: light[..., index].astype(dtype) for index, name in enumerate("RGB")}
    if alpha is not None:
        channels["A"] = alpha.astype(dtype)
    channels["id"] = np.arange(light.shape[0] * light.shape[1], dtype=np.uint32).reshape(light.shape[:2])
    return Frame.new(number, channels, Box(0, 0, 400, 400), window, header)


class Job:
    """A plate of one frame on disk, solved once."""

    def __init__(self, folder, frame, identity):
        write_frame(frame, folder / "sh.0001.exr")
        self.plate = Plate.open(folder / "sh.0001.exr")
        self.tracks = solve(self.plate, Solve(), lambda event: None, lambda: False)
        self.shot = Shot(replace=(Replace(identity=str(identity)),), output=Output(path="out", layers=LAYERS))

    def render(self, *settings, change=lambda frame: None):
        """The frame before and after, with `change` made to both, and the report."""
        shot = with_settings(self.shot, list(settings))
        before, after = (self.plate.read(1) for _ in range(2))
        for frame in (before, after):
            change(frame)
        report = Renderer(shot, self.tracks, self.plate.color).render(after)
        return before, after, report


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    folder = tmp_path_factory.mktemp("grace")
    shutil.copy(Path(matplotlib.get_data_path()) / "sample_data" / "grace_hopper.jpg", folder)
    return folder


@pytest.fixture(scope="module")
def job(tmp_path_factory, light, identity):
    window = Box(-OVERSCAN, -OVERSCAN, light.shape[1] - OVERSCAN, light.shape[0] - OVERSCAN)
    alpha = np.ones(light.shape[:2], np.float32)
    return Job(tmp_path_factory.mktemp("plate"), make_frame(light, window, alpha=alpha), identity)


def pixels(frame):
    return np.stack([frame.channels[name] for name in frame.picture], axis=2).astype(np.float32)


def matte_of(frame):
    return frame.added["matte.V"].astype(np.float32)


def test_only_the_matte_is_touched(job):
    before, after, report = job.render()
    assert report.faces == 1
    outside = matte_of(after) == 0.0
    assert report.pixels["written"] == np.count_nonzero(~outside)
    assert report.pixels["not_finite"] == 0
    for name, channel in before.channels.items():
        np.testing.assert_array_equal(after.channels[name][outside].view(np.uint8), channel[outside].view(np.uint8))
    for name in ("A", "id"):
        np.testing.assert_array_equal(after.channels[name], before.channels[name])
    assert (pixels(after) != pixels(before))[matte_of(after) > 0.5].mean() > 0.9


def test_the_face_is_another_and_lies_where_it_was(job):
    from kernels.view import make_view, view

    before, after, _ = job.render()
    model_view = make_view(None, job.tracks.exposure)
    (old,), (new,) = (analyse_picture(view(pixels(frame), model_view)) for frame in (before, after))
    person = Renderer(job.shot, job.tracks, job.plate.color).identities[0].embedding
    gain = np.linalg.norm(old.embedding - person) - np.linalg.norm(new.embedding - person)
    assert gain > 0.15
    assert np.abs(old.mesh - new.mesh)[[33, 133, 263, 362], :2].max() < 4.0


def test_the_layers_make_the_result(job):
    before, after, _ = job.render()
    matte = matte_of(after)[..., None]
    patch = np.stack([after.added[f"patch.{name}"] for name in "RGB"], axis=2).astype(np.float32)
    rebuilt = pixels(before) + matte * (patch - pixels(before))
    np.testing.assert_allclose(rebuilt, pixels(after), atol=4e-3, rtol=4e-3)
    covered = after.added["patch.A"].astype(np.float32)
    np.testing.assert_array_equal(covered > 0.0, matte[..., 0] > 0.0)


def test_the_st_map_holds_the_canonical_texture(job):
    from engine.models.catalogue import canonical_mesh

    _, after, _ = job.render("mesh.shape=0")
    mesh = job.tracks.tracks[0].at(1).mesh
    for point in (4, 50, 280, 152 - 1):
        x, y = (mesh[point, :2] + OVERSCAN).astype(int)
        u, v = canonical_mesh().uv[point]
        assert after.added["stmap.R"][y, x] == pytest.approx(u, abs=0.02)
        assert after.added["stmap.G"][y, x] == pytest.approx(1.0 - v, abs=0.02)


def test_a_highlight_and_what_is_not_finite_survive_in_the_face(job):
    mesh = job.tracks.tracks[0].at(1).mesh
    hot, broken = ((mesh[point, :2] + OVERSCAN).astype(int) for point in (50, 280))

    def change(frame):
        for name in frame.picture:
            frame.channels[name][hot[1], hot[0]] = 20.0
            frame.channels[name][broken[1], broken[0]] = np.inf
        frame.channels["R"][broken[1] + 2, broken[0]] = np.nan

    before, after, _ = job.render(change=change)
    assert matte_of(after)[hot[1], hot[0]] > 0.5
    assert (pixels(after)[hot[1], hot[0]] > 10.0).all()
    np.testing.assert_array_equal(np.isnan(pixels(after)), np.isnan(pixels(before)))
    np.testing.assert_array_equal(np.isinf(pixels(after)), np.isinf(pixels(before)))


def test_the_data_window_moves_nothing(job, light, identity, tmp_path):
    """The same picture with another data window: the same pixels come out."""
    _, after, _ = job.render()
    window = Box(-OVERSCAN, -OVERSCAN, light.shape[1] - OVERSCAN - 3, light.shape[0] - OVERSCAN - 5)
    smaller = make_frame(light[:-5, :-3], window, alpha=np.ones((light.shape[0] - 5, light.shape[1] - 3)))
    other = Renderer(job.shot, job.tracks, job.plate.color)
    other.render(smaller)
    np.testing.assert_array_equal(pixels(smaller), pixels(after)[:-5, :-3])


def test_a_face_cut_by_the_frames_border_is_replaced_as_far_as_it_is_there(job, light):
    cut = int(job.tracks.tracks[0].at(1).mesh[4, 0] + OVERSCAN)
    half = make_frame(light[:, :cut], Box(-OVERSCAN, -OVERSCAN, cut - OVERSCAN, light.shape[0] - OVERSCAN))
    before = pixels(half).copy()
    report = Renderer(job.shot, job.tracks, job.plate.color).render(half)
    assert report.faces == 1
    assert (pixels(half) != before).any(axis=2)[:, -3:].any()
    assert np.isfinite(pixels(half)).all()


def test_a_face_outside_the_picture_is_none(job, light):
    corner = make_frame(light[:20, :20], Box(-OVERSCAN, -OVERSCAN, 20 - OVERSCAN, 20 - OVERSCAN))
    before = pixels(corner).copy()
    assert Renderer(job.shot, job.tracks, job.plate.color).render(corner).faces == 0
    np.testing.assert_array_equal(pixels(corner), before)
    assert matte_of(corner).max() == 0.0


def test_half_an_alpha_is_half_the_light(job, light):
    window = Box(-OVERSCAN, -OVERSCAN, light.shape[1] - OVERSCAN, light.shape[0] - OVERSCAN)
    alpha = np.full(light.shape[:2], 0.5, np.float32)
    full = make_frame(light, window, dtype=np.float32, alpha=np.ones_like(alpha))
    thin = make_frame(light * 0.5, window, dtype=np.float32, alpha=alpha)
    for frame in (full, thin):
        Renderer(job.shot, job.tracks, job.plate.color).render(frame)
    np.testing.assert_allclose(pixels(thin) * 2.0, pixels(full), atol=2e-5)


def test_a_plate_in_acescg_gets_the_same_face(job, light, identity, tmp_path):
    to_acescg = colour.matrix_RGB_to_RGB("sRGB", "ACEScg", chromatic_adaptation_transform="Bradford")
    header = {"chromaticities": (0.713, 0.293, 0.165, 0.83, 0.128, 0.044, 0.32168, 0.33767)}
    window = Box(-OVERSCAN, -OVERSCAN, light.shape[1] - OVERSCAN, light.shape[0] - OVERSCAN)
    wide = (light @ to_acescg.T).astype(np.float32)
    frame = make_frame(wide, window, dtype=np.float32, header=header)
    write_frame(frame, tmp_path / "aces.0001.exr")
    plate = Plate.open(tmp_path / "aces.0001.exr")
    plain = make_frame(light, window, dtype=np.float32)
    Renderer(job.shot, job.tracks, job.plate.color).render(plain)
    aces = plate.read(1)
    Renderer(job.shot, job.tracks, plate.color).render(aces)
    back = pixels(aces) @ np.linalg.inv(to_acescg).T
    difference = np.abs(back - pixels(plain))[matte_of(plain) > 0.0]
    assert np.median(difference) < 2e-3 and np.quantile(difference, 0.99) < 0.03


def test_opacity_zero_leaves_the_plate(job):
    before, after, _ = job.render("composite.opacity=0")
    np.testing.assert_array_equal(pixels(after), pixels(before))


@pytest.mark.parametrize(
    ("setting", "values", "between"),
    [
        ("composite.opacity", (0.2, 0.8), 0.5),
        ("view.exposure", (0.5, 2.5), 1.5),
        ("mesh.shape", (0.0, 1.0), 0.5),
        ("match.exposure", (-1.0, 2.0), 0.5),
    ],
)
def test_a_frame_between_two_keys_is_that_of_a_recipe_without_keys(job, setting, values, between):
    keys = tuple(Key(setting=setting, frame=2 * place, value=value) for place, value in enumerate(values))
    keyed = msgspec.structs.replace(job.shot, key=keys)
    frame = job.plate.read(1)
    Renderer(keyed, job.tracks, job.plate.color).render(frame)
    _, still, _ = job.render(f"{setting}={between}")
    _, plain, _ = job.render()
    np.testing.assert_array_equal(pixels(frame), pixels(still))
    assert (pixels(frame) != pixels(plain)).any()


def test_faces_that_overlap_and_broken_pixels_recomp_from_the_layers(job, light, identity):
    """The same face twice, the second a little to the side: its layers lie over the first one's."""
    first = job.tracks.tracks[0]
    second = msgspec.structs.replace(first, id=1, person=1, mesh=first.mesh + np.array([30.0, 12.0, 0.0], np.float32))
    tracks = msgspec.structs.replace(job.tracks, tracks=(first, second))
    shot = with_settings(job.shot, ["replace.face=all"])
    frame, before = (job.plate.read(1) for _ in range(2))
    for plate in (frame, before):
        plate.channels["R"][3, 4], plate.channels["G"][5, 6] = np.nan, np.inf
    assert Renderer(shot, tracks, job.plate.color).render(frame).faces == 2
    matte = matte_of(frame)[..., None]
    patch = np.stack([frame.added[f"patch.{name}"] for name in "RGB"], axis=2).astype(np.float32)
    assert np.isfinite(patch).all()
    changed = (pixels(frame) != pixels(before)).any(axis=2) & np.isfinite(pixels(before)).all(axis=2)
    assert (matte[..., 0][changed] > 0.0).all()
    plate, added = pixels(before)[changed], (matte * patch)[changed]
    rebuilt = plate * (1.0 - matte[changed]) + added
    np.testing.assert_allclose(rebuilt, pixels(frame)[changed], atol=8e-3, rtol=8e-3)


def test_light_where_alpha_is_zero_is_nobodys(job, light):
    window = Box(-OVERSCAN, -OVERSCAN, light.shape[1] - OVERSCAN, light.shape[0] - OVERSCAN)
    alpha = np.ones(light.shape[:2], np.float32)
    alpha[:, : light.shape[1] // 2] = 0.0
    frame = make_frame(light, window, dtype=np.float32, alpha=alpha)
    before = pixels(frame).copy()
    Renderer(job.shot, job.tracks, job.plate.color).render(frame)
    np.testing.assert_array_equal(pixels(frame)[alpha == 0.0], before[alpha == 0.0])
    assert matte_of(frame)[alpha == 0.0].max() == 0.0
    assert frame.added["patch.R"].max() < 10.0


def test_grain_is_new_in_every_frame_and_the_same_for_the_same(job, light):
    window = Box(-OVERSCAN, -OVERSCAN, light.shape[1] - OVERSCAN, light.shape[0] - OVERSCAN)
    first = job.tracks.tracks[0]
    geometry = first.at(1)
    track = Track(
        id=first.id,
        person=first.person,
        frames=np.array([1, 2], np.int32),
        mesh=np.stack([geometry.mesh] * 2).astype(np.float32),
        pose=np.stack([geometry.pose] * 2).astype(np.float32),
        confidence=np.ones(2, np.float32),
        identity=first.identity,
        bridged=np.zeros(2, bool),
    )
    tracks = Tracks(
        plate=job.tracks.plate,
        frames=(1, 2),
        size=job.tracks.size,
        exposure=job.tracks.exposure,
        cuts=(),
        tracks=(track,),
    )
    renderer = Renderer(job.shot, tracks, job.plate.color)
    frames = [make_frame(light, window, number=number, dtype=np.float32) for number in (1, 2, 1)]
    for frame in frames:
        renderer.render(frame)
    one, two, again = (pixels(frame) for frame in frames)
    np.testing.assert_array_equal(one, again)
    inside = matte_of(frames[0]) > 0.9
    assert 0.002 < (one - two)[inside].std() / np.sqrt(2.0) < 0.012


def test_two_people_are_both_replaced(light, identity, tmp_path):
    pair = np.concatenate([light, light[:, ::-1]], axis=1)
    frame = make_frame(np.ascontiguousarray(pair), Box(0, 0, pair.shape[1], pair.shape[0]))
    both = Job(tmp_path, frame, identity)
    both.shot = Shot(replace=(Replace(identity=str(identity), face="all"),), output=both.shot.output)
    before, after, report = both.render()
    assert report.faces == 2
    middle = light.shape[1]
    changed = (pixels(after) != pixels(before)).any(axis=2)
    assert changed[:, :middle].mean() > 0.05 and changed[:, middle:].mean() > 0.05
