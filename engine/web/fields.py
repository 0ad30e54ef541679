"""The settings of a recipe as fields of the page: everything that is said of one comes from `engine.shot`."""

import msgspec

from engine.forms import Kind, form_of, label_of
from engine.settings import Setting, sections, settings

# What decides most of how a face looks: these are shown at first, in this order.
FIRST = (
    "mesh.shape",
    "match.amount",
    "match.contrast",
    "match.sharpness",
    "matte.feather",
    "matte.grow",
    "composite.opacity",
    "composite.seam",
    "composite.grain",
)
# What the host says, what there is only one of, and what the page asks for in its own way.
_LEFT_OUT = ("plate.path", "swapper", "accepted_licences", "output.path")
# Where the name alone would not say of what, outside its section.
_LABELS = {"match.amount": "Match Colour", "match.contrast": "Match Contrast", "match.sharpness": "Match Sharpness"}


class Field(msgspec.Struct, frozen=True):
    """A setting as it is asked for: see `engine.forms.Form`."""

    name: str
    label: str
    description: str
    expects: str
    kind: Kind
    least: float
    most: float
    choices: tuple[str, ...]
    word: str


class Group(msgspec.Struct, frozen=True):
    """Fields under one heading; those that are not `open` are folded away."""

    name: str
    label: str
    about: str
    open: bool
    fields: tuple[Field, ...]


def groups() -> tuple[Group, ...]:
    """The fields that matter first, and then those of each section."""
    every = settings()
    first = tuple(_field(every[name]) for name in FIRST)
    others: dict[str, list[Field]] = {}
    for name, setting in every.items():
        if name not in FIRST and name not in _LEFT_OUT and not setting.listed:
            others.setdefault(name.rpartition(".")[0], []).append(_field(setting))
    about = {name: section.about for name, section in sections().items()}
    return (
        Group("first", "Settings", "", True, first),
        *(
            Group(name, label_of(name) or "Shot", about.get(name, ""), False, tuple(found))
            for name, found in others.items()
        ),
    )


def _field(setting: Setting) -> Field:
    label = _LABELS.get(setting.name, label_of(setting.name))
    return Field(setting.name, label, setting.description, setting.expects, **form_of(setting)._asdict())
