"""The CUDA kernels where there is no GPU: run in Numba's simulator, then compiled for a real one."""

import os
import pickle
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from tests.kernels.tolerances import assert_close

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
# The oldest GPUs that the CUDA extra's packages still serve (Turing), and the ones it was written for (Hopper).
COMPUTE_CAPABILITIES = ((7, 5), (9, 0))


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    """The simulator's run over all of tests/kernels/on_device, the kernels that it met, and what the CPU gave there."""
    folder = tmp_path_factory.mktemp("cuda")
    kernels, references = folder / "kernels.pickle", folder / "references.pickle"
    # The simulator hands its own arrays to the functions that kernels call: those must be plain Python, too.
    done = run_on_device_tests(
        NUMBA_ENABLE_CUDASIM="1",
        NUMBA_DISABLE_JIT="1",
        FACEPLATE_RECORD_KERNELS=str(kernels),
        FACEPLATE_RECORD_REFERENCES=str(references),
    )
    return done, kernels, references


def run_on_device_tests(**environment):
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/kernels/on_device"]
    return subprocess.run(command, cwd=ROOT, env=os.environ | environment, capture_output=True, text=True)


def test_the_simulator_agrees_with_the_cpu(simulated):
    done, kernels, _ = simulated
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " skipped" not in done.stdout
    ran = {(module, name) for module, name, _ in pickle.loads(kernels.read_bytes())}
    assert ran == set(all_kernels())


def test_compiled_and_plain_python_agree(simulated, tmp_path):
    _, _, references = simulated
    plain = pickle.loads(references.read_bytes())
    done = run_on_device_tests(FACEPLATE_RECORD_REFERENCES=str(tmp_path / "compiled.pickle"))
    assert done.returncode == 0, done.stdout[-6000:]
    compiled = pickle.loads((tmp_path / "compiled.pickle").read_bytes())
    assert compiled.keys() == plain.keys()
    for name, (array, tolerance) in compiled.items():
        assert array.dtype == plain[name][0].dtype, name
        assert_close(array, plain[name][0], tolerance)


def test_every_kernel_has_a_loop_of_the_same_name_and_arguments():
    for module, name in all_kernels():
        kernel = getattr(import_module(module), name).py_func
        loop = getattr(import_module(module.replace("kernels.cuda.", "kernels.")), name).py_func
        assert (
            kernel.__code__.co_varnames[: kernel.__code__.co_argcount]
            == (loop.__code__.co_varnames[: loop.__code__.co_argcount])
        ), name


def test_every_kernel_compiles_for_a_gpu(simulated):
    cuda = pytest.importorskip("numba_cuda", reason="numba-cuda is not installed") and import_module("numba.cuda")
    _, kernels, _ = simulated
    for module, name, types in sorted(pickle.loads(kernels.read_bytes()), key=str):
        kernel = getattr(import_module(module), name).py_func
        for capability in COMPUTE_CAPABILITIES:
            code, _ = cuda.compile_ptx(kernel, types, cc=capability)
            assert ".entry" in code, name


def all_kernels():
    for path in sorted((ROOT / "kernels" / "cuda").glob("*.py")):
        module = import_module(f"kernels.cuda.{path.stem}")
        for name, value in vars(module).items():
            if hasattr(value, "py_func") and getattr(value.py_func, "__module__", "") == module.__name__:
                yield module.__name__, name
