"""Opens a network that a person brought as its manifest describes it, and runs it on pictures and numbers.

Whatever the file calls for (order of axes and of colours, normalisation, half floats, one at a time) is done here:
adapters give and take pictures (h, w, 3), RGB in the model view.
"""

import hashlib
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.models.catalogue import ModelSpec, Tensor, read_checked
from engine.models.initializer import last_initializer
from engine.models.manifest import Manifest, Port, Role, adapter_digest
from engine.models.session import Declared, open_declared

Float32 = NDArray[np.float32]

NUMBERS = 512
"""How many numbers an embedding has."""

# Inputs that are one for all pictures of a batch.
_SINGLE = ("morph", "weight")
# Families whose networks must have their masks.
_MASKS = ("dfm", "occlusion")
# Of the white of the model view: a picture that varies less, where the face does not, is none.
_FLAT = 1 / 255
_OTHER = "Give the file that the manifest is for, or correct the manifest."
_REFUSED = "Do not use this model: faceplate models remove NAME."


class Brought:
    """One open network with its manifest. Calls may come from several threads at once.

    size: side of its picture, pixels. identity: a digest of what decides its answers. emap: (512, 512), the graph's own
    matrix, where the manifest says that it has one.
    """

    def __init__(self, manifest: Manifest, content: bytes) -> None:
        """Raises ModelError when the file is no model, or has other inputs and outputs than its manifest says."""
        self.manifest = manifest
        self.identity = adapter_digest(manifest, hashlib.sha256(content).hexdigest())
        self._outputs: tuple[Port, ...] = ()
        self._model = open_declared(manifest.name, content, self._spec_of)
        target = self._shape("target")
        side = target[2] if len(target) == 4 else 0
        self.size = manifest.size or (side if isinstance(side, int) else 0)
        if target and not self.size:
            raise ModelError(f"Neither {manifest.name} nor its manifest says what size of picture it takes.", _OTHER)
        self.emap = None
        if manifest.source == "emap":
            self.emap = last_initializer(content, manifest.name, (NUMBERS, NUMBERS))

    @property
    def batched(self) -> bool:
        """Whether several pictures are one run; a file that fixes its batch at one is run once for each."""
        tensors = zip(self.manifest.inputs, self._model.spec.inputs, strict=True)
        return all(isinstance(tensor.shape[0], str) for port, tensor in tensors if port.role not in _SINGLE)

    def run(self, feeds: Mapping[Role, Float32]) -> dict[Role, Float32]:
        """Run on `feeds`, arrays (n, …) as the network takes them, by role; one of a single item serves for all.

        The results by role, (n, …). Raises ModelError, also where a result is not finite.
        """
        count = max(len(array) for array in feeds.values())
        if self.batched:
            runs = [self._once(feeds, slice(0, count), count)]
        else:
            runs = [self._once(feeds, slice(i, i + 1), 1) for i in range(count)]
        results: dict[Role, Float32] = {}
        for port, parts in zip(self._outputs, zip(*runs, strict=True), strict=True):
            results[port.role] = np.concatenate(parts)
        if not all(np.isfinite(result).all() for result in results.values()):
            raise ModelError(
                f"The model {self.manifest.name} gives values that are no numbers (NaN or infinite).", _REFUSED
            )
        return results

    def _once(self, feeds: Mapping[Role, Float32], part: slice, count: int) -> list[Float32]:
        arrays = {}
        for port in self.manifest.inputs:
            array = feeds[port.role]
            if port.role not in _SINGLE:
                array = array[part] if len(array) > 1 else np.repeat(array, count, axis=0)
            arrays[port.name] = np.asarray(array, np.float32)
        return self._model.run(arrays)

    def target(self, pictures: Sequence[Float32] | Float32) -> Float32:
        """Pictures (n, h, w, 3), model view RGB [0, 1], as the network takes its target."""
        manifest = self.manifest
        shown = np.asarray(pictures, np.float32)[..., ::-1] if manifest.channels == "bgr" else np.asarray(pictures)
        values = (shown - np.array(manifest.mean, np.float32)) / np.array(manifest.std, np.float32)
        return values if manifest.layout == "nhwc" else values.transpose(0, 3, 1, 2)

    def faces(self, result: Float32, seen: Sequence[Float32] | Float32) -> Float32:
        """The network's faces as pictures (n, h, w, 3), model view RGB [0, 1]; `seen` is what it was shown.

        Raises ModelError where they are constant and what it was shown is not.
        """
        manifest = self.manifest
        low, high = manifest.range
        pictures = result if manifest.layout == "nhwc" else result.transpose(0, 2, 3, 1)
        pictures = np.clip((pictures - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
        if np.ptp(pictures) < _FLAT <= np.ptp(np.asarray(seen)):
            raise ModelError(f"The model {manifest.name} gives a constant picture on a face.", _REFUSED)
        return np.ascontiguousarray(pictures[..., ::-1] if manifest.channels == "bgr" else pictures, np.float32)

    def masks(self, result: Float32) -> Float32:
        """The network's masks (n, h, w) [0, 1]."""
        return np.clip(result[..., 0] if self.manifest.layout == "nhwc" else result[:, 0], 0.0, 1.0)

    def enhance(self, pictures: Float32, weight: float = 0.5) -> Float32:
        """Faces made new by an enhancer: pictures (n, size, size, 3), model view RGB [0, 1], in and out.

        weight: [0, 1], where the network takes one; CodeFormer's is 1 where it keeps most of what it is shown. Raises
        ModelError.
        """
        feeds: dict[Role, Float32] = {"target": self.target(pictures)}
        if any(port.role == "weight" for port in self.manifest.inputs):
            feeds["weight"] = np.array([weight], np.float32)
        return self.faces(self.run(feeds)["face"], pictures)

    def visible(self, pictures: Float32) -> Float32:
        """Where the face itself is to be seen, by an occlusion network: (n, size, size) [0, 1].

        0 is what lies before the face, or is none. pictures: (n, size, size, 3), model view RGB [0, 1]. Raises
        ModelError.
        """
        results = self.run({"target": self.target(pictures)})
        if "classes" in results:
            return self._of_classes(results["classes"])
        low, high = self.manifest.range
        masks = self.masks((results["mask"] - np.float32(low)) / np.float32(high - low))
        return 1.0 - masks if self.manifest.mask == "occluder" else masks

    def _of_classes(self, logits: Float32) -> Float32:
        """How likely each pixel is one of the face's classes: the sum of their softmax, (n, h, w)."""
        axis = 3 if self.manifest.layout == "nhwc" else 1
        shares = np.exp(logits - logits.max(axis, keepdims=True))
        return shares.take(self.manifest.classes, axis).sum(axis) / shares.sum(axis)

    def _shape(self, role: Role) -> tuple[int | str, ...]:
        names = {port.role: port.name for port in self.manifest.inputs}
        found = [tensor.shape for tensor in self._model.spec.inputs if tensor.name == names.get(role)]
        return found[0] if found else ()

    def _spec_of(self, inputs: Sequence[Declared], outputs: Sequence[Declared]) -> ModelSpec:
        manifest = self.manifest
        named = {each.name: each for each in inputs}
        wanted = [port.name for port in manifest.inputs]
        if set(named) != set(wanted):
            raise _unlike(manifest, "inputs", ", ".join(named), ", ".join(wanted))
        places = {each.name: each for each in outputs}
        needed = [port for port in manifest.outputs if port.role != "mask" or manifest.family in _MASKS]
        if len(outputs) < len(needed) or any(port.name and port.name not in places for port in needed):
            expected = ", ".join(port.name or "any name" for port in needed)
            raise _unlike(manifest, "outputs", ", ".join(places), expected)
        taken = [
            (port, places[port.name] if port.name else outputs[place])
            for place, port in enumerate(manifest.outputs)
            if (port.name in places if port.name else place < len(outputs))
        ]
        self._outputs = tuple(port for port, _ in taken)
        return ModelSpec(
            file=manifest.name,
            sha256=manifest.sha256,
            inputs=tuple(self._tensor(port, named[port.name]) for port in manifest.inputs),
            outputs=tuple(self._tensor(port, each) for port, each in taken),
            licence=manifest.licence,
            origin=manifest.origin,
        )

    def _tensor(self, port: Port, declared: Declared) -> Tensor:
        """What the port is in this file: a side that it leaves open varies. Raises ModelError."""
        # An output's shape may be declared not at all.
        declared = declared if declared.shape else declared._replace(shape=(None, *port.shape[1:]))
        fits = len(port.shape) == len(declared.shape) and all(
            want == have or not isinstance(want, int) or not isinstance(have, int)
            for want, have in zip(port.shape, declared.shape, strict=True)
        )
        if declared.type != f"tensor({port.type})" or not fits:
            found = f"{declared.type} {list(declared.shape)}"
            raise _unlike(self.manifest, declared.name, found, f"tensor({port.type}) {list(port.shape)}")
        # A side that the manifest fixes and the file leaves open is the manifest's, but for the batch.
        batch = port.role not in _SINGLE
        sides = list(declared.shape)
        for place, want in enumerate(port.shape):
            if not isinstance(sides[place], int):
                sides[place] = (
                    want if isinstance(want, int) and (place or not batch) else f"{(want, place) if place else 'N'}"
                )
        return Tensor(declared.name, tuple(side for side in sides if side is not None), port.type)


_lock = threading.Lock()
_open: dict[tuple[str, int, int, Manifest], Brought] = {}


def open_brought(path: Path, manifest: Manifest) -> Brought:
    """Open the model at `path` as its manifest says, once in a process while the file stays. Raises ModelError."""
    try:
        stat = path.stat()
    except OSError as error:
        raise ModelError(
            f"The model {manifest.name} is not installed: there is no file {path}.",
            f"Bring {manifest.file or path.name} from {manifest.url or manifest.origin}: faceplate models add FILE.",
        ) from error
    key = (str(path), stat.st_mtime_ns, stat.st_size, manifest)
    # Without the lock two threads that ask at once would both load the weights.
    with _lock:
        if key not in _open:
            _open[key] = Brought(manifest, read_checked(path, manifest.sha256 or None))
        return _open[key]


def _unlike(manifest: Manifest, what: str, found: str, expected: str) -> ModelError:
    return ModelError(f"{what} of the model {manifest.name}: {found}; expected: {expected}.", _OTHER)
