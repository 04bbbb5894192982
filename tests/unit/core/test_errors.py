"""The tree of errors: who must act, what a command ends with, whether a second try helps."""

from __future__ import annotations

import re

import pytest

from sealock.core import errors
from sealock.core.errors import (
    ConfigError,
    ExitCode,
    InfrastructureError,
    PermanentError,
    SealockError,
    TemporaryError,
    UsageError,
)

# error: its parent, exit code, retryable (None: the question does not arise)
TREE: dict[type[SealockError], tuple[type[Exception], int, bool | None]] = {
    SealockError: (Exception, 3, None),
    UsageError: (SealockError, 2, None),
    ConfigError: (UsageError, 2, None),
    InfrastructureError: (SealockError, 3, False),
    TemporaryError: (InfrastructureError, 3, True),
    PermanentError: (InfrastructureError, 3, False),
}


def defined() -> list[type[SealockError]]:
    return [
        each for each in vars(errors).values() if isinstance(each, type) and issubclass(each, SealockError)
    ]


def test_the_tree_holds_every_error() -> None:
    assert set(defined()) == set(TREE)


@pytest.mark.parametrize("error", TREE)
def test_each_error_says_who_must_act(error: type[SealockError]) -> None:
    parent, exit_code, retryable = TREE[error]
    assert error.__bases__ == (parent,)
    assert error.exit_code == exit_code
    assert getattr(error, "retryable", None) is retryable


def test_the_docstring_draws_the_same_tree() -> None:
    drawn = re.findall(r"^ *[│├└─ ]*(\w+Error)\b", errors.__doc__ or "", re.MULTILINE)
    assert drawn == [error.__name__ for error in TREE]


def test_exit_codes_are_what_scripts_rely_on() -> None:
    assert {code.name: int(code) for code in ExitCode} == {
        "GREEN": 0,
        "BUILD_FAILED": 1,
        "USAGE": 2,
        "INFRASTRUCTURE": 3,
    }


@pytest.mark.parametrize("error", [each for each in TREE if each is not ConfigError])
def test_the_three_parts_stand_each_on_a_line(error: type[SealockError]) -> None:
    full = error("it broke", details="seen this\nand that", resolution="Mend it.")
    assert str(full) == "it broke\nseen this\nand that\nWhat to do: Mend it."
    assert (full.brief, full.details, full.resolution) == ("it broke", "seen this\nand that", "Mend it.")
    assert str(error("it broke")) == "it broke"
    assert full.args == ("it broke",)


def test_a_configuration_error_begins_with_its_place() -> None:
    error = ConfigError("sealock.yml", 8, 9, "unknown field", details="more", resolution="Mend it.")
    assert error.brief == "sealock.yml:8:9: unknown field"
    assert (error.file, error.line, error.column, error.message) == ("sealock.yml", 8, 9, "unknown field")
    assert str(error) == "sealock.yml:8:9: unknown field\nmore\nWhat to do: Mend it."
