"""What the parts of a server find in their environments: each what it needs, and no other's secrets."""

from __future__ import annotations

import pytest

from sealock.cli.child_environment import EVERYBODY, NO_CHILD, SETTINGS, environment_of
from sealock.settings import NOT_SETTINGS, Settings

SECRETS = {
    "SEALOCK_DATABASE": "postgresql://sealock:canary@db/sealock",
    "SEALOCK_REDIS": "rediss://:canary@redis:6379",
    "SEALOCK_CERTIFICATE_KEY": "/canary/key.pem",
    "SEALOCK_KEY_PASSPHRASE_FILE": "/canary/passphrase",
    "SEALOCK_VAULT_TOKEN_FILE": "/canary/token",
    "SEALOCK_KEY_ENCRYPTION_KEY": "/canary/kek",
    "AWS_SECRET_ACCESS_KEY": "canary",
    "GITHUB_TOKEN": "canary",
    "PGPASSWORD": "canary",
    "HTTPS_PROXY": "http://me:canary@proxy",
}
"""Each is somebody's, or nobody's."""

THEIRS = {
    "keeper": {
        *("SEALOCK_KEY_PASSPHRASE_FILE", "SEALOCK_VAULT_TOKEN_FILE", "SEALOCK_KEY_ENCRYPTION_KEY"),
        *("AWS_SECRET_ACCESS_KEY", "HTTPS_PROXY"),
    },
    "website": {"SEALOCK_DATABASE", "SEALOCK_REDIS", "SEALOCK_CERTIFICATE_KEY"},
    "worker": set[str](),
}


@pytest.mark.parametrize("child", list(SETTINGS))
def test_each_has_its_own_and_nothing_of_others(child: str) -> None:
    ours = {"PATH": "/usr/bin", "HOME": "/root", "SEALOCK_DATA_DIR": "/data", **SECRETS}
    found = environment_of(child, ours)
    assert set(found) == {"PATH", "HOME", "SEALOCK_DATA_DIR", *THEIRS[child]}
    assert all(ours[name] == value for name, value in found.items())


@pytest.mark.parametrize("child", list(SETTINGS))
def test_however_a_setting_is_spelled(child: str) -> None:
    found = environment_of(child, {name.lower(): value for name, value in SECRETS.items()})
    assert {name.upper() for name in found} == {name for name in THEIRS[child] if not name.startswith("AWS")}


def test_every_setting_is_somebodys_and_there_is_no_other() -> None:
    """One that is on no list would be believed to be made, and be read by nobody."""
    listed = EVERYBODY.union(NO_CHILD, *SETTINGS.values())
    assert listed - {name.lower() for name in NOT_SETTINGS} == set(Settings.model_fields)
