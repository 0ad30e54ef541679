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
from engine.models.binding import GRAPH, NO_GRAPH, Steady, empty, fetched, placed, run_bound, settled
from engine.models.catalogue import FOLDER, MODELS, ModelSpec, Tensor, read_checked
from engine.models.devices import CPU, CUDA, Device, devices_of, frame, providers_for
from engine.models.legible import legible

# The number of threads can decide how onnxruntime divides a sum, and with it the last bits. Measured with 1 to 8
# threads: a single picture gave the same bits throughout, in all bundled networks and in generators of convolutions
# with up to 139 million weights; so did batches of 2 to 16 in all but the mesh, where two threads and four differ.
# Since nobody knows what people bring, the number is the same on every machine: results do not depend on its cores.
# The bundled networks take 4 to 40 ms, where more threads gained nothing (the mesh: 6.7 to 7.7 ms with 2, 4 or 8).
THREADS = 2
# What people bring takes a hundred times as long, and can use more cores; where there are only two, eight threads were
# not slower (a light generator: 182 ms at best against 285 with 2, a heavy one 8.7 s with either, on a busy machine).
BROUGHT_THREADS = 8

_FATAL_ONLY = 4
_TYPES = {"float": np.float32, "float16": np.float16, "double": np.float64}
Output = tuple[str, tuple[int, ...], Any]
"""An output's name, shape and type in a run."""

_OTHER_FILE = "Use a model file that was made for this adapter."
# What onnxruntime says where the system refuses it memory.
_NO_MEMORY = ("Failed to allocate memory", "bad_alloc", "bad allocation")


class Model:
    """One open network, on one or several devices. `run` may be called from several threads at once."""

    def __init__(self, spec: ModelSpec, sessions: Mapping[Device, "_Session"]) -> None:
        self.spec = spec
        self._sessions = dict(sessions)
        self._output_names = [tensor.name for tensor in spec.outputs]

    @property
    def provider(self) -> str:
        """onnxruntime's name of the provider that does the work, such as "CPUExecutionProvider"."""
        return next(iter(self._sessions.values())).session.get_providers()[0]

    @property
    def device(self) -> Device:
        """Where this thread's next run is: on the device whose turn the frame is that it works for."""
        return self.devices[frame() % len(self._sessions)]

    @property
    def devices(self) -> tuple[Device, ...]:
        """Those that the network is open on."""
        return tuple(self._sessions)

    def run(self, feeds: Mapping[str, Any], timeout: float = 60.0) -> list[Any]:
        """Run once; the results come in the order of the spec's outputs, float32.

        `feeds` holds one array for each input of the spec, float32 or of the input's own type, which saves a copy;
        other names, types or shapes are a ValueError. Where one is CuPy's, so are the results, and nothing goes
        through the host. The same feeds give the same bits on the same kind of CPU. Items of a batch may differ in
        their last bits from the same items alone, so what must not depend on its neighbours is run with a batch of one.

        Raises ModelTimeout after `timeout` seconds (between two operators; one that hangs inside cannot be ended),
        ModelError when the network fails or gives other shapes than its spec.
        """
        sizes = _sizes_of_feeds(self.spec, feeds)
        taken = {tensor.name: settled(feeds[tensor.name], _TYPES[tensor.type]) for tensor in self.spec.inputs}
        options = _runtime().RunOptions()
        options.log_severity_level = _FATAL_ONLY
        with _watched(self.spec.file, options, timeout), _mapped(self.spec.file):
            results = self._run(taken, sizes, options)
        for tensor, result in zip(self.spec.outputs, results, strict=True):
            if result.dtype != _TYPES[tensor.type] or not _fits(tensor.shape, result.shape, dict(sizes)):
                found = f"{result.dtype} {result.shape}"
                raise ModelError(f"{self.spec.file} gave {found} for {tensor.name}{list(tensor.shape)}.", _OTHER_FILE)
        return [result.astype(np.float32, copy=False) for result in results]

    def _run(self, feeds: Mapping[str, Any], sizes: Mapping[str, int], options: Any) -> list[Any]:
        device = self.device
        opened = self._sessions[device]
        lifted = next((array for array in feeds.values() if not isinstance(array, np.ndarray)), None)
        outputs = _outputs_of(self.spec, sizes)
        if lifted is None or outputs is None:
            if opened.graphs:
                options.add_run_config_entry(GRAPH, NO_GRAPH)
            results = opened.session.run(
                self._output_names, {name: fetched(array) for name, array in feeds.items()}, options
            )
            return results if lifted is None else [placed(lifted, result) for result in results]
        there = {name: placed(lifted, array) for name, array in feeds.items()}
        if opened.graphs:
            return opened.steady(there, outputs).run(opened.session, there, device, options)
        made = {name: empty(lifted, shape, dtype) for name, shape, dtype in outputs}
        run_bound(opened.session, there, made, device, options)
        return list(made.values())


class _Session:
    """A session of onnxruntime on one device; with `graphs` it repeats its runs as CUDA graphs."""

    def __init__(self, session: Any, graphs: bool = False) -> None:
        self.session, self.graphs = session, graphs
        self._lock = threading.Lock()
        self._steady: dict[tuple[Any, ...], Steady] = {}

    def steady(self, feeds: Mapping[str, Any], outputs: Sequence["Output"]) -> Steady:
        """The arrays for feeds of these shapes. There are few: a batch has one size, and what is left over another."""
        with self._lock:
            key = tuple(array.shape for array in feeds.values())
            if key not in self._steady:
                self._steady[key] = Steady(len(self._steady) + 1, feeds, outputs)
            return self._steady[key]


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
        self._session = _opened(name, content, _options(), [CPU])
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
    device = devices()[0]
    opened = _opened_on(device, path.name, content, THREADS)
    _check_tensors(path.name, "input", spec.inputs, opened.session.get_inputs())
    _check_tensors(path.name, "output", spec.outputs, opened.session.get_outputs())
    return Model(spec, {device: opened})


def open_declared(
    name: str,
    content: bytes,
    spec_of: Callable[[Sequence[Declared], Sequence[Declared]], ModelSpec],
    sha256: str = "",
) -> Model:
    """Open a model, on every device, as the spec that `spec_of` makes of what it declares; not cached.

    The file may have more outputs than the spec. `name` is what messages call it; `sha256` is the content's, under
    which TensorRT keeps what it builds. Raises ModelError, as `spec_of` may.
    """
    sessions = {
        device: _opened_on(device, name, content, BROUGHT_THREADS, sha256, graphs=device.holds_arrays)
        for device in devices()
    }
    session = next(iter(sessions.values())).session
    inputs, outputs = (
        [Declared(node.name, node.type, tuple(node.shape)) for node in nodes]
        for nodes in (session.get_inputs(), session.get_outputs())
    )
    return Model(spec_of(inputs, outputs), sessions)


def devices() -> tuple[Device, ...]:
    """The devices that frames are given to in turns; at least one. Raises ModelError without onnxruntime."""
    return devices_of(_runtime().get_available_providers())


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


def _options(threads: int = THREADS) -> Any:
    options = _runtime().SessionOptions()
    options.log_severity_level = _FATAL_ONLY
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    # Waiting threads would otherwise burn the cores that kernels and readers work on at the same time.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    # No folder at all, so that weights in other files are an error.
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", os.devnull)
    return options


def _opened_on(
    device: Device, name: str, content: bytes, threads: int, sha256: str = "", graphs: bool = False
) -> _Session:
    """A session on a device; without CUDA graphs where the network has an operator that the GPU cannot run."""
    providers = providers_for(device, _runtime().get_available_providers(), sha256, graphs)
    try:
        return _Session(_opened(name, content, _options(threads), providers), graphs)
    except ModelError:
        if not graphs:
            raise
        return _opened_on(device, name, content, threads, sha256)


def _opened(name: str, content: bytes, options: Any, providers: Sequence[Any] = ()) -> Any:
    runtime = _runtime()
    with _mapped(name):
        wanted = list(providers) or providers_for(devices()[0], runtime.get_available_providers(), "", graph=False)
        return runtime.InferenceSession(content, options, providers=wanted)


@functools.cache
def _runtime() -> Any:
    try:
        runtime = importlib.import_module("onnxruntime")
    except ImportError as error:
        raise ModelError(
            f"onnxruntime cannot be imported: {error}.", "Install faceplate[cpu], or faceplate[cuda] for an NVIDIA GPU."
        ) from error
    if CUDA in runtime.get_available_providers():
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
        if any(words in str(error) for words in _NO_MEMORY):
            message = f"The model {name} needs more memory than it can have."
            raise ModelError(message, "Use a smaller model, or a machine with more memory.") from error
        raise ModelError(f"The model {name} cannot be used: {_sentence(error)}", _OTHER_FILE) from error


def _sentence(error: Exception) -> str:
    return f"{(legible(str(error)) or type(error).__name__).rstrip('.')}."


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


def _sizes_of_feeds(spec: ModelSpec, feeds: Mapping[str, Any]) -> dict[str, int]:
    """The numbers that the named dimensions stand for in this run."""
    if set(feeds) != {tensor.name for tensor in spec.inputs}:
        raise ValueError(f"{spec.file} takes {[tensor.name for tensor in spec.inputs]}, not {sorted(feeds)}")
    sizes: dict[str, int] = {}
    for tensor in spec.inputs:
        array = feeds[tensor.name]
        if array.dtype not in (np.float32, _TYPES[tensor.type]) or not _fits(tensor.shape, array.shape, sizes):
            raise ValueError(f"{tensor.name} is float32 {tensor.shape}, not {array.dtype} {array.shape}")
    return sizes


def _outputs_of(spec: ModelSpec, sizes: Mapping[str, int]) -> list[Output] | None:
    """Name, shape and type of each output; None where the feeds' sizes do not say all shapes."""
    shapes = [[sizes.get(side, 0) if isinstance(side, str) else side for side in t.shape] for t in spec.outputs]
    if any(0 in shape for shape in shapes):
        return None
    return [(t.name, tuple(shape), _TYPES[t.type]) for t, shape in zip(spec.outputs, shapes, strict=True)]


def _fits(expected: tuple[int | str, ...], shape: tuple[int, ...], sizes: dict[str, int]) -> bool:
    """Whether an array's shape is the expected one; names met for the first time are put down in `sizes`."""
    if len(expected) != len(shape):
        return False
    return all(
        (sizes.setdefault(want, have) if isinstance(want, str) else want) == have
        for want, have in zip(expected, shape, strict=True)
    )
