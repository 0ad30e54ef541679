"""Opens a network that a person brought as its manifest describes it, and runs it on pictures and numbers.

Whatever the file calls for (order of axes and of colours, normalisation, half floats, one at a time) is done here:
adapters give and take pictures (h, w, 3), RGB in the model view.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import import_module
from typing import Any

import numpy as np
from numpy.typing import NDArray

from engine.errors import ModelError
from engine.models.catalogue import ModelSpec, Tensor, fits
from engine.models.initializer import last_initializer
from engine.models.legible import legible
from engine.models.manifest import Manifest, Port, Role, adapter_digest
from engine.models.session import Declared, open_declared
from kernels.launch import contiguous, empty

Float32 = NDArray[np.float32]

NUMBERS = 512
"""How many numbers an embedding has."""

SINGLE: tuple[Role, ...] = ("morph", "weight")
"""Inputs that are one for all pictures of a batch."""

# Families whose networks must have their masks.
_MASKS = ("dfm", "occlusion")
# Pixels of the pictures of one run: what a network holds between its layers grows with them, and can be a hundred times
# as much. Sixteen pictures of 128², one of 512².
_MOST_PIXELS = 1 << 18
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
        sha256 = hashlib.sha256(content).hexdigest()
        self.identity = adapter_digest(manifest, sha256)
        self._outputs: tuple[Port, ...] = ()
        self._model = open_declared(manifest.name, content, self._spec_of, sha256)
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
        return all(isinstance(tensor.shape[0], str) for port, tensor in tensors if port.role not in SINGLE)

    def run(self, feeds: Mapping[Role, Any]) -> dict[Role, Any]:
        """Run on `feeds`, arrays (n, …) as the network takes them, by role; one of a single item serves for all.

        The results by role, (n, …), where the target lies. More pictures than a run may have are cut into runs of the
        same size, in order, so that what a picture is run with depends on nothing but `feeds`. Raises ModelError, also
        where a result is not finite.
        """
        count = max(len(array) for array in feeds.values())
        most = max(1, _MOST_PIXELS // max(1, self.size) ** 2) if self.batched else 1
        runs = [self._once(feeds, slice(i, i + most), min(most, count - i)) for i in range(0, count, most)]
        results: dict[Role, Any] = {}
        for port, parts in zip(self._outputs, zip(*runs, strict=True), strict=True):
            results[port.role] = parts[0] if len(parts) == 1 else np.concatenate(parts)
        if not all(np.isfinite(result).all() for result in results.values()):
            raise ModelError(
                f"The model {self.manifest.name} gives values that are no numbers (NaN or infinite).", _REFUSED
            )
        return results

    def _once(self, feeds: Mapping[Role, Any], part: slice, count: int) -> list[Any]:
        arrays = {}
        for port in self.manifest.inputs:
            array = feeds[port.role]
            if port.role not in SINGLE:
                array = array[part] if len(array) > 1 else _repeated(array, count)
            arrays[port.name] = array
        return self._model.run(arrays)

    @property
    def devices(self) -> int:
        """On how many devices it is open; frames are theirs in turns."""
        return len(self._model.devices)

    def lifted(self, picture: Float32) -> Any:
        """A picture where the network runs: CuPy's array on its GPU, or the array itself on the CPU."""
        device = self._model.device
        if not device.holds_arrays:
            return picture
        cupy = import_module("cupy")
        cupy.cuda.Device(device.number).use()
        return cupy.asarray(picture)

    def target(self, pictures: Any) -> Any:
        """Pictures (n, h, w, 3), model view RGB [0, 1], as the network takes its target, in the file's own type."""
        manifest = self.manifest
        shown = pictures[..., ::-1] if manifest.channels == "bgr" else pictures
        planes = shown if manifest.layout == "nhwc" else shown.transpose(0, 3, 1, 2)
        half = any(port.role == "target" and port.type == "float16" for port in manifest.inputs)
        values = empty(pictures, planes.shape, np.float16 if half else np.float32)
        for channel, (mean, std) in enumerate(zip(manifest.mean, manifest.std, strict=True)):
            of_channel = (..., channel) if manifest.layout == "nhwc" else (slice(None), channel)
            plane = planes[of_channel]
            if (mean, std) != (0.0, 1.0):
                plane = (plane - np.float32(mean)) / np.float32(std)
            values[of_channel] = plane
        return values

    def faces(self, result: Any, seen: Any) -> Any:
        """The network's faces as pictures (n, h, w, 3), model view RGB [0, 1]; `seen` is what it was shown.

        Raises ModelError where they are constant and what it was shown is not.
        """
        manifest = self.manifest
        low, high = manifest.range
        pictures = result if manifest.layout == "nhwc" else result.transpose(0, 2, 3, 1)
        pictures = np.clip((pictures - np.float32(low)) / np.float32(high - low), 0.0, 1.0)
        if np.ptp(pictures) < _FLAT <= np.ptp(seen):
            raise ModelError(f"The model {manifest.name} gives a constant picture on a face.", _REFUSED)
        return contiguous(pictures[..., ::-1] if manifest.channels == "bgr" else pictures)

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
        if declared.type != f"tensor({port.type})" or not fits(port.shape, declared.shape):
            found = f"{declared.type} {list(declared.shape)}"
            raise _unlike(self.manifest, declared.name, found, f"tensor({port.type}) {list(port.shape)}")
        # A side that the manifest fixes and the file leaves open is the manifest's, but for the batch.
        batch = port.role not in SINGLE
        sides = list(declared.shape)
        for place, want in enumerate(port.shape):
            if not isinstance(sides[place], int):
                sides[place] = (
                    want if isinstance(want, int) and (place or not batch) else f"{(want, place) if place else 'N'}"
                )
        return Tensor(declared.name, tuple(side for side in sides if side is not None), port.type)


def _repeated(array: Any, count: int) -> Any:
    return array if count == 1 else np.repeat(array, count, axis=0)


def _unlike(manifest: Manifest, what: str, found: str, expected: str) -> ModelError:
    found = legible(found)
    return ModelError(f"{legible(what)} of the model {manifest.name}: {found}; expected: {expected}.", _OTHER)
