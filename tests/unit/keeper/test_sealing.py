"""Sealing to a public key: only its private half opens, and only what was sealed, where it was sealed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.errors import PermanentError
from sealock.core.sealed import DoesNotOpen, Kind, Owner, PublicKey, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.keeper.opening import open_sealed, open_with
from sealock.keeper.sealing import OVERHEAD, SUITE, binding, new_pair, seal, seal_to
from tests.support.hpke import seal_by_the_letter

NAME = SealedName("team", "parser", Kind.VARIABLE, "TOKEN", 1)
VALUE = b"s3cret-canary-value"


def refused(private: Secret, associated: bytes, data: bytes) -> str:
    with pytest.raises(DoesNotOpen) as caught:
        open_with(private, associated, data)
    return str(caught.value)


@given(value=st.binary(max_size=4096), associated=st.binary(max_size=512))
def test_what_is_sealed_opens(value: bytes, associated: bytes) -> None:
    private, public = new_pair()
    data = seal_to(public, associated, Secret(value))
    assert open_with(private, associated, data).reveal() == value
    assert len(data) == len(value) + OVERHEAD


def test_a_megabyte_opens() -> None:
    private, public = new_pair()
    value = bytes(range(256)) * 4096
    assert open_with(private, b"", seal_to(public, b"", Secret(value))).reveal() == value


def test_confidential_and_unique() -> None:
    _, public = new_pair()
    sealed = [seal_to(public, b"a", Secret(VALUE)) for _ in range(50)]
    assert len({data[:32] for data in sealed}) == len({data[32:] for data in sealed}) == 50
    assert not any(VALUE in data for data in sealed)


def test_integrity_every_byte() -> None:
    private, public = new_pair()
    data = seal_to(public, b"a", Secret(VALUE))
    for position in range(len(data)):
        for bit in (1, 0x80):
            flipped = bytearray(data)
            flipped[position] ^= bit
            # The top bit of an X25519 point counts for nothing in the exchange, but the key schedule has it.
            refused(private, b"a", bytes(flipped))


def test_wrong_lengths() -> None:
    private, public = new_pair()
    data = seal_to(public, b"a", Secret(VALUE))
    for length in range(len(data)):
        refused(private, b"a", data[:length])
    for other in (data + b"\0", data[1:], data * 2, bytes(32) + data[32:], bytes(len(data))):
        refused(private, b"a", other)


def test_another_key_or_another_binding_opens_nothing() -> None:
    (private, public), (other, _) = new_pair(), new_pair()
    data = seal_to(public, b"a", Secret(VALUE))
    messages = {refused(other, b"a", data)} | {
        refused(private, bound, data) for bound in (b"", b"b", b"a\0", b"aa")
    }
    assert len(messages) == 1


def test_nothing_is_sealed_to_what_is_no_key_or_to_everybody() -> None:
    """A point of low order gives a shared secret that anybody can compute."""
    for public in (b"", bytes(31), bytes(33), bytes(32), b"\1" + bytes(31)):
        with pytest.raises(PermanentError, match="cannot be one"):
            seal_to(public, b"", Secret(VALUE))


def test_a_secret_that_was_forgotten_is_not_sealed() -> None:
    value = Secret(VALUE)
    value.forget()
    with pytest.raises(ValueError, match="forgotten"):
        seal_to(new_pair()[1], b"", value)


@settings(max_examples=20)
@given(value=st.binary(max_size=100), associated=st.binary(max_size=100))
def test_it_is_the_hpke_of_the_standard(value: bytes, associated: bytes) -> None:
    """Sealed by an implementation of our own, after the letter of RFC 9180, it opens the same."""
    private, public = new_pair()
    data = seal_by_the_letter(public, b"sealock hpke v1" + associated, value)
    assert open_with(private, associated, data).reveal() == value


def test_a_record_moved_anywhere_does_not_open() -> None:
    private, public = new_pair()
    sealed = seal(NAME, Secret(VALUE), PublicKey(NAME.owner, 3, public))
    assert open_sealed(private, sealed).reveal() == VALUE
    moved = [
        replace(sealed, name=replace(NAME, **change))
        for change in (
            {"account": "others"},
            {"project": "printer"},
            {"project": None},
            {"kind": Kind.FILE},
            {"name": "TOKEN2"},
            {"version": 2},
        )
    ]
    for record in (*moved, replace(sealed, key_version=2), replace(sealed, suite="none")):
        with pytest.raises(DoesNotOpen):
            open_sealed(private, record)


def test_a_value_is_not_sealed_to_another_owners_key() -> None:
    with pytest.raises(ValueError, match="another owner's"):
        seal(NAME, Secret(VALUE), PublicKey(Owner("team", "printer"), 1, new_pair()[1]))


def test_what_a_value_is_bound_to_stays_what_it_is() -> None:
    """Each field with its length before it. With another byte nothing that was sealed so far would open."""
    fields = ("team", "parser", "variable", "TOKEN", "1")
    told = ("sealock sealed name v1", *fields, "sealock sealed to v1", "3", SUITE)
    assert binding(NAME, 3) == b"".join(len(text).to_bytes(4, "big") + text.encode() for text in told)


def test_there_is_one_suite_though_another_name_was_sealed_with_it() -> None:
    """Whoever can seal can write any name there."""
    private, public = new_pair()
    data = seal_to(public, binding(NAME, 3, "none"), Secret(VALUE))
    with pytest.raises(DoesNotOpen):
        open_sealed(private, Sealed(NAME, 3, "none", data, 0.0))
