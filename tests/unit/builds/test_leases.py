"""A build's leases: what they name, what becomes of a key that is not its own, and a keeper that is slow."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from sealock.builds.leases import BuildLeases, LeasedKey, prepared
from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.core.project import Project, SealedKey, ssh_key_name
from sealock.core.scope import of_a_fetch
from sealock.core.sealed import RetiredKey, Sealed
from sealock.core.secret import Secret
from sealock.core.source import GitAddress, GitOrigin
from tests.support.fake_leases import REFUSED
from tests.support.leases import Vault
from tests.support.run import FakeProjects

pytestmark = pytest.mark.anyio

ID = "0" * 32
KEY = ssh_key_name(ID, "shop", 3)


class Lab:
    def __init__(self, root: Path) -> None:
        self.vault = Vault(root)
        self.vault.leases.values[KEY] = b"the key"
        sealed = Sealed(KEY, 1, "none", b"", 0.0)
        self.project = Project(ID, "shop", GitAddress("git", "h", 22, "a"), (), "public", sealed, 0.0)
        self.projects = FakeProjects([self.project])
        self.keys = self.with_check(True)

    def with_check(self, belongs: bool) -> LeasedKey:
        return LeasedKey(BuildLeases(self.vault.leases, "build"), self.projects, lambda *_: belongs)


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


async def test_each_fetch_has_a_lease_of_its_own_for_the_key_alone(lab: Lab) -> None:
    for _ in range(2):
        assert (await lab.keys.open_key(lab.project)).reveal() == b"the key"
    issued = lab.vault.leases.issued
    assert [(terms.attempt, terms.ssh_key, terms.steps) for terms in issued] == [(1, KEY, ()), (2, KEY, ())]
    assert {(terms.build, terms.project, terms.protected) for terms in issued} == {("build", ID, False)}


async def test_what_is_fetched_is_stated_whatever_a_newer_record_says(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The fetch goes by the record it began with. One that is read again, for its key, may be another's."""
    moved = replace(lab.project, address=GitAddress("git", "h", 22, "evil"), host_keys=("theirs",))
    lab.projects.kept = [moved]
    tries = iter((RetiredKey(), None))

    async def open_all(_: object, sealed: Sequence[Sealed], *, step: str = "") -> list[Secret]:
        if (error := next(tries)) is not None:
            raise error
        return [Secret(b"the key")]

    monkeypatch.setattr("tests.support.fake_leases._Held.open_all", open_all)
    await lab.keys.open_key(lab.project)
    assert [terms.origin for terms in lab.vault.leases.issued] == [lab.project.origin] * 2


async def test_a_key_that_is_not_released_says_what_to_do(lab: Lab) -> None:
    lab.vault.leases.scopes[KEY] = of_a_fetch(GitOrigin(GitAddress("git", "h", 22, "before"), ()))
    with pytest.raises(PermanentError, match="did not release the key of shop") as told:
        await lab.keys.open_key(lab.project)
    assert REFUSED in told.value.details
    assert "sealock project reset-key shop" in told.value.resolution


async def test_a_key_that_is_not_the_shown_ones_other_half_is_refused(lab: Lab) -> None:
    with pytest.raises(PermanentError, match="is not its own"):
        await lab.with_check(False).open_key(lab.project)
    assert lab.vault.leases.given[0]._forgotten


async def test_a_record_moved_from_another_project_is_not_even_asked_for(lab: Lab) -> None:
    moved = Sealed(ssh_key_name("1" * 32, "other", 3), 1, "none", b"", 0.0)
    with pytest.raises(PermanentError, match="is not its own"):
        await lab.keys.open_key(replace(lab.project, sealed_key=moved))
    assert lab.vault.leases.issued == []


async def test_a_key_from_before_there_were_key_sets_says_what_to_do(lab: Lab) -> None:
    old = SealedKey(1, "none", "none", "", "", "", "")
    with pytest.raises(UsageError, match="before there were key sets") as told:
        await lab.keys.open_key(replace(lab.project, sealed_key=old))
    assert "sealock keys rotate" in told.value.resolution


async def test_a_key_sealed_anew_since_it_was_read_is_read_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    newer = replace(lab.project, sealed_key=Sealed(KEY, 2, "none", b"", 0.0))
    lab.projects.kept = [newer]
    asked: list[int] = []

    async def open_all(_: object, sealed: Sequence[Sealed], *, step: str = "") -> list[Secret]:
        asked.append(sealed[0].key_version)
        if sealed[0].key_version == 1:
            raise RetiredKey
        return [Secret(b"the key")]

    monkeypatch.setattr("tests.support.fake_leases._Held.open_all", open_all)
    assert (await lab.keys.open_key(lab.project)).reveal() == b"the key"
    assert asked == [1, 2]


async def test_what_is_prepared_is_given_up_with_its_block() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def prepare() -> None:
        begun.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    async with prepared(prepare):
        await begun.wait()
    assert ended.is_set()


async def test_what_goes_wrong_with_it_is_left_to_who_needs_it() -> None:
    async def prepare() -> None:
        raise TemporaryError("not now")

    async with prepared(prepare):
        await asyncio.sleep(0)
