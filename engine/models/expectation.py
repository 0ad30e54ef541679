"""From a manifest: what its model must take and give; and a DFM's manifest, from what the file itself declares."""

from engine.models.check import Expected, ExpectedInput, ExpectedOutput
from engine.models.manifest import UNNAMED, Manifest, Port, Role
from engine.models.trial import Feed, Outcome

_KINDS = {"face": "picture", "embedding": "vector", "classes": "map of classes"}


def expectation(manifest: Manifest) -> Expected:
    """What `check_model` holds a file against."""
    # A DFM has its masks always; published swappers may come without theirs.
    spare = manifest.family not in ("dfm", "occlusion")
    inputs = tuple(ExpectedInput(port.shape, port.type, _feed(manifest, port)) for port in manifest.inputs)
    outputs = tuple(
        ExpectedOutput(
            port.name, port.shape, port.type, _KINDS.get(port.role, "mask"), *manifest.range,
            optional=spare and port.role == "mask",
        )
        for port in manifest.outputs
    )  # fmt: skip
    return Expected(inputs, outputs)


def dfm_manifest(outcome: Outcome, name: str) -> Manifest | None:
    """The manifest of a DFM, as DeepFaceLab exports it, by its inputs and outputs; None where the file is none.

    Its licence, and the person whose face it makes, no file says.
    """
    inputs = {seen.name: seen for seen in outcome.inputs}
    face = inputs.get("in_face:0")
    if face is None or set(inputs) - {"in_face:0", "morph_value:0"} or len(outcome.outputs) != 3:
        return None
    match face.shape:
        case (_, int(height), int(width), 3) if height == width:
            size = height
        case _:
            return None
    ports = [Port(role="target", name="in_face:0", shape=("N", size, size, 3))]
    ports += [Port(role="morph", name="morph_value:0", shape=(1,))] if "morph_value:0" in inputs else []
    roles: tuple[tuple[Role, int], ...] = (("target mask", 1), ("face", 3), ("mask", 1))
    named = zip(roles, outcome.outputs, strict=True)
    return Manifest(
        name=name,
        family="dfm",
        template="dfl_whole_face",
        size=size,
        channels="bgr",
        layout="nhwc",
        inputs=tuple(ports),
        outputs=tuple(Port(role=role, name=seen.name, shape=("N", size, size, n)) for (role, n), seen in named),
        consent=UNNAMED,
    )


def _feed(manifest: Manifest, port: Port) -> Feed:
    name, last = port.name, manifest.layout == "nhwc"
    match port.role:
        case "target":
            bgr = manifest.channels == "bgr"
            return Feed(name, "picture", manifest.size or 256, last, bgr, manifest.mean, manifest.std)
        case "source" if manifest.source == "picture":
            return Feed(name, "other picture", manifest.source_size or 256)
        case "source":
            side = port.shape[-1]
            return Feed(name, "vector", side if isinstance(side, int) else 512)
        case _:
            return Feed(name, "number", 1)
