"""Keys of an installation, and projects with keys sealed under them, the old way and the new."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from sealock.core.project import Project, SealedKey
from sealock.core.sealed import Sealed
from sealock.keeper.kek import FileKek
from sealock.keeper.seal import KeySealer
from tests.support.keeper import ORIGIN
from tests.support.keys import Installation
from tests.support.old_keys import new_old_key

MakeProject = Callable[..., Project]


@pytest.fixture
def kek(tmp_path: Path) -> FileKek:
    return FileKek.load_or_create(tmp_path / "keys" / "kek")


@pytest.fixture
def ours(tmp_path: Path) -> Installation:
    return Installation(tmp_path / "data")


@pytest.fixture
def make_old_project(kek: FileKek) -> MakeProject:
    def make(name: str = "parser", version: int = 1, project_id: str = "0" * 31 + "1") -> Project:
        return _project(project_id, name, *new_old_key(kek, project_id, version, name))

    return make


@pytest.fixture
def make_project(ours: Installation) -> MakeProject:
    def make(name: str = "parser", version: int = 1, project_id: str = "0" * 31 + "1") -> Project:
        return _project(project_id, name, *KeySealer(ours.sets).new_key(project_id, version, name, ORIGIN))

    return make


def _project(project_id: str, name: str, public_key: str, sealed_key: Sealed | SealedKey) -> Project:
    return Project(
        id=project_id,
        name=name,
        address=ORIGIN.address,
        host_keys=ORIGIN.host_keys,
        public_key=public_key,
        sealed_key=sealed_key,
        created_at=1_700_000_000.0,
    )
