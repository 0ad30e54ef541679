"""The CUDA kernels where there is no GPU: run in Numba's simulator, then compiled for a real one."""

import multiprocessing
import os
import pickle
import subprocess
import sys
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from typing import NamedTuple

import pytest

from tests.kernels.tolerances import assert_close

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# The oldest GPUs that the CUDA extra's packages still serve (Turing): what they can, newer ones can.
COMPUTE_CAPABILITY = (7, 5)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """The simulator's run over all of tests/kernels/on_device, the kernels that it met, and what the CPU gave there."""
    folder = tmp_path_factory.mktemp("cuda")
    # The simulator hands its own arrays to the functions that kernels call: those must be plain Python, too.
    return run_on_device_tests(folder, NUMBA_ENABLE_CUDASIM="1", NUMBA_DISABLE_JIT="1")


class Ran(NamedTuple):
    """What the tests printed and how they ended, in several processes; the kernels and references of all of them."""

    output: str
    passed: bool
    kernels: set
    references: dict


def run_on_device_tests(folder, **environment):
    """Every test of tests/kernels/on_device, in as many processes as there are cores."""
    files = sorted(Path(__file__).parent.joinpath("on_device").glob("test_*.py"))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        runs = list(pool.map(lambda file: _run_on_device_tests(file, folder / file.stem, environment), files))
    kernels, references = set(), {}
    for file, _ in zip(files, runs, strict=True):
        place = folder / file.stem
        if place.with_suffix(".kernels").exists():
            kernels |= pickle.loads(place.with_suffix(".kernels").read_bytes())
        found = pickle.loads(place.with_suffix(".references").read_bytes())
        references |= {f"{file.stem} {name}": value for name, value in found.items()}
    output = "".join(done.stdout + done.stderr for done in runs)
    return Ran(output, all(done.returncode == 0 for done in runs), kernels, references)


def _run_on_device_tests(file, place, environment):
    records = {"FACEPLATE_RECORD_REFERENCES": str(place.with_suffix(".references"))}
    if "NUMBA_ENABLE_CUDASIM" in environment:
        records["FACEPLATE_RECORD_KERNELS"] = str(place.with_suffix(".kernels"))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(file)]
    variables = os.environ | environment | records
    return subprocess.run(command, cwd=ROOT, env=variables, capture_output=True, text=True, check=False)


def test_the_simulator_agrees_with_the_cpu(simulated):
    assert simulated.passed, simulated.output[-8000:]
    assert " skipped" not in simulated.output
    assert {(module, name) for module, name, _ in simulated.kernels} == set(all_kernels())


def test_compiled_and_plain_python_agree(simulated, tmp_path):
    compiled = run_on_device_tests(tmp_path)
    assert compiled.passed, compiled.output[-8000:]
    assert compiled.references.keys() == simulated.references.keys()
    for name, (array, tolerance) in compiled.references.items():
        plain, _ = simulated.references[name]
        assert array.dtype == plain.dtype, name
        assert_close(array, plain, tolerance)


def test_every_kernel_has_a_loop_of_the_same_name_and_arguments():
    for module, name in all_kernels():
        kernel = getattr(import_module(module), name).py_func
        loop = getattr(import_module(module.replace("kernels.cuda.", "kernels.")), name).py_func
        assert (
            kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
            == (loop.__code__.co_varnames[: loop.__code__.co_argcount])
        ), name


def test_every_kernel_compiles_for_a_gpu(simulated):
    pytest.importorskip("numba_cuda", reason="numba-cuda is not installed")
    met = sorted(simulated.kernels, key=str)
    with ProcessPoolExecutor(os.cpu_count(), multiprocessing.get_context("spawn")) as pool:
        for (_, name, _), code in zip(met, pool.map(_compiled, met, chunksize=4), strict=True):
            assert ".entry" in code, name


def _compiled(met):
    module, name, types = met
    kernel = getattr(import_module(module), name).py_func
    return import_module("numba.cuda").compile_ptx(kernel, types, cc=COMPUTE_CAPABILITY)[0]


def all_kernels():
    for path in sorted((ROOT / "kernels" / "cuda").glob("*.py")):
        module = import_module(f"kernels.cuda.{path.stem}")
        for name, value in vars(module).items():
            if hasattr(value, "py_func") and getattr(value.py_func, "__module__", "") == module.__name__:
                yield module.__name__, name
