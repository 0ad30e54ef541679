"""`faceplate doctor`: what it says of this machine, and of machines on which one thing is broken."""

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import pytest

from engine import doctor
from engine.doctor import Finding
from engine.lock import only_engine
from engine.models.session import ran_by
from engine.wire.place import Connection, write_connection

ROOT = Path(__file__).parents[1]
Doctor = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("FACEPLATE_RUNTIME", str(tmp_path / "run"))
    monkeypatch.setenv("FACEPLATE_LOGS", str(tmp_path / "logs"))
    monkeypatch.delenv("OCIO", raising=False)
    return tmp_path / "run"


@pytest.fixture
def command(tmp_path: Path) -> Iterator[Doctor]:
    """Run `faceplate doctor`; `first` is Python that runs before it in its process."""

    def run(*arguments: str, first: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
        (tmp_path / "before").mkdir(exist_ok=True)
        (tmp_path / "before" / "sitecustomize.py").write_text(first)
        paths = os.pathsep.join([str(tmp_path / "before"), str(ROOT)])
        done = subprocess.run(
            [sys.executable, "-m", "engine.cli", "doctor", *arguments],
            cwd=tmp_path,
            env=os.environ | {"PYTHONPATH": paths} | environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert "Traceback" not in done.stderr
        return done

    yield run


def found(done: subprocess.CompletedProcess[str]) -> dict[str, Finding]:
    findings = [Finding(**json.loads(line)) for line in done.stdout.splitlines()]
    return {finding.name: finding for finding in findings}


def findings(name: str) -> dict[str, Finding]:
    return {finding.name: finding for finding in doctor._CHECKS[name]()}


def hide(package: str, error: str = "ModuleNotFoundError('no such thing')") -> str:
    """Python after which a package cannot be imported."""
    return f"""
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == {package!r}:
            raise {error}
sys.meta_path.insert(0, Hidden())
"""


def test_a_machine_on_which_everything_works(command: Doctor, tmp_path: Path):
    done = command("--json")
    findings = found(done)
    assert done.returncode == 0 and done.stderr == "", done.stdout
    assert not [finding for finding in findings.values() if finding.verdict == "fault"]
    assert findings["numpy"].message == f"{metadata.version('numpy')}."
    assert "ExecutionProvider ran" in findings["device"].message
    assert findings["runtime folder"].message == f"{tmp_path / 'run'} is this user's alone."
    names = {"python", "opencv-python-headless", "color", "kernels", "Blender", "DaVinci Resolve", "engine", "disk"}
    assert names <= findings.keys()


def test_for_people_it_is_one_line_each(command: Doctor):
    done = command()
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and len(lines) == len(found(command("--json")))
    assert all(line.split()[0] in ("good", "note") for line in lines)


@pytest.mark.parametrize("error", ["ModuleNotFoundError('no such thing')", "OSError('libGL.so.1 is missing')"])
def test_a_library_that_cannot_be_loaded(command: Doctor, error: str):
    done = command("--json", first=hide("cv2", error))
    package = found(done)["opencv-python-headless"]
    assert done.returncode == 1 and package.verdict == "fault" and error.split("'")[1] in package.message
    assert "pip install 'opencv-python-headless>=" in package.remedy
    # The rest is looked at all the same.
    assert found(done)["shared memory" if sys.platform == "linux" else "disk"].verdict != "fault"


@pytest.mark.parametrize("package", ["numpy", "numba", "PyOpenColorIO"])
def test_without_a_library_that_others_stand_on(command: Doctor, package: str):
    done = command("--json", first=hide(package))
    assert done.returncode == 1 and {"engine", "disk", "Blender"} <= found(done).keys()


def test_without_onnxruntime(command: Doctor):
    done = command("--json", first=hide("onnxruntime"))
    device = found(done)["device"]
    assert done.returncode == 1 and device.verdict == "fault" and "faceplate[cpu]" in device.remedy


def test_for_people_a_fault_has_its_remedy_on_its_line(command: Doctor):
    done = command(first=hide("onnxruntime"))
    line = next(line for line in done.stdout.splitlines() if line.startswith("fault"))
    assert done.returncode == 1 and "onnxruntime cannot be imported" in line and "faceplate[cpu]" in line


def test_a_color_configuration_that_cannot_be_opened(command: Doctor, tmp_path: Path):
    done = command("--json", OCIO=str(tmp_path / "none.ocio"))
    color = found(done)["color"]
    assert done.returncode == 1 and color.verdict == "fault" and color.remedy == "Check $OCIO."
    assert "none.ocio" in color.message


def test_a_color_configuration_of_ones_own_is_named(command: Doctor):
    color = found(command("--json", OCIO="ocio://studio-config-latest"))["color"]
    assert color.verdict == "good" and "$OCIO, ocio://studio-config-latest" in color.message


def test_a_runtime_folder_that_is_not_safe(command: Doctor, place: Path, tmp_path: Path):
    place.symlink_to(tmp_path)
    done = command("--json")
    assert done.returncode == 1 and "is a link" in found(done)["engine"].message


@pytest.mark.parametrize(
    ("requirement", "verdict", "message"),
    [
        ("msgspec>=0.1", "good", metadata.version("msgspec")),
        ("msgspec>=99.0", "fault", "older than 99.0"),
        ("nothing-of-this-name>=1.0", "fault", "not installed"),
        ("nothing-of-this-name", "fault", "not installed"),
        ("Opencv_Python.headless>=4", "good", metadata.version("opencv-python-headless")),
    ],
)
def test_what_is_required_is_looked_at(monkeypatch: pytest.MonkeyPatch, requirement: str, verdict: str, message: str):
    monkeypatch.setattr(metadata, "requires", lambda name: [requirement, 'other>=1; extra == "cuda"'])
    (finding,) = findings("packages").values()
    assert finding.verdict == verdict and message in finding.message
    assert (finding.remedy == "") == (verdict == "good")


def test_every_requirement_of_the_project_is_understood():
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert all(doctor._REQUIREMENT.match(requirement) for requirement in project["dependencies"])


def test_without_being_installed(monkeypatch: pytest.MonkeyPatch):
    def missing(name: str) -> None:
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "requires", missing)
    assert findings("packages")["packages"].verdict == "note"


@pytest.mark.parametrize(
    ("version", "least", "older"),
    [
        ("1.9.0", "1.10", True),
        ("2.0", "2.0", False),
        ("2.0.0rc1", "2.0", False),
        ("10.0", "9.1", False),
        ("1", "", False),
    ],
)
def test_versions_are_compared_as_numbers(version: str, least: str, older: bool):
    assert (doctor._numbers(version) < doctor._numbers(least)) == older


def test_the_provider_is_the_one_that_ran():
    ran = ran_by("blazeface")
    assert sum(ran.values()) > 50 and set(ran) <= {"CPUExecutionProvider", "CUDAExecutionProvider"}


@pytest.mark.parametrize(
    ("ran", "verdict", "words"),
    [
        ({"CPUExecutionProvider": 116}, "note", "NVIDIA H100 is not used"),
        (
            {"CUDAExecutionProvider": 110, "CPUExecutionProvider": 6},
            "good",
            "110 and CPUExecutionProvider ran 6 of 116",
        ),
    ],
)
def test_a_graphics_card_that_is_not_used_is_noted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, ran: dict[str, int], verdict: str, words: str
):
    tool = tmp_path / "nvidia-smi"
    tool.write_text("#!/bin/sh\necho 'NVIDIA H100'\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    monkeypatch.setattr("engine.models.session.ran_by", lambda name: ran)
    device = findings("device")["device"]
    assert device.verdict == verdict and words in device.message and ("cuda" in device.remedy) == (verdict == "note")
    tool.write_text("#!/bin/sh\nexit 9\n")
    assert "there is no NVIDIA" in findings("device")["device"].message


def test_kernels_are_looked_for_where_numba_keeps_them(command: Doctor, tmp_path: Path):
    cache = tmp_path / "cache"
    kernels = found(command("--json", NUMBA_CACHE_DIR=str(cache)))["kernels"]
    assert (kernels.verdict, kernels.remedy) == ("note", "faceplate engine warm") and str(cache) in kernels.message
    compile_one = "import numpy, kernels.bottom; from kernels.elementary import power; power(2.0, 3.0)"
    environment = os.environ | {"NUMBA_CACHE_DIR": str(cache)}
    subprocess.run([sys.executable, "-c", compile_one], cwd=ROOT, env=environment, check=True)
    kernels = found(command("--json", NUMBA_CACHE_DIR=str(cache)))["kernels"]
    assert kernels.verdict == "good" and kernels.message.split()[0].isdigit()
    # What was compiled from sources that have changed since is of no use.
    for index in cache.rglob("*.nbi"):
        os.utime(index, (0, 0))
    assert found(command("--json", NUMBA_CACHE_DIR=str(cache)))["kernels"].verdict == "note"


def test_hosts_are_found_by_their_usual_places_and_by_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    (tmp_path / "bin").mkdir()
    (tmp_path / "blender-4.5").mkdir()
    for program in (tmp_path / "blender-4.5" / "blender", tmp_path / "bin" / "resolve"):
        program.touch()
        program.chmod(0o755)
    hosts = findings("hosts")
    assert str(tmp_path / "blender-4.5" / "blender") in hosts["Blender"].message
    assert str(tmp_path / "bin" / "resolve") in hosts["DaVinci Resolve"].message
    assert {host.verdict for host in hosts.values()} == {"good"}


def test_the_engine_is_looked_at(place: Path):
    from engine import __version__

    def connection(version: str) -> Connection:
        return Connection("ipc://x", "k", "p", "s", 1, version, os.getpid(), 0.0)

    assert findings("engine")["engine"].message.startswith("No engine runs; a host")
    with only_engine(place):
        assert "not ready" in findings("engine")["engine"].message
        write_connection(place, connection(__version__))
        engine = findings("engine")["engine"]
        assert engine.verdict == "good" and f"process {os.getpid()}" in engine.message
        write_connection(place, connection("0.0.1"))
        engine = findings("engine")["engine"]
        assert engine.remedy == "faceplate engine stop" and "is faceplate 0.0.1" in engine.message
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(place / "engine.sock"))
    engine = findings("engine")["engine"]
    assert engine.verdict == "note" and "left files" in engine.message


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux keeps shared memory in a folder")
def test_room_is_measured(monkeypatch: pytest.MonkeyPatch):
    def usage(path: Path) -> SimpleNamespace:
        return SimpleNamespace(total=64 << 20, free=1 << 30)

    monkeypatch.setattr(doctor.shutil, "disk_usage", usage)
    space = findings("space")
    assert space["shared memory"].verdict == "note" and "--shm-size" in space["shared memory"].remedy
    assert space["disk"].verdict == "note" and space["disk"].message.startswith("1.0 GiB")
    monkeypatch.setattr(doctor.shutil, "disk_usage", lambda path: SimpleNamespace(total=8 << 30, free=500 << 30))
    assert {finding.verdict for finding in findings("space").values()} == {"good"}


def test_standard_output_that_ends_is_no_fault_of_the_machine(command: Doctor):
    reading, writing = os.pipe()
    os.close(reading)
    process = subprocess.Popen([sys.executable, "-m", "engine.cli", "doctor"], cwd=ROOT, stdout=writing, stderr=-1)
    os.close(writing)
    assert process.communicate(timeout=60)[1] == b"" and process.returncode in (1, -signal.SIGPIPE)
