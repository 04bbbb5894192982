"""Keys from before there were key sets are sealed to theirs: the same keys, in one step each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, SealockError
from sealock.core.project import Project, SealedKey
from sealock.core.sealed import RetiredKey, Sealed
from sealock.core.secret import Secret
from sealock.core.source import GitAddress
from sealock.keeper import key_messages as keys
from sealock.keeper.asked_backup import export, restore
from sealock.keeper.asked_old_keys import adopt_old, old_projects
from sealock.keeper.kek import FileKek
from sealock.keeper.seal import KeySealer
from sealock.keeper.stretch import Cost
from sealock.store.projects import ProjectFiles
from tests.support.keys import Installation
from tests.support.openers import KeyOpener

MakeProject = Callable[..., Project]
NAMES = ["lexer", "parser", "printer"]


@pytest.fixture
def kek(ours: Installation) -> FileKek:
    """The old key-encryption key is the file back end's own."""
    return FileKek.load_or_create(ours.directory / "keys" / "key-encryption-key")


@pytest.fixture
def projects(ours: Installation, make_old_project: MakeProject) -> ProjectFiles:
    files = ours.projects
    for number, name in enumerate(NAMES, 1):
        project = make_old_project(name, version=number, project_id=f"{number:032x}")
        files.add(replace(project, address=GitAddress("git", "git.example.org", 22, f"/{name}")))
    return files


@pytest.fixture
def opener(ours: Installation, kek: FileKek) -> KeyOpener:
    return KeyOpener(ours.sets, lambda: FileKek(kek.path))


def migrate(ours: Installation) -> list[str]:
    return asyncio.run(adopt_old(ours.ask, ours.projects))


def opened(projects: ProjectFiles, opener: KeyOpener) -> dict[str, bytes]:
    return {project.name: opener.open_key(project).reveal() for project in projects.all()}


def test_the_same_keys_sealed_anew(ours: Installation, projects: ProjectFiles, opener: KeyOpener) -> None:
    before, keys = projects.all(), opened(projects, opener)
    assert migrate(ours) == NAMES
    assert opened(projects, opener) == keys
    for old, new in zip(before, projects.all(), strict=True):
        assert isinstance(new.sealed_key, Sealed)
        assert replace(new, sealed_key=old.sealed_key) == old
        assert new.sealed_key.version == old.sealed_key.version
    assert migrate(ours) == []


def test_one_that_does_not_open_keeps_the_old_key_alive(
    ours: Installation, projects: ProjectFiles, kek: FileKek
) -> None:
    """Rotating would destroy the key-encryption key that its restored record needs."""
    path = ours.directory / "projects" / "parser.json"
    kept = path.read_text()
    old = projects.get("parser").sealed_key
    assert isinstance(old, SealedKey)
    path.write_text(kept.replace(old.ciphertext, "A" * len(old.ciphertext)))
    with pytest.raises(PermanentError, match="does not open"):
        ours.rotate("root")
    assert kek.path.read_bytes()
    assert FileKek(kek.path).id == kek.id
    path.write_text(kept)
    assert ours.rotate("root").resumed
    assert old_projects(projects) == []
    assert FileKek(kek.path).id != kek.id


def test_status_names_them_and_rotation_seals_them(
    ours: Installation, projects: ProjectFiles, opener: KeyOpener
) -> None:
    keys = opened(projects, opener)
    assert ours.keyring.status().old_projects == tuple(NAMES)
    ours.rotate("root")
    assert ours.rotate("sets").values == len(NAMES)
    assert ours.keyring.status().old_projects == ()
    assert opened(projects, opener) == keys


def test_killed_between_two_projects(
    ours: Installation, projects: ProjectFiles, opener: KeyOpener, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys, write = opened(projects, opener), projects.replace

    def dies_at_printer(project: Project) -> None:
        if project.name == "printer":
            raise KeyboardInterrupt
        write(project)

    with monkeypatch.context() as patch:
        patch.setattr(projects, "replace", dies_at_printer)
        with pytest.raises(KeyboardInterrupt):
            migrate(ours)
    assert opened(projects, opener) == keys
    assert migrate(ours) == ["printer"]
    assert opened(projects, opener) == keys


def test_the_new_way_is_not_left_again(ours: Installation, projects: ProjectFiles, opener: KeyOpener) -> None:
    """Neither does an old record take a new one's place, nor a key that has another public half."""
    before = projects.get("lexer")
    migrate(ours)
    after = projects.get("lexer")
    for project in (before, replace(after, sealed_key=replace(after.sealed_key, data=b"x"))):  # type: ignore[arg-type]
        with pytest.raises(SealockError, match="changed by somebody else"):
            projects.replace(project)


def test_a_key_made_during_a_rotation_is_refused_and_made_again(
    ours: Installation, projects: ProjectFiles, opener: KeyOpener
) -> None:
    ours.rotate("root")
    project = projects.get("lexer")
    public, sealed = KeySealer(ours.sets).new_key(project.id, 2, project.name, project.origin)
    ours.rotate("sets")
    with pytest.raises(RetiredKey):
        projects.replace(replace(project, public_key=public, sealed_key=sealed))
    project = projects.get("lexer")
    public, sealed = KeySealer(ours.sets).new_key(project.id, 2, project.name, project.origin)
    projects.replace(replace(project, public_key=public, sealed_key=sealed))
    opener.open_key(projects.get("lexer")).forget()


def test_a_backup_is_whole(
    ours: Installation, projects: ProjectFiles, opener: KeyOpener, tmp_path: Path
) -> None:
    keys = opened(projects, opener)
    migrate(ours)
    passphrase = Secret(b"a passphrase for backups")
    data = asyncio.run(export(ours.ask, passphrase, Cost(1, 64, 1)))
    other = Installation(tmp_path / "other")
    asyncio.run(restore(other.ask, data, passphrase))
    elsewhere = KeyOpener(other.sets, lambda: FileKek(tmp_path / "none"))
    assert opened(projects, elsewhere) == keys


def test_an_old_key_is_adopted_for_its_own_project_alone(ours: Installation, projects: ProjectFiles) -> None:
    """Who can send the keeper a record cannot have it sealed for another project, name or public half."""
    first, second = projects.get("lexer"), projects.get("parser")
    assert isinstance(first.sealed_key, SealedKey)
    right = keys.OldKey(
        id=first.id,
        name=first.name,
        public_key=first.public_key,
        origin=first.origin,
        sealed=first.sealed_key,
    )
    changes: list[dict[str, object]] = [
        {"id": second.id},
        {"name": second.name},
        {"public_key": second.public_key},
        {"sealed": replace(first.sealed_key, version=2)},
        {"id": "../.."},
    ]
    for change in changes:
        with pytest.raises(PermanentError):
            asyncio.run(ours.ask(keys.Adopt(key=right.model_copy(update=change))))
    asyncio.run(ours.ask(keys.Adopt(key=right)))
