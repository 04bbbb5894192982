"""The Git server that the sample and the tests fetch from, met with OpenSSH's and Git's own clients."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts.sample.git_server import HOST, GitServer

pytestmark = pytest.mark.slow


@pytest.fixture
def server(tmp_path: Path) -> Iterator[GitServer]:
    with GitServer(tmp_path / "server") as running:
        yield running


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test", "-f", path], check=True)
    return path


def clone(server: GitServer, key: Path, repository: str, target: Path) -> subprocess.CompletedProcess[str]:
    known_hosts = target.with_suffix(".hosts")
    known_hosts.write_text(f"[{HOST}]:{server.port} {server.host_key}\n")
    ssh = f"ssh -F none -i {key} -o IdentityAgent=none -o UserKnownHostsFile={known_hosts} -o BatchMode=yes"
    return subprocess.run(
        ["git", "clone", "--quiet", server.address(repository), target],
        env={"PATH": os.environ["PATH"], "HOME": str(target.parent), "GIT_SSH_COMMAND": ssh},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def public(key: Path) -> str:
    return key.with_suffix(".pub").read_text(encoding="ascii")


def tree(directory: Path) -> Path:
    directory.mkdir()
    (directory / "file").write_text("content\n")
    return directory


def test_an_installed_key_reads_its_repository(server: GitServer, key: Path, tmp_path: Path) -> None:
    commit = server.publish("sample.git", tree(tmp_path / "tree"))
    server.authorize(public(key), "sample.git")
    result = clone(server, key, "sample.git", tmp_path / "copy")
    assert result.returncode == 0, result.stderr + server.log
    assert (tmp_path / "copy/file").read_text() == "content\n"
    assert len(commit) == 40


def test_a_key_reads_no_other_repository(server: GitServer, key: Path, tmp_path: Path) -> None:
    server.publish("sample.git", tree(tmp_path / "tree"))
    server.publish("other.git", tmp_path / "tree")
    server.authorize(public(key), "sample.git")
    result = clone(server, key, "other.git", tmp_path / "copy")
    assert result.returncode != 0
    assert "not for this key" in result.stderr


def test_an_unknown_key_is_refused(server: GitServer, key: Path, tmp_path: Path) -> None:
    server.publish("sample.git", tree(tmp_path / "tree"))
    assert clone(server, key, "sample.git", tmp_path / "before").returncode != 0
    server.authorize(public(key), "sample.git")
    server.revoke_all()
    assert "Permission denied" in clone(server, key, "sample.git", tmp_path / "after").stderr


def test_a_key_gets_no_shell(server: GitServer, key: Path, tmp_path: Path) -> None:
    server.publish("sample.git", tree(tmp_path / "tree"))
    server.authorize(public(key), "sample.git")
    hosts = tmp_path / "hosts"
    hosts.write_text(f"[{HOST}]:{server.port} {server.host_key}\n")
    options = ["-F", "none", "-i", str(key), "-o", "BatchMode=yes", "-o", f"UserKnownHostsFile={hosts}"]
    command = ["ssh", *options, "-p", str(server.port), f"{server.user}@{HOST}", "id"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 1
    assert "uid=" not in result.stdout


def test_the_same_tree_is_the_same_commit(server: GitServer, tmp_path: Path) -> None:
    source = tree(tmp_path / "tree")
    assert server.publish("one.git", source) == server.publish("two.git", source)


def test_leaving_the_block_ends_the_server(tmp_path: Path) -> None:
    with GitServer(tmp_path / "server") as running:
        process = running._process
        assert process is not None
    assert process.poll() is not None
