"""The server's projects and secrets in a database and a data directory, put together as the wiring does."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sqlalchemy import func, insert, select

from sealock.builds.hosted_projects import HostedProjects, ProjectPorts
from sealock.builds.hosted_secrets import HostedSecrets
from sealock.builds.logs import remove_logs_of
from sealock.core.build_state import Trigger
from sealock.core.builds import BuildFilter, BuildView, NewBuild
from sealock.core.sealed import Owner, PublicKey
from sealock.core.secret import Secret
from sealock.keeper.kek import FileKek
from sealock.keeper.keysets import KeySets
from sealock.keeper.log_keys import SealedBuildLogs
from sealock.keeper.seal import KeySealer
from sealock.keeper.seal_secret import ValueSealer
from sealock.livelog.files import LogFiles
from sealock.providers.git.address import parse
from sealock.providers.git.known_hosts import pins
from sealock.providers.git.ref import check_ref
from sealock.store.database.builds import DatabaseBuilds
from sealock.store.database.engine import Database
from sealock.store.database.projects import DatabaseProjects
from sealock.store.database.tables import builds, workers
from sealock.store.queue.database import DatabaseQueue
from sealock.store.queue.wakeups import LocalWakeups
from tests.support.keys import Installation
from tests.support.leases import OwnKeys
from tests.support.openers import KeyOpener
from tests.support.queue import worker_row

ADDRESS = "ssh://git@git.example.org:2222/team/parser.git"
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJk4gG6sVpUKe8DvVkqaEhKTWxXXWyBHLhUtbVUdTHo4"


class WaitingKeys:
    """Public keys, each asked for in an event loop of its own, as of a keeper."""

    def __init__(self, sets: KeySets) -> None:
        self._sets = sets

    def public_key(self, owner: Owner) -> PublicKey:
        async def asked() -> PublicKey:
            return self._sets.public_key(owner)

        return asyncio.run(asked())


class WatchedBuilds(DatabaseBuilds):
    """The builds' records, with something that happens after each look at a page of them."""

    after_page: Callable[[], Any] | None = None

    async def page(self, account: str, which: BuildFilter) -> Sequence[BuildView]:
        found = await super().page(account, which)
        if self.after_page is not None:
            await self.after_page()
        return found


class Hosted:
    """An installation's server, as far as projects and secrets go."""

    def __init__(self, database: Database, directory: Path) -> None:
        self.database, self.directory = database, directory
        self.keys = Installation(directory)
        self.queue = DatabaseQueue(database, LocalWakeups())
        self.builds = WatchedBuilds(database, self.queue)
        public = WaitingKeys(self.keys.sets)
        self.logs = SealedBuildLogs(LogFiles(directory / "logs"), self.keys.store, OwnKeys(self.keys.sets))
        self.ports = ProjectPorts(
            records=lambda account: DatabaseProjects(database, account),
            builds=self.builds,
            queue=self.queue,
            sealer=KeySealer(public),
            keys=self.keys.sets,
            places=[self.keys.store],
            remove_logs=lambda owner, by: remove_logs_of(owner, by, values=self.keys.store, logs=self.logs),
            parse=parse,
            host_keys=lambda host, port, given: pins(host, port, given, None),
            check_ref=check_ref,
            hook_secret=lambda project, version: Secret(f"{project} {version}".encode()),
        )
        self.projects = HostedProjects(self.ports, clock=lambda: 1_760_000_000.0)
        self.secrets = HostedSecrets(self.projects.get, self.keys.store, ValueSealer(public, self.keys.store))
        self.opener = KeyOpener(self.keys.sets, lambda: FileKek(directory / "none"))

    def with_ports(self, **changed: Any) -> HostedProjects:
        """The same projects, with other ports."""
        return HostedProjects(replace(self.ports, **changed))

    async def account(self, name: str) -> None:
        async with self.database.write() as connection:
            row = {"id": name, "name": name, "created_at": 1}
            await connection.execute(insert(builds.metadata.tables["accounts"]), row)

    async def worker(self) -> None:
        """One that takes builds."""
        async with self.database.write() as connection:
            seen = await connection.run_sync(lambda held: self.queue.begin(held).now)
            await connection.execute(insert(workers), worker_row("w", 10, (), seen))

    async def build(self, project: str) -> str:
        """A build of that project that waits; its id."""
        new = NewBuild(project, Trigger.PUSH)
        return (await self.builds.create("local", new, protected=False)).build

    async def count(self, table: str) -> int:
        """Rows of that table."""
        async with self.database.read() as connection:
            counted = select(func.count()).select_from(builds.metadata.tables[table])
            return int((await connection.execute(counted)).scalar_one())
