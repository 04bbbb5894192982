"""The secret of a project's hook."""

from __future__ import annotations

import hmac
from hashlib import sha256

import pytest

from sealock.builds.hook_secret import derive_hook_secret
from sealock.core.secret import Secret

KEY = Secret(bytes(range(32)))
PROJECT = "ab" * 16


def secret(key: Secret = KEY, project: str = PROJECT, version: int = 1) -> bytes:
    return derive_hook_secret(key, project, version).reveal()


def test_it_is_what_it_always_was() -> None:
    # Hooks that are installed go on working after an update: this must never change.
    bound = b"sealock hook v1\x00" + PROJECT.encode() + b"\x001"
    assert secret() == hmac.new(bytes(range(32)), bound, sha256).hexdigest().encode()
    assert secret() == secret()


def test_each_project_version_and_installation_has_its_own() -> None:
    others = [secret(version=2), secret(version=11), secret(project="cd" * 16), secret(Secret(b"k" * 32))]
    assert len({secret(), *others}) == 5
    assert all(len(each) == 64 and each.isalnum() for each in others)


@pytest.mark.parametrize(("key", "version"), [(b"", 1), (b"k" * 31, 1), (b"k" * 32, 0)])
def test_what_could_be_guessed_is_refused(key: bytes, version: int) -> None:
    with pytest.raises(ValueError, match="too short, or a version below 1"):
        derive_hook_secret(Secret(key), PROJECT, version)
