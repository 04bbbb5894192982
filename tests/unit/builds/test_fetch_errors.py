"""What git and ssh write, and what the reader is told. The phrases are theirs."""

from __future__ import annotations

import pytest

from sealock.builds.fetch_errors import Attempt, explain
from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.core.project import Project, SealedKey
from sealock.core.source import GitAddress
from sealock.providers.git.known_hosts import PUBLISHED

PROJECT = Project(
    "0" * 32,
    "blue",
    GitAddress("git", "github.com", 22, "owner/name"),
    PUBLISHED["github.com"],
    "ssh-ed25519 AAAA blue",
    SealedKey(1, "", "", "", "", "", ""),
    0.0,
)


@pytest.mark.parametrize(
    ("said", "error", "brief"),
    [
        (
            "The fingerprint for the ED25519 key sent by the remote host is\nSHA256:" + "x" * 43 + ".\n"
            "Host key verification failed.\n",
            PermanentError,
            "another host key",
        ),
        (
            "git@github.com: Permission denied (publickey).\n",
            UsageError,
            "did not accept the key of project blue",
        ),
        ("fatal: couldn't find remote ref nowhere\n", UsageError, "no branch, tag or commit 'nowhere'"),
        ("fatal: remote error: upload-pack: not our ref 11\n", UsageError, "no branch, tag or commit"),
        ("ERROR: Repository not found.\n", UsageError, "was not found"),
        ("fatal: '/x' does not appear to be a git repository\n", UsageError, "was not found"),
        (
            "ERROR: The project you were looking for could not be found or you don't have permission\n",
            UsageError,
            "was not found",
        ),
        ("fatal: write error: No space left on device\n", UsageError, "disk is too small"),
        ("Connection closed by 127.0.0.1 port 22\n", TemporaryError, "broke"),
        ("fatal: the remote end hung up unexpectedly\n", TemporaryError, "broke"),
        ("something new\n", TemporaryError, "could not be fetched"),
    ],
)
def test_each_phrase(said: str, error: type[SealockError], brief: str) -> None:
    found = explain(said, Attempt("git@github.com:owner/name", "nowhere", PROJECT))
    assert type(found) is error
    assert brief in found.brief
    assert found.resolution


def test_a_key_that_was_refused_says_where_it_is_and_where_to_install_it() -> None:
    said = "git@github.com: Permission denied (publickey)."
    found = explain(said, Attempt("git@github.com:owner/name", "main", PROJECT))
    assert found.details == PROJECT.public_key
    for needed in ("deploy key", "git@github.com:owner/name", "authorized_keys of the user git", "page"):
        assert needed in found.resolution
    assert "`sealock projects key blue`" in found.resolution
    assert "`sealock project key blue`" in found.resolution


def test_without_a_ref_it_is_the_default_branch_that_is_missing() -> None:
    found = explain("fatal: couldn't find remote ref HEAD", Attempt("x", "HEAD", PROJECT))
    assert "no default branch" in found.brief


def test_what_the_guest_wrote_cannot_draw_on_the_terminal() -> None:
    found = explain("\x1b]0;owned\x07 ERROR: Repository not found.\n" * 100, Attempt("x", "main", PROJECT))
    assert all(letter.isprintable() or letter == "\n" for letter in found.details)
    assert len(found.details.splitlines()) == 20
