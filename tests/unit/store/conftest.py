"""Projects to keep."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.project import Project, SealedKey, ssh_key_name
from sealock.core.sealed import Sealed
from sealock.core.source import GitAddress
from sealock.store.projects import ProjectFiles


@pytest.fixture
def files(tmp_path: Path) -> ProjectFiles:
    return ProjectFiles(tmp_path / "projects")


@pytest.fixture(params=["new", "old"])
def make_project(request: pytest.FixtureRequest) -> Callable[..., Project]:
    """Projects whose keys are sealed to a key set, or as it was done before there were any."""

    def key(name: str, number: int, version: int) -> Sealed | SealedKey:
        if request.param == "old":
            return SealedKey(version, "algorithm", "0123456789abcdef", "bg==", "dw==", "bg==", "Yw==")
        return Sealed(ssh_key_name(f"{number:032x}", name, version), 1, "a-suite", b"data", 1_760_000_000.5)

    def make(name: str = "parser", number: int = 1, version: int = 1) -> Project:
        return Project(
            id=f"{number:032x}",
            name=name,
            address=GitAddress("git", "git.example.org", 22, f"/team/{name}.git"),
            host_keys=("ssh-ed25519 AAAA", "ecdsa-sha2-nistp256 BBBB"),
            public_key=f"ssh-ed25519 CCCC{number} sealock:{name}",
            sealed_key=key(name, number, version),
            created_at=1_760_000_000.25,
        )

    return make
