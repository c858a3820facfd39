"""What settings take and refuse: YAML's own types and nothing else, with a line that says what and where."""

from typing import Annotated, Any, Literal

import pytest
from pydantic import Field, ValidationError

from superres.keys import (
    ByName,
    Count,
    Keys,
    Many,
    Maybe,
    Name,
    Named,
    Numeral,
    OneOf,
    SomeNamed,
    SomeOnce,
    Whole,
)
from superres.study.messages import first_mistake


class Entry(Keys):
    """An entry."""

    name: Name
    count: Maybe[Count] = None


class Toy(Keys):
    """One key of each type."""

    whole: Annotated[Whole, Field(ge=1, le=10)] = 5
    number: float = Field(default=0.5, gt=0)
    text: str = "a"
    yes: bool = False
    maybe: Maybe[Count] = None
    many: Many[str] = ()
    once: SomeOnce[int] = (1,)
    numeral: Annotated[Literal[1, 3], Numeral] = 1
    known: Annotated[str, OneOf(lambda: ("alpha", "beta"))] = "alpha"
    entries: Named[Entry] = Field(default={})
    some: SomeNamed[Entry] = Field(default={})
    made: Annotated[dict[str, int], ByName(Entry, lambda entry, _: entry.count)] = Field(default={})


def read(**written: Any) -> Toy:
    # A study is read with a context, which code that makes settings doesn't have.
    return Toy.model_validate(written, context=object())


def line(**written: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        read(**written)
    return first_mistake(caught.value, Toy, written)


REFUSED = [
    ({"whole": "5"}, "whole: expected a whole number, found '5'"),
    ({"whole": True}, "whole: expected a whole number, found True"),
    ({"whole": 2.5}, "whole: expected a whole number, found 2.5"),
    ({"whole": 0}, "whole: expected 1 or more, found 0"),
    ({"whole": 11.0}, "whole: expected 10 or less, found 11.0"),
    ({"number": "1"}, "number: expected a number, found '1'"),
    ({"number": False}, "number: expected a number, found False"),
    ({"number": float("inf")}, "number: expected a finite number, found inf"),
    ({"number": 0}, "number: expected more than 0, found 0"),
    ({"text": 1}, "text: expected a text, found 1"),
    ({"text": None}, "text: expected a text, found None"),
    ({"yes": 1}, "yes: expected a boolean, found 1"),
    ({"yes": "yes"}, "yes: expected a boolean, found 'yes'"),
    ({"maybe": None}, "maybe: expected a whole number, found None"),
    ({"many": "a"}, "many: expected a list, found 'a'"),
    ({"many": {"a"}}, "many: expected a list, found {'a'}"),
    ({"many": ["a", 1]}, "many[1]: expected a text, found 1"),
    ({"once": []}, "once: expected a list of 1 or more, found an empty one"),
    ({"once": [1, 2, 1]}, "once: expected each entry once, found 1 twice"),
    ({"numeral": 11}, "numeral: expected one of 1, 3, found 11"),
    ({"numeral": True}, "numeral: expected a whole number, found True"),
    ({"known": "beat"}, "known: expected one of alpha, beta (did you mean beta?), found 'beat'"),
    ({"known": 1}, "known: expected one of alpha, beta, found 1"),
    ({"some": []}, "some: expected a list of 1 or more, found an empty one"),
    ({"entries": {"name": "a"}}, "entries: expected a list, found {'name': 'a'}"),
    ({"entries": ["a"]}, "entries[0]: expected a mapping of keys, found 'a'"),
    ({"entries": [{}]}, "entries[0]: expected the key name, found no key at all; add it"),
    (
        {"entries": [{"name": "a\n"}]},
        r"entries[0].name: expected a text of the form ^[a-z0-9][a-z0-9_]*$ (lower-case letters, digits and "
        r"_), found 'a\n'",
    ),
    (
        {"entries": [{"name": "a"}, {"name": "a"}]},
        "entries[1].name: expected a name of its own, found 'a' a second time",
    ),
    (
        {"entries": [{"nmae": "a"}]},
        "entries[0].nmae: unknown key (did you mean name?); known here: name, count",
    ),
]  # fmt: skip


@pytest.mark.parametrize(("written", "message"), REFUSED, ids=[message for _, message in REFUSED])
def test_a_mistake_is_said_in_one_line(written: dict[str, Any], message: str):
    assert line(**written) == message


def test_the_first_mistake_by_its_path_is_said():
    assert line(text=1, many=5).startswith("many: ")
    # A misspelt key is named before the one that is missing for it.
    assert line(entries=[{"nmae": "a", "count": 0}]).startswith("entries[0].nmae: unknown key")


def test_what_is_taken():
    toy = read(whole=2.0, number=3, many=["a", "a"], entries=[{"name": "b"}, {"name": "a", "count": 2}])
    assert (toy.whole, type(toy.whole), toy.number) == (2, int, 3.0)
    assert toy.many == ("a", "a")
    assert list(toy.entries) == ["b", "a"] and toy.entries["a"].count == 2
    assert read(made=[{"name": "a", "count": 7}]).made == {"a": 7}
    # Code, unlike a study, may say that something is left out.
    assert Toy(maybe=None, many=("a",)).maybe is None
    with pytest.raises(ValidationError):
        toy.text = "changed"  # pyright: ignore[reportAttributeAccessIssue]
