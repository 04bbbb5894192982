"""A build that went well, the installation that signs for it, and what can be done with both."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from sealock.core.build import BuildRecord, CommandResult, Outcome, SecretRelease
from sealock.core.files import create_secret_file
from sealock.core.log import LogSummary
from sealock.core.machine import Ending, Limit, MachineRecord, MachineState, NetworkPolicy, Origin
from sealock.core.sealed import Kind
from sealock.ledger.envelope import write
from sealock.ledger.signing import InstallationKey
from sealock.ledger.statement import statements

START = 1_760_000_000.0


def installation(directory: Path, seed: int = 1) -> InstallationKey:
    """A signing key that is the same each time, unlike a real one."""
    pem = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )
    create_secret_file(directory / "installation.key", pem)
    return InstallationKey.load_or_create(directory)


def good_record() -> BuildRecord:
    """A green build of a private repository in a pooled machine."""
    image = "sha256:" + "a1" * 32
    machine = MachineRecord(
        id="m-4f2c91d0",
        image=image,
        origin=Origin.POOL,
        acceleration="tcg",
        network=NetworkPolicy.INTERNET,
        host_key_fingerprint="SHA256:" + "q" * 43,
        limits=[
            Limit("memory", "1536 MiB", "cgroup v2", True),
            Limit("core dump", "0", "rlimit", True),
            Limit("processor", "1", "cgroup v2", False),
        ],
        disk_bytes_written=0,
        peak_memory_bytes=318_767_104,
        ending=Ending.DESTROYED,
        process_reaped_at=START + 12.41,
        memory_free_at=START + 12.42,
    )
    for state, after in zip(MachineState, (-60.0, -57.9, 0.02, 12.4, 12.43), strict=True):
        machine.enter(state, START + after)
    return BuildRecord(
        id="0123456789abcdef" * 2,
        source="ssh://git@git.example.org:22/team/parser.git",
        ref="main",
        commit="7fd1a60b01f91b314f59955a4e4d4e80d8edf11d",
        working_tree=False,
        pipelines=("unit",),
        image_name="python",
        image_digest=image,
        image_content="sha256:" + "b2" * 32,
        plan_digest="sha256:" + "c3" * 32,
        started_at=START,
        machine=machine,
        project="parser",
        key_fingerprint="SHA256:" + "k" * 43,
        key_version=1,
        key_opened_at=START + 0.113,
        key_removed_at=START + 1.204,
        first_command_at=START + 1.377,
        commands=[
            CommandResult("setup", "pip install -e .", 0, 4.25),
            CommandResult("unit", "pytest --token=hunter2", 0, 6.7),
        ],
        releases=[
            SecretRelease("test:unit", Kind.VARIABLE, "API_TOKEN", 3, START + 5.7),
            SecretRelease("test:unit", Kind.FILE, "service.json", 1, START + 5.7),
        ],
        log=LogSummary("0123456789abcdef" * 2, 1234, 56_789, 9, "sha256:" + "d4" * 32, True),
        outcome=Outcome.GREEN,
        ended_at=START + 12.43,
    )


def sign_statements(key: InstallationKey, provenance: Any, receipt: Any) -> bytes:
    """Whatever is given, signed as the installation would sign it."""
    payloads = [
        json.dumps(part, sort_keys=True, separators=(",", ":")).encode() for part in (provenance, receipt)
    ]
    return write((key.sign(payloads[0]), key.sign(payloads[1])))


def good_statements(key: InstallationKey) -> tuple[dict[str, Any], dict[str, Any]]:
    """Both statements of the good record as plain values, to be altered."""
    both = statements(good_record(), key.key_id)
    return tuple(part.model_dump(mode="json", by_alias=True) for part in both)  # type: ignore[return-value]


def older_statements(key: InstallationKey) -> tuple[dict[str, Any], dict[str, Any]]:
    """As they were before receipts named logs and released secrets."""
    provenance, receipt = good_statements(key)
    del receipt["predicate"]["log"], receipt["predicate"]["releases"]
    return provenance, receipt


@pytest.fixture
def record() -> BuildRecord:
    return good_record()


@pytest.fixture
def key(tmp_path: Path) -> InstallationKey:
    return installation(tmp_path / "keys")


@pytest.fixture
def sign(key: InstallationKey) -> Callable[[Mapping[str, Any], Mapping[str, Any]], bytes]:
    return lambda provenance, receipt: sign_statements(key, provenance, receipt)
