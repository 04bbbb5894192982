"""Projects are added with a key of their own, given a new one, removed (P1)."""

from __future__ import annotations

import shutil
from base64 import b64encode
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.builds.projects import add_project, remove_project, reset_key
from sealock.core.errors import PermanentError, UsageError
from sealock.core.project import Project, owner_of
from sealock.core.sealed import Owner, Sealed
from sealock.core.source import GitAddress
from sealock.keeper.kek import FileKek
from sealock.keeper.seal import KeySealer
from sealock.store.projects import ProjectFiles
from tests.support.keys import Installation as Keys
from tests.support.keys import files
from tests.support.openers import KeyOpener

ADDRESS = GitAddress("git", "git.example.org", 2222, "/team/parser.git")
HOST_KEYS = ("ssh-ed25519 AAAA",)


class Installation:
    """A store, and keys that are not in it."""

    def __init__(self, directory: Path) -> None:
        self.keys = Keys(directory)
        self.store = directory / "projects"
        self.projects = ProjectFiles(self.store)
        self.sealer = KeySealer(self.keys.sets)
        self.without_logs: list[Owner] = []

    def add(
        self, name: str = "parser", address: GitAddress = ADDRESS, host_keys: Sequence[str] = HOST_KEYS
    ) -> Project:
        return add_project(name, address, host_keys, projects=self.projects, sealer=self.sealer)

    def remove(self, name: str) -> Project:
        return remove_project(
            name,
            projects=self.projects,
            keys=self.keys.sets,
            places=[self.projects, self.keys.store],
            remove_logs=self.without_logs.append,
        )

    def open(self, project: Project) -> bytes:
        opener = KeyOpener(self.keys.sets, lambda: FileKek(self.store / "none"))
        return opener.open_key(project).reveal()

    def databases(self) -> list[Path]:
        return [self.store, self.keys.directory / "sealed"]

    def kept(self) -> bytes:
        return b"".join(content for _, content in files(self.store))


def data_of(project: Project) -> bytes:
    assert isinstance(project.sealed_key, Sealed)
    return b64encode(project.sealed_key.data)


@pytest.fixture
def here(tmp_path: Path) -> Installation:
    return Installation(tmp_path)


def test_a_new_project_has_a_key_that_opens(here: Installation) -> None:
    made = here.add()
    assert here.projects.get("parser") == made
    assert made.host_keys == HOST_KEYS
    assert made.sealed_key.version == 1
    assert here.open(made).startswith(b"-----BEGIN OPENSSH PRIVATE KEY-----")


def test_no_two_projects_share_a_key_or_an_id(here: Installation) -> None:
    made = [here.add(f"p{n}", replace(ADDRESS, path=f"/team/p{n}.git")) for n in range(10)]
    assert len({each.public_key.split()[1] for each in made}) == 10
    assert len({each.id for each in made}) == 10
    assert all(len(bytes.fromhex(each.id)) == 16 for each in made)


def test_the_store_alone_holds_no_key(here: Installation) -> None:
    private = here.open(here.add())
    for line in private.splitlines()[1:-1]:
        assert line not in here.kept()


@pytest.mark.parametrize("name", ["", "Parser", "-parser", ".parser", "a/b", "a b", "a\n", "é", "a" * 64])
def test_a_name_that_cannot_be_one_is_refused(here: Installation, name: str) -> None:
    with pytest.raises(UsageError, match="cannot be a project's name"):
        here.add(name)
    assert here.projects.all() == []


def test_no_host_key_no_project(here: Installation) -> None:
    with pytest.raises(UsageError, match=r"the host key of git\.example\.org is not known") as caught:
        here.add(host_keys=())
    assert "ssh-keyscan -p 2222 -t ed25519,ecdsa git.example.org" in caught.value.resolution
    assert "fingerprint" in caught.value.resolution
    assert here.projects.all() == []


def test_a_taken_name_or_repository_is_refused(here: Installation) -> None:
    here.add()
    with pytest.raises(UsageError, match="already"):
        here.add(address=replace(ADDRESS, path="/team/other.git"))
    with pytest.raises(UsageError, match="already"):
        here.add("printer")


def test_a_reset_makes_a_new_key_and_the_old_one_is_gone(here: Installation) -> None:
    old = here.add()
    new = reset_key("parser", projects=here.projects, sealer=here.sealer)
    assert new.sealed_key.version == 2
    assert new.public_key.split()[1] != old.public_key.split()[1]
    assert (new.id, new.address, new.host_keys, new.created_at) == (
        old.id,
        old.address,
        old.host_keys,
        old.created_at,
    )
    here.open(new)
    for gone in (old.public_key.encode(), data_of(old)):
        assert gone not in here.kept()


def test_the_old_key_does_not_pass_for_the_new_one(here: Installation) -> None:
    old = here.add()
    new = reset_key("parser", projects=here.projects, sealer=here.sealer)
    assert isinstance(old.sealed_key, Sealed)
    assert isinstance(new.sealed_key, Sealed)
    renamed = replace(old.sealed_key, name=new.sealed_key.name)
    rolled_back = replace(new, public_key=old.public_key, sealed_key=renamed)
    with pytest.raises(PermanentError, match="does not open"):
        here.open(rolled_back)


def test_a_removed_project_is_gone_with_its_key(here: Installation) -> None:
    made = here.add()
    assert here.remove("parser") == made
    assert here.projects.all() == []
    assert here.without_logs == [owner_of(made.id)]
    assert data_of(made) not in here.kept()


def test_a_removed_projects_secrets_open_from_no_backup(here: Installation, tmp_path: Path) -> None:
    """P13: everything but the keys is put back as it was."""
    made = here.add()
    name = here.keys.put(owner_of(made.id), "TOKEN", b"canary")
    backups = [shutil.copytree(path, tmp_path / f"{path.name}.backup") for path in here.databases()]
    here.remove("parser")
    assert list(here.keys.store.sealed_of(name.owner)) == []
    for path, backup in zip(here.databases(), backups, strict=True):
        shutil.rmtree(path, ignore_errors=True)
        backup.rename(path)
    with pytest.raises(PermanentError, match="were destroyed"):
        here.open(here.projects.get("parser"))
    with pytest.raises(PermanentError, match="were destroyed"):
        here.keys.get(name)
    with pytest.raises(PermanentError, match="were destroyed"):
        reset_key("parser", projects=here.projects, sealer=here.sealer)


def test_a_removal_that_was_cut_short_can_be_asked_for_again(here: Installation) -> None:
    made = here.add()
    here.keys.sets.destroy(owner_of(made.id))
    assert here.remove("parser") == made
    assert here.projects.all() == []


def test_an_unknown_name_is_refused(here: Installation) -> None:
    with pytest.raises(UsageError, match="there is no project"):
        reset_key("parser", projects=here.projects, sealer=here.sealer)
    with pytest.raises(UsageError, match="there is no project"):
        here.remove("parser")
