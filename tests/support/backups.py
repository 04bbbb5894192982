"""Installations to back up and to restore into, with something of everything."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass
from pathlib import Path

import pytest

from sealock.core.project import Project, owner_of
from sealock.core.scope import Scope
from sealock.core.sealed import Kind
from sealock.core.secret import Secret
from sealock.store.backups import InstallationBackups
from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations import upgrade
from tests.support.database import rows
from tests.support.hosted import ADDRESS, HOST_KEY, Hosted
from tests.support.hosted_keys import rotate
from tests.support.keys import files
from tests.support.postgres import Cluster

CANARY = b"canary-5be2-line-of-a-build"
PARTS = ("logs", "receipts", "projects", "sealed")


def quiet(_: str) -> None:
    """Nobody looks."""


def backups(data: Path, url: str, *, has_database: bool = True) -> InstallationBackups:
    return InstallationBackups(data, url, has_database=has_database, alone=nullcontext)


@dataclass
class Full:
    """An installation with something of everything."""

    hosted: Hosted
    url: str
    projects: list[Project]
    secrets: list[bytes]

    @property
    def data(self) -> Path:
        return self.hosted.directory


@pytest.fixture
async def full(database: Database, database_url: str, tmp_path: Path) -> Full:
    """With either kind of database."""
    return await make_full(database, database_url, tmp_path / "data")


@pytest.fixture
async def taken(full: Full, tmp_path: Path) -> Path:
    """A backup of it."""
    await asyncio.to_thread(backups(full.data, full.url).backup, tmp_path / "backup", quiet)
    return tmp_path / "backup"


@pytest.fixture
async def one(tmp_path: Path) -> AsyncIterator[Full]:
    """With a file for a database."""
    url = f"sqlite:///{tmp_path}/sealock.db"
    async with open_database(url) as database:
        await upgrade(database)
        yield await make_full(database, url, tmp_path / "data")


@pytest.fixture
async def its_backup(one: Full, tmp_path: Path) -> Path:
    """A backup of that one."""
    await asyncio.to_thread(backups(one.data, one.url).backup, tmp_path / "backup", quiet)
    return tmp_path / "backup"


async def make_full(database: Database, url: str, data: Path) -> Full:
    hosted = Hosted(database, data)
    private: list[bytes] = []
    for name in ("parser", "printer"):
        project = await hosted.projects.create("local", name, ADDRESS.replace("parser", name), (HOST_KEY,))
        await hosted.secrets.keep(
            "local",
            project.id,
            kind=Kind.VARIABLE,
            name="TOKEN",
            value=Secret(CANARY),
            scope=Scope((), False, True),
        )
        log = await hosted.logs.begin(owner_of(project.id), project.id)
        log.write(CANARY + b"\n")
        log.close()
        await hosted.build(project.id)
        with hosted.opener.open_key(project) as key:
            private += [line for line in key.reveal().splitlines()[1:-1] if len(line) > 20]
    await asyncio.to_thread(rotate, hosted.keys, url, "sets")  # it leaves its marks
    made = await hosted.projects.all("local")
    (data / "receipts").mkdir(mode=0o700)
    (data / "receipts" / f"{made[0].id}.intoto.jsonl").write_bytes(b'{"signed": 1}\n')
    (data / "owner-key").write_bytes(b"key of the owner")
    (data / "authority").mkdir()
    (data / "authority" / "key.pem").write_bytes(b"key of the authority")
    secrets = [CANARY, b"key of the", *private, *(part for _, part in files(data / "keys") if part)]
    return Full(hosted, url, made, secrets)


@dataclass
class Empty:
    """Where it is restored to."""

    data: Path
    url: str

    @property
    def backups(self) -> InstallationBackups:
        return backups(self.data, self.url)

    async def is_untouched(self) -> bool:
        """Whether nothing of a restore is left."""
        if any((self.data / part).exists() for part in (*PARTS, ".restoring")):
            return False
        if self.url.startswith("sqlite"):
            return not list(self.data.parent.glob("other.db*"))
        async with open_database(self.url) as database:
            return await rows(database) == {}


@pytest.fixture(params=["sqlite", "postgres"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Empty]:
    """Of each kind, whatever the backup was taken from."""
    with ExitStack() as stack:
        url = f"sqlite:///{tmp_path}/other/other.db"
        if request.param == "postgres":
            cluster: Cluster = request.getfixturevalue("postgres")
            url = stack.enter_context(cluster.database())
        yield Empty(tmp_path / "other" / "data", url)


def content(data: Path) -> dict[str, bytes]:
    """What lies in the parts, but for locks."""
    return {
        str(path.relative_to(data)): found
        for part in PARTS
        for path, found in files(data / part)
        if not path.name.endswith(".lock")
    }
