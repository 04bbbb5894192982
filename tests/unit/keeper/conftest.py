"""A key-encryption key, and projects with keys sealed under it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.project import Project
from sealock.core.source import GitAddress
from sealock.keeper.kek import FileKek
from sealock.keeper.seal import KeySealer

MakeProject = Callable[..., Project]


@pytest.fixture
def kek(tmp_path: Path) -> FileKek:
    return FileKek.load_or_create(tmp_path / "keys" / "kek")


@pytest.fixture
def make_project(kek: FileKek) -> MakeProject:
    def make(name: str = "parser", version: int = 1, project_id: str = "0" * 31 + "1") -> Project:
        public_key, sealed_key = KeySealer(kek).new_key(project_id, version, name)
        return Project(
            id=project_id,
            name=name,
            address=GitAddress("git", "git.example.org", 22, "/team/parser.git"),
            host_keys=("ssh-ed25519 AAAA",),
            public_key=public_key,
            sealed_key=sealed_key,
            created_at=1_700_000_000.0,
        )

    return make
