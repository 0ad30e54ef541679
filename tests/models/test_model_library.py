"""Models that a person brings: recognised, held against their manifest, tried, kept with what was accepted, removed."""

import hashlib
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import msgspec
import numpy as np
import pytest

from engine.errors import DownloadError, ModelError, ModelTimeout, UsageError
from engine.models import check, library, manifest, store
from engine.models.confined import Limits
from engine.models.manifest import Manifest, Port

onnx = pytest.importorskip("onnx", reason="needs onnx to write a model")
helper = onnx.helper
SIDE = 16
PICTURE = (1, 3, SIDE, SIDE)
Ports = dict[str, tuple[int | str | None, ...]]

MANIFEST = Manifest(
    name="twin",
    family="embedding",
    file="twin.onnx",
    size=SIDE,
    source="plain",
    inputs=(
        Port(role="target", name="target", shape=PICTURE),
        Port(role="source", name="source", shape=(1, 512)),
    ),
    outputs=(Port(role="face", shape=PICTURE),),
    licence="MIT",
    commercial=True,
    origin="https://models.example/twin",
)
INPUTS: Ports = {"target": PICTURE, "source": (1, 512)}


def save(
    path: Path, nodes: list, inputs: Ports = INPUTS, outputs: Ports | None = None, kind: int = onnx.TensorProto.FLOAT
) -> Path:
    """Write a model; `zero` and `one` are numbers that its nodes may use."""
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in inputs.items()],
        [helper.make_tensor_value_info(name, kind, shape) for name, shape in (outputs or {"output": PICTURE}).items()],
        [onnx.numpy_helper.from_array(np.array([n], np.float32), name) for n, name in enumerate(("zero", "one"))],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return path


def node(kind: str, inputs: str, outputs: str = "output", **options: object):
    return helper.make_node(kind, inputs.split(), outputs.split(), **options)


# The face and a little of the person: both inputs are used, and their mean is too small to leave [0, 1].
TWIN = [node("ReduceMean", "source", "mean", keepdims=0), node("Add", "target mean")]


def endless() -> list:
    """A Loop without an end over the picture, as in the corpus."""
    going = helper.make_tensor_value_info("going", onnx.TensorProto.BOOL, [])
    count = helper.make_tensor_value_info("i", onnx.TensorProto.INT64, [])
    picture = [helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, PICTURE) for name in ("value", "next")]
    still = helper.make_tensor_value_info("still", onnx.TensorProto.BOOL, [])
    nodes = [node("Identity", "going", "still"), node("Identity", "value", "next")]
    body = helper.make_graph(nodes, "body", [count, going, picture[0]], [still, picture[1]])
    true = helper.make_tensor("true", onnx.TensorProto.BOOL, [], [True])
    start = helper.make_node("Constant", [], ["start"], value=true)
    return [start, helper.make_node("Loop", ["", "start", "target"], ["output"], body=body)]


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The models' folder of this test."""
    monkeypatch.setenv(store.VARIABLE, str(tmp_path / "models"))
    return tmp_path / "models"


@pytest.fixture
def know(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Manifest]:
    """Make MANIFEST, with changes, the one that is known."""

    def know(**changes: object) -> Manifest:
        found = msgspec.structs.replace(MANIFEST, **changes)
        monkeypatch.setattr(manifest, "known", lambda: {found.name: found})
        return found

    return know


@pytest.fixture
def twin(tmp_path: Path) -> Path:
    return save(tmp_path / "twin.onnx", TWIN)


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def left(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir()) if folder.exists() else []


def beside(path: Path, **changes: object) -> Path:
    """Write MANIFEST, with changes, beside a model."""
    text = manifest.to_text(msgspec.structs.replace(MANIFEST, **changes))
    path.with_suffix(".toml").write_text(text, encoding="utf-8")
    return path


def test_a_known_file_is_recognised_by_its_content_whatever_it_is_called(know, twin, folder, tmp_path):
    know(sha256=sha256(twin))
    entry = library.add(twin.rename(tmp_path / "download (1).bin"))
    assert entry == library.Entry("twin", "installed", "embedding", "MIT", "yes")
    assert left(folder) == ["twin.onnx", "twin.toml"]
    assert library.read_installed("twin") == msgspec.structs.replace(MANIFEST, sha256=sha256(folder / "twin.onnx"))
    assert store.acceptance_of("twin") is None
    assert entry in library.entries()
    assert [found.state for found in library.entries() if found.name == "twin"] == ["installed"]


def test_a_file_is_the_known_model_that_the_person_says_and_is_pinned_from_then_on(know, twin, folder):
    know()
    library.add(twin, "twin")
    assert library.read_installed("twin").sha256 == sha256(twin)


def test_a_file_of_another_publisher_is_recognised_and_pinned_as_the_one_it_is(know, twin, folder):
    know(sha256="0" * 64, also=(sha256(twin),))
    assert library.add(twin, "twin").name == "twin"
    assert library.read_installed("twin").sha256 == sha256(twin)
    assert library.read_installed("twin").also == ()
    assert all(found.good for found in library.verify())
    library.remove("twin")
    assert library.add(twin).name == "twin"


def test_a_manifest_beside_the_file_is_used(twin, folder):
    assert library.add(beside(twin, name="mine")).name == "mine"
    assert library.add(twin, "another").name == "another"
    assert store.installed() == ["another", "mine"]


@pytest.mark.parametrize("morph", [False, True])
def test_a_dfm_is_known_by_its_shape_and_needs_its_person_and_licence(tmp_path, folder, morph):
    inputs: Ports = {"in_face:0": (None, SIDE, SIDE, 3)}
    if morph:
        inputs["morph_value:0"] = (1,)
    outputs: Ports = {"out_face_mask:0": (None, SIDE, SIDE, 1), "out_celeb_face:0": (None, SIDE, SIDE, 3)}
    outputs["out_celeb_face_mask:0"] = (None, SIDE, SIDE, 1)
    nodes = [
        node("Mul", "in_face:0 morph_value:0" if morph else "in_face:0 one", "out_celeb_face:0"),
        node("ReduceMax", "in_face:0", "out_face_mask:0", axes=[3]),
        node("ReduceMin", "in_face:0", "out_celeb_face_mask:0", axes=[3]),
    ]
    dfm = save(tmp_path / "actor.dfm", nodes, inputs, outputs)
    with pytest.raises(UsageError, match="not cleared for commercial use"):
        library.add(dfm)
    assert left(folder) == []
    entry = library.add(dfm, accept_licence=True)
    assert (entry.name, entry.family, entry.commercial) == ("actor", "dfm", "unknown")
    found = library.read_installed("actor")
    assert (found.size, found.layout, found.channels) == (SIDE, "nhwc", "bgr")
    assert [port.role for port in found.outputs] == ["target mask", "face", "mask"]
    assert "person whose face" in library.details("actor").consent


def test_what_was_accepted_is_kept_beside_the_model(know, twin, folder, monkeypatch):
    monkeypatch.setattr("getpass.getuser", lambda: "ada")
    know(commercial=False, licence="non-commercial")
    with pytest.raises(UsageError, match="non-commercial") as told:
        library.add(twin, "twin")
    assert "--accept-licence" in told.value.remedy
    assert left(folder) == []
    library.add(twin, "twin", accept_licence=True)
    accepted = store.acceptance_of("twin")
    assert accepted is not None
    assert (accepted.model, accepted.licence, accepted.sha256) == ("twin", "non-commercial", sha256(twin))
    assert accepted.accepted_by == "ada"
    assert accepted.accepted_at.tzinfo is not None
    assert library.details("twin").accepted == accepted
    assert "ada" in dict(library.details("twin").rows())["accepted"]


WRONG = {
    "nan": (
        [node("Div", "zero zero", "nan"), node("ReduceSum", "source", "sum", keepdims=0),
         node("Mul", "sum nan", "bad"), node("Add", "target bad")], INPUTS, r"no numbers \(NaN or infinite\)"),
    "constant": ([*TWIN[:1], node("Mul", "target zero", "none"), node("Add", "none mean")], INPUTS, "constant picture"),
    "range": ([*TWIN[:1], node("Add", "target mean", "sum"), node("Constant", "", "k", value_floats=[255.0]),
               node("Mul", "sum k")], INPUTS, "another range.*expected: 0 to 1"),
    "names": ([node("ReduceMean", "vector", "mean", keepdims=0), node("Add", "target mean")],
              {"target": PICTURE, "vector": (1, 512)}, "has the inputs target, vector; expected: target, source"),
    "swapped": ([node("ReduceMean", "target", "mean", keepdims=0), node("Add", "source mean")],
                {"source": PICTURE, "target": (1, 512)},
                r"input target .* is tensor\(float\) \(1, 512\); expected: tensor\(float\) \(1, 3, 16, 16\)"),
    "size": ([node("ReduceMean", "source", "mean", keepdims=0), node("Add", "target mean")],
             {"target": (1, 3, 8, 8), "source": (1, 512)}, r"\(1, 3, 8, 8\); expected"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_a_wrong_model_is_refused_with_what_was_expected_and_nothing_of_it_stays(tmp_path, folder, wrong):
    nodes, inputs, words = WRONG[wrong]
    path = save(
        tmp_path / "wrong.onnx", nodes, inputs, {"output": inputs["source" if wrong == "swapped" else "target"]}
    )
    with pytest.raises(ModelError, match=words):
        library.add(beside(path))
    assert left(folder) == []
    assert path.exists()


def test_inputs_in_another_order_are_no_matter(tmp_path):
    path = save(tmp_path / "turned.onnx", TWIN, {"source": (1, 512), "target": PICTURE})
    assert library.add(beside(path)).state == "installed"


def test_another_type_is_refused(tmp_path):
    path = save(tmp_path / "half.onnx", [node("Identity", "target")], {"target": PICTURE, "source": (1, 512)},
                kind=onnx.TensorProto.FLOAT16)  # fmt: skip
    with pytest.raises(ModelError, match=r"float16.*expected: tensor\(float\)"):
        library.add(beside(path))


def test_a_model_that_never_ends_is_refused(tmp_path, folder, monkeypatch):
    monkeypatch.setattr(library, "check_model", partial(check.check_model, limits=Limits(3, 1 << 30)))
    path = save(tmp_path / "endless.onnx", [*endless(), node("Identity", "source", "unused")])
    with pytest.raises(ModelTimeout, match="ended after 3 s"):
        library.add(beside(path))
    assert left(folder) == []


@pytest.mark.parametrize("content", [b"", b"This is a text, and no model.\n", bytes(2000)])
def test_a_file_that_is_no_model_is_refused(tmp_path, folder, content):
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelError, match=r"text\.onnx"):
        library.add(path)
    assert left(folder) == []


def test_a_file_too_large_for_a_model_is_refused_before_it_is_copied(tmp_path, folder):
    path = tmp_path / "huge.onnx"
    with path.open("wb") as file:
        file.truncate(3 << 30)
    with pytest.raises(ModelError, match="larger than an ONNX file can be"):
        library.add(path)
    assert left(folder) == []


def test_a_model_of_no_known_kind_is_refused_with_what_to_do(twin, folder):
    with pytest.raises(ModelError, match="no model that is known, and no DFM") as told:
        library.add(twin)
    assert "--as NAME" in told.value.remedy
    assert "twin.toml" in told.value.remedy
    assert left(folder) == []


def test_a_changed_file_is_refused_when_it_is_added_and_found_when_it_is_checked(know, twin, folder):
    know(sha256="0" * 64)
    with pytest.raises(ModelError, match=f"its SHA-256 is {sha256(twin)}, expected: {'0' * 64}"):
        library.add(twin, "twin")
    with pytest.raises(ModelError, match="expected"):
        library.add(beside(twin, sha256="1" * 64), "mine")
    assert left(folder) == []
    library.add(beside(twin), "mine")
    assert all(found.good for found in library.verify())
    content = bytearray((folder / "mine.onnx").read_bytes())
    content[-1] ^= 1
    (folder / "mine.onnx").write_bytes(content)
    bad = [found for found in library.verify() if not found.good]
    assert [found.name for found in bad] == ["mine"]
    assert "changed" in bad[0].message
    (folder / "mine.toml").write_text("name =")
    assert [found.name for found in library.verify() if not found.good] == ["mine"]


@pytest.mark.corpus
@pytest.mark.parametrize("name", ["ext_abs", "ext_hugelen", "ext_negoff", "ext_parent", "infinite_loop", "ok"])
def test_the_bad_models_of_the_corpus_are_refused_and_leave_nothing(know, folder, name):
    corpus = Path(__file__).parents[3] / "shared" / "testdata" / "onnx_bad"
    if not corpus.is_dir():
        pytest.skip("needs ../shared/testdata/onnx_bad")
    know()
    (path,) = corpus.glob(f"{name}.*")
    for wanted in ("", "twin"):
        with pytest.raises(ModelError) as told:
            library.add(path, wanted)
        assert told.value.remedy
    assert left(folder) == []


def test_a_model_is_not_added_twice_and_can_be_removed(twin, folder):
    library.add(beside(twin))
    with pytest.raises(UsageError, match="installed already"):
        library.add(twin)
    assert left(folder) == ["twin.onnx", "twin.toml"]
    assert [path.name for path in library.remove("twin")] == ["twin.onnx", "twin.toml"]
    assert left(folder) == []
    with pytest.raises(UsageError, match="No model called twin"):
        library.remove("twin")


def test_bundled_models_stay_and_lend_their_names_to_nobody(twin):
    with pytest.raises(UsageError, match="stays"):
        library.remove("centerface")
    with pytest.raises(UsageError, match="bundled"):
        library.add(beside(twin), "centerface")


@pytest.mark.parametrize("name", ["..", "a/b", "x.licence", "", "-rf", "a" * 200, "nul\0"])
def test_a_name_that_could_lead_elsewhere_is_refused(name):
    for ask in (library.details, library.remove):
        with pytest.raises(UsageError):
            ask(name)


@pytest.fixture
def publisher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Serves the folder `published`; its address."""
    for name in ("http_proxy", "all_proxy", "HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: object) -> None:
            pass

    (tmp_path / "published").mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(tmp_path / "published"))) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def unseen(done: int, whole: int) -> None:
    pass


def test_a_known_model_is_brought_checked_and_installed(know, publisher, tmp_path, folder):
    published = save(tmp_path / "published" / "twin.onnx", TWIN)
    know(url=f"{publisher}/twin.onnx", sha256=sha256(published), commercial=False)
    with pytest.raises(UsageError, match="not cleared"):
        library.get("twin", False, unseen)
    assert left(folder) == []
    assert library.get("twin", True, unseen).state == "installed"
    assert left(folder) == ["twin.licence.toml", "twin.onnx", "twin.toml"]
    with pytest.raises(UsageError, match="installed already"):
        library.get("twin", True, unseen)


def test_a_model_that_is_brought_and_fails_on_a_face_leaves_nothing(know, publisher, tmp_path, folder):
    published = save(tmp_path / "published" / "twin.onnx", WRONG["constant"][0])
    know(url=f"{publisher}/twin.onnx", sha256=sha256(published))
    with pytest.raises(ModelError, match="constant"):
        library.get("twin", False, unseen)
    assert left(folder) == []


def test_another_file_at_the_publisher_is_refused_and_leaves_nothing(know, publisher, tmp_path, folder):
    save(tmp_path / "published" / "twin.onnx", TWIN)
    know(url=f"{publisher}/twin.onnx", sha256="0" * 64)
    with pytest.raises(ModelError, match="SHA-256 differs"):
        library.get("twin", False, unseen)
    assert left(folder) == []


def test_offline_it_says_which_file_to_bring_and_where_it_goes(know, folder):
    know(url="http://127.0.0.1:9/files/twin.onnx", sha256="0" * 64)
    with pytest.raises(DownloadError) as told:
        library.get("twin", False, unseen)
    for part in ("twin.onnx", "0" * 64, "http://127.0.0.1:9/files", "faceplate models add", str(folder)):
        assert part in told.value.remedy


@pytest.mark.parametrize(
    ("changes", "words"),
    [({}, "no address"), ({"url": "http://127.0.0.1:9/twin.onnx"}, "SHA-256 of twin is not known")],
)
def test_what_has_no_address_or_no_pin_is_not_downloaded(know, changes, words):
    know(**changes)
    with pytest.raises(ModelError, match=words) as told:
        library.get("twin", False, unseen)
    assert "faceplate models add twin.onnx --as twin" in told.value.remedy


def test_a_name_that_nobody_knows_is_a_wrong_usage():
    with pytest.raises(UsageError, match="no model called"):
        library.get("nobody", False, unseen)
