"""The recipe on disk: a commented TOML file with every setting, and `key=value` on the command line.

Everything said here about a setting (its description, its range, its default) comes from the structs in
`engine.shot`.
"""

import difflib
import functools
import os
import reprlib
import tomllib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import tomlkit
from msgspec import inspect
from msgspec.structs import FieldInfo, fields

from engine import toml_file
from engine.errors import OutputError, OutputRefused, RecipeError
from engine.events import shown
from engine.folders import make_folder
from engine.provenance import consent
from engine.shot import Replace, Shot, is_model_file

LIKE = "like:"
SUFFIX = ".toml"
# Sections of one kind, such as persons: it takes a moment to check each.
MOST_SECTIONS = 100

# Values as errors quote them: those that are nested deeply, or long, in part.
_brief = reprlib.Repr()
_brief.maxstring = _brief.maxother = 100


class Setting(NamedTuple):
    """One setting: its dotted name, its default, what it may be, in words, what it does, and its type."""

    name: str
    default: Any
    expects: str
    description: str
    annotation: Any


@functools.cache
def settings() -> dict[str, Setting]:
    """Every setting of the recipe by its dotted name, in the order of the file."""
    return {setting.name: setting for setting in _settings(Shot, "")}


def load(path: Path) -> Shot:
    """Read a recipe. Relative paths in it are taken from its own folder. Raises `RecipeError`."""
    try:
        plain = toml_file.read(path)
    except FileNotFoundError as error:
        raise RecipeError(f"There is no recipe {shown(path)}.") from error
    except toml_file.TomlError as error:
        raise RecipeError(f"The recipe {shown(path)} {error}.") from error
    folder = path.absolute().parent
    return with_paths(parse(plain), lambda text: os.fspath(folder / text))


def save(shot: Shot, path: Path) -> None:
    """Write a recipe with every setting and its comment. What lies in the recipe's folder is named from there.

    Raises `RecipeError` where a path is not valid text, `OutputRefused` for a file that is no recipe, `OutputError`
    where it cannot be written.
    """
    folder = path.absolute().parent
    if path.suffix != SUFFIX or path.name == consent.NAME:
        raise OutputRefused(f"{shown(path.name)} is not the name of a recipe.", f"A recipe ends in {SUFFIX}.")
    make_folder(folder)

    def from_folder(text: str) -> str:
        absolute = Path(text).absolute()
        return os.fspath(absolute.relative_to(folder) if absolute.is_relative_to(folder) else absolute)

    try:
        toml_file.write(path, dumps(with_paths(shot, from_folder)))
    except UnicodeEncodeError as error:
        raise RecipeError(
            "A recipe cannot hold a path that is not UTF-8.", "Rename the folder, or reach it through a link."
        ) from error
    except OSError as error:
        raise OutputError(
            f"The recipe {shown(path)} cannot be written: {error.strerror or error}.", "Choose another place."
        ) from error


def parse(plain: dict[str, Any]) -> Shot:
    """The recipe from plain values, with its paths as they stand. Raises `RecipeError` that names the setting."""
    _check(plain, Shot, "")
    return msgspec.convert(plain, Shot)


def with_settings(shot: Shot, assignments: Iterable[str]) -> Shot:
    """The recipe with `key=value` settings changed; `replace.face` changes every person's. Raises `RecipeError`."""
    known = settings()
    plain = msgspec.to_builtins(shot)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals:
            raise RecipeError(f"`{shown(assignment)}` is not a setting and its value.", "Write --set mesh.shape=0.5.")
        if name not in known:
            raise _unknown(name)
        section, _, key = name.rpartition(".")
        value = _value(text.strip(), known[name].annotation)
        tables = plain[section] if section else plain
        for table in tables if isinstance(tables, list | tuple) else [tables]:
            table[key] = value
    return parse(plain)


def dumps(shot: Shot) -> str:
    """The text of a recipe: every setting with its description, its range and its default."""
    document = tomlkit.document()
    document.add(tomlkit.comment("A recipe of Faceplate. Relative paths are taken from this file's folder."))
    document.add(tomlkit.nl())
    plain = msgspec.to_builtins(shot)
    for field in fields(Shot):
        value, kind = plain[field.name], _section(field.type)
        if kind is None:
            _add(document, field.name, value, _setting(field, ""))
        elif kind is Replace:
            entries = tomlkit.aot()
            for entry in value:
                entries.append(_table(kind, field.name, entry))
            document.add(field.name, entries)
        else:
            document.add(field.name, _table(kind, field.name, value))
    return document.as_string()


def _section(annotation: Any) -> type | None:
    """The struct of a section, also where it is a list of them; None for a plain setting."""
    kind = inspect.type_info(annotation)
    if isinstance(kind, inspect.VarTupleType):
        kind = kind.item_type
    return kind.cls if isinstance(kind, inspect.StructType) else None


def _settings(struct: type, section: str) -> Iterator[Setting]:
    for field in fields(struct):
        inner = _section(field.type)
        if inner is None:
            yield _setting(field, section)
        else:
            yield from _settings(inner, f"{field.name}.")


def _setting(field: FieldInfo, section: str) -> Setting:
    kind, expects, description = inspect.type_info(field.type), "", ""
    if isinstance(kind, inspect.Metadata):
        expects = (kind.extra or {}).get("expects", "")
        description = (kind.extra_json_schema or {}).get("description", "")
    return Setting(section + field.name, field.default, expects or _expects(kind), description, field.type)


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


def _table(struct: type, section: str, plain: dict[str, Any]) -> Any:
    table = tomlkit.table()
    table.comment((struct.__doc__ or "").strip().partition("\n")[0])
    for field in fields(struct):
        _add(table, field.name, plain[field.name], _setting(field, f"{section}."))
    return table


def _add(table: Any, name: str, value: Any, setting: Setting) -> None:
    default = list(setting.default) if isinstance(setting.default, tuple) else setting.default
    usual = tomlkit.item(default).as_string()
    table.add(tomlkit.comment(setting.description))
    table.add(tomlkit.comment(f"    {setting.expects}; default {usual}"))
    table.add(name, list(value) if isinstance(value, tuple) else value)


def _check(plain: dict[str, Any], struct: type, section: str) -> None:
    """Raise for the first entry that is unknown or not what its setting may be."""
    known = {field.name: field for field in fields(struct)}
    for key, value in plain.items():
        if not isinstance(key, str):
            raise _unknown(section + _brief.repr(key))
        if key not in known:
            if isinstance(value, dict) and (near := difflib.get_close_matches(key, known, n=1)):
                raise RecipeError(f"There is no section `{shown(key)}`.", f"Did you mean `{near[0]}`?")
            raise _unknown(section + key)
        field = known[key]
        inner = _section(field.type)
        if inner is None:
            _check_value(value, _setting(field, section))
            continue
        several = isinstance(inspect.type_info(field.type), inspect.VarTupleType)
        entries = value if several else [value]
        if not isinstance(entries, list | tuple) or not all(isinstance(entry, dict) for entry in entries):
            form = f"[[{key}]]" if several else f"[{key}]"
            raise RecipeError(
                f"`{key}` is a section of the recipe, not a value.", f"Write {form} on a line of its own."
            )
        if len(entries) > MOST_SECTIONS:
            raise RecipeError(f"`{key}` is there {len(entries)} times; {MOST_SECTIONS} are the most.")
        for entry in entries:
            _check(entry, inner, f"{key}.")


def _check_value(value: Any, setting: Setting) -> None:
    try:
        msgspec.convert(value, setting.annotation)
        if isinstance(value, str) and "\0" in value:
            # No path may hold it, and the system's calls say so each in its own way.
            raise msgspec.ValidationError
    except msgspec.ValidationError as error:
        raise RecipeError(
            f"`{setting.name}` cannot be {shown(_brief.repr(value))}: expected {setting.expects}.",
            setting.description,
        ) from error


def _value(text: str, annotation: Any) -> Any:
    """The value that `text` stands for: text where text is wanted, comma lists where a list is, else as in TOML."""
    kind = inspect.type_info(annotation)
    if isinstance(kind, inspect.Metadata):
        kind = kind.type
    try:
        plain = tomllib.loads(f"value = {text}")
        value = plain["value"] if len(plain) == 1 else text
    except (ValueError, RecursionError):
        value = text
    if isinstance(kind, inspect.StrType) and not isinstance(value, str):
        return text
    if isinstance(kind, inspect.VarTupleType) and isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _unknown(name: str) -> RecipeError:
    names = list(settings())
    ends = {known.rpartition(".")[2]: known for known in names}
    end = name.rpartition(".")[2]
    near = difflib.get_close_matches(name, names, n=1)
    if end in ends or not near:
        near = [ends[close] for close in difflib.get_close_matches(end, ends, n=1)]
    hint = f"Did you mean `{near[0]}`?" if near else "`faceplate settings` lists them all."
    return RecipeError(f"There is no setting `{shown(name)}`.", hint)


def with_paths(shot: Shot, change: Callable[[str], str]) -> Shot:
    """The recipe with every path in it changed; an empty one stays empty."""

    def changed(text: str) -> str:
        return change(text) if text else ""

    def face(text: str) -> str:
        return LIKE + changed(text.removeprefix(LIKE)) if text.startswith(LIKE) else text

    def model(text: str) -> str:
        return changed(text) if is_model_file(text) else text

    replace = msgspec.structs.replace
    return replace(
        shot,
        swapper=model(shot.swapper),
        network=replace(shot.network, enhancer=model(shot.network.enhancer)),
        tracks=changed(shot.tracks),
        plate=replace(shot.plate, path=changed(shot.plate.path)),
        matte=replace(shot.matte, holdout=changed(shot.matte.holdout)),
        replace=tuple(replace(one, identity=changed(one.identity), face=face(one.face)) for one in shot.replace),
        output=replace(shot.output, path=changed(shot.output.path)),
    )
