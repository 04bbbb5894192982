"""The body of a webhook: what it says, and what is refused by name."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.builds.hook_events import LONGEST_HOOK, WINDOW, Push, is_current, read_push
from sealock.core.errors import UsageError
from sealock.providers.git.ref import check_ref

OLD, NEW = "a" * 40, "b" * 40
BODY: dict[str, Any] = {
    "delivery": "0123456789abcdef",
    "sent_at": 1_800_000_000,
    "repository": "git@git.example.com:team/shop.git",
    "ref": "refs/heads/main",
    "before": OLD,
    "after": NEW,
}


def read(**changes: Any) -> Push:
    return read_push(json.dumps(BODY | changes).encode(), check_ref)


def test_a_push_to_a_branch() -> None:
    assert read() == Push(
        "0123456789abcdef", 1_800_000_000, "git@git.example.com:team/shop.git", "main", False, OLD, NEW
    )


def test_a_tag_a_new_branch_and_a_removed_one() -> None:
    tag = read(ref="refs/tags/v1", before="0" * 40)
    assert (tag.name, tag.is_tag, tag.before, tag.after) == ("v1", True, None, NEW)
    assert read(after="0" * 40).after is None
    assert read(before="0" * 64, after="c" * 64).after == "c" * 64
    assert read(ref='refs/heads/a"b/ü').name == 'a"b/ü'


@pytest.mark.parametrize("field", BODY)
def test_each_field_is_needed(field: str) -> None:
    without = {name: value for name, value in BODY.items() if name != field}
    with pytest.raises(UsageError, match=f"^{field}: "):
        read_push(json.dumps(without).encode(), check_ref)


@pytest.mark.parametrize("field", BODY)
@pytest.mark.parametrize("value", [None, True, 1.5, [], {}, [OLD], "", " "])
def test_each_field_has_its_type(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"^{field}: "):
        read(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("delivery", "short"),
        ("delivery", "x" * 65),
        ("delivery", "0123456789abcde\n"),
        ("delivery", "0123456789abcdef\n"),
        ("sent_at", "1800000000"),
        ("sent_at", -1),
        ("sent_at", 2**63),
        ("repository", "x" * 1025),
        ("repository", "a\nb"),
        ("ref", "main"),
        ("ref", "refs/heads/"),
        ("ref", "refs/notes/commits"),
        ("ref", "refs/heads/-x"),
        ("ref", "refs/heads/a..b"),
        ("ref", "refs/heads/a\nb"),
        ("ref", "refs/heads/" + "x" * 300),
        ("ref", "refs/heads/" + "x" * 4096),
        ("ref", "refs/heads/$(reboot)~1"),
        ("before", "A" * 40),
        ("before", "a" * 39),
        ("after", "b" * 41),
        ("after", "b" * 40 + "\n"),
        ("after", "HEAD"),
    ],
)
def test_what_a_field_cannot_be(field: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"^{field}: ") as caught:
        read(**{field: value})
    assert len(str(caught.value)) < 700


@pytest.mark.parametrize("name", ["branch", "Ref", "__proto__", "x" * 5000, "ü\n\x1b[31m"])
def test_an_unknown_field_is_named_and_refused(name: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(**{name: 1})
    told = str(caught.value)
    assert name[:2].encode("unicode_escape").decode() in told
    assert told.isprintable() and len(told) < 500


@pytest.mark.parametrize("after", [OLD, "b" * 64])
def test_before_and_after_belong_together(after: str) -> None:
    with pytest.raises(UsageError, match="before and after"):
        read(after=after)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"1",
        b'"x"',
        b"{",
        b"payload=%7B%7D",
        b"\xff\xfe{}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"{}" + b" " * LONGEST_HOOK,
        json.dumps(BODY).encode() + b"x",
        json.dumps(BODY).encode("utf-16"),
        json.dumps(BODY).replace("main", "\\ud800").encode(),
        json.dumps(BODY).replace("1800000000", "NaN").encode(),
        json.dumps(BODY).replace("1800000000", "9" * 10_000).encode(),
    ],
    ids=range(16),
)
def test_what_is_no_such_body(body: bytes) -> None:
    with pytest.raises(UsageError):
        read_push(body, check_ref)


def test_a_window_of_time() -> None:
    push = read()
    assert [is_current(push, push.sent_at + away) for away in (0, WINDOW, -WINDOW)] == [True] * 3
    assert not any(is_current(push, push.sent_at + away) for away in (WINDOW + 1, -WINDOW - 1, float("nan")))


# Hypothesis' own deadline is in wall time, which a loaded machine takes at will.
patient = settings(deadline=None, max_examples=300)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text()
    | st.sampled_from([OLD, NEW, "0" * 40]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


def outcome(body: bytes) -> None:
    """A push that keeps the promises of its type, or an error for the reader; nothing else."""
    try:
        push = read_push(body, check_ref)
    except UsageError as error:
        assert str(error).replace("\n", "").isprintable() and len(str(error)) < 1000
        return
    assert push.name and push.name.isprintable() and not push.name.startswith("-")
    assert push.before != push.after and push.repository.isprintable()
    assert all(one is None or set(one) <= set("0123456789abcdef") for one in (push.before, push.after))


@patient
@given(st.binary(max_size=300))
def test_any_bytes(body: bytes) -> None:
    outcome(body)


@patient
@given(st.dictionaries(st.sampled_from([*BODY, "other"]), VALUES))
def test_any_values(changes: dict[str, object]) -> None:
    outcome(json.dumps(BODY | changes).encode())


@patient
@given(st.text(max_size=60), st.text(max_size=60))
def test_any_ref_and_repository(ref: str, repository: str) -> None:
    outcome(json.dumps(BODY | {"ref": f"refs/heads/{ref}", "repository": repository}).encode())


@patient
@given(st.integers(0, len(json.dumps(BODY))), st.binary(max_size=8), st.integers(0, 20))
def test_a_good_body_with_something_exchanged(place: int, piece: bytes, gone: int) -> None:
    whole = json.dumps(BODY).encode()
    outcome(whole[:place] + piece + whole[place + gone :])
