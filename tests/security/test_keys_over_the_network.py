"""Looking after keys from another host than the keeper's: what an operator there can do and cannot (P2)."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealock.core.release import KeysBackedUp, KeysDestroyed, RotationEnded
from sealock.ledger.releases import read_entries
from tests.support.keeper_process import RunningKeeper, environment
from tests.support.keeper_remote import AskingHost, admit, listening_keeper, make_certificates
from tests.support.ports import free_port

pytestmark = pytest.mark.slow
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIITc4QHi8JWxKO2tYrzRmfUJVJucup6Jb7U+vZPaVG+Y"
URL = "ssh://git@git.example.org/team/parser.git"


@dataclass(frozen=True)
class Hosts:
    """builds: has a project, whose keys are at the keeper. passphrase: a file there."""

    builds: AskingHost
    keeper: RunningKeeper
    passphrase: Path


@pytest.fixture
def hosts(tmp_path: Path) -> Iterator[Hosts]:
    port = free_port()
    make_certificates(tmp_path / "tls")
    builds = AskingHost(tmp_path / "builds", port, tmp_path / "tls" / "builds")
    admit(tmp_path / "keeper", builds("keeper", "introduce", "builds")[1])
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("a passphrase for backups")
    passphrase.chmod(0o400)
    with listening_keeper(tmp_path / "keeper", port, tmp_path / "tls" / "keeper") as keeper:
        code, _, err = builds("project", "add", "parser", URL, "--host-key", HOST_KEY)
        assert code == 0, err
        yield Hosts(builds, keeper, passphrase)


def test_an_operator_elsewhere_takes_no_backup(hosts: Hosts, tmp_path: Path) -> None:
    """It may rotate and destroy; a backup would be a way to everything, and an introduction gives none."""
    place, given = tmp_path / "backup", ("--passphrase-file", str(hosts.passphrase))
    for command in ("export", "restore"):
        if command == "restore":
            place.write_text(json.dumps(_a_backup()))
        code, _, err = hosts.builds("keys", command, str(place), *given)
        assert (code, "the keeper refused" in err) == (3, True), err
        assert place.exists() == (command == "restore")
    assert json.loads(hosts.builds("keys", "status", "--json")[1])["owners"] == 1
    code, _, err = hosts.builds("project", "remove", "parser", "--yes")
    assert code == 0, err
    facts = [entry.fact for entry in read_entries(hosts.keeper.ledger)]
    assert not [fact for fact in facts if isinstance(fact, KeysBackedUp)]
    (destroyed,) = [fact for fact in facts if isinstance(fact, KeysDestroyed)]
    assert destroyed.by == "builds"


def test_rotating_on_the_keepers_own_host_leaves_what_lies_elsewhere(hosts: Hosts) -> None:
    """There are no values there; what the other host's are sealed to must not go for that."""
    done = subprocess.run(
        [sys.executable, "-m", "sealock", "keys", "rotate"],
        env=environment(hosts.keeper.directory),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    assert "1 owners have no values here" in done.stdout
    code, out, err = hosts.builds("keys", "rotate")
    assert code == 0, err
    assert "1 owners have new key sets, 1 values are sealed to them." in out
    ended = [e.fact for e in read_entries(hosts.keeper.ledger) if isinstance(e.fact, RotationEnded)]
    sets = [(fact.owners, fact.kept, fact.by) for fact in ended if fact.level == "sets"]
    assert sets == [(0, 1, "local"), (1, 0, "builds")]


def _a_backup() -> dict[str, object]:
    salt, part = "AAAAAAAAAAAAAAAAAAAAAA==", "AAAA"
    cost: dict[str, object] = {"iterations": 1, "memory": 64, "lanes": 1}
    return {"format": "sealock keys backup 2", "salt": salt, "parts": [part], **cost}
