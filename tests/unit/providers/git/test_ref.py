"""Refs: the same verdict as git check-ref-format, and stricter where Git reads expressions."""

from __future__ import annotations

import subprocess

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.errors import UsageError
from sealock.providers.git.ref import check_ref


@pytest.mark.parametrize(
    "ref",
    [
        *("main", "feature/a-b", "v1.0", "refs/heads/main", "HEAD", "über", "a@b", "1" * 7),
        *("ü" * 125, "refs/heads/" + "ü" * 125, "refs/tags/" + "x" * 250),
    ],
)
def test_what_is_taken(ref: str) -> None:
    assert check_ref(ref) == ref


@pytest.mark.parametrize("digits", [40, 64])
def test_a_commit_is_written_in_small_letters(digits: int) -> None:
    assert check_ref("AB" * (digits // 2)) == "ab" * (digits // 2)


@pytest.mark.parametrize(
    "ref",
    [
        "",
        "-x",
        "--upload-pack=id",
        "a b",
        "a~1",
        "a^",
        "a:b",
        ":/text",
        "a?",
        "a*",
        "a[b",
        "a\\b",
        "a..b",
        "a@{1}",
        "@",
        "a.",
        ".a",
        "a/.b",
        "a.lock",
        "a.lock/b",
        "/a",
        "a/",
        "a//b",
        "a\nb",
        "a\x00",
        "a\x7f",
        "a\u202eb",
        "\ud800",
        "ü" * 126,
        "refs/heads/" + "ü" * 126,
        "refs/tags/" + "x" * 251,
        "x/refs/heads/" + "x" * 240,
        "refs/heads/refs/heads/" + "x" * 245,
    ],
)
def test_what_is_refused(ref: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_ref(ref)
    assert caught.value.resolution
    assert "\n" not in caught.value.brief


@settings(max_examples=60, deadline=None)
@given(st.text(st.sampled_from("ab./-@{~^:?*[\\ \n\x7flock"), min_size=1, max_size=12))
def test_git_agrees_with_whatever_is_taken(text: str) -> None:
    try:
        ref = check_ref(text)
    except UsageError:
        return
    command = ["git", "check-ref-format", "--allow-onelevel", ref]
    assert subprocess.run(command, check=False).returncode == 0
