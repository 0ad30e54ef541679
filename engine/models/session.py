"""Opens ONNX models and runs them: a file is what its spec says or it is refused, and a run that hangs is ended.

This is the one place that calls onnxruntime, so its exceptions are mapped here and nowhere else.
"""

import functools
import importlib
import json
import os
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError, ModelTimeout
from engine.models.catalogue import FOLDER, MODELS, ModelSpec, Tensor, read_checked

# The number of threads decides how onnxruntime divides a sum, and with it the last bits (seen on the mesh with a batch
# of 3: two threads and four differ). It is the same on every machine, so that results do not depend on its cores.
THREADS = 2

_FATAL_ONLY = 4
_CUDA_OPTIONS = {
    # Searching by stopwatch would choose other algorithms, and so other bits, from one run to the next.
    "cudnn_conv_algo_search": "HEURISTIC",
    # TensorFloat-32 keeps ten bits of a coordinate: a tenth of a pixel at the far side of a 192 px crop.
    "use_tf32": "0",
}
_CPU = ("CPUExecutionProvider",)
_TYPES = {"float": np.float32, "float16": np.float16, "double": np.float64}
_OTHER_FILE = "Use a model file that was made for this adapter."


class Model:
    """One open network. `run` may be called from several threads at once."""

    def __init__(self, spec: ModelSpec, session: Any) -> None:
        self.spec = spec
        self._session = session
        self._output_names = [tensor.name for tensor in spec.outputs]

    @property
    def provider(self) -> str:
        """onnxruntime's name of the provider that does the work, such as "CPUExecutionProvider"."""
        return self._session.get_providers()[0]

    def run(self, feeds: Mapping[str, NDArray[np.float32]], timeout: float = 60.0) -> list[NDArray[np.float32]]:
        """Run once; the results come in the order of the spec's outputs, float32.

        `feeds` holds one float32 array for each input of the spec; other names, types or shapes are a ValueError.
        The same feeds give the same bits on the same kind of CPU. Items of a batch may differ in their last bits from
        the same items alone, so what must not depend on its neighbours is run with a batch of one.

        Raises ModelTimeout after `timeout` seconds (between two operators; one that hangs inside cannot be ended),
        ModelError when the network fails or gives other shapes than its spec.
        """
        sizes = _sizes_of_feeds(self.spec, feeds)
        types = {tensor.name: _TYPES[tensor.type] for tensor in self.spec.inputs}
        contiguous = {name: np.ascontiguousarray(array, types[name]) for name, array in feeds.items()}
        options = _runtime().RunOptions()
        options.log_severity_level = _FATAL_ONLY
        with _watched(self.spec.file, options, timeout), _mapped(self.spec.file):
            results = self._session.run(self._output_names, contiguous, options)
        for tensor, result in zip(self.spec.outputs, results, strict=True):
            if result.dtype != _TYPES[tensor.type] or not _fits(tensor.shape, result.shape, dict(sizes)):
                found = f"{result.dtype} {result.shape}"
                raise ModelError(f"{self.spec.file} gave {found} for {tensor.name}{list(tensor.shape)}.", _OTHER_FILE)
        return [np.asarray(result, np.float32) for result in results]


class Declared(NamedTuple):
    """An input or output as a file declares it: onnxruntime's name of its type; a side is a number, a name, or None."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


class Untried:
    """The network of a file of which nothing is known yet, on the CPU.

    To load it may take for ever, or all memory, as may to run it: this is for a process that can be lost.
    """

    def __init__(self, name: str, content: bytes) -> None:
        """Raises ModelError when the content is no model that onnxruntime can run."""
        self._name = name
        self._session = _opened(name, content, _options(), _CPU)
        self.inputs = [Declared(node.name, node.type, tuple(node.shape)) for node in self._session.get_inputs()]
        self.outputs = [Declared(node.name, node.type, tuple(node.shape)) for node in self._session.get_outputs()]

    def run(self, feeds: Mapping[str, NDArray[Any]]) -> list[NDArray[Any]]:
        """Run once; the results in the order of the outputs. Raises ModelError."""
        with _mapped(self._name):
            return self._session.run(None, feeds)


_open_lock = threading.Lock()
_open: dict[str, Model] = {}


def open_model(name: str) -> Model:
    """Open a bundled network by its name in the catalogue; opened once in a process. Raises ModelError."""
    # Without the lock two threads that ask at once would both load the weights.
    with _open_lock:
        if name not in _open:
            _open[name] = _open_bundled(name)
        return _open[name]


def providers() -> dict[str, str]:
    """What runs each bundled network that is open, by the network's name. Opens none, and waits for none."""
    return {name: model.provider for name, model in list(_open.items())}


def _open_bundled(name: str) -> Model:
    spec = MODELS.get(name)
    if spec is None:
        raise ModelError(f"There is no bundled model named {name}.", f"The bundled models are {', '.join(MODELS)}.")
    return open_file(FOLDER / spec.file, spec, spec.sha256)


def open_file(path: Path, spec: ModelSpec, sha256: str | None = None) -> Model:
    """Open a model file as `spec`; not cached.

    A model is one file: one that keeps its weights in others is refused, since those are not what `sha256` vouches
    for, and since their paths could lead anywhere. Raises ModelError when the file cannot be read, has another
    SHA-256, is no model, or has other inputs or outputs than `spec`.
    """
    content = read_checked(path, sha256)
    session = _opened(path.name, content, _options())
    _check_tensors(path.name, "input", spec.inputs, session.get_inputs())
    _check_tensors(path.name, "output", spec.outputs, session.get_outputs())
    return Model(spec, session)


def open_declared(
    name: str, content: bytes, spec_of: Callable[[Sequence[Declared], Sequence[Declared]], ModelSpec]
) -> Model:
    """Open a model as the spec that `spec_of` makes of the inputs and outputs that it declares; not cached.

    The file may have more outputs than the spec. `name` is what messages call it. Raises ModelError, as `spec_of` may.
    """
    session = _opened(name, content, _options())
    inputs, outputs = (
        [Declared(node.name, node.type, tuple(node.shape)) for node in nodes]
        for nodes in (session.get_inputs(), session.get_outputs())
    )
    return Model(spec_of(inputs, outputs), session)


def ran_by(name: str) -> dict[str, int]:
    """Run a bundled network once, on zeros: how many of its operators each of onnxruntime's providers ran.

    A session lists the providers that it may use; only its profile says which of them did the work. Raises ModelError.
    """
    spec = MODELS[name]
    content = read_checked(FOLDER / spec.file, spec.sha256)
    shapes = {tensor.name: [1 if isinstance(side, str) else side for side in tensor.shape] for tensor in spec.inputs}
    with tempfile.TemporaryDirectory(prefix="faceplate-") as folder:
        options = _options()
        options.enable_profiling = True
        options.profile_file_prefix = str(Path(folder) / "profile")
        session = _opened(spec.file, content, options)
        with _mapped(spec.file):
            session.run(None, {tensor: np.zeros(shape, np.float32) for tensor, shape in shapes.items()})
            events = json.loads(Path(session.end_profiling()).read_bytes())
    return dict(Counter(event["args"]["provider"] for event in events if event.get("args", {}).get("provider")))


def _options() -> Any:
    options = _runtime().SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = THREADS
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # Waiting threads would otherwise burn the cores that kernels and readers work on at the same time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # No folder at all, so that weights in other files are an error.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return options


def _opened(name: str, content: bytes, options: Any, providers: Sequence[Any] = ()) -> Any:
    runtime = _runtime()
    with _mapped(name):
        wanted = list(providers) or _providers(runtime.get_available_providers())
        return runtime.InferenceSession(content, options, providers=wanted)


def _providers(available: Sequence[str]) -> list[Any]:
    cuda = [("CUDAExecutionProvider", _CUDA_OPTIONS)] if "CUDAExecutionProvider" in available else []
    return [*cuda, *_CPU]


@functools.cache
def _runtime() -> Any:
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ModelError(
            f"onnxruntime cannot be imported: {error}.", "Install faceplate[cpu], or faceplate[cuda] for an NVIDIA GPU."
        ) from error
    if "CUDAExecutionProvider" in runtime.get_available_providers():
        # The CUDA libraries come as packages beside onnxruntime, where the system's loader does not look.
        runtime.preload_dlls()
    return runtime


@functools.cache
def foreign_errors() -> tuple[type[Exception], ...]:
    """Everything that onnxruntime raises: its own types, and what its binding makes of C++ exceptions."""
    native = importlib.import_module("onnxruntime.capi.onnxruntime_pybind11_state")
    own = [value for value in vars(native).values() if isinstance(value, type) and issubclass(value, Exception)]
    return (*own, RuntimeError, ValueError, TypeError, MemoryError, OverflowError)


@contextmanager
def _mapped(name: str) -> Iterator[None]:
    try:
        yield
    except foreign_errors() as error:
        raise ModelError(f"The model {name} cannot be used: {_sentence(error)}", _OTHER_FILE) from error


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    return f"{text[:300]}." if len(text) <= 300 else f"{text[:300]}…"


@contextmanager
def _watched(file: str, options: Any, timeout: float) -> Iterator[None]:
    """End the run that has these options when it takes longer than `timeout` seconds: it becomes a ModelTimeout."""
    ended = threading.Event()

    def end() -> None:
        ended.set()
        options.terminate = True

    timer = threading.Timer(timeout, end)
    timer.daemon = True
    timer.start()
    try:
        yield
    except ModelError as error:
        if ended.is_set():
            raise ModelTimeout(f"The model {file} was ended after {timeout:g} s.", _OTHER_FILE) from error
        raise
    finally:
        timer.cancel()


def _check_tensors(file: str, kind: str, expected: Sequence[Tensor], found: Sequence[Any]) -> None:
    by_name = {node.name: node for node in found}
    if set(by_name) != {tensor.name for tensor in expected}:
        raise ModelError(
            f"{file} has the {kind}s {sorted(by_name)}; its adapter expects {sorted(t.name for t in expected)}.",
            _OTHER_FILE,
        )
    for tensor in expected:
        node = by_name[tensor.name]
        if node.type != "tensor(float)" or not _same_form(tensor.shape, node.shape):
            raise ModelError(
                f"The {kind} {tensor.name} of {file} is {node.type} {node.shape}; "
                f"its adapter expects tensor(float) {list(tensor.shape)}.",
                _OTHER_FILE,
            )


def _same_form(expected: tuple[int | str, ...], declared: Sequence[int | str | None]) -> bool:
    """Numbers must agree, and what the adapter varies the file must leave open; a file may leave more open."""
    return len(expected) == len(declared) and all(
        want == have or not isinstance(have, int) for want, have in zip(expected, declared, strict=True)
    )


def _sizes_of_feeds(spec: ModelSpec, feeds: Mapping[str, NDArray[np.float32]]) -> dict[str, int]:
    """The numbers that the named dimensions stand for in this run."""
    if set(feeds) != {tensor.name for tensor in spec.inputs}:
        raise ValueError(f"{spec.file} takes {[tensor.name for tensor in spec.inputs]}, not {sorted(feeds)}")
    sizes: dict[str, int] = {}
    for tensor in spec.inputs:
        array = feeds[tensor.name]
        if array.dtype != np.float32 or not _fits(tensor.shape, array.shape, sizes):
            raise ValueError(f"{tensor.name} is float32 {tensor.shape}, not {array.dtype} {array.shape}")
    return sizes


def _fits(expected: tuple[int | str, ...], shape: tuple[int, ...], sizes: dict[str, int]) -> bool:
    """Whether an array's shape is the expected one; names met for the first time are put down in `sizes`."""
    if len(expected) != len(shape):
        return False
    return all(
        (sizes.setdefault(want, have) if isinstance(want, str) else want) == have
        for want, have in zip(expected, shape, strict=True)
    )
