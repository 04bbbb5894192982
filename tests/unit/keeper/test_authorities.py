"""Who may ask, and whose word counts: read strictly, and nobody where there is no file."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from pathlib import Path

import pytest

from sealock.core.errors import ConfigError, PermanentError
from sealock.keeper.authorities import Authorities, read_authorities
from sealock.keeper.peers import Peer, PeerRole

KEY = bytes(range(32))
TEXT = b64encode(KEY).decode()


def written(directory: Path, content: object) -> Path:
    path = directory / "authorities.json"
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    path.chmod(0o600)
    return path


def test_without_a_file_nobody_has_a_say(tmp_path: Path) -> None:
    assert read_authorities(tmp_path / "none") == Authorities()


def test_what_stands_there_is_read(tmp_path: Path) -> None:
    found = read_authorities(
        written(
            tmp_path,
            {
                "sessions": [TEXT],
                "accounts": {"team": [TEXT]},
                "core_team": ["crew-1"],
                "peers": [
                    {"name": "web", "roles": ["relay", "scheduler"], "user": 990},
                    {"name": "worker-1", "roles": ["worker"], "certificate": "ab" * 32},
                ],
            },
        )
    )
    assert found.sessions == (KEY,)
    assert found.accounts == {"team": (KEY,)}
    assert found.core_team == frozenset({"crew-1"})
    assert found.peers.by_user == {990: Peer("web", frozenset({PeerRole.RELAY, PeerRole.SCHEDULER}))}
    assert found.peers.by_certificate == {"ab" * 32: Peer("worker-1", frozenset({PeerRole.WORKER}))}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        {"more": 1},
        {"sessions": ["AAAA"]},
        {"sessions": TEXT},
        {"accounts": [TEXT]},
        {"peers": [{"name": "a", "roles": [], "user": 1}]},
        {"peers": [{"name": "a", "roles": ["root"], "user": 1}]},
        {"peers": [{"name": "a", "roles": ["worker"]}]},
        {"peers": [{"name": "a", "roles": ["worker"], "user": 1, "certificate": "ab" * 32}]},
        {"peers": [{"name": "a", "roles": ["worker"], "certificate": "AB" * 32}]},
        {"peers": [{"name": "a b", "roles": ["worker"], "user": 1}]},
        {"peers": [{"name": "a", "roles": ["worker"], "user": n} for n in (1, 2)]},
        {"peers": [{"name": n, "roles": ["worker"], "user": 1} for n in ("a", "b")]},
    ],
)
def test_a_mistake_is_named_and_stops_the_start(tmp_path: Path, content: object) -> None:
    with pytest.raises(ConfigError, match=r"authorities\.json"):
        read_authorities(written(tmp_path, content))


def test_a_file_others_can_change_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {})
    path.chmod(0o620)
    with pytest.raises(PermanentError, match="somebody else"):
        read_authorities(path)
    path.unlink()
    path.mkdir()
    with pytest.raises(PermanentError):
        read_authorities(path)


def test_a_link_in_its_place_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, {})
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermanentError, match="somebody else"):
        read_authorities(path)


def test_a_file_of_somebody_else_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, real = written(tmp_path, {}), os.fstat

    def of_another(descriptor: int) -> os.stat_result:
        values = list(real(descriptor))
        values[4] = os.geteuid() + 1
        return os.stat_result(values)

    monkeypatch.setattr(os, "fstat", of_another)
    with pytest.raises(PermanentError, match="somebody else"):
        read_authorities(path)
