"""What is said of a field that is written otherwise than it must be."""

from __future__ import annotations

import re
from typing import Annotated, Any

import pytest
from pydantic import BaseModel, Field, ValidationError

from sealock.core.build import Outcome
from sealock.core.naming import rule_of
from sealock.core.project import PROJECT_NAME
from sealock.web.written import PROJECT, in_words, written, wrong_word

SIGNS = re.compile(r"[\[\]^$\\{}]|pattern|\(\?")


class Fields(BaseModel):
    """One of each kind."""

    name: Annotated[str, Field(pattern=PROJECT)] = "a"
    other: Annotated[str, Field(pattern="^[xy]+$")] = "x"
    short: Annotated[str, Field(min_length=1, max_length=3)] = "a"
    many: Annotated[list[int], Field(max_length=1)] = []
    number: Annotated[int, Field(ge=1, le=5)] = 1
    outcome: Outcome = Outcome.GREEN


def said(**given: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Fields(**given)
    return wrong_word(caught.value.errors()[0])


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"name": "Bad Name"}, rule_of(PROJECT_NAME)),
        ({"other": "z"}, "It is not written as it must be."),
        ({"short": ""}, "It must have at least 1 character."),
        ({"short": "abcd"}, "It must have at most 3 characters."),
        ({"many": [1, 2]}, "At most 1 may be given."),
        ({"number": 6}, "It must be at most 5."),
        ({"number": "many"}, "It must be a whole number."),
    ],
)
def test_each_kind_has_plain_words(given: dict[str, Any], words: str) -> None:
    assert said(**given) == words
    assert not SIGNS.search(words)


def test_what_may_be_chosen_is_named_while_it_is_short() -> None:
    assert "'green'" in said(outcome="blue")


def test_a_rule_and_its_words_stand_together() -> None:
    whole = written("[ab]", "Use a or b.")
    assert in_words(whole) == "Use a or b."
    with pytest.raises(KeyError):
        in_words("^[cd]$")
