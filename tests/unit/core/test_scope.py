"""A scope sealed with its value: what comes out is what went in, or nothing."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.core.scope import LONGEST_SCOPE, MAGIC, WITHOUT_ORIGIN, Scope, disclose, enclose
from sealock.core.secret import Secret
from sealock.core.source import GitAddress, GitOrigin

TEXT = st.text(max_size=20)
TEXTS = st.lists(TEXT, max_size=5).map(tuple)
ORIGINS = st.builds(GitOrigin, st.builds(GitAddress, TEXT, TEXT, st.integers(1, 65535), TEXT), TEXTS)
SCOPES = st.builds(
    Scope, TEXTS, st.booleans(), st.booleans(), origin=st.none() | ORIGINS, directories=st.booleans()
)
ORIGIN = GitOrigin(GitAddress("git", "h", 22, "a/b.git"), ("ssh-ed25519 AAAA",))


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


WHOLE = asdict(Scope(origin=ORIGIN))
ADDRESS = WHOLE["origin"]["address"]


def with_origin(**changes: object) -> dict[str, object]:
    return WHOLE | {"origin": WHOLE["origin"] | changes}


@pytest.mark.parametrize(
    "told",
    [
        *({name: each for name, each in WHOLE.items() if name != missing} for missing in WHOLE),
        WHOLE | {"protected_only": 0},
        WHOLE | {"directories": 1},
        WHOLE | {"directories": None},
        WHOLE | {"pipelines": [1]},
        WHOLE | {"pipelines": "ab"},
        WHOLE | {"more": 1},
        WHOLE | {"origin": []},
        WHOLE | {"origin": "git@h:a/b.git"},
        WHOLE | {"origin": {}},
        with_origin(more=1),
        with_origin(host_keys="ssh-ed25519 AAAA"),
        with_origin(host_keys=[1]),
        with_origin(address=ADDRESS | {"port": "22"}),
        with_origin(address=ADDRESS | {"port": True}),
        with_origin(address=ADDRESS | {"port": 22.0}),
        with_origin(address=ADDRESS | {"more": ""}),
        with_origin(address={"host": "h"}),
        [],
        None,
        "[" * 5000,
    ],
    ids=lambda told: str(told)[:40],
)
def test_a_scope_that_says_too_little_or_too_much_is_none(told: object) -> None:
    whole = told.encode() if isinstance(told, str) else json.dumps(told).encode()
    with pytest.raises(ValueError, match=r"^not a scope$"):
        disclose(Secret(MAGIC + len(whole).to_bytes(4, "big") + whole + b"\0value"))


def test_the_whole_one_is_a_scope() -> None:
    """Or nothing above would show anything."""
    whole = json.dumps(WHOLE).encode()
    assert disclose(Secret(MAGIC + len(whole).to_bytes(4, "big") + whole + b"\0v"))[0] == Scope(origin=ORIGIN)


def test_one_from_before_there_were_repositories_is_not_read() -> None:
    told = b'{"deployments_only":false,"pipelines":[],"protected_only":false}'
    old = WITHOUT_ORIGIN + len(told).to_bytes(4, "big") + told + b"\0the value"
    with pytest.raises(ValueError, match=r"set it again$"):
        disclose(Secret(old))


def test_a_secret_is_for_protected_branches_unless_told_otherwise() -> None:
    assert Scope().protected_only
    assert Scope().origin is None and not Scope().directories


def test_a_scope_too_long_is_not_sealed() -> None:
    with pytest.raises(ValueError, match="that long"):
        enclose(Scope(("x" * LONGEST_SCOPE,)), Secret(b"v"))
