"""Statements: signed by who may make them, for what they are, in one spelling."""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.keeper.statements import (
    LONGEST_STATEMENT,
    NotSigned,
    read_grant,
    read_lease,
    read_session,
    sign,
    told_lease,
)
from tests.support.keeper_cases import GRANT, LEASE, MEMBER

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
PUBLIC = KEY.public_key().public_bytes_raw()
STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(32)).public_key().public_bytes_raw()
SIGNED = sign(LEASE, KEY)


def test_what_was_signed_is_read() -> None:
    assert read_lease(SIGNED, [STRANGER, PUBLIC]) == told_lease(SIGNED) == LEASE
    assert read_session(sign(MEMBER, KEY), [PUBLIC]) == MEMBER
    assert read_grant(sign(GRANT, KEY), {"team": (PUBLIC,)}) == GRANT


def test_nobody_else_signs() -> None:
    for keys in ([], [STRANGER]):
        with pytest.raises(NotSigned):
            read_lease(SIGNED, keys)
    refusing: list[dict[str, tuple[bytes, ...]]] = [
        {},
        {"team": ()},
        {"team": (STRANGER,)},
        {"other": (PUBLIC,)},
    ]
    for accounts in refusing:
        with pytest.raises(NotSigned):
            read_grant(sign(GRANT, KEY), accounts)


def test_no_statement_passes_for_another_kind() -> None:
    for statement in (LEASE, MEMBER, GRANT):
        text = sign(statement, KEY)
        readers: dict[type, Callable[[str], object]] = {
            type(LEASE): lambda text: read_lease(text, [PUBLIC]),
            type(MEMBER): lambda text: read_session(text, [PUBLIC]),
            type(GRANT): lambda text: read_grant(text, {"team": (PUBLIC,)}),
        }
        for kind, read in readers.items():
            if kind is not type(statement):
                with pytest.raises(NotSigned):
                    read(text)


def test_another_spelling_of_the_same_is_refused_even_if_signed() -> None:
    payload = urlsafe_b64decode(SIGNED.partition(".")[0])
    for respelled in (
        payload + b" ",
        payload.replace(b'{"id"', b'{ "id"'),
        payload.replace(b"{", b'{"x":1,', 1),
    ):
        name = b"application/vnd.sealock.lease+json"
        signed = KEY.sign(b"DSSEv1 %d %s %d %s" % (len(name), name, len(respelled), respelled))
        text = f"{urlsafe_b64encode(respelled).decode()}.{urlsafe_b64encode(signed).decode()}"
        with pytest.raises(NotSigned):
            read_lease(text, [PUBLIC])


@given(st.integers(0, len(SIGNED) - 1), st.characters(codec="ascii"))
@settings(max_examples=200, deadline=None)
def test_no_character_can_be_changed(position: int, character: str) -> None:
    altered = SIGNED[:position] + character + SIGNED[position + 1 :]
    if altered != SIGNED:
        with pytest.raises(NotSigned):
            read_lease(altered, [PUBLIC])


@given(st.text(max_size=100))
def test_whatever_a_stranger_makes_up_is_none(text: str) -> None:
    for read in (lambda t: read_lease(t, [PUBLIC]), told_lease, lambda t: read_grant(t, {"team": (PUBLIC,)})):
        with pytest.raises(NotSigned):
            read(text)


def test_a_statement_says_exactly_what_was_meant() -> None:
    longer = replace(LEASE, expires_at=LEASE.expires_at + 1)
    assert sign(longer, KEY) != SIGNED


def signed_by_the_letter(payload: bytes, kind: str) -> str:
    """As the standard has it (DSSE), put together here once more."""
    name = f"application/vnd.sealock.{kind}+json".encode()
    signature = KEY.sign(b"DSSEv1 %d %s %d %s" % (len(name), name, len(payload), payload))
    return f"{urlsafe_b64encode(payload).decode()}.{urlsafe_b64encode(signature).decode()}"


def test_the_signature_covers_what_kind_it_is() -> None:
    payload = urlsafe_b64decode(SIGNED.partition(".")[0])
    assert read_lease(signed_by_the_letter(payload, "lease"), [PUBLIC]) == LEASE
    with pytest.raises(NotSigned):
        read_lease(signed_by_the_letter(payload, "grant"), [PUBLIC])


def test_a_signature_has_one_spelling() -> None:
    """The last letter before the padding has four bits that count for nothing."""
    for last in "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_":
        altered = f"{SIGNED[:-3]}{last}=="
        if altered != SIGNED:
            with pytest.raises(NotSigned):
                read_lease(altered, [PUBLIC])


def test_nothing_a_stranger_made_up_is_parsed() -> None:
    text = f"{urlsafe_b64encode(b'{').decode()}.{urlsafe_b64encode(bytes(64)).decode()}"
    with pytest.raises(NotSigned, match="no key that may make a lease signed this one"):
        read_lease(text, [PUBLIC])


def test_a_statement_too_long_is_none_even_if_signed() -> None:
    long = sign(replace(LEASE, terms=replace(LEASE.terms, plan_digest="x" * LONGEST_STATEMENT)), KEY)
    with pytest.raises(NotSigned):
        read_lease(long, [PUBLIC])
