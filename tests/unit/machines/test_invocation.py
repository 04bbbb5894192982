"""The fields a command is started with, and our own line on its standard error."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.core.errors import UsageError
from sealock.machines.invocation import KEPT_ERRORS, ErrorStream, Invocation

TOKEN = b"t" * 32


def test_fields_end_in_nul_bytes() -> None:
    invocation = Invocation(["ls", "-l", ""], {"A": "1 2"}, "/tmp", TOKEN)
    assert invocation.encode() == TOKEN + b"\0/tmp\x001\0A=1 2\x003\0ls\0-l\0\0"


@pytest.mark.parametrize("name", ["", "1A", "A B", "A\n", "A\nB", "A=B", "A-B", "ls%%", "\xe4", "A\0"])
def test_what_cannot_be_the_name_of_a_variable_is_refused(name: str) -> None:
    """A shell reads functions out of variables such as `BASH_FUNC_ls%%`."""
    with pytest.raises(UsageError, match="cannot be the name"):
        Invocation(["ls"], {name: "() { id; }"}).encode()


@pytest.mark.parametrize("given", [{"argv": ["a\0b"]}, {"env": {"A": "1\0B=2"}}, {"cwd": "/tmp\0/x"}])
def test_no_field_can_hold_the_sign_that_ends_it(given: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="NUL"):
        Invocation(**{"argv": ["ls"]} | given).encode()


def test_each_invocation_has_its_own_token() -> None:
    assert Invocation(["a"]).token != Invocation(["a"]).token


@given(st.binary(max_size=50), st.binary(max_size=50), st.lists(st.integers(0, 200), max_size=5))
def test_our_line_is_taken_out_wherever_it_is(before: bytes, after: bytes, cuts: list[int]) -> None:
    stream = before + TOKEN + b" 1234\n" + after
    errors = ErrorStream(TOKEN)
    places = sorted({0, len(stream), *(cut % len(stream) for cut in cuts)})
    for start, end in itertools.pairwise(places):
        errors.feed(stream[start:end])
    assert errors.group == 1234
    assert errors.value() == before + after


def test_a_group_is_a_number_of_one_process_group() -> None:
    # -1 and 0 would mean every process, or our own.
    for forged in (b"-1", b"0", b"1 2", b"99999999999", b"0x10", b""):
        errors = ErrorStream(TOKEN)
        errors.feed(TOKEN + b" " + forged + b"\n")
        assert errors.group is None
    assert errors.value() == TOKEN + b" \n"


def test_without_our_line_memory_stays_bounded() -> None:
    errors = ErrorStream(TOKEN)
    for _ in range(100):
        errors.feed(bytes(65536))
    assert len(errors.value()) <= KEPT_ERRORS
    assert b"were dropped" in errors.value()
    assert len(errors._kept) + len(errors._pending) < 2 * KEPT_ERRORS


def test_what_was_dropped_is_counted() -> None:
    errors = ErrorStream(TOKEN)
    errors.feed(TOKEN + b" 7\n" + bytes(KEPT_ERRORS + 1000))
    kept, _, note = errors.value().partition(b"\n[")
    assert note == b"%d more bytes of standard error were dropped]\n" % (KEPT_ERRORS + 1000 - len(kept))
