"""The recipe: what is refused, what a file of it says, and what its digest depends on."""

import math
import tomllib
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from engine import recipe
from engine.errors import OutputRefused, RecipeError
from engine.portable import digest, portable
from engine.settings import settings
from engine.shot import ArtistMatte, Key, Matte, Mesh, Output, Plate, Replace, Shot, View

PERSON = Replace(identity="/people/anna", face="like:/photos/anna.png")
FULL = Shot(
    plate=Plate(path="/shots/sh010.%04d.exr", frames="1001-1100", colorspace="ACEScg"),
    replace=(PERSON, Replace(identity="/people/ben", face="2", swapper="/models/ben.dfm")),
    seed=7,
    tracks="/shots/sh010.tracks",
    view=View(exposure=1.25),
    mesh=Mesh(shape=0.1),
    mattes=(ArtistMatte(path="/mattes/hand.%04d.exr", channel="mask.R"),),
    output=Output(path="/out", layers=("patch", "stmap"), compression="piz"),
    key=(Key(setting="composite.seam", frame=7, value=0.25),),
)


def test_text_of_a_recipe_gives_the_same_recipe():
    assert recipe.parse(tomllib.loads(recipe.dumps(FULL))) == FULL
    assert recipe.parse({}) == Shot()


def test_text_of_a_recipe_explains_every_setting():
    text = recipe.dumps(FULL)
    for setting in settings().values():
        assert setting.description in text and setting.expects in text, setting.name
        assert setting.description.endswith("."), setting.name


def test_every_default_is_in_its_own_range():
    for name, setting in settings().items():
        if setting.default is not msgspec.NODEFAULT:
            assert msgspec.convert(setting.default, setting.annotation) == setting.default, name


@given(
    shape=st.floats(0, 1),
    exposure=st.one_of(st.just("auto"), st.floats(1e-6, 1e6)),
    grow=st.floats(-0.2, 0.2),
    path=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=40),
)
def test_any_valid_recipe_survives_its_text(shape: float, exposure: float, grow: float, path: str):
    shot = Shot(mesh=Mesh(shape=shape), view=View(exposure=exposure), matte=Matte(grow=grow), plate=Plate(path=path))
    again = recipe.parse(tomllib.loads(recipe.dumps(shot)))
    assert again == shot and digest(again) == digest(shot)


@pytest.mark.parametrize(
    ("assignment", "part"),
    [
        ("mesh.shap=1", "`mesh.shape`"),
        ("shape=1", "`mesh.shape`"),
        ("mseh.eyes=1", "`mesh.eyes`"),
        ("xyzzy=1", "faceplate settings"),
        ("mesh.shape", "not a setting and its value"),
        ("mesh.shape=1.01", "a number from 0 to 1"),
        ("mesh.shape=nan", "a number from 0 to 1"),
        ("mesh.shape=much", "a number from 0 to 1"),
        ("mesh.shape=true", "a number from 0 to 1"),
        ("mesh.shape=" + "9" * 5000, "a number from 0 to 1"),
        ("seed=" + "9" * 400, "a whole number from 0 to"),
        ("seed=1.5", "a whole number"),
        ("seed=1\nswapper='x'", "a whole number"),
        ("solve.turned=1", "true or false"),
        ("view.exposure=0", "auto, or a number from"),
        ("view.exposure=1e999", "auto, or a number from"),
        ("output.layers=patch,beauty", "patch"),
        ("output.compression=dwaa", "one of"),
        ("replace.face=upper", "like:PHOTO"),
        ("plate=x", "no setting `plate`"),
        ("mattes.name=hull", "but none of V, hull"),
        ("mattes.name=two words", "letters, digits"),
        ("", "not a setting"),
        ("\udcff=1", "no setting"),
    ],
)
def test_a_wrong_setting_is_refused_with_what_would_be_right(assignment: str, part: str):
    with pytest.raises(RecipeError) as caught:
        recipe.with_settings(FULL, [assignment])
    assert part in str(caught.value)
    assert len(caught.value.message) < 300
    assert str(caught.value).encode("utf-8")


@pytest.mark.parametrize(
    ("assignment", "section", "key", "value"),
    [
        ("mesh.shape=1", "mesh", "shape", 1.0),
        ("mesh.shape = 0.25 ", "mesh", "shape", 0.25),
        ("view.exposure=auto", "view", "exposure", "auto"),
        ("view.exposure=2", "view", "exposure", 2.0),
        ("solve.turned=true", "solve", "turned", True),
        ("plate.frames=1001", "plate", "frames", "1001"),
        ("plate.frames='1001-1002'", "plate", "frames", "1001-1002"),
        ("plate.path=a=b.exr", "plate", "path", "a=b.exr"),
        ("output.layers=patch, matte", "output", "layers", ("patch", "matte")),
        ("output.layers=['stmap']", "output", "layers", ("stmap",)),
        ("output.layers=", "output", "layers", ()),
    ],
)
def test_a_setting_is_read_as_its_own_type(assignment: str, section: str, key: str, value: object):
    changed = getattr(getattr(recipe.with_settings(FULL, [assignment]), section), key)
    assert changed == value and type(changed) is type(value)


def test_a_setting_of_replace_holds_for_every_person():
    assert [one.face for one in recipe.with_settings(FULL, ["replace.face=left"]).replace] == ["left", "left"]


def test_a_setting_of_the_artists_mattes_begins_the_first_and_holds_for_all():
    one = recipe.with_settings(Shot(), ["mattes.path=/hand.exr", "mattes.keep=holdout"])
    assert one.mattes == (ArtistMatte(path="/hand.exr", keep="holdout"),)
    two = msgspec.structs.replace(one, mattes=(*one.mattes, ArtistMatte(name="mic")))
    assert [matte.grow for matte in recipe.with_settings(two, ["mattes.grow=0.1"]).mattes] == [0.1, 0.1]


def test_two_mattes_of_one_name_are_refused():
    mattes = [{"name": "own2"}, {"path": "hand.exr"}]
    with pytest.raises(RecipeError, match="`own2`"):
        recipe.parse({"mattes": mattes})


def test_a_recipe_whose_mattes_lie_beside_it_can_be_moved(tmp_path: Path):
    recipe.save(Shot(mattes=(ArtistMatte(path=str(tmp_path / "hand.exr")),)), tmp_path / "a.toml")
    (tmp_path / "there").mkdir()
    (tmp_path / "a.toml").rename(tmp_path / "there/a.toml")
    assert recipe.load(tmp_path / "there/a.toml").mattes[0].path == str(tmp_path / "there/hand.exr")


def test_a_setting_of_replace_is_refused_where_nobody_is_replaced():
    with pytest.raises(RecipeError, match=r"no \[\[replace\]\]"):
        recipe.with_settings(Shot(), ["replace.face=left"])


def test_a_section_that_is_not_there_is_explained_as_a_comment():
    text = recipe.dumps(Shot())
    example = text[text.index("# [[replace]]") :].partition("\n\n")[0]
    written = "\n".join(line.removeprefix("# ") for line in example.splitlines())
    assert tomllib.loads(written) == {"replace": [{"identity": "", "face": "largest", "swapper": ""}]}
    assert settings()["replace.face"].description in example


def test_only_the_first_of_several_sections_is_explained():
    assert recipe.dumps(FULL).count(settings()["replace.face"].description) == 1


def test_more_sections_than_may_be_are_refused():
    with pytest.raises(RecipeError, match="`replace` is there 101 times; 100 are the most"):
        recipe.parse({"replace": [{}] * 101})


def test_the_last_of_two_settings_wins():
    assert recipe.with_settings(FULL, ["seed=1", "seed=2"]).seed == 2


@pytest.mark.parametrize(
    ("text", "part"),
    [
        ("[mesh]\nshpe = 1", "Did you mean `mesh.shape`?"),
        ("[msh]\nshape = 1", "Did you mean `mesh`?"),
        ("mesh = 1", "[mesh]"),
        ("[replace]\nidentity = 'x'", "[[replace]]"),
        ("replace = [1]", "[[replace]]"),
        ("[plate]\npath = 1", "expected text"),
        ('[plate]\npath = "a\\u0000"', "expected text"),
        ('[[replace]]\nface = "like:\\u0000"', "like:PHOTO"),
        ("[plate]\npath = 1979-05-27", "expected text"),
        ("seed = ", "not TOML"),
        ("a = 1\na = 2", "not TOML"),
        ("a = " + "[" * 5000, "nested too deeply"),
        ("a = " + "9" * 5000, "not TOML"),
    ],
)
def test_a_wrong_recipe_file_is_refused(tmp_path: Path, text: str, part: str):
    file = tmp_path / "shot.toml"
    file.write_text(text)
    with pytest.raises(RecipeError) as caught:
        recipe.load(file)
    assert part in str(caught.value)


@pytest.mark.parametrize("content", [b"\xff\xfe", b"\x00", b"#" * 2_000_000, b"v/1\x01"])
def test_what_is_not_a_recipe_is_refused(tmp_path: Path, content: bytes):
    file = tmp_path / "shot.toml"
    file.write_bytes(content)
    with pytest.raises(RecipeError):
        recipe.load(file)
    for other in (tmp_path, tmp_path / "none.toml"):
        with pytest.raises(RecipeError):
            recipe.load(other)


def test_paths_in_a_recipe_are_relative_to_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    file = tmp_path / "project" / "shot.toml"
    file.parent.mkdir()
    file.write_text(
        "tracks = 't.tracks'\n[plate]\npath = 'plates/a.%04d.exr'\n[[replace]]\nidentity = '../anna'\n"
        "face = 'like:anna.png'\nswapper = 'anna.dfm'\n[output]\npath = '/elsewhere'\n"
        "[network]\nenhancer = 'nets/finer.onnx'\n"
    )
    monkeypatch.chdir("/")
    shot = recipe.load(file)
    assert Path(shot.plate.path) == file.parent / "plates/a.%04d.exr"
    assert Path(shot.replace[0].identity).resolve() == tmp_path / "anna"
    assert shot.replace[0].face == f"like:{file.parent / 'anna.png'}"
    assert shot.replace[0].swapper == str(file.parent / "anna.dfm")
    assert shot.tracks == str(file.parent / "t.tracks") and shot.output.path == "/elsewhere"
    assert shot.network.enhancer == str(file.parent / "nets/finer.onnx")
    named = recipe.with_settings(shot, ["network.enhancer=gfpgan_1_4"])
    recipe.save(named, file)
    assert recipe.load(file) == named


def test_a_model_file_counts_by_what_it_holds_and_not_by_its_name():
    def named(file: str) -> str:
        shot = recipe.with_settings(FULL, [f"swapper={file}", f"network.enhancer={file}", f"matte.occlusion={file}"])
        return digest(recipe.with_settings(shot, [f"replace.swapper={file}"]))

    assert named("/a/one.onnx") == named("/b/two.onnx") != named("one")


def test_a_folder_with_a_comma_cannot_hold_an_occlusion_network(tmp_path: Path):
    file = tmp_path / "a, b" / "shot.toml"
    file.parent.mkdir()
    file.write_text("[matte]\nocclusion = 'xseg_1, bisenet_resnet_18'\n")
    assert recipe.load(file).matte.occlusion == "xseg_1, bisenet_resnet_18"
    file.write_text("[matte]\nocclusion = 'xseg.onnx'\n")
    with pytest.raises(RecipeError, match="comma"):
        recipe.load(file)


def test_a_saved_recipe_moves_with_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    first, second = tmp_path / "first", tmp_path / "second"
    first.mkdir()
    monkeypatch.chdir(first)
    shot = Shot(plate=Plate(path="in.%04d.exr"), replace=(Replace(identity=str(tmp_path)),), output=Output(path="out"))
    recipe.save(shot, Path("shot.toml"))
    monkeypatch.chdir("/")
    first.rename(second)
    loaded = recipe.load(second / "shot.toml")
    assert loaded.plate.path == str(second / "in.%04d.exr") and loaded.output.path == str(second / "out")
    assert loaded.replace[0].identity == str(tmp_path) and loaded.tracks == ""
    assert digest(loaded) == digest(shot)


@pytest.mark.parametrize("name", ["sh.1001.exr", "consent.toml", "folder"])
def test_a_recipe_never_replaces_another_kind_of_file(tmp_path: Path, name: str):
    (tmp_path / name).write_bytes(b"precious")
    with pytest.raises(OutputRefused):
        recipe.save(FULL, tmp_path / name)
    assert (tmp_path / name).read_bytes() == b"precious" and len(list(tmp_path.iterdir())) == 1


def test_a_recipe_makes_its_folder(tmp_path: Path):
    recipe.save(FULL, tmp_path / "new/shots/a.toml")
    assert (tmp_path / "new/shots/a.toml").is_file()


def test_a_recipe_with_a_path_that_is_not_utf8_is_refused(tmp_path: Path):
    with pytest.raises(RecipeError, match="UTF-8"):
        recipe.save(Shot(plate=Plate(path="/a/\udcff.exr")), tmp_path / "shot.toml")
    assert not list(tmp_path.iterdir())


def test_digest_ignores_where_things_are_and_which_frames_are_asked():
    moved = msgspec.structs.replace(
        FULL,
        tracks="",
        plate=Plate(path="/mnt/x/other.exr", frames="1", colorspace="ACEScg"),
        replace=(
            Replace(identity="/mnt/anna2", face="like:/mnt/a.jpg"),
            Replace(identity="C", face="2", swapper="/mnt/models/ben.dfm"),
        ),
        mattes=(ArtistMatte(path="/mnt/hand.png", channel="mask.R"),),
        output=Output(path="D", layers=("patch", "stmap"), compression="piz"),
    )
    assert digest(moved) == digest(FULL)


def test_digest_depends_on_every_other_setting():
    places = {
        "tracks",
        "plate.path",
        "plate.frames",
        "replace.identity",
        "mattes.path",
        "output.path",
        "accepted_licences",
    }
    other = {
        "seed": "8", "plate.colorspace": "x", "replace.face": "right", "solve.detect_size": "700",
        "solve.turned": "true", "view.exposure": "3", "view.white": "9", "output.layers": "matte",
        "output.compression": "zip", "output.chunks": "stored", "output.layers_in": "part", "mesh.shape": "0.125",
        "network.boost": "4", "network.enhance_scale": "3", "mattes.keep": "holdout", "mattes.invert": "true",
        "mattes.combine": "min", "mattes.name": "hand", "key.setting": "mesh.eyes", "key.interpolation": "hold",
        "key.frame": "5",
    }  # fmt: skip
    for name in settings().keys() - places:
        changed = recipe.with_settings(FULL, [f"{name}={other.get(name, '0.15')}"])
        assert changed != FULL and digest(changed) != digest(FULL), name


def test_the_recipe_for_a_header_names_no_place():
    text = msgspec.json.encode(portable(FULL)).decode()
    assert "/" not in text and "1001" not in text
    assert "anna" in text and "sh010" in text
    assert msgspec.json.encode(portable(Shot(plate=Plate(path="/a/\udcff.exr"))))


def test_settings_are_finite():
    numbers = [setting.default for setting in settings().values() if isinstance(setting.default, float)]
    assert len(numbers) > 20 and all(map(math.isfinite, numbers))
