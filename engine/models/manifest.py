"""What an adapter is told of a network that a person brings: a TOML file beside the model, or one that comes with us.

A new public model is a new manifest. The published ones were read from the sources of programs that run these models,
not from the model files; so a file is held against its manifest when it is added. An empty `sha256` or `url` means
that the publisher's is not known, an absent `commercial` that the licence does not say.
"""

import functools
import hashlib
from pathlib import Path
from typing import Annotated, Literal

import msgspec
import tomlkit
from msgspec import Meta

from engine import toml_file
from engine.errors import ModelError
from engine.events import shown

FOLDER = Path(__file__).parent / "manifests"
UNNAMED = "The person whose face the model makes; whoever trained it must name them."
"""Whose consent a DFM needs, of which its manifest says nothing."""

Family = Literal["embedding", "image", "dfm", "enhancer", "occlusion", "recogniser", "converter"]
Template = Literal["arcface_128", "arcface_112_v1", "arcface_112_v2", "ffhq_512", "mtcnn_512", "dfl_whole_face"]
Role = Literal["target", "source", "morph", "weight", "face", "mask", "target mask", "classes", "embedding"]
Side = Annotated[int, Meta(ge=1, le=8192)]
Sides = tuple[Side | str, ...]
Finite = Annotated[float, Meta(ge=-1e6, le=1e6)]
Colour = tuple[Finite, Finite, Finite]
Positive = Annotated[float, Meta(gt=0.0, le=1e6)]

# What of a manifest an adapter is not told.
_DESCRIPTIVE = ("name", "file", "sha256", "also", "licence", "commercial", "consent", "origin", "url")

_REMEDY = "Correct the manifest; those in engine/models/manifests are examples."


class Port(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One input or output, and what it holds.

    An output without a name is the one at its place, where the publisher's name is not known. A side of `shape` is a
    number, or a name where it may vary. An output of the role "classes" has one channel for each kind of thing that a
    pixel may show, larger where it is likelier (a logit).
    """

    role: Role
    name: str = ""
    shape: Sides
    type: Literal["float", "float16", "double"] = "float"


class Manifest(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A model file and how it is used.

    also: the SHA-256 of files that other publishers give for the same network, with the same inputs and outputs.

    template, size: how the face lies in the picture that it takes, and that picture's side in pixels; 0 where the file
    itself says. mean, std: a value v of the model view [0, 1] is fed as (v - mean) / std, by channel in the picture's
    own order. range: values of the output that are black and white; of an occlusion network, those of its mask that are
    0 and 1. source: what is made of the person: the embedding
    by the graph's own matrix ("emap"), by another network ("converter"), as it is ("plain"), a picture, or nothing;
    normalised: whether it then has length 1. mask: whether an occlusion network's mask is 1 on the face, or on what
    lies before it. classes: which of the classes, counted from 0, are the face. consent: whose a DFM needs. origin:
    the publisher's page.
    """

    name: str
    family: Family
    file: str = ""
    sha256: Annotated[str, Meta(pattern=r"^([0-9a-f]{64})?$")] = ""
    also: tuple[Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")], ...] = ()
    template: Template = "arcface_128"
    size: Annotated[int, Meta(ge=0, le=8192)] = 0
    mean: Colour = (0.0, 0.0, 0.0)
    std: tuple[Positive, Positive, Positive] = (1.0, 1.0, 1.0)
    range: tuple[Finite, Finite] = (0.0, 1.0)
    channels: Literal["rgb", "bgr"] = "rgb"
    layout: Literal["nchw", "nhwc"] = "nchw"
    source: Literal["emap", "converter", "plain", "picture", "none"] = "none"
    normalised: bool = False
    converter: str = ""
    source_template: Template = "arcface_112_v2"
    source_size: Annotated[int, Meta(ge=0, le=8192)] = 0
    mask: Literal["face", "occluder"] = "face"
    classes: tuple[Annotated[int, Meta(ge=0, le=8191)], ...] = ()
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    licence: str = ""
    commercial: bool | None = None
    consent: str = ""
    origin: str = ""
    url: str = ""

    @property
    def for_commercial_use(self) -> str:
        """Whether it may be used commercially: "yes", "no" or "unknown"."""
        return {True: "yes", False: "no", None: "unknown"}[self.commercial]


def read(path: Path) -> Manifest:
    """Read a manifest. Raises ModelError, which says what is wrong with it."""
    try:
        found = msgspec.convert(toml_file.read(path), Manifest)
        fault = _fault(found)
    except FileNotFoundError as error:
        raise ModelError(f"There is no manifest {shown(path)}.", _REMEDY) from error
    except toml_file.TomlError as error:
        raise ModelError(f"The manifest {shown(path)} {error}.", _REMEDY) from error
    except msgspec.ValidationError as error:
        raise ModelError(f"The manifest {shown(path)} cannot be used: {shown(str(error))}.", _REMEDY) from error
    if fault:
        raise ModelError(f"The manifest {shown(path)} cannot be used: {fault}.", _REMEDY)
    return found


def known() -> dict[str, Manifest]:
    """The published models' manifests, which come with Faceplate, by name. Raises ModelError."""
    return dict(_published())


def to_text(manifest: Manifest) -> str:
    """The manifest as TOML; `read` gives the same back."""
    plain = msgspec.to_builtins(manifest)
    return tomlkit.dumps({key: value for key, value in plain.items() if value is not None})


def consent_of(manifest: Manifest) -> str:
    """Whose consent the use of a model needs, as a sentence."""
    if manifest.consent or manifest.family != "dfm":
        return manifest.consent or "That of the person in the identity's pictures, by its own record."
    return UNNAMED


def adapter_digest(manifest: Manifest, sha256: str) -> str:
    """SHA-256, in hex, of all that decides what comes of a model: its file's own, and how the manifest has it used."""
    plain = {key: value for key, value in msgspec.to_builtins(manifest).items() if key not in _DESCRIPTIVE}
    return hashlib.sha256(msgspec.json.encode([sha256, plain], order="deterministic")).hexdigest()


@functools.cache
def _published() -> dict[str, Manifest]:
    manifests = [read(path) for path in sorted(FOLDER.glob("*.toml"))]
    return {manifest.name: manifest for manifest in manifests}


def _fault(manifest: Manifest) -> str:
    """What contradicts itself, as the end of a sentence; empty where nothing does."""
    roles = [port.role for port in manifest.inputs]
    if not roles or not manifest.outputs:
        return "it names no inputs or no outputs"
    if len(set(roles)) < len(roles) or not all(port.name for port in manifest.inputs):
        return "each input has a name and a role of its own"
    if manifest.range[0] >= manifest.range[1]:
        return "its range does not rise"
    if (manifest.source == "converter") != bool(manifest.converter):
        return "a converter is named where the source is one, and nowhere else"
    wants_source = manifest.source != "none"
    if manifest.family in ("embedding", "image") and not (wants_source and "source" in roles and "target" in roles):
        return f"the family {manifest.family} has the inputs source and target"
    if manifest.family == "dfm" and (wants_source or "target" not in roles):
        return "a DFM has the input target, and no source"
    return _fault_of_masks(manifest) if manifest.family in ("enhancer", "occlusion") else ""


def _fault_of_masks(manifest: Manifest) -> str:
    """The same for what is shown the face and told nothing of a person: enhancers and occlusion networks."""
    made = {port.role: port for port in manifest.outputs}
    if manifest.source != "none" or "target" not in [port.role for port in manifest.inputs]:
        return f"the family {manifest.family} has the input target, and no source"
    if manifest.family == "enhancer":
        return "" if "face" in made else "an enhancer has the output face"
    if ("mask" in made) == ("classes" in made):
        return "an occlusion network has the output mask, or else the output classes"
    if bool(manifest.classes) != ("classes" in made):
        return "classes are named where the output is one of classes, and nowhere else"
    if not manifest.classes:
        return ""
    shape = made["classes"].shape
    channels = shape[3 if manifest.layout == "nhwc" else 1] if len(shape) == 4 else 0
    if not isinstance(channels, int) or max(manifest.classes) >= channels:
        return "the output classes has four sides, and a channel for each class that is named"
    return ""
