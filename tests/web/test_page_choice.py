"""What a person chooses on the page, as the recipe that comes of it."""

import msgspec

from engine.shot import Key, Replace, Shot
from engine.web.choice import Choice


def test_a_person_s_own_swapper_stays_with_the_person() -> None:
    people = Replace(identity="ada", face="1", swapper="ada.dfm"), Replace(identity="grace", face="2", swapper="g.dfm")
    choice = Choice(msgspec.to_builtins(Shot(replace=people)))
    choice.assign("1", "ada")
    choice.assign("2", "joan")
    assert list(choice.shot["replace"]) == [
        {"identity": "ada", "face": "1", "swapper": "ada.dfm"},
        {"identity": "joan", "face": "2", "swapper": ""},
    ]


def test_a_setting_that_is_chosen_loses_its_keys_and_no_others_do() -> None:
    keys = tuple(Key(setting=name, frame=1, value=0.5) for name in ("match.amount", "composite.grain"))
    choice = Choice(msgspec.to_builtins(Shot(key=keys)))
    choice.change("match.amount", 0.25)
    assert choice.shot["match"]["amount"] == 0.25
    assert [key["setting"] for key in choice.shot["key"]] == ["composite.grain"]
