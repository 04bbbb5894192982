"""The bytes a sealed key is bound to: no two bindings share them."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sealock.keeper.sealed import Binding

# Few characters, so that fields often run into each other if nothing keeps them apart.
SHORT = st.text(alphabet="ab\x00|1", max_size=4)
BINDINGS = st.builds(
    Binding,
    project_id=SHORT,
    name=SHORT,
    version=st.integers(min_value=0, max_value=20),
    kek_id=SHORT,
    algorithm=SHORT,
    kind=SHORT,
)


@given(BINDINGS, BINDINGS)
def test_different_bindings_have_different_bytes(one: Binding, other: Binding) -> None:
    assert (one.for_key() == other.for_key()) == (one == other)
    assert (one.for_data_key() == other.for_data_key()) == (one == other)


@given(BINDINGS, BINDINGS)
def test_a_data_key_is_never_bound_like_a_key(one: Binding, other: Binding) -> None:
    assert one.for_key() != other.for_data_key()


def test_the_encoding_stays_what_it_is() -> None:
    binding = Binding("p", "n", 1, "k", "a", "t")
    assert binding.for_key() == (
        b"\x00\x00\x00\x15sealock sealed key v1\x00\x00\x00\x01p\x00\x00\x00\x01t\x00\x00\x00\x01n"
        b"\x00\x00\x00\x011\x00\x00\x00\x01k\x00\x00\x00\x01a"
    )
