"""What a person has chosen so far: a recipe that is changed one setting at a time, and is always a valid one."""

from typing import Any

import msgspec

from engine import keys, recipe
from engine.errors import RecipeError
from engine.settings import settings
from engine.wire.cast import same_face
from engine.wire.recipe import PEOPLE, result_beside


class Choice:
    """The recipe of a page, as plain values; `began` is what it was at first."""

    def __init__(self, shot: dict[str, Any]) -> None:
        """Take up a recipe. Raises RecipeError."""
        plain = msgspec.to_builtins(recipe.parse(shot))
        if not plain["output"]["path"] and plain["plate"]["path"]:
            plain["output"]["path"] = result_beside(plain["plate"]["path"])
        self.shot: dict[str, Any] = plain
        self.began = self.values()

    def values(self) -> dict[str, Any]:
        """Every setting that is there once, by its dotted name."""
        return {name: self._table(name)[_key(name)] for name, one in settings().items() if not one.listed}

    @property
    def people(self) -> list[dict[str, str]]:
        """Who replaces whom: `face` and `identity` of each entry."""
        return [dict(entry) for entry in self.shot[PEOPLE]]

    def change(self, name: str, value: Any) -> None:
        """Give a setting another value, the same in every frame. Raises RecipeError, and then nothing is changed."""
        if name not in settings() or settings()[name].listed:
            raise RecipeError(f"There is no setting `{name[:100]}` here.")
        self._replace(_section(name), _key(name), value)

    def assign(self, face: str, identity: str) -> None:
        """Have a face replaced by the person in a folder; by nobody where that is empty. Raises RecipeError."""
        people = self.people
        at = next((index for index, entry in enumerate(people) if same_face(entry["face"], face)), len(people))
        # A swapper of their own, such as their DFM, stays with the person whom it makes.
        same = at < len(people) and people[at]["identity"] == identity
        entry = (people[at] if same else {}) | {"identity": identity, "face": face}
        people[at : at + 1] = [entry] if identity else []
        self._replace("", PEOPLE, people)

    def _replace(self, section: str, key: str, value: Any) -> None:
        changed = self.shot | ({section: self.shot[section] | {key: value}} if section else {key: value})
        changed["key"] = keys.without(changed["key"], f"{section}.{key}")
        self.shot = msgspec.to_builtins(recipe.parse(changed))

    def _table(self, name: str) -> dict[str, Any]:
        return self.shot[_section(name)] if _section(name) else self.shot


def _section(name: str) -> str:
    return name.rpartition(".")[0]


def _key(name: str) -> str:
    return name.rpartition(".")[2]
