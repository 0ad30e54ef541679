"""Keys: what a setting is between them, and which are refused."""

import tomllib
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.interpolate import CubicHermiteSpline, PchipInterpolator

from engine import recipe
from engine.errors import RecipeError
from engine.keys import Keys
from engine.portable import digest
from engine.settings import settings
from engine.shot import Composite, Key, Match, Mesh, Shot, View

OPACITY = "composite.opacity"


def keyed(points: dict[int, float], setting: str = OPACITY, **options: Any) -> Shot:
    return Shot(key=tuple(Key(setting=setting, frame=frame, value=value, **options) for frame, value in points.items()))


def opacities(shot: Shot, frames: range) -> list[float]:
    keys = Keys(shot)
    return [keys.at(frame).composite.opacity for frame in frames]


def test_it_stays_before_the_first_and_after_the_last():
    found = opacities(keyed({1003: 0.75, 1001: 0.25}), range(900, 1101))
    assert found[:102] == [0.25] * 102 and found[103:] == [0.75] * 98


def test_in_a_straight_line():
    assert opacities(keyed({1000: 0.0, 1010: 1.0}, interpolation="linear"), range(1000, 1011)) == pytest.approx(
        np.linspace(0.0, 1.0, 11)
    )


def test_not_until_the_next():
    assert opacities(keyed({1: 0.0, 4: 1.0, 5: 0.5}, interpolation="hold"), range(1, 7)) == [0, 0, 0, 1, 0.5, 0.5]


def test_smoothly_is_scipy_s_monotone_cubic_with_level_ends():
    points = {1: 0.1, 5: 0.2, 8: 0.9, 20: 0.95, 23: 0.4, 30: 0.4, 36: 0.0}
    frames, values = list(points), list(points.values())
    slopes = PchipInterpolator(frames, values).derivative()(frames)
    slopes[[0, -1]] = 0.0
    expected = CubicHermiteSpline(frames, values, slopes)(range(1, 37))
    np.testing.assert_allclose(opacities(keyed(points), range(1, 37)), expected, atol=1e-12)


def test_each_key_says_how_it_goes_on():
    one, two, three = keyed({0: 0.0, 4: 1.0, 8: 0.0}).key
    ways = (("hold", one), ("linear", two), ("smooth", three))
    shot = Shot(key=tuple(msgspec.structs.replace(key, interpolation=way) for way, key in ways))
    assert opacities(shot, range(9)) == [0.0, 0.0, 0.0, 0.0, 1.0, 0.75, 0.5, 0.25, 0.0]


@given(
    st.dictionaries(st.integers(-50, 50), st.floats(0, 1), min_size=1, max_size=8),
    st.sampled_from(["smooth", "linear"]),
)
def test_it_goes_through_its_keys_and_never_beyond_two_of_them(points: dict[int, float], way: str):
    frames, keys = sorted(points), Keys(keyed(points, interpolation=way))
    for frame in range(-60, 61):
        near = [points[max((f for f in frames if f <= frame), default=frames[0])]]
        near.append(points[min((f for f in frames if f >= frame), default=frames[-1])])
        assert min(near) <= keys.at(frame).composite.opacity <= max(near)
        assert frame not in points or keys.at(frame).composite.opacity == points[frame]


def test_several_settings_have_their_own_keys():
    shot = msgspec.structs.replace(
        keyed({1: 0.0, 3: 1.0}, interpolation="linear"),
        mesh=Mesh(shape=0.3),
        match=Match(amount=0.5),
        composite=Composite(grain=2.0),
    )
    more = keyed({1: 0.5, 2: 4.0}, "view.exposure").key + keyed({2: 0.0}, "match.contrast").key
    shot = msgspec.structs.replace(shot, key=shot.key + more)
    assert Keys(shot).at(2) == msgspec.structs.replace(
        shot,
        key=(),
        view=View(exposure=4.0),
        match=Match(amount=0.5, contrast=0.0),
        composite=Composite(grain=2.0, opacity=0.5),
    )


def test_frames_with_equal_settings_have_equal_recipes_and_digests():
    keys = Keys(keyed({1: 0.0, 3: 1.0}))
    assert keys.at(3) == keys.at(9) and hash(keys.at(3)) == hash(keys.at(9))
    assert digest(keys.at(3)) == digest(keys.at(9)) == digest(Shot()) != digest(keys.at(2))


def test_numbers_of_a_frame_can_have_keys_and_nothing_else_can():
    can = {name for name, setting in settings().items() if setting.keyable}
    assert {OPACITY, "composite.grain", "match.contrast", "matte.feather", "mesh.eyes", "view.exposure"} <= can
    assert {"network.likeness", "network.morph", "view.white", "view.knee"} <= can
    assert not {"network.boost", "network.enhance_scale", "seed", "swapper", "plate.path"} & can
    assert not {"solve.smoothing", "matte.holdout", "key.value"} & can
    for name in settings():
        key = {"setting": name, "frame": 1, "value": 1}
        if name in can:
            assert recipe.parse({"key": [key | {"value": settings()[name].default if name != "view.exposure" else 1}]})
        else:
            with pytest.raises(RecipeError, match=f"`{name}` cannot have keys"):
                recipe.parse({"key": [key]})


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("setting = 'composite.opacty'\nframe = 1\nvalue = 1", "Did you mean `composite.opacity`?"),
        ("setting = 'opacity'\nframe = 1\nvalue = 1", "Did you mean `composite.opacity`?"),
        ("setting = 'composite'\nframe = 1\nvalue = 1", "no setting `composite`"),
        (
            "setting = 'composite.opacity'\nframe = 1\nvalue = 1.5",
            "`composite.opacity` cannot be 1.5: expected a number",
        ),
        ("setting = 'view.exposure'\nframe = 1\nvalue = 0", "auto, or a number from"),
        ("setting = 'view.exposure'\nframe = 1\nvalue = 'auto'", "`key.value` cannot be 'auto'"),
        ("setting = 'composite.opacity'\nframe = 1\nvalue = nan", "`key.value` cannot be nan"),
        ("setting = 'composite.opacity'\nframe = 1.5\nvalue = 1", "a whole number"),
        ("setting = 'composite.opacity'\nvalue = 1", "A [[key]] has no `frame`"),
        ("frame = 1\nvalue = 1", "A [[key]] has no `setting`"),
        ("setting = 'composite.opacity'\nframe = 1\nvalue = 1\ninterpolation = 'cubic'", "one of"),
        ("setting = 'composite.opacity'\nframe = 1\nvalue = 1\nease = 1", "no setting `key.ease`"),
    ],
)
def test_a_wrong_key_is_refused_with_what_would_be_right(text: str, part: str):
    with pytest.raises(RecipeError) as caught:
        recipe.parse(tomllib.loads(f"[[key]]\n{text}"))
    assert part in str(caught.value)


def test_two_keys_of_a_setting_in_one_frame_are_refused():
    key = {"setting": OPACITY, "frame": 7, "value": 1}
    with pytest.raises(RecipeError, match=r"`composite.opacity` has two keys in frame 7\."):
        recipe.parse({"key": [key, key | {"frame": 8}, key]})
    assert recipe.parse({"key": [key, key | {"setting": "composite.grain"}]})


def test_keys_survive_the_text_of_a_recipe():
    shot = keyed({1001: 0.0, 1024: 1.0 / 3.0}, interpolation="hold")
    text = recipe.dumps(shot)
    assert text.count("[[key]]") == 2
    assert recipe.parse(tomllib.loads(text)) == shot
    assert recipe.parse(msgspec.to_builtins(shot)) == shot


def test_the_most_keys_make_a_file_that_can_be_read(tmp_path):
    frames = dict.fromkeys(range(-(2**31), -(2**31) + 5000), 1.0 / 3.0)
    shot = keyed(frames, "match.low_frequency", interpolation="linear")
    recipe.save(shot, tmp_path / "shot.toml")
    assert recipe.load(tmp_path / "shot.toml") == shot


def test_a_setting_that_is_set_loses_its_keys():
    both = keyed({1: 0.0, 3: 1.0}).key + keyed({1: 0.0, 3: 1.0}, "composite.grain").key
    changed = recipe.with_settings(Shot(key=both), ["composite.opacity=0.5"])
    assert changed.composite.opacity == 0.5 and {key.setting for key in changed.key} == {"composite.grain"}
