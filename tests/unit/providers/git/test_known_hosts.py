"""Host keys: which count, and what ssh-keygen makes of the files we read and write."""

from __future__ import annotations

import base64
import hashlib
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealock.core.errors import PermanentError, UsageError
from sealock.providers.git.known_hosts import PUBLISHED, known_hosts, pins
from sealock.providers.git.known_hosts_file import entries, host_key, names_host

ED, ECDSA = PUBLISHED["github.com"]
OTHER = PUBLISHED["gitlab.com"][0]

FINGERPRINTS = {
    "github.com": (
        "+DiY3wvvV6TuJJhbpZisF/zLDA0zPMSvHdkr4UvCOqU",
        "p2QAMXNIC1TJYWeIOttrVc98/R1BUFWu3/LiyKgUfQM",
    ),
    "gitlab.com": (
        "eUXGGm1YGsMAS7vkcx6JOJdOGHPem5gQp4taiCfCLB8",
        "HbW3g8zUjNSksFbqTiUWPWg2Bq1x8xdGUrliXFzSnUw",
    ),
    "bitbucket.org": (
        "ybgmFkzwOSotHTHLJgHO0QN8L0xErw6vd0VhFA9m3SM",
        "FC73VB6C4OQLSCrjEayhMp9UMxS97caD/Yyi2bhW/J0",
    ),
    "codeberg.org": (
        "mIlxA9k46MmM6qdJOdMnAQpzGxF4WIVVL+fj+wZbw0g",
        "T9FYDEHELhVkulEKKwge5aVhVTbqCW0MIRwAfpARs/E",
    ),
}


@pytest.mark.parametrize("host", FINGERPRINTS)
def test_the_shipped_keys_have_the_published_fingerprints(host: str) -> None:
    for key, wanted in zip(pins(host, 22, (), None), FINGERPRINTS[host], strict=True):
        digest = hashlib.sha256(base64.b64decode(key.split()[1])).digest()
        assert base64.b64encode(digest).decode().rstrip("=") == wanted
        assert host_key(key) == key


def test_given_keys_count_alone_then_the_operators_then_the_published(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    assert pins("github.com", 22, (), file) == (ED, ECDSA)
    file.write_text(f"# ours\ngithub.com {OTHER} comment\n@cert-authority github.com {ED}\n")
    assert pins("github.com", 22, (), file) == (OTHER,)
    assert pins("github.com", 22, (ED + " comment", f"github.com {ECDSA}"), file) == (ED, ECDSA)


def test_another_port_is_another_host(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"git.example {ED}\n[git.example]:2222 {OTHER}\n")
    assert pins("git.example", 22, (), file) == (ED,)
    assert pins("git.example", 2222, (), file) == (OTHER,)
    with pytest.raises(UsageError, match=r"\[github.com\]:2222 is not known"):
        pins("github.com", 2222, (), None)


def test_revoked_keys_never_count(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"@revoked * {ED}\n")
    assert pins("github.com", 22, (), file) == (ECDSA,)
    with pytest.raises(UsageError, match="revoked"):
        pins("git.example", 22, (ED,), file)


def test_a_key_of_another_host_is_not_taken() -> None:
    with pytest.raises(UsageError, match="not one of"):
        pins("git.example", 22, (f"other.example {ED}",), None)


def test_an_unknown_host_says_what_to_do() -> None:
    with pytest.raises(UsageError, match="is not known") as caught:
        pins("git.example", 22, (), None)
    assert "ssh-keyscan" in caught.value.resolution


def test_a_file_that_cannot_be_read_is_no_empty_file(tmp_path: Path) -> None:
    (tmp_path / "known_hosts").write_bytes(b"\xff\xfe")
    for file in (tmp_path, tmp_path / "known_hosts"):
        with pytest.raises(PermanentError):
            pins("github.com", 22, (), file)


def rsa(bits: int) -> str:
    def field(data: bytes) -> bytes:
        return len(data).to_bytes(4) + data

    modulus = b"\x00" + (1 << (bits - 1) | 1).to_bytes(bits // 8)
    blob = field(b"ssh-rsa") + field(b"\x01\x00\x01") + field(modulus)
    return "ssh-rsa " + base64.b64encode(blob).decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "ssh-ed25519",
        "ssh-ed25519 !!!!",
        "ssh-ed25519 " + ED.split()[1][:-8],
        "ssh-rsa " + ED.split()[1],
        "ssh-dss AAAAB3NzaC1kc3M=",
        "ecdsa-sha2-nistp384 " + ECDSA.split()[1],
        rsa(1024),
        "ssh-ed25519-cert-v01@openssh.com AAAA",
    ],
)
def test_malformed_and_weak_keys_are_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        pins("git.example", 22, (text,), None)
    assert caught.value.resolution


def test_an_rsa_key_of_2048_bits_is_taken() -> None:
    assert pins("git.example", 22, (rsa(2048),), None) == (rsa(2048),)


@pytest.mark.parametrize(
    ("patterns", "fits"),
    [
        ("git.example", True),
        ("GIT.example", True),
        ("other,git.example", True),
        ("*.example", True),
        ("g?t.example", True),
        ("*.example,!git.example", False),
        ("git", False),
        ("git.example.evil", False),
        ("gitXexample", False),
        ("[git.example]:2222", False),
        ("|1|bad", False),
        ("|1|a|b|c", False),
    ],
)
def test_patterns(patterns: str, fits: bool) -> None:
    assert names_host(patterns, "git.example", 22) is fits


def test_hashed_names_as_ssh_keygen_writes_them(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(f"git.example {ED}\n[git.example]:2222 {OTHER}\n")
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", file], check=True, capture_output=True)
    assert "git.example" not in file.read_text()
    assert pins("git.example", 22, (), file) == (ED,)
    assert pins("git.example", 2222, (), file) == (OTHER,)


def test_ssh_keygen_finds_the_alias_in_what_we_write(tmp_path: Path) -> None:
    file = tmp_path / "known_hosts"
    file.write_text(known_hosts("git.example", (ED, ECDSA)))
    found = subprocess.run(["ssh-keygen", "-F", "git.example", "-f", file], check=True, capture_output=True)
    assert ED in found.stdout.decode()


@given(st.text())
def test_any_text_is_read_without_harm(text: str) -> None:
    for _, patterns, key in entries(text):
        names_host(patterns, "git.example", 22)
        with suppress(UsageError):
            host_key(key)
