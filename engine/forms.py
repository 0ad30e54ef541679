"""What a person can set a setting to, for user interfaces: the kind of its field, its range, its choices."""

from typing import Any, Literal, NamedTuple, get_args, get_origin

from msgspec import inspect

from engine.settings import Setting

Kind = Literal["switch", "integer", "number", "choice", "choices", "text"]


class Form(NamedTuple):
    """How a setting is asked for.

    `least` and `most` bound a number. `choices` are in the order in which they were written. `word`: a number that can
    also be this word, which has it found.
    """

    kind: Kind
    least: float = 0.0
    most: float = 0.0
    choices: tuple[str, ...] = ()
    word: str = ""


def form_of(setting: Setting) -> Form:
    """The form of a setting."""
    return _form(inspect.type_info(setting.annotation), setting)


def label_of(name: str) -> str:
    """A setting's or a choice's name as a heading."""
    return name.rpartition(".")[2].replace("_", " ").replace("-", " ").title()


def _form(kind: inspect.Type, setting: Setting) -> Form:
    match kind:
        case inspect.Metadata():
            return _form(kind.type, setting)
        case inspect.BoolType():
            return Form("switch")
        case inspect.IntType():
            return Form("integer", kind.ge or 0, kind.le or 0)
        case inspect.FloatType():
            return Form("number", kind.ge or 0.0, kind.le or 0.0)
        case inspect.UnionType():
            number = next(form for one in kind.types if (form := _form(one, setting)).kind == "number")
            return number._replace(word=str(setting.default))
        case inspect.LiteralType():
            return Form("choice", choices=_choices(setting.annotation))
        case inspect.VarTupleType():
            return Form("choices", choices=_choices(setting.annotation))
        case _:
            return Form("text")


def _choices(annotation: Any) -> tuple[str, ...]:
    """The choices in the order they were written in; msgspec sorts them."""
    if get_origin(annotation) is Literal:
        return get_args(annotation)
    return tuple(choice for inner in get_args(annotation) for choice in _choices(inner))
