"""Loads a model that nobody has vouched for, and runs it once on a drawn face, in a process that may be lost.

`try_model` starts this module as the child: hostile files stall or eat all memory while they are loaded, too.
"""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import cv2
import msgspec
import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.models.confined import OUT_OF_MEMORY, Limits, bound, run_confined
from engine.models.drawn_face import drawn_face
from engine.models.session import Declared, Untried

Content = Literal["picture", "other picture", "vector", "number"]
"""What an input is fed with: the drawn face; the same face turned and tinted; 512 or so numbers of length 1; 0.5."""

_GIB = 1 << 30
# onnxruntime holds weights up to four times while it loads them; the rest is for Python, its libraries and a run.
_PER_BYTE, _BESIDE = 4, 2 * _GIB
_SECONDS = 120.0
_OTHER_FILE = "Give an ONNX model that is one file, with its weights inside."
_TYPES = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(double)": np.float64}


class Feed(msgspec.Struct, frozen=True):
    """One input: what goes into it, and how a picture is written.

    `size` is the picture's width and height, or the number of numbers of a vector, where the file leaves it open.
    A picture's value v of [0, 1] is fed as (v − mean) / std, by channel in the picture's own order.
    """

    name: str
    content: Content
    size: int
    channels_last: bool = False
    bgr: bool = False
    mean: tuple[float, ...] = (0.0, 0.0, 0.0)
    std: tuple[float, ...] = (1.0, 1.0, 1.0)


class Seen(msgspec.Struct, frozen=True):
    """An input or output as the file declares it."""

    name: str
    type: str
    shape: tuple[int | str | None, ...]


class Given(msgspec.Struct, frozen=True):
    """What an output held after the run; the least, the median and the greatest value, NaN where not all are finite."""

    name: str
    shape: tuple[int, ...]
    finite: bool
    low: float = 0.0
    middle: float = 0.0
    high: float = 0.0


class Outcome(msgspec.Struct, frozen=True, tag=True):
    """What came of a trial. `given` is empty where nothing was fed, and where the run failed: `failure` says why."""

    inputs: tuple[Seen, ...]
    outputs: tuple[Seen, ...]
    given: tuple[Given, ...] = ()
    failure: str = ""


class _Request(msgspec.Struct, frozen=True):
    path: str
    name: str
    feeds: tuple[Feed, ...]


class _Refusal(msgspec.Struct, frozen=True, tag=True):
    message: str


def try_model(
    path: Path,
    name: str,
    feeds: tuple[Feed, ...] = (),
    limits: Limits | None = None,
    stopped: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Load a model file in a child process and, where there are feeds, run it once; on the CPU.

    `name` is what messages call it. Without feeds it is only looked at. `limits` are by default two minutes, and
    memory by the file's size. Raises ModelTimeout and ModelError: no model, too slow, too much memory, a crash; and
    Cancelled once `stopped()`.
    """
    limits = limits or Limits(_SECONDS, _BESIDE + _PER_BYTE * path.stat().st_size)
    request = msgspec.json.encode(_Request(str(path.absolute()), name, feeds))
    answer = run_confined("engine.models.trial", request, limits, f"The model {name}", stopped)
    try:
        outcome = msgspec.json.decode(answer, type=Outcome | _Refusal)
    except msgspec.MsgspecError as error:
        raise ModelError(f"The model {name} made its process say nothing that makes sense.", _OTHER_FILE) from error
    if isinstance(outcome, _Refusal):
        raise ModelError(outcome.message, _OTHER_FILE)
    return outcome


def main() -> None:
    """The child: a request on standard input, an outcome or a refusal on standard output."""
    bound(sys.argv[1:])
    try:
        answer: Outcome | _Refusal = _tried(msgspec.json.decode(sys.stdin.buffer.read(), type=_Request))
    except ModelError as error:
        answer = _Refusal(error.message)
    except MemoryError:
        sys.exit(OUT_OF_MEMORY)
    sys.stdout.buffer.write(msgspec.json.encode(answer))


def _tried(request: _Request) -> Outcome:
    network = Untried(request.name, Path(request.path).read_bytes())
    inputs, outputs = (tuple(Seen(*each) for each in some) for some in (network.inputs, network.outputs))
    if not request.feeds:
        return Outcome(inputs, outputs)
    declared = {each.name: each for each in network.inputs}
    if set(declared) != {feed.name for feed in request.feeds}:
        return Outcome(inputs, outputs, failure="Its inputs have other names.")
    try:
        results = network.run({feed.name: _fed(feed, declared[feed.name]) for feed in request.feeds})
    except ModelError as error:
        return Outcome(inputs, outputs, failure=error.message)
    except ValueError as error:
        return Outcome(inputs, outputs, failure=str(error))
    named = zip(network.outputs, results, strict=True)
    return Outcome(inputs, outputs, tuple(_given(each.name, result) for each, result in named))


def _fed(feed: Feed, declared: Declared) -> NDArray[Any]:
    """The array for an input. Raises ValueError where the declared type or shape cannot take such a thing."""
    if declared.type not in _TYPES:
        raise ValueError(f"{feed.name} is {declared.type}.")
    match feed.content:
        case "vector":
            array = np.random.default_rng(0).standard_normal((1, feed.size))
            array /= np.linalg.norm(array)
        case "number":
            array = np.full([side if isinstance(side, int) else 1 for side in declared.shape], 0.5)
        case _:
            array = _picture(feed, declared)
    return np.ascontiguousarray(array, _TYPES[declared.type])


def _picture(feed: Feed, declared: Declared) -> NDArray[np.float32]:
    if len(declared.shape) != 4:
        raise ValueError(f"{feed.name} is no picture: {list(declared.shape)}.")
    sides = declared.shape[1:3] if feed.channels_last else declared.shape[2:]
    height, width = (side if isinstance(side, int) else feed.size for side in sides)
    face = drawn_face(256)
    if feed.content == "other picture":
        face = face[:, ::-1] * np.array([0.7, 0.8, 0.9], np.float32)
    face = cv2.resize(face, (width, height), interpolation=cv2.INTER_AREA)
    face = face[..., ::-1] if feed.bgr else face
    face = (face - np.array(feed.mean, np.float32)) / np.array(feed.std, np.float32)
    return face[None] if feed.channels_last else face.transpose(2, 0, 1)[None]


def _given(name: str, result: NDArray[Any]) -> Given:
    if not isinstance(result, np.ndarray) or result.dtype.kind != "f" or not result.size:
        return Given(name, tuple(np.shape(result)), finite=False)
    if not np.isfinite(result).all():
        return Given(name, result.shape, finite=False)
    low, middle, high = (float(each) for each in np.percentile(result.astype(np.float64), (0, 50, 100)))
    return Given(name, result.shape, True, low, middle, high)


if __name__ == "__main__":
    main()
