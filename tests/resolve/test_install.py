"""The scripts as they are installed: where, with which libraries, and what they may need."""

import ast
import os
import platform
import subprocess
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from engine.hosts import resolve
from engine.hosts.extension import HostError
from engine.hosts.resolve import MENU, PLACES, PYTHONS, SOURCE
from tests.jobs.place import REPOSITORY

WHEELS = REPOSITORY / "build" / "wheels"
# What all of the scripts together may have.
MOST_LINES = 900
SYSTEMS = ("linux", "darwin", "win32")

Hosts = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make addons` makes, unpacked as a user would."""
    folder = tmp_path_factory.mktemp("dist")
    with zipfile.ZipFile(resolve.build(folder, WHEELS)) as made:
        made.extractall(folder / "Fusion")
    return folder / "Fusion"


def test_the_scripts_are_few_lines() -> None:
    """All of them, with their empty lines and comments."""
    paths = [path for path in SOURCE.rglob("*") if path.is_file() and "__pycache__" not in path.parts]
    assert sum(len(path.read_text(encoding="utf-8").splitlines()) for path in paths) < MOST_LINES


def test_each_system_has_folders_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's folder of each system, as Resolve's documentation has it; not the one for all users."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("APPDATA", "C:/Roaming")
    company = "Blackmagic Design/DaVinci Resolve"
    wanted = {
        "linux": tmp_path / ".local/share/DaVinciResolve/Fusion",
        "darwin": tmp_path / f"Library/Application Support/{company}/Fusion",
        "win32": Path(f"C:/Roaming/{company}/Support/Fusion"),
    }
    monkeypatch.setattr(resolve, "find_host", lambda name: ["resolve"])
    for system in SYSTEMS:
        # Only Windows itself takes %APPDATA% for a variable.
        found = str(resolve.find_place("", system)).replace("%APPDATA%", "C:/Roaming").replace("\\", "/")
        assert found == str(wanted[system]), system
    with pytest.raises(HostError, match="for this system"):
        resolve.find_place("", "sunos")


def test_where_no_resolve_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(resolve, "find_host", lambda name: [])
    with pytest.raises(HostError, match="No DaVinci Resolve was found") as raised:
        resolve.find_place("", "linux")
    assert "--at" in raised.value.remedy
    (tmp_path / ".local/share/DaVinciResolve").mkdir(parents=True)
    assert resolve.find_place("", "linux") == tmp_path / ".local/share/DaVinciResolve/Fusion"
    with pytest.raises(HostError, match="There is no folder"):
        resolve.find_place(str(tmp_path / "nothing"))


def test_the_zip_is_for_all_systems(packed: Path) -> None:
    menu = packed / "Scripts/Utility/Faceplate"
    assert sorted(path.stem for path in menu.iterdir()) == sorted(MENU)
    libraries = packed / "Faceplate/lib"
    for system in ("linux-x86_64", "darwin-arm64", "darwin-x86_64", "win32-x86_64"):
        for python in PYTHONS:
            assert list((libraries / system / python / "msgspec").glob("_core.*")), (system, python)
            zmq = [libraries / system / folder / "zmq" for folder in (python, "abi3")]
            assert any(list(folder.rglob("_zmq.*")) for folder in zmq), (system, python)
    text = (menu / "Replace Face.py").read_text(encoding="utf-8")
    for pair in PLACES.values():
        for place in pair:
            assert repr(os.path.join(place, "Faceplate")) in text, place  # noqa: PTH118


def test_nothing_of_the_scripts_is_called_like_the_engine(packed: Path) -> None:
    for path in (packed / "Faceplate/faceplate_resolve").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom):
                assert node.level or (node.module or "").split(".")[0] not in {"engine", "host_addons"}, path


def test_importing_needs_the_standard_library_alone(packed: Path) -> None:
    """Without site packages, and with no way to the libraries: all of the scripts' own modules."""
    names = [path.stem for path in SOURCE.glob("*.py") if path.stem not in {"__init__", "menu"}]
    code = f"import sys; sys.path.insert(0, {str(packed / 'Faceplate')!r}); import importlib\n"
    code += f"for name in {names}: importlib.import_module('faceplate_resolve.' + name)\n"
    code += "assert not {'zmq', 'msgspec', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-I", "-S", "-c", code], check=True)


def test_the_libraries_that_came_along_are_used(packed: Path, tmp_path: Path) -> None:
    """In this Python, with no other way to them; and what a user is told in a Python or system without."""
    code = f"""
import sys; sys.path.insert(0, {str(packed / "Faceplate")!r})
import faceplate_resolve as scripts
try:
    scripts.use_libraries(scripts.LIBRARIES, *{{arguments}})
    import faceplate_resolve.wire.script, zmq, msgspec
    print(zmq.__file__, msgspec.__file__, zmq.zmq_version())
except scripts.Refused as error:
    print(error.code, error.message, error.remedy)
"""

    def run(arguments: str) -> str:
        command = [sys.executable, "-I", "-S", "-c", code.replace("{arguments}", arguments)]
        return subprocess.run(command, capture_output=True, text=True, check=True, cwd=tmp_path).stdout

    if f"{sys.platform}-{platform.machine()}" == "linux-x86_64":
        assert run("()").count(str(packed / "Faceplate/lib/linux-x86_64")) == 2
    told = run("('linux', 'riscv64')")
    assert told.startswith("no-library Faceplate has no msgspec for the Python 3.") and "Install Python 3.12" in told
    assert run("('linux', 'x86_64', (3, 10, 4))").startswith("old-python DaVinci Resolve uses Python 3.10; ")


def test_a_menu_entry_whose_files_are_gone(packed: Path, tmp_path: Path) -> None:
    entry = packed / "Scripts/Utility/Faceplate/Replace Face.py"
    done = subprocess.run(
        [sys.executable, "-I", str(entry)], env={"HOME": str(tmp_path)}, capture_output=True, text=True, check=False
    )
    assert "install it again" in done.stdout and done.returncode == 0 and not done.stderr


@pytest.fixture
def hosts(tmp_path: Path) -> Hosts:
    """Run `faceplate hosts install resolve` as a user with a home of their own."""
    (tmp_path / "cache" / "faceplate").mkdir(parents=True)
    (tmp_path / "cache" / "faceplate" / "wheels").symlink_to(WHEELS)
    environment = os.environ | {
        "HOME": str(tmp_path),
        "PYTHONPATH": str(REPOSITORY),
        "XDG_CACHE_HOME": str(tmp_path / "cache"),
        "COLUMNS": "200",
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "engine.cli", "hosts", "install", "resolve", *arguments]
        return subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, text=True, check=False)

    return run


@pytest.mark.skipif(sys.platform != "linux", reason="the folders are those of Linux")
def test_it_is_installed_looked_for_and_removed(hosts: Hosts, packed: Path, tmp_path: Path) -> None:
    del packed  # The libraries are downloaded by then.
    missing = hosts()
    assert missing.returncode == 1 and "No DaVinci Resolve was found" in missing.stderr, missing
    fusion = tmp_path / ".local/share/DaVinciResolve/Fusion"
    (fusion / "Scripts/Utility").mkdir(parents=True)
    (fusion / "Scripts/Utility/Mine.py").write_text("print()")
    before = hosts("--check")
    assert before.returncode == 1 and "not installed" in before.stdout, before
    done = hosts()
    assert done.returncode == 0 and "Workspace, Scripts, Faceplate" in done.stdout, done
    assert {path.name for path in (fusion / "Faceplate/lib").iterdir()} == {"linux-x86_64"}
    assert hosts("--check").returncode == 0
    # A second time, over what an older version has left.
    (fusion / "Faceplate/faceplate_resolve/older.py").write_text("")
    assert hosts().returncode == 0 and not (fusion / "Faceplate/faceplate_resolve/older.py").exists()
    (fusion / "Faceplate/mine.exr").write_text("")
    assert "removed" in hosts("--remove").stdout and "it was not there" in hosts("--remove").stdout
    left = [path for path in fusion.rglob("*") if path.is_file()]
    assert sorted(left) == [fusion / "Faceplate/mine.exr", fusion / "Scripts/Utility/Mine.py"]


def test_another_folder_is_named(hosts: Hosts, packed: Path, tmp_path: Path) -> None:
    del packed
    (tmp_path / "elsewhere").mkdir()
    assert hosts("--at", "elsewhere").returncode == 0
    assert (tmp_path / "elsewhere/Scripts/Utility/Faceplate/Self-check.py").is_file()
    assert hosts("--check", "--remove").returncode == 2
