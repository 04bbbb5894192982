"""What a machine is told of itself, and the certificate we log in to it with."""

from __future__ import annotations

import re
import subprocess
import time
from pathlib import Path

import asyncssh
import pytest

from sealock.machines.identity import CLOCK_SLACK, LOGIN_VALID, Authority, Identity, new_identity

START = Path(__file__).parents[3] / "src/sealock/machines/guest/start"


@pytest.fixture
def authority() -> Authority:
    return Authority()


@pytest.fixture
def identity(authority: Authority) -> Identity:
    return new_identity(authority, "build", "10.111.0.3")


def told(identity: Identity) -> dict[str, list[str]]:
    lines = identity.message().decode("ascii").splitlines()
    assert lines[-1] == "go"
    words: dict[str, list[str]] = {}
    for line in lines[:-1]:
        name, value = line.split(" ", 1)
        words.setdefault(name, []).append(value)
    return words


def test_every_word_is_one_the_guest_knows(identity: Identity) -> None:
    known = set(re.findall(r"^    (\w+) +=> ", START.read_text(), re.MULTILINE))
    assert set(told(identity)) <= known


def test_a_name_to_look_up_is_told_in_a_word_the_guest_knows(identity: Identity) -> None:
    line = "203.0.113.9 git.example.com\n"
    assert f"\nhosts {line.encode().hex()}\n".encode() in identity.message(line)
    assert re.search(r"^    hosts +=> ", START.read_text(), re.MULTILINE)


def test_entropy_comes_first(identity: Identity) -> None:
    """Before it nothing of the guest's is its own: keys and secrets would be its template's."""
    assert identity.message().startswith(b"entropy ")
    assert len(bytes.fromhex(told(identity)["entropy"][0])) == 64


def test_no_two_messages_have_the_same_entropy(identity: Identity) -> None:
    assert told(identity)["entropy"] != told(identity)["entropy"]


def test_it_is_told_who_it_is(identity: Identity) -> None:
    words = told(identity)
    assert words["machine"] == [identity.id]
    assert words["name"] == [f"sealock-{identity.id[:12]}"]
    assert words["user"] == ["build"]
    assert words["resolver"] == ["10.111.0.3"]
    assert abs(float(words["clock"][0]) - time.time()) < 1


def test_it_is_told_its_host_key_and_whom_to_let_in(identity: Identity, authority: Authority) -> None:
    files = {path: (mode, bytes.fromhex(data)) for mode, path, data in map(str.split, told(identity)["file"])}
    assert set(files) == {"host_key", "authority.pub"}
    assert files["host_key"][0] == "0600"
    key = asyncssh.import_private_key(files["host_key"][1])
    assert key.get_fingerprint() == identity.fingerprint
    assert files["authority.pub"][1] == authority.public_key
    assert b"PRIVATE" not in files["authority.pub"][1]


def test_no_resolver_no_word(authority: Authority) -> None:
    assert "resolver" not in told(new_identity(authority, "build", None))


def test_no_two_are_alike(authority: Authority) -> None:
    made = [new_identity(authority, "build", None) for _ in range(50)]
    assert len({each.id for each in made}) == 50
    assert len({each.fingerprint for each in made}) == 50
    assert all(re.fullmatch(r"[0-9a-f]{32}", each.id) for each in made)


def test_the_certificate_is_for_one_machine_and_for_minutes(authority: Authority, tmp_path: Path) -> None:
    """As OpenSSH reads it. Its times are written in the clock of this host."""
    _, certificate = authority.login("0" * 32)
    certificate.write_certificate(tmp_path / "cert.pub")
    command = ["ssh-keygen", "-L", "-f", str(tmp_path / "cert.pub")]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    assert re.search(r"Principals: \n +0{32}\n +Critical", said), said
    assert re.search(r"Extensions: \n +permit-port-forwarding\n*$", said), said
    start, end = (
        time.mktime(time.strptime(text, "%Y-%m-%dT%H:%M:%S")) for text in re.findall(r"20\S+T\S+", said)
    )
    assert abs(start - time.time() + CLOCK_SLACK) < 5
    assert abs(end - time.time() - LOGIN_VALID) < 5


def test_each_process_has_an_authority_of_its_own() -> None:
    assert Authority().public_key != Authority().public_key
