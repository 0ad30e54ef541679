"""The recipe on disk: a commented TOML file with every setting, and `key=value` on the command line.

What is said in it of a setting comes from `engine.settings`.
"""

import difflib
import os
import tomllib
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import msgspec
import tomlkit
from msgspec import inspect

from engine import keys, toml_file
from engine.errors import OutputError, OutputRefused, RecipeError
from engine.events import shown
from engine.folders import make_folder
from engine.provenance import consent
from engine.settings import Setting, brief, check_value, sections, settings, unknown
from engine.shot import Shot, is_model_file, matte_names, occlusion_networks

LIKE = "like:"
MATTES = "mattes"
SUFFIX = ".toml"


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
    _check(plain)
    shot = msgspec.convert(plain, Shot)
    names = matte_names(shot.mattes)
    if twice := next((name for name in names if names.count(name) > 1), ""):
        raise RecipeError(f"Two mattes have the name `{twice}`.", "Give each a name of its own.")
    keys.check(shot.key)
    return shot


def with_settings(shot: Shot, assignments: Iterable[str]) -> Shot:
    """The recipe with `key=value` settings changed; `replace.face`, every person's. Raises `RecipeError`.

    A setting that is changed loses its keys. Where there is no matte of the artist yet, one of its settings begins one.
    """
    known = settings()
    plain = msgspec.to_builtins(shot)
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals:
            raise RecipeError(f"`{shown(assignment)}` is not a setting and its value.", "Write --set mesh.shape=0.5.")
        if name not in known:
            raise unknown(name)
        section, _, key = name.rpartition(".")
        if section == MATTES and not plain[section]:
            plain[section] = [{}]
        tables = plain[section] if section else plain
        if known[name].listed and not tables:
            raise RecipeError(f"`{name}` is a setting of nothing: the recipe has no [[{section}]].")
        for table in tables if known[name].listed else [tables]:
            table[key] = _value(text.strip(), known[name].annotation)
        plain["key"] = keys.without(plain["key"], name)
    return parse(plain)


def dumps(shot: Shot) -> str:
    """The text of a recipe: every setting with its description, its range and its default."""
    document = tomlkit.document()
    document.add(tomlkit.comment("A recipe of Faceplate. Relative paths are taken from this file's folder."))
    document.add(tomlkit.nl())
    for name, value in msgspec.to_builtins(shot).items():
        section = sections().get(name)
        if section is None:
            _add(document, name, value)
        elif not section.most:
            document.add(name, _table(name, value))
        elif value:
            entries = tomlkit.aot()
            for place, entry in enumerate(value):
                entries.append(_table(name, entry, explained=place == 0))
            document.add(name, entries)
        else:
            _add_example(document, name)
    return document.as_string()


def _table(name: str, plain: dict[str, Any], *, explained: bool = True) -> Any:
    table = tomlkit.table()
    if explained:
        table.comment(sections()[name].about)
    for key, value in plain.items():
        if explained:
            _add(table, f"{name}.{key}", value)
        else:
            table.add(key, value)
    return table


def _add(table: Any, name: str, value: Any) -> None:
    """A setting with its comments."""
    setting = settings()[name]
    for line in _explained(setting):
        table.add(tomlkit.comment(line))
    table.add(name.rpartition(".")[2], list(value) if isinstance(value, tuple) else value)


def _add_example(document: Any, name: str) -> None:
    """A section that may be there several times, and is not, as a comment."""
    document.add(tomlkit.nl())
    document.add(tomlkit.comment(f"[[{name}]] # {sections()[name].about}"))
    for setting in settings().values():
        if setting.name.startswith(f"{name}."):
            for line in _explained(setting):
                document.add(tomlkit.comment(f"# {line}"))
            document.add(tomlkit.comment(f"{setting.name.rpartition('.')[2]} = {_usual(setting) or '…'}"))


def _explained(setting: Setting) -> tuple[str, str]:
    usual = _usual(setting)
    return setting.description, f"    {setting.expects}; " + (f"default {usual}" if usual else "must be given")


def _usual(setting: Setting) -> str:
    """A setting's default as TOML; empty where it has none."""
    if setting.default is msgspec.NODEFAULT:
        return ""
    return tomlkit.item(list(setting.default) if isinstance(setting.default, tuple) else setting.default).as_string()


def _check(plain: dict[str, Any]) -> None:
    """Raise for the first entry that is unknown or not what its setting may be."""
    for name, value in plain.items():
        if not isinstance(name, str):
            raise unknown(brief(name))
        if name in sections():
            _check_section(name, value)
        elif name in settings():
            check_value(value, settings()[name])
        elif isinstance(value, dict) and (near := difflib.get_close_matches(name, sections(), n=1)):
            raise RecipeError(f"There is no section `{shown(name)}`.", f"Did you mean `{near[0]}`?")
        else:
            raise unknown(name)


def _check_section(name: str, value: Any) -> None:
    most = sections()[name].most
    entries = value if most else [value]
    if not isinstance(entries, list | tuple) or not all(isinstance(entry, dict) for entry in entries):
        form = f"[[{name}]]" if most else f"[{name}]"
        raise RecipeError(f"`{name}` is a section of the recipe, not a value.", f"Write {form} on a line of its own.")
    if most and len(entries) > most:
        raise RecipeError(f"`{name}` is there {len(entries)} times; {most} are the most.")
    known = {one.name.rpartition(".")[2]: one for one in settings().values() if one.name.startswith(f"{name}.")}
    needed = [key for key, setting in known.items() if setting.default is msgspec.NODEFAULT]
    for entry in entries:
        for key, inner in entry.items():
            if key not in known:
                raise unknown(f"{name}.{key if isinstance(key, str) else brief(key)}")
            check_value(inner, known[key])
        missing = next((key for key in needed if key not in entry), None)
        if missing:
            raise RecipeError(f"A [[{name}]] has no `{missing}`.", known[missing].description)


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


def with_paths(shot: Shot, change: Callable[[str], str]) -> Shot:
    """The recipe with every path in it changed; an empty one stays empty. Raises `RecipeError`."""

    def changed(text: str) -> str:
        return change(text) if text else ""

    def model(text: str) -> str:
        return changed(text) if is_model_file(text) else text

    def face(text: str) -> str:
        return LIKE + changed(text.removeprefix(LIKE)) if text.startswith(LIKE) else text

    replace, networks = msgspec.structs.replace, [model(name) for name in occlusion_networks(shot.matte)]
    if any("," in name for name in networks):
        raise RecipeError(
            "`matte.occlusion` cannot name a file in a folder with a comma in its name.",
            "Install the model: faceplate models add FILE.",
        )
    return replace(
        shot,
        swapper=model(shot.swapper),
        network=replace(shot.network, enhancer=model(shot.network.enhancer)),
        tracks=changed(shot.tracks),
        plate=replace(shot.plate, path=changed(shot.plate.path)),
        matte=replace(shot.matte, holdout=changed(shot.matte.holdout), occlusion=", ".join(networks)),
        mattes=tuple(replace(one, path=changed(one.path)) for one in shot.mattes),
        replace=tuple(
            replace(one, identity=changed(one.identity), face=face(one.face), swapper=model(one.swapper))
            for one in shot.replace
        ),
        output=replace(shot.output, path=changed(shot.output.path)),
    )
