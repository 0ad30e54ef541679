"""Wrong models, by the command line and in a live engine: a clear error for each, and the engine goes on."""

import os
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import msgspec
import numpy as np
import psutil
import pytest

from engine.models.manifest import to_text
from engine.wire.client import Client
from engine.wire.errors import EngineRefused
from engine.wire.messages import Failure, Preview, Previewed, State, Status, Swap
from tests.jobs import short_limits
from tests.jobs.place import (
    REPOSITORY,
    Record,
    bytes_of,
    is_typed,
    read_exr,
    shot_of,
    swap,
    works_on,
    write_frame,
)
from tests.wire.engines import EngineProcess, start_engine

pytest.importorskip("onnx", reason="needs onnx to write a model")
from tests.jobs.wrong_models import (
    ACTOR,
    LONG,
    WRONG,
    Finish,
    Wrong,
    actor,
    always,
    endless,
    install,
    larger,
    no_number,
    of_size,
    where_dark,
)

Run = Callable[..., subprocess.CompletedProcess[str]]
SHORT = short_limits.__name__
# MiB that an engine may have more after a model that it refused; what such a model would take is far more.
ROOM = 200
BAD = 1002
GOOD = Wrong(actor, "")
CORPUS = ("ext_abs", "ext_hugelen", "ext_negoff", "ext_parent", "infinite_loop")


@pytest.fixture
def corpus_models(corpus: Path) -> Path:
    if not (corpus / "onnx_bad").is_dir():
        pytest.skip("needs ../shared/testdata/onnx_bad")
    return corpus / "onnx_bad"


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EngineProcess]:
    """An engine that ends a trial and a run after few seconds: one for all tests here, which it must survive."""
    running = start_engine(tmp_path_factory.mktemp("engine"), (SHORT, "engine"))
    yield running
    running.process.terminate()
    running.process.wait(20)


@pytest.fixture
def run(tmp_path: Path, work: Path) -> Run:
    """Run `faceplate`, with short limits and a models' folder of its own, in the folder of the work."""
    environment = os.environ | {"PYTHONPATH": str(REPOSITORY), "FACEPLATE_MODELS": str(tmp_path / "models")}

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        line = [sys.executable, "-m", SHORT, *map(str, arguments)]
        done = subprocess.run(line, cwd=work, env=environment, capture_output=True, text=True, timeout=120, check=False)
        assert "Traceback" not in done.stderr, done.stderr
        return done

    return run


@pytest.fixture(scope="module")
def good(engine: EngineProcess, originals: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """What the good model makes."""
    place = shutil.copytree(originals, tmp_path_factory.mktemp("good") / "place")
    with engine.client() as client:
        return goes_on(client, Path(place))


def by(model: Path, work: Path, output: str = "out", *settings: str) -> Swap:
    """A job of the engine by the model at that path; on the first frame alone, where nothing else is said."""
    return swap(shot_of(work, output, f"swapper={model}", *settings), frames="1001", redo=True)


def outcome(client: Client, request: Swap) -> tuple[Failure | None, dict[int, str]]:
    """How a job ended, and the codes of its frames that failed."""
    told = []
    ended = client.work(request, told.append)
    failed = [one.event for one in told if one.event["type"] == "frame-failed"]
    assert all(one["message"].endswith(".") and one["remedy"] for one in failed)
    return ended.failure, {one["frame"]: one["code"] for one in failed}


def memory(engine: EngineProcess) -> float:
    """MiB that the engine has now."""
    return psutil.Process(engine.process.pid).memory_info().rss / (1 << 20)


def goes_on(client: Client, work: Path) -> dict[str, bytes]:
    """The engine answers, and a good model beside the bad one does its work: the frame."""
    assert client.ask(Status(), State).pid == client.welcome.pid
    model = install(GOOD, work / "good.onnx")
    assert outcome(client, by(model, work, "next")) == (None, {})
    return bytes_of(work / "next")


def refused(failure: Failure | None, code: str, words: str) -> None:
    assert failure is not None and is_typed(failure)
    assert failure.code == code and re.search(words, failure.message)
    assert failure.message.isprintable() and len(failure.message) < 1000
    assert not failure.retry


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_fails_its_job_and_the_next_one_works(
    engine: EngineProcess, client: Client, work: Path, good: dict[str, bytes], name: str
) -> None:
    before, wrong = memory(engine), WRONG[name]
    failure, _ = outcome(client, by(install(wrong, work / "wrong.onnx"), work))
    refused(failure, wrong.code, wrong.words)
    assert not bytes_of(work / "out")
    assert goes_on(client, work) == good
    assert memory(engine) < before + ROOM
    assert not [child for child in psutil.Process(engine.process.pid).children() if "trial" in "".join(child.cmdline())]


@pytest.mark.slow
@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_model_is_refused_by_the_command_line(run: Run, work: Path, tmp_path: Path, name: str) -> None:
    wrong = WRONG[name]
    path = install(wrong, work / "wrong.onnx")
    swap = ("swap", "plate", "grace", "-o", "out", "--tracks", "sh.tracks", "--local", "--set", f"swapper={path}")
    for arguments in (("models", "add", path), swap):
        done = run(*arguments)
        assert (done.returncode, done.stdout) == (1, "")
        told = done.stderr.splitlines()
        assert told[0].startswith("error: ") and re.search(wrong.words, told[0])
        assert len(told) == 2 and all(line.isprintable() for line in told)
    assert not list((tmp_path / "models").glob("*")) and not bytes_of(work / "out")


@pytest.mark.corpus
@pytest.mark.parametrize("name", CORPUS)
def test_the_bad_models_of_the_corpus_fail_their_jobs(
    client: Client, work: Path, good: dict[str, bytes], corpus_models: Path, name: str
) -> None:
    """In the place that they came in, beside what they lead to, too."""
    shutil.copytree(corpus_models, work / "bad")
    model = work / f"bad/{name}.onnx"
    failure, _ = outcome(client, by(model, work))
    refused(failure, "model", "There is no manifest")
    inputs = tuple(msgspec.structs.replace(port, name="x", shape=(1,)) for port in ACTOR.inputs)
    output = tuple(msgspec.structs.replace(port, name="Y", shape=("N",)) for port in ACTOR.outputs[1:2])
    manifest = msgspec.structs.replace(ACTOR, inputs=inputs, outputs=output)
    model.with_suffix(".toml").write_text(to_text(manifest), encoding="utf-8")
    failure, _ = outcome(client, by(model, work))
    refused(failure, "model", "[Ee]xternal|fails on a face")
    assert goes_on(client, work) == good


@pytest.mark.slow
@pytest.mark.corpus
def test_the_bad_models_of_the_corpus_are_refused_by_the_command_line(
    run: Run, work: Path, tmp_path: Path, corpus_models: Path
) -> None:
    for path in sorted(corpus_models.iterdir()):
        done = run("models", "add", path)
        assert (done.returncode, done.stdout) == (1, ""), path.name
        assert re.match(r"error: .*([Ee]xternal|no model|cannot be used)", done.stderr), path.name
    assert not list((tmp_path / "models").glob("*"))


def test_a_sparse_file_larger_than_any_model_is_not_read(
    engine: EngineProcess, client: Client, work: Path, good: dict[str, bytes]
) -> None:
    model, before = install(GOOD, work / "huge.onnx"), memory(engine)
    with model.open("r+b") as file:
        file.truncate(200 << 30)
    began = time.monotonic()
    failure, _ = outcome(client, by(model, work))
    refused(failure, "model", "larger than an ONNX file can be")
    assert time.monotonic() - began < 10 and memory(engine) < before + ROOM
    assert goes_on(client, work) == good


LATE: dict[str, tuple[Finish, str]] = {
    "NaN": (no_number, "model"),
    "100 GB": (of_size(LONG), "model"),
    "another shape": (larger, "model"),
    "no end": (endless, "model-timeout"),
}


@pytest.mark.parametrize("name", LATE)
def test_a_network_that_fails_on_a_frame_in_the_middle_fails_it_alone(
    engine: EngineProcess, client: Client, work: Path, whole: tuple[Path, Record], dark: Path, name: str
) -> None:
    finish, code = LATE[name]
    right = install(GOOD, work / "right.onnx")
    bad = install(Wrong(lambda: actor(where_dark(finish)), ""), work / "bad.onnx")
    plate = f"plate.path={dark}"
    assert outcome(client, _all(by(right, work, "whole", plate))) == (None, {})
    before = memory(engine)
    assert outcome(client, _all(by(bad, work, "out", plate))) == (None, {BAD: code})
    assert memory(engine) < before + ROOM
    assert sorted(bytes_of(work / "out")) == ["sh.1001.exr", "sh.1003.exr"]
    for number in (1001, 1003):
        made, expected = (read_exr(work / f"{folder}/sh.{number}.exr")[0] for folder in ("out", "whole"))
        assert all(np.array_equal(made[channel], expected[channel]) for channel in expected)
    works_on(client, work, whole[0])


@pytest.fixture
def dark(work: Path) -> Path:
    """The plate with a frame in the middle that is much darker."""
    folder = Path(shutil.copytree(work / "plate", work / "dark"))
    channels, _ = read_exr(folder / f"sh.{BAD}.exr")
    write_frame(folder / f"sh.{BAD}.exr", np.stack([channels[name] * 0.02 for name in "RGB"], axis=2))
    return folder


def _all(request: Swap) -> Swap:
    return msgspec.structs.replace(request, frames="")


def test_a_network_whose_every_frame_fails_ends_its_job_and_not_the_engine(
    client: Client, work: Path, good: dict[str, bytes], dark: Path
) -> None:
    shutil.copy(dark / f"sh.{BAD}.exr", dark / "sh.1001.exr")
    shutil.copy(dark / f"sh.{BAD}.exr", dark / "sh.1003.exr")
    bad = install(Wrong(lambda: actor(where_dark(endless)), ""), work / "bad.onnx")
    request = _all(by(bad, work, "out", f"plate.path={dark}"))
    assert outcome(client, request) == (None, dict.fromkeys((1001, 1002, 1003), "model-timeout"))
    assert goes_on(client, work) == good


def test_a_file_that_is_replaced_or_removed_is_never_taken_for_what_it_was(client: Client, work: Path) -> None:
    """Where it is the same, nothing is done again; where it is another, the frame is another."""

    def made(gain: float | None) -> tuple[Failure | None, dict[str, bytes]]:
        if gain is not None:
            install(Wrong(lambda: actor(gain=gain), ""), model)
        failure, _ = outcome(client, msgspec.structs.replace(by(model, work), redo=False))
        return failure, bytes_of(work / "out")

    model = work / "actor.onnx"
    first, second = made(0.8), made(0.5)
    assert first[0] is None and second[0] is None and first[1] != second[1]
    written = (work / "out/sh.1001.exr").stat()
    assert made(0.5) == second and (work / "out/sh.1001.exr").stat().st_mtime_ns == written.st_mtime_ns
    model.write_bytes(WRONG["text"].make())
    failure, left = made(None)
    refused(failure, "model", "cannot be used")
    model.unlink()
    failure, _ = made(None)
    refused(failure, "model", "there is no file")
    assert left == second[1] and made(0.8) == first


def test_a_manifest_that_changes_is_heeded(client: Client, work: Path) -> None:
    model = install(GOOD, work / "actor.onnx")
    assert outcome(client, by(model, work, "one")) == (None, {})
    install(GOOD._replace(manifest=msgspec.structs.replace(ACTOR, channels="rgb", mean=(0.1, 0.0, 0.0))), model)
    assert outcome(client, by(model, work, "two")) == (None, {})
    assert bytes_of(work / "one") != bytes_of(work / "two")


def test_others_go_on_while_a_network_is_tried_and_its_job_can_be_cancelled(
    engine: EngineProcess, client: Client, work: Path, good: dict[str, bytes]
) -> None:
    # One that was not refused before.
    bad = install(Wrong(lambda: actor(always(endless), gain=0.7), ""), work / "bad.onnx")
    began = time.monotonic()
    with engine.client() as other, ThreadPoolExecutor(1) as thread:
        stop = threading.Event()
        waiting = thread.submit(lambda: other.work(by(bad, work), lambda told: None, stop=stop.is_set).failure)
        assert goes_on(client, work) == good
        assert not waiting.done()
        stop.set()
        failure = waiting.result()
    assert failure is not None and failure.code == "cancelled"
    assert time.monotonic() - began < short_limits.TRIAL


def test_a_preview_by_a_wrong_model_is_refused_and_not_tried_again(client: Client, work: Path) -> None:
    bad, right = install(WRONG["endless"], work / "bad.onnx"), install(GOOD, work / "good.onnx")
    for limit in (60.0, 1.0):
        began = time.monotonic()
        with pytest.raises(EngineRefused, match="was ended after") as told:
            client.ask(Preview(by(bad, work).shot, 1001), Previewed)
        assert told.value.failure.code == "model-timeout" and time.monotonic() - began < limit
    made = client.ask(Preview(by(right, work).shot, 1001), Previewed)
    assert made.faces == 1
