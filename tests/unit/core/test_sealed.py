"""Names of sealed values: no two have the same bytes, and what cannot be one is refused."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.core.sealed import OWNER_ID, SEALED_NAME, Kind, Owner, SealedName, canonical

ids = st.from_regex(OWNER_ID, fullmatch=True)
names = st.builds(
    SealedName,
    account=ids,
    project=st.none() | ids,
    kind=st.sampled_from(Kind),
    name=st.from_regex(SEALED_NAME, fullmatch=True),
    version=st.integers(1, 2**53 - 1),
)


@given(names, names)
def test_two_names_never_have_the_same_bytes(one: SealedName, other: SealedName) -> None:
    assert (one == other) == (one.canonical() == other.canonical())


@given(st.lists(st.text()), st.lists(st.text()))
def test_fields_do_not_run_into_each_other(one: list[str], other: list[str]) -> None:
    assert (one == other) == (canonical("domain", *one) == canonical("domain", *other))


def test_an_owner_and_a_name_never_have_the_same_bytes() -> None:
    name = SealedName("team", "parser", Kind.VARIABLE, "TOKEN", 1)
    assert name.canonical() != name.owner.canonical()
    assert Owner("team").canonical() != Owner("team", "team").canonical()


@pytest.mark.parametrize("identity", ["", "Team", "../etc", "a" * 65, "a b", "-a", "a\n", "é"])
def test_an_owner_needs_an_id(identity: str) -> None:
    with pytest.raises(ValueError, match="not an owner's id"):
        Owner(identity)
    with pytest.raises(ValueError, match="not an owner's id"):
        SealedName("team", identity, Kind.FILE, "key", 1)


@pytest.mark.parametrize("name", ["", ".", "..", ".hidden", "a/b", "a\0", "A=B", "a" * 129, "a\n", "-x"])
def test_a_value_needs_a_name(name: str) -> None:
    with pytest.raises(ValueError, match="not the name of a sealed value"):
        SealedName("team", None, Kind.FILE, name, 1)


@pytest.mark.parametrize("version", [0, -1, 2**53])
def test_versions_count_from_one(version: int) -> None:
    with pytest.raises(ValueError, match="not a version"):
        SealedName("team", None, Kind.FILE, "key", version)
