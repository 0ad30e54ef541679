"""The documented interface, read from the stubs `fusionscript-stubs`: what calls there are, and with which arguments.

The stubs follow the documentation too closely in a few places, where it says in words that an argument may be left
out: those are listed here.
"""

import ast
import functools
from dataclasses import dataclass
from importlib.metadata import files
from typing import Any

from .refusal import FakeRefusal

# Calls whose last arguments are optional by the documentation's words, with how many must be there.
_NEEDED = {
    "AddTrack": 1,
    "DeleteClips": 1,
    "GetDuration": 0,
    "GetEnd": 0,
    "GetStart": 0,
    "GetLeftOffset": 0,
    "GetRightOffset": 0,
    "GetSetting": 0,
}
# Keys that must be there, of those dictionaries where some must.
_KEYS_NEEDED = {
    "ImportClipInfo": {"FilePath", "StartIndex", "EndIndex"},
    "MediaPoolClipInfo": {"mediaPoolItem", "startFrame", "endFrame", "trackIndex", "recordFrame"},
}
_PLAIN = {"str": str, "bool": bool}
_STUDIO_ONLY = "Studio and AI Scripting APIs"


@dataclass(frozen=True)
class Form:
    """One way to call: the arguments' kinds, how many must be there, and the kind of any more."""

    kinds: tuple[ast.expr | None, ...]
    needed: int
    more: ast.expr | None
    has_more: bool


@dataclass(frozen=True)
class Call:
    """A documented call."""

    forms: tuple[Form, ...]
    studio_only: bool


@functools.cache
def _module() -> ast.Module:
    found = next(path for path in files("fusionscript-stubs") or () if path.name == "fusionscript.pyi")
    return ast.parse(found.read_text())


@functools.cache
def classes() -> dict[str, ast.ClassDef]:
    """What the documentation has, by name: objects, and dictionaries with their keys."""
    return {node.name: node for node in _module().body if isinstance(node, ast.ClassDef)}


@functools.cache
def calls(kind: str) -> dict[str, Call]:
    """The calls of an object."""
    found: dict[str, list[ast.FunctionDef]] = {}
    for node in classes()[kind].body:
        if isinstance(node, ast.FunctionDef):
            found.setdefault(node.name, []).append(node)
    return {
        name: Call(
            tuple(_form(node) for node in nodes),
            any(_STUDIO_ONLY in (ast.get_docstring(node) or "") for node in nodes),
        )
        for name, nodes in found.items()
    }


@functools.cache
def constants(kind: str) -> dict[str, int]:
    """The constants of an object; those whose value is not documented have a large one of their own."""
    found: dict[str, int] = {}
    for index, node in enumerate(classes()[kind].body):
        value: ast.expr | None = None
        name: ast.expr | None = None
        if isinstance(node, ast.AnnAssign):
            name, value = node.target, node.value or node.annotation
        elif isinstance(node, ast.Assign):
            name, value = node.targets[0], node.value
        if isinstance(name, ast.Name) and value is not None:
            try:
                found[name.id] = int(ast.literal_eval(value))
            except ValueError:
                found[name.id] = 100_000 + index
    return found


def names(kind: str) -> list[str]:
    """All that an object has."""
    return sorted([*calls(kind), *constants(kind)])


def keys(dictionary: str) -> dict[str, ast.expr]:
    """The keys of a documented dictionary, with the kinds of their values."""
    body = classes()[dictionary].body
    return {
        node.target.id: node.annotation
        for node in body
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name)
    }


def check(kind: str, name: str, arguments: tuple[Any, ...]) -> None:
    """Raises FakeRefusal where a call has no such form."""
    wrong = [_wrong_form(form, arguments) for form in calls(kind)[name].forms]
    if all(wrong):
        raise FakeRefusal(f"{kind}.{name}{arguments!r}: {'; or: '.join(filter(None, wrong))}")


def _form(node: ast.FunctionDef) -> Form:
    given = node.args.args[1:]
    needed = len(given) - len(node.args.defaults)
    while needed and _is_optional(given[needed - 1].annotation):
        needed -= 1
    needed = min(needed, _NEEDED.get(node.name, needed))
    more = node.args.vararg
    return Form(tuple(one.annotation for one in given), needed, more and more.annotation, more is not None)


def _is_optional(kind: ast.expr | None) -> bool:
    return isinstance(kind, ast.Subscript) and _named(kind.value) == "Optional"


def _named(kind: ast.expr) -> str:
    return kind.id if isinstance(kind, ast.Name) else ""


def _wrong_form(form: Form, arguments: tuple[Any, ...]) -> str:
    most = len(form.kinds)
    if len(arguments) < form.needed or (len(arguments) > most and not form.has_more):
        return f"{len(arguments)} arguments, and {form.needed} to {most} are documented"
    expected = [*form.kinds, *[form.more] * len(arguments)]
    for argument, kind in zip(arguments, expected, strict=False):
        wrong = _wrong(kind, argument)
        if wrong:
            return wrong
    return ""


def _wrong(kind: ast.expr | None, value: Any) -> str:
    """What is wrong with a value of this kind; empty where nothing is."""
    match kind:
        case ast.Name(id="str" | "bool" as name):
            right = isinstance(value, _PLAIN[name])
        case ast.Name(id="int"):
            right = isinstance(value, int) and not isinstance(value, bool)
        case ast.Name(id="float"):
            right = isinstance(value, int | float) and not isinstance(value, bool)
        case ast.Name(id=name) if name in classes():
            return _wrong_object(name, value)
        case ast.Name(id=name):
            return _wrong(_alias(name), value)
        case ast.BinOp(left=left, op=ast.BitOr(), right=other):
            return _wrong(left, value) and _wrong(other, value)
        case ast.Subscript(value=ast.Name(id="Optional" | "NotRequired" as outer), slice=inner):
            return "" if value is None and outer == "Optional" else _wrong(inner, value)
        case ast.Subscript(value=ast.Name(id="List"), slice=inner):
            if not isinstance(value, list):
                return f"{value!r} is no list"
            return next(filter(None, (_wrong(inner, one) for one in value)), "")
        case ast.Subscript(value=ast.Name(id="Literal"), slice=inner):
            options = inner.elts if isinstance(inner, ast.Tuple) else [inner]
            if not all(isinstance(one, ast.Constant) for one in options):
                return ""
            right = value in [one.value for one in options if isinstance(one, ast.Constant)]
        case _:
            return ""
    return "" if right else f"{value!r} is not {ast.unparse(kind)}"


def _wrong_object(name: str, value: Any) -> str:
    if not any(_named(base) == "TypedDict" for base in classes()[name].bases):
        return "" if getattr(type(value), "is_fake", False) and value.fake_kind == name else f"{value!r} is no {name}"
    if not isinstance(value, dict):
        return f"{value!r} is no {name}"
    known = keys(name)
    if unknown := set(value) - set(known):
        return f"{sorted(map(str, unknown))} are no keys of {name}"
    if lacking := _KEYS_NEEDED.get(name, set()) - set(value):
        return f"{name} lacks {sorted(lacking)}"
    return next(filter(None, (_wrong(known[key], one) for key, one in value.items())), "")


@functools.cache
def _alias(name: str) -> ast.expr | None:
    for node in _module().body:
        if isinstance(node, ast.Assign) and _named(node.targets[0]) == name:
            return node.value
    return None
