"""`Shot`, the recipe: one value that holds the whole job.

The command line, the hosts and a farm all make a `Shot` and hand it over. Each setting is documented here and nowhere
else: its description, its range and its default are what the commented recipe, the messages about a wrong value and
the table of settings are made from (`engine.recipe`).
"""

from pathlib import PurePath
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

Fraction = Annotated[float, Meta(ge=0.0, le=1.0)]
Layer = Literal["patch", "matte", "stmap", "mattes"]
LayersIn = Literal["file", "cropped-file", "part", "picture"]
Compression = Literal["same", "none", "rle", "zips", "zip", "piz"]
Chunks = Literal["auto", "same", "stored"]
Keeps = Literal["matte", "holdout"]
Combine = Literal["multiply", "min"]
Interpolation = Literal["smooth", "linear", "hold"]
MESH = "mesh"
# Sections whose numbers a frame has for itself.
KEYABLE = ("view", "mesh", "network", "match", "matte", "regions", "composite")
# Numbers in them that a swapper is made with, for the whole shot.
STEADY = ("network.enhance_scale",)
# Parts of the matte that are layers of their own, beside those of the artist.
PARTS = ("hull", "facing", "occlusion", "occluders", "model", "regions")
_MODELS = (".onnx", ".dfm")


class Plate(msgspec.Struct, frozen=True, kw_only=True):
    """The footage that the face is replaced in."""

    path: Annotated[
        str,
        Meta(description="Frames of the plate: sh010.%04d.exr, sh010.####.exr, a folder, or one frame."),
    ] = ""
    frames: Annotated[
        str,
        Meta(description="Frames of the shot, such as 1001-1100; empty means every frame that is there."),
    ] = ""
    colorspace: Annotated[
        str,
        Meta(description="Colour space by its OpenColorIO name; empty means what the file says of itself."),
    ] = ""


class Replace(msgspec.Struct, frozen=True, kw_only=True):
    """Who replaces whom: one entry for each person that is put into the plate."""

    identity: Annotated[
        str,
        Meta(description="Folder with pictures of one person and a consent.toml."),
    ] = ""
    face: Annotated[
        str,
        Meta(
            pattern=r"^(largest|left|right|all|[0-9]+|like:.+)$",
            extra={"expects": 'largest, left, right, all, a number such as "2", or like:PHOTO'},
            description="Which face of the plate is replaced.",
        ),
    ] = "largest"
    swapper: Annotated[
        str,
        Meta(
            extra={"expects": "as the recipe's swapper, or empty"},
            description="What makes this person's face; empty means the recipe's swapper.",
        ),
    ] = ""


class Solve(msgspec.Struct, frozen=True, kw_only=True):
    """How faces are found and followed through the shot."""

    detect_size: Annotated[
        int,
        Meta(
            ge=160,
            le=4096,
            description="Longer side, in pixels, of the picture that is searched; more finds smaller faces.",
        ),
    ] = 640
    detect_threshold: Annotated[
        float,
        Meta(ge=0.05, le=0.99, description="Score from which something counts as a face."),
    ] = 0.5
    turned: Annotated[
        bool,
        Meta(description="Also look for faces that lie on their side or stand on their head."),
    ] = False
    smoothing: Annotated[
        float,
        Meta(ge=0.0, le=10.0, description="Strength of the smoothing of still faces over time; 0 is none."),
    ] = 1.0


class View(msgspec.Struct, frozen=True, kw_only=True):
    """How scene-linear light is shown to the swapper: exposure, then a shoulder, then the sRGB curve."""

    exposure: Annotated[
        Literal["auto"] | Annotated[float, Meta(ge=1e-6, le=1e6)],
        Meta(description="Factor on linear light; auto measures it once over the whole shot, from skin."),
    ] = "auto"
    white: Annotated[
        float,
        Meta(ge=1.01, le=100.0, description="Linear light, after exposure, that becomes white."),
    ] = 2.5
    knee: Annotated[
        float,
        Meta(ge=0.05, le=0.95, description="Linear light, after exposure, where the shoulder begins."),
    ] = 0.6


class Mesh(msgspec.Struct, frozen=True, kw_only=True):
    """The built-in mesh swapper: how much of the person is put in, and where the plate's own face stays."""

    shape: Annotated[
        Fraction, Meta(description="How far the inner face takes the person's shape; a network makes its own.")
    ] = 0.85
    forehead: Annotated[Fraction, Meta(description="How much of the forehead above the brows is replaced.")] = 0.45
    brows: Annotated[Fraction, Meta(description="How far the plate's own brows are filled with skin first.")] = 1.0
    eyes: Annotated[Fraction, Meta(description="How far the plate's own eyes are kept.")] = 1.0
    mouth: Annotated[Fraction, Meta(description="How far the plate's own inner mouth is kept.")] = 1.0
    blink: Annotated[Fraction, Meta(description="How far the plate's own lids return when the eyes close.")] = 1.0


class Network(msgspec.Struct, frozen=True, kw_only=True):
    """Swappers with a network: how large a picture it makes, and how far it goes."""

    eyes: Annotated[Fraction, Meta(description="How far the plate's own eyes are kept.")] = 0.0
    mouth: Annotated[Fraction, Meta(description="How far the plate's own inner mouth is kept.")] = 0.0
    boost: Annotated[
        int,
        Meta(ge=1, le=8, description="Pixel boost: how many times the network's own size the new face is made at."),
    ] = 1
    likeness: Annotated[
        Fraction,
        Meta(description="Likeness of networks that know the person by an embedding; 0.5 leaves it as it is."),
    ] = 0.5
    morph: Annotated[Fraction, Meta(description="Morph value of a DFM that takes one.")] = 0.5
    enhancer: Annotated[
        str,
        Meta(
            extra={"expects": "the name of an installed enhancer, or the path of one with its manifest"},
            description="Network that gives the new face more detail, such as gfpgan_1_4; empty is none.",
        ),
    ] = ""
    enhance: Annotated[Fraction, Meta(description="How much of the enhanced face is used.")] = 1.0
    fidelity: Annotated[
        Fraction,
        Meta(description="What an enhancer that takes a weight is told; CodeFormer keeps most of the face at 1."),
    ] = 0.5
    enhance_scale: Annotated[
        float,
        Meta(
            ge=1.0,
            le=4.0,
            description=(
                "How far a large face is enlarged beyond the enhancer's picture, in overlapping tiles; 1 always shows"
                " it the whole face."
            ),
        ),
    ] = 4.0
    detail: Annotated[
        Fraction,
        Meta(description="How much of the plate's own skin texture comes back where the network has no pixels for it."),
    ] = 0.0


class Match(msgspec.Struct, frozen=True, kw_only=True):
    """How the patch takes the plate's look."""

    amount: Annotated[Fraction, Meta(description="How far it takes the plate's colour.")] = 1.0
    contrast: Annotated[Fraction, Meta(description="How far it takes the plate's contrast.")] = 0.8
    low_frequency: Annotated[Fraction, Meta(description="How far it takes the broad light and shade.")] = 0.5
    sharpness: Annotated[Fraction, Meta(description="How far it takes the plate's sharpness.")] = 1.0
    exposure: Annotated[
        float,
        Meta(ge=-4.0, le=4.0, description="Exposure of the new face once it is matched, in stops."),
    ] = 0.0


class Matte(msgspec.Struct, frozen=True, kw_only=True):
    """Where the plate is replaced."""

    feather: Annotated[
        float,
        Meta(ge=0.0, le=0.5, description="Width of the soft edge, as a fraction of the face's width."),
    ] = 0.07
    grow: Annotated[
        float,
        Meta(ge=-0.2, le=0.2, description="How far the edge moves outwards, as a fraction of the face's width."),
    ] = 0.0
    facing: Annotated[Fraction, Meta(description="How far skin that turns away from the camera is left out.")] = 1.0
    skin: Annotated[Fraction, Meta(description="How far hair, glasses and hands before the skin are left out.")] = 1.0
    occlusion: Annotated[
        str,
        Meta(
            description=(
                "Occlusion networks that leave out what lies before the face, such as xseg_3, separated by commas."
            )
        ),
    ] = ""
    occlusion_strength: Annotated[Fraction, Meta(description="How far they do.")] = 1.0
    holdout: Annotated[
        str,
        Meta(
            description=(
                "Frames whose first channel is white where the plate must stay, in the plate's size; or one picture"
                " for all."
            )
        ),
    ] = ""


class Strengths(msgspec.Struct, frozen=True, kw_only=True):
    """How much of each region of the face is replaced; the regions fade into each other."""

    skin: Annotated[Fraction, Meta(description="How much of the face is replaced outside the other regions.")] = 1.0
    brows: Annotated[Fraction, Meta(description="How much of the brows.")] = 1.0
    eyes: Annotated[Fraction, Meta(description="How much of the eyes, with the edges of their lids.")] = 1.0
    nose: Annotated[Fraction, Meta(description="How much of the nose.")] = 1.0
    lips: Annotated[Fraction, Meta(description="How much of the lips.")] = 1.0
    mouth: Annotated[Fraction, Meta(description="How much of what is seen between the lips.")] = 1.0


class ArtistMatte(msgspec.Struct, frozen=True, kw_only=True):
    """A matte of the artist's own: one entry for each, and they are taken in this order."""

    name: Annotated[
        str,
        Meta(
            pattern=rf"^(?!(?:V|{'|'.join(PARTS)})\Z)[A-Za-z0-9_-]{{0,60}}\Z",
            extra={"expects": f"letters, digits, - and _, but none of V, {', '.join(PARTS)}"},
            description="Name of its layer, matte.NAME; empty counts: own1, own2.",
        ),
    ] = ""
    path: Annotated[
        str,
        Meta(description="Frames in the plate's size, or one picture for all; empty means the plate's own file."),
    ] = ""
    channel: Annotated[
        str,
        Meta(description="Channel, such as mask.R; empty means the first. Of a Cryptomatte, the name of its layer."),
    ] = ""
    cryptomatte: Annotated[
        str,
        Meta(description="Names in a Cryptomatte, separated by commas; empty means that the channel is a matte."),
    ] = ""
    keep: Annotated[
        Keeps,
        Meta(description="What white means: with matte the face is replaced there, with holdout the plate stays."),
    ] = "matte"
    invert: Annotated[bool, Meta(description="Take black for white.")] = False
    grow: Annotated[
        float,
        Meta(ge=-0.2, le=0.2, description="How far its white moves outwards, as a fraction of the face's width."),
    ] = 0.0
    soften: Annotated[
        float,
        Meta(ge=0.0, le=0.2, description="Sigma of its blur, after that, as a fraction of the face's width."),
    ] = 0.0
    strength: Annotated[Fraction, Meta(description="How far it counts.")] = 1.0
    combine: Annotated[
        Combine,
        Meta(description="How it meets the mattes before it: their product, or the smaller of the two."),
    ] = "multiply"


class Composite(msgspec.Struct, frozen=True, kw_only=True):
    """How the patch is put into the plate."""

    opacity: Annotated[Fraction, Meta(description="How much of the result is seen; 0 is the plate.")] = 1.0
    seam: Annotated[Fraction, Meta(description="How far the patch meets the plate at the matte's edge.")] = 0.5
    grain: Annotated[
        float,
        Meta(ge=0.0, le=4.0, description="Grain on the patch, as a multiple of the plate's own."),
    ] = 1.0


class Output(msgspec.Struct, frozen=True, kw_only=True):
    """What is written."""

    path: Annotated[
        str,
        Meta(description="Folder of the result, or a pattern such as out/sh010.%04d.exr; always OpenEXR."),
    ] = ""
    layers: Annotated[
        tuple[Layer, ...],
        Meta(description="Layers that are written beside the picture."),
    ] = ()
    layers_in: Annotated[
        LayersIn,
        Meta(
            description=(
                "Where they go: a file beside each frame, that file cropped to the face, a second part, or the"
                " picture's own channels, which writes every frame anew."
            )
        ),
    ] = "file"
    compression: Annotated[
        Compression,
        Meta(description="Compression of the frames; same edits the plate's file in place, others write all anew."),
    ] = "same"
    chunks: Annotated[
        Chunks,
        Meta(
            description=(
                "How blocks that change are packed: same as the plate's, stored without compression, or auto: stored"
                " where compressing again would lose something."
            )
        ),
    ] = "auto"


class Key(msgspec.Struct, frozen=True, kw_only=True):
    """What a setting is in one frame; it goes from key to key, and stays before the first and after the last."""

    setting: Annotated[
        str,
        Meta(
            extra={"expects": "the dotted name of a setting that can have keys, such as composite.opacity"},
            description="Setting that has the key.",
        ),
    ]
    frame: Annotated[int, Meta(ge=-(2**31), le=2**31 - 1, description="Frame of the plate, by its number.")]
    value: Annotated[float, Meta(ge=-1e6, le=1e6, description="The setting in that frame, within its own range.")]
    interpolation: Annotated[
        Interpolation,
        Meta(description="How it goes on to the next key; smooth stays between the two, hold stays until the next."),
    ] = "smooth"


class Shot(msgspec.Struct, frozen=True, kw_only=True):
    """The recipe. Paths are as the process sees them; `engine.recipe` makes them relative to the file and back."""

    swapper: Annotated[
        str,
        Meta(
            min_length=1,
            extra={"expects": "mesh, the name of an installed model, or the path of a model with its manifest"},
            description="What makes the new face.",
        ),
    ] = MESH
    accepted_licences: Annotated[
        tuple[Annotated[str, Meta(pattern=r"^[^:]+: \S")], ...],
        Meta(
            extra={"expects": 'a list of texts such as "inswapper_128: non-commercial"'},
            description="Licences that were accepted, each MODEL: LICENCE; for models not cleared for commercial use.",
        ),
    ] = ()
    seed: Annotated[int, Meta(ge=0, le=2**31 - 1, description="Seed of the grain; the frame number is added.")] = 0
    tracks: Annotated[
        str,
        Meta(description="Tracks file of the shot; empty keeps one beside the output, made when it is needed."),
    ] = ""
    plate: Plate = Plate()
    replace: Annotated[tuple[Replace, ...], Meta(max_length=100)] = ()
    solve: Solve = Solve()
    view: View = View()
    mesh: Mesh = Mesh()
    network: Network = Network()
    match: Match = Match()
    matte: Matte = Matte()
    regions: Strengths = Strengths()
    mattes: Annotated[tuple[ArtistMatte, ...], Meta(max_length=100)] = ()
    composite: Composite = Composite()
    output: Output = Output()
    key: Annotated[tuple[Key, ...], Meta(max_length=5000)] = ()


def swappers_of(shot: Shot) -> tuple[str, ...]:
    """What makes the face of each entry of `replace`, in their order."""
    return tuple(entry.swapper or shot.swapper for entry in shot.replace)


def is_model_file(swapper: str) -> bool:
    """Whether a recipe's swapper is the path of a model, not a name."""
    return PurePath(swapper).suffix.lower() in _MODELS


def occlusion_networks(matte: Matte) -> tuple[str, ...]:
    """The occlusion networks of a recipe, by their names or paths."""
    return tuple(name.strip() for name in matte.occlusion.split(",") if name.strip())


def matte_names(mattes: tuple[ArtistMatte, ...]) -> tuple[str, ...]:
    """The names of the artist's mattes, in their order, with those of the ones that have none of their own."""
    return tuple(matte.name or f"own{number}" for number, matte in enumerate(mattes, 1))
