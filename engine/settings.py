"""What there is to set in a recipe: every setting with its default, its range and what it does, in words.

All of it comes from the structs in `engine.shot`. A section is a struct; one that may be there several times, each
under a `[[…]]` of its own, is a tuple of structs, and the most of them is the tuple's `max_length`.
"""

import difflib
import functools
import reprlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect
from msgspec.structs import FieldInfo, fields

from engine.errors import RecipeError
from engine.events import shown
from engine.shot import KEYABLE, STEADY, Shot

_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 100


class Setting(NamedTuple):
    """One setting: its dotted name, its default, what it may be, in words, what it does, and its type.

    The default is `msgspec.NODEFAULT` where it must be given. listed: its section may be there several times. keyable:
    it is a number that may differ from frame to frame.
    """

    name: str
    default: Any
    expects: str
    description: str
    annotation: Any
    listed: bool
    keyable: bool


class Section(NamedTuple):
    """A section of the recipe: its struct, and how many there may be of it; 0 for one that is always there, once."""

    struct: type[msgspec.Struct]
    most: int

    @property
    def about(self) -> str:
        """The first line of what it is for."""
        return (self.struct.__doc__ or "").strip().partition("\n")[0]


@functools.cache
def settings() -> dict[str, Setting]:
    """Every setting of the recipe by its dotted name, in the order of the file."""
    return {setting.name: setting for setting in _settings()}


@functools.cache
def sections() -> dict[str, Section]:
    """Every section of the recipe by its name, in the order of the file."""
    found = {}
    for field in fields(Shot):
        kind, most = inspect.type_info(field.type), 0
        if isinstance(kind, inspect.VarTupleType):
            kind, most = kind.item_type, kind.max_length or 0
        if isinstance(kind, inspect.StructType):
            found[field.name] = Section(kind.cls, most)
    return found


def unknown(name: str) -> RecipeError:
    """The error of a setting that there is none of, with the name that was meant."""
    names = list(settings())
    ends = {known.rpartition(".")[2]: known for known in reversed(names)}
    end = name.rpartition(".")[2]
    near = difflib.get_close_matches(name, names, n=1)
    if end in ends or not near:
        near = [ends[close] for close in difflib.get_close_matches(end, ends, n=1)]
    hint = f"Did you mean `{near[0]}`?" if near else "`faceplate settings` lists them all."
    return RecipeError(f"There is no setting `{shown(name)}`.", hint)


def check_value(value: Any, setting: Setting) -> None:
    """Raise RecipeError where a setting cannot have this value."""
    try:
        msgspec.convert(value, setting.annotation)
        if isinstance(value, str) and "\0" in value:
            # No path may hold it, and the system's calls say so each in its own way.
            raise msgspec.ValidationError
    except msgspec.ValidationError as error:
        raise RecipeError(
            f"`{setting.name}` cannot be {shown(brief(value))}: expected {setting.expects}.",
            setting.description,
        ) from error


def brief(value: Any) -> str:
    """A value as errors quote it: in part, where it is long or nested deeply."""
    return _brief.repr(value)


def _settings() -> Iterator[Setting]:
    for field in fields(Shot):
        section = sections().get(field.name)
        if section is None:
            yield _setting(field, "", listed=False)
        else:
            for inner in fields(section.struct):
                yield _setting(inner, f"{field.name}.", listed=section.most > 0)


def _setting(field: FieldInfo, section: str, *, listed: bool) -> Setting:
    kind, expects, description = inspect.type_info(field.type), "", ""
    if isinstance(kind, inspect.Metadata):
        expects = (kind.extra or {}).get("expects", "")
        description = (kind.extra_json_schema or {}).get("description", "")
    name = section + field.name
    keyable = section.rstrip(".") in KEYABLE and name not in STEADY and _is_continuous(kind)
    expects = expects or _expects(kind)
    return Setting(name, field.default, expects, description, field.type, listed, keyable)


def _is_continuous(kind: inspect.Type) -> bool:
    if isinstance(kind, inspect.Metadata):
        return _is_continuous(kind.type)
    if isinstance(kind, inspect.UnionType):
        return any(map(_is_continuous, kind.types))
    return isinstance(kind, inspect.FloatType)


def _expects(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata():
            return _expects(kind.type)
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType():
            return f"a whole number from {kind.ge} to {kind.le}"
        case inspect.FloatType():
            return f"a number from {kind.ge:g} to {kind.le:g}"
        case inspect.LiteralType():
            choices = [str(value) for value in kind.values]
            return f"one of {', '.join(choices)}" if len(choices) > 1 else choices[0]
        case inspect.UnionType():
            return ", or ".join(_expects(choice) for choice in kind.types)
        case inspect.VarTupleType():
            return f"a list of {_expects(kind.item_type)}"
        case _:
            return "text"
