"""A website's door for workers as it is served: real TLS, database, keeper, key sets and receipts; and a
worker whose machines alone are fakes."""

from __future__ import annotations

import asyncio
import os
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from sealock.access.authority import Authority
from sealock.access.joining import Joining
from sealock.access.memory import MemoryAccess
from sealock.core.build_state import Trigger
from sealock.core.builds import BuildView, NewBuild
from sealock.core.project import Project, ssh_key_name
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Patience
from sealock.core.scope import Scope
from sealock.core.sealed import LOCAL_ACCOUNT, Kind, SealedName
from sealock.core.workers import Worker as WorkerRow
from sealock.keeper.asked_roll import AskedRoll
from sealock.keeper.carried_door import CarriedDoor
from sealock.keeper.client import KeeperClient
from sealock.keeper.halves import belongs_to
from sealock.keeper.peers import Peer, Peers
from sealock.keeper.relay import WorkerRelay
from sealock.keeper.sealing import seal
from sealock.keeper.signing import AsWorker, public_half
from sealock.ledger.receipts import Signer
from sealock.ledger.signing import InstallationKey
from sealock.ledger.verify import ReceiptVerifier
from sealock.link.host import HostPorts
from sealock.link.identity import Identity, JoinToken
from sealock.link.joining import join
from sealock.link.website import Website
from sealock.link.worker import Offer, Worker
from sealock.livelog.files import LogFiles
from sealock.livelog.mask import StreamMasker
from sealock.livelog.received import ReceivedLogs
from sealock.machines.fake import FakeMachines
from sealock.machines.reaper import HostReaper
from sealock.pipeline.reader import read_plan
from sealock.providers.git.local import LocalRepositories
from sealock.store.database.builds import DatabaseBuilds
from sealock.store.database.engine import Database, open_database
from sealock.store.database.migrations.run import upgrade
from sealock.store.database.projects import DatabaseProjects
from sealock.store.database.workers import DatabaseWorkers
from sealock.store.queue.database import DatabaseQueue
from sealock.store.queue.wakeups import LocalWakeups
from sealock.store.sealed import SealedFiles
from sealock.web.rates import Rates
from sealock.web.worker_api import make_worker_app
from sealock.web.worker_ports import WorkerPorts
from sealock.web.worker_server import WorkerDoor
from tests.support.checkout import Bench
from tests.support.keeper import BUILDER, EVERYTHING, KeeperFixture, client, serving
from tests.support.ports import free_port
from tests.support.run import FakeImages

PATIENCE = Patience(lease=9.0, stopping=30.0)


@dataclass
class WorkerSite:
    """What stands behind the door, and the door while it is served. url: where."""

    root: Path
    database: Database
    keeper: KeeperFixture
    socket: Path
    port: int = field(default_factory=free_port)
    serving: tuple[WorkerDoor, asyncio.Task[None]] | None = None

    def __post_init__(self) -> None:
        self.wakeups = LocalWakeups()
        self.queue = DatabaseQueue(self.database, self.wakeups, PATIENCE)
        self.builds = DatabaseBuilds(self.database, self.queue)
        self.workers = DatabaseWorkers(self.database)
        self.authority = Authority(self.root / "authority", ["localhost", "127.0.0.1"])
        self.joining = Joining(MemoryAccess(), self.authority)
        self.values = SealedFiles(self.root / "sealed")
        self.log_files = LogFiles(self.root / "logs")
        self.refused: list[str] = []
        key = InstallationKey.load_or_create(self.root / "keys")
        self.verifier = ReceiptVerifier(key.public_key)
        asked = client(self.socket, os.geteuid())
        self.ports = WorkerPorts(
            workers=self.workers,
            certifying=self.joining,
            queue=self.queue,
            wakeups=self.wakeups,
            builds=self.builds,
            values=self.values,
            exposures=asked,
            relay=WorkerRelay(asked, self.refused.append),
            roll=AskedRoll(asked.ask),
            logs=ReceivedLogs(self.root / "logs", longest=1 << 20),
            signer=Signer(key),
            rates=Rates(),
            version="1",
        )

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}"

    async def start(self) -> None:
        """Serve, with nothing remembered."""
        certificate = self.authority.website_certificate
        door = WorkerDoor(make_worker_app(self.ports), certificate, self.authority.certificate(), grace=2)
        self.serving = door, asyncio.create_task(door.serve("127.0.0.1", self.port))
        ready = asyncio.create_task(door.ready.wait())
        await asyncio.wait((ready, self.serving[1]), timeout=20, return_when=asyncio.FIRST_COMPLETED)
        assert ready.done(), "the door did not open"

    async def stop(self) -> None:
        if self.serving is not None:
            self.serving[0].stop()
            await asyncio.wait_for(self.serving[1], 20)
            self.serving = None

    async def add_worker(self, name: str = "builder", machines: int = 2) -> tuple[WorkerRow, str]:
        """A worker that has yet to join, and its token."""
        row = await self.workers.add(name, (), machines)
        return row, (await self.joining.invite(name)).reveal().decode()

    async def joined(self, name: str = "builder") -> tuple[WorkerRow, Identity]:
        """A worker that has joined."""
        row, token = await self.add_worker(name)
        identity = Identity(self.root / name)
        await join(self.url, JoinToken.parse(token), identity)
        return row, identity

    async def add_project(self, made: Bench, settings: ProjectSettings | None = None) -> Project:
        """The project of the bench's repository, with the bench's key sealed to its key set."""
        old = made.project()
        name = ssh_key_name(secrets.token_hex(16), "sample", 1)
        assert name.project is not None
        sealed = self.keeper.seal(name, made.key.private, origin=old.origin)
        project = Project(
            name.project, "sample", old.address, old.host_keys, made.key.public.strip(), sealed, 1.0
        )
        records = DatabaseProjects(self.database, LOCAL_ACCOUNT)
        await records.add(project)
        if settings is not None:
            await records.change_settings(project.id, lambda _: settings)
        return project

    def put_secret(self, project: Project, name: str, value: bytes, scope: Scope | None = None) -> SealedName:
        owner = SealedName(LOCAL_ACCOUNT, project.id, Kind.VARIABLE, name, 1).owner
        version = self.values.next_version(owner, Kind.VARIABLE, name)
        full = SealedName(LOCAL_ACCOUNT, project.id, Kind.VARIABLE, name, version)
        self.values.put(self.keeper.seal(full, value, scope, project.origin))
        return full

    async def push(
        self, project: Project, commit: str | None, branch: str = "main", *, protected: bool = True
    ) -> str:
        """A build of it, queued."""
        wanted = NewBuild(project.id, Trigger.PUSH, f"refs/heads/{branch}", branch, commit)
        return (await self.builds.create(LOCAL_ACCOUNT, wanted, protected)).build

    async def build(self, build: str) -> BuildView:
        found = await self.builds.get(LOCAL_ACCOUNT, build)
        assert found is not None
        return found

    def log_of(self, project: Project, run: str) -> bytes:
        """What the build printed, by whoever may open its log."""
        owner = SealedName(LOCAL_ACCOUNT, project.id, Kind.LOG_KEY, run, 1).owner
        sealed = self.values.get(owner, Kind.LOG_KEY, run)
        assert sealed is not None
        with self.keeper.sets.open(sealed) as key, self.log_files.open(run, key) as reader:
            assert reader.complete
            return b"".join(line.data + b"\n" for line in reader.read(1, reader.lines))


@asynccontextmanager
async def worker_site(
    root: Path, peer: Peer = EVERYTHING, *, admitted: bool = True
) -> AsyncIterator[WorkerSite]:
    """Served until the block is left, over a database of its own. peer: what the website is to the keeper.
    admitted: the keeper knows the worker of the tests from the beginning."""
    keeper = KeeperFixture(root / "keeper-home", admitted=admitted)
    socket = root / "keeper.sock"
    async with (
        open_database(f"sqlite:///{root}/server.db") as database,
        serving(keeper, socket, Peers({os.geteuid(): peer})),
    ):
        await upgrade(database)
        site = WorkerSite(root, database, keeper, socket)
        await site.start()
        try:
            yield site
        finally:
            await site.stop()
    keeper.stop()


@dataclass
class Builder:
    """A worker on this host, over the bench's Git server. said: its lines."""

    bench: Bench
    machines: FakeMachines
    said: list[str] = field(default_factory=list)

    def ports(self) -> HostPorts:
        return HostPorts(
            machines=self.machines,
            images=FakeImages(),
            repositories=LocalRepositories(self.bench.runtime),
            checkout=self.bench.ports(),
            keeper=lambda carry: KeeperClient(CarriedDoor(carry), AsWorker(lambda: BUILDER)),
            signing_key=public_half(BUILDER),
            seal=seal,
            belongs_to=belongs_to,
            new_masker=StreamMasker,
            logs=LogFiles,
            read_plan=lambda image: partial(read_plan, default_image=image),
            default_image="python",
            reaper=HostReaper(self.bench.runtime),
            runtime_dir=self.bench.runtime,
        )

    @asynccontextmanager
    async def working(self, url: str, identity: Identity, machines: int = 2) -> AsyncIterator[Worker]:
        """It takes builds until the block is left, and has ended then."""
        async with Website(url, identity.tls()) as website:
            worker = Worker(website, identity, self.ports(), Offer("1", machines), self.said.append)
            task = asyncio.create_task(worker.run())
            try:
                yield worker
            finally:
                worker.stop()
                worker.stop()
                await asyncio.wait_for(task, 60)
