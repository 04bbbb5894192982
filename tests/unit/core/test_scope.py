"""A scope sealed with its value: what comes out is what went in, or nothing."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.core.scope import LONGEST_SCOPE, MAGIC, Scope, disclose, enclose
from sealock.core.secret import Secret

SCOPES = st.builds(Scope, st.lists(st.text(max_size=20), max_size=5).map(tuple), st.booleans(), st.booleans())


@given(SCOPES, st.binary(min_size=1, max_size=200))
def test_what_is_enclosed_is_disclosed(scope: Scope, value: bytes) -> None:
    found, inside = disclose(enclose(scope, Secret(value)))
    assert (found, inside.reveal()) == (scope, value)


@given(st.binary(min_size=1, max_size=100))
def test_anything_else_is_refused_without_showing_it(content: bytes) -> None:
    for tried in (content, MAGIC + content, MAGIC + len(content).to_bytes(4, "big") + content + b"\0x"):
        with pytest.raises(ValueError, match=r"^not a (scope|value with a scope)$") as refused:
            disclose(Secret(tried))
        assert refused.value.__cause__ is None


@pytest.mark.parametrize(
    "told",
    [
        b'{"pipelines":[],"deployments_only":false}',
        b'{"pipelines":[],"deployments_only":false,"protected_only":0}',
        b'{"pipelines":[1],"deployments_only":false,"protected_only":true}',
        b'{"pipelines":[],"deployments_only":false,"protected_only":true,"more":1}',
        b"[]",
        b"[" * 5000,
    ],
)
def test_a_scope_that_says_too_little_or_too_much_is_none(told: bytes) -> None:
    with pytest.raises(ValueError, match=r"^not a scope$"):
        disclose(Secret(MAGIC + len(told).to_bytes(4, "big") + told + b"\0value"))


def test_a_secret_is_for_protected_branches_unless_told_otherwise() -> None:
    assert Scope().protected_only


def test_a_scope_too_long_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="that long"):
        enclose(Scope(("x" * LONGEST_SCOPE,)), Secret(b"v"))
