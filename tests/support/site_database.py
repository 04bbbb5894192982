"""The website of the tests over what it really works on: the database, the queue, key sets and sealed files.

As `site.Site`, with everything but the logs and the keeper's process real. Builds are run by workers that ask
for them by a label of the build's own, so that what waits goes on waiting.
"""

from __future__ import annotations

import itertools
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from argon2 import PasswordHasher
from sqlalchemy import insert, update

from sealock.access.authority import Authority
from sealock.access.joining import Joining
from sealock.access.passwords import Passwords
from sealock.access.sessions import Sessions
from sealock.access.sign_in import Setup, SignIn
from sealock.access.tokens import Tokens
from sealock.builds.badges import Badges
from sealock.builds.hosted_hooks import HostedHooks
from sealock.builds.hosted_projects import HostedProjects
from sealock.builds.hosted_secrets import HostedSecrets
from sealock.builds.intake import Intake
from sealock.core.access import Membership, Person
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, Trigger
from sealock.core.builds import BuildView, Ended, NewBuild, run_id
from sealock.core.grant import Role
from sealock.core.project import Project
from sealock.core.queue import Fence
from sealock.core.scope import Scope, disclose
from sealock.core.sealed import LOCAL_ACCOUNT, Kind
from sealock.core.secret import Secret
from sealock.keeper.seal_secret import ValueSealer
from sealock.providers.git.ref import check_ref
from sealock.store.database.access import DatabaseAccess
from sealock.store.database.accounts import DatabaseAccounts
from sealock.store.database.all_projects import DatabaseAllProjects
from sealock.store.database.builds import DatabaseBuilds
from sealock.store.database.engine import Database, open_database
from sealock.store.database.idempotency import DatabaseIdempotency
from sealock.store.database.projects import DatabaseProjects
from sealock.store.database.tables import accounts
from sealock.store.database.workers import DatabaseWorkers
from sealock.store.queue.database import DatabaseQueue
from sealock.store.queue.wakeups import LocalWakeups
from sealock.web.app import make_app
from sealock.web.origin import Origin
from sealock.web.ports import ServicePorts, WebPorts
from sealock.web.ports import Site as Named
from sealock.web.rates import Rates
from sealock.web.security import Guard
from sealock.web.streams import Streams
from tests.support.hosted import Hosted
from tests.support.migrated import copy_tables
from tests.support.site import COMMIT, LOG, OTHER_ACCOUNT, progress
from tests.support.site_log import MemoryLog, MemoryShelf
from tests.support.site_memory import HOST_KEY, MemoryExposures
from tests.support.site_visitors import Visitors
from tests.support.website import ORIGIN


@dataclass
class DatabaseSite(Visitors):
    """What a test looks at."""

    directory: Path
    database: Database
    origin: Origin = ORIGIN
    wakeups: LocalWakeups = field(default_factory=LocalWakeups)
    shelf: MemoryShelf = field(default_factory=MemoryShelf)
    exposures: MemoryExposures = field(default_factory=MemoryExposures)
    owner: Person = field(init=False)
    stranger: Person = field(init=False)
    project: Project = field(init=False)
    foreign: Project = field(init=False)
    green: str = field(init=False)
    red: str = field(init=False)
    running: str = field(init=False)
    queued: str = field(init=False)
    foreign_build: str = field(init=False)

    def __post_init__(self) -> None:
        self.records = DatabaseAccess(self.database)
        self.passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
        self.sessions, self.tokens = Sessions(self.records), Tokens(self.records)
        self.hosted = Hosted(self.database, self.directory / "kept")
        self.queue = DatabaseQueue(self.database, self.wakeups)
        self.builds = DatabaseBuilds(self.database, self.queue)
        self.projects: HostedProjects = self.hosted.with_ports(builds=self.builds, queue=self.queue)
        self.accounts = DatabaseAccounts(self.database, self.wakeups)
        self.workers = DatabaseWorkers(self.database)
        self.intake = Intake(self.of_account, self.builds, check_ref, ("main",))
        self.idempotency = DatabaseIdempotency(self.database)
        self.numbers = itertools.count(1)
        self.service = self._service()
        self.ports = self._ports()
        self.app: Guard = make_app(self.ports, self.origin)

    @property
    def of_account(self) -> partial[DatabaseProjects]:
        """The projects of an account."""
        return partial(DatabaseProjects, self.database)

    def _service(self) -> ServicePorts:
        values = self.hosted.keys.store
        sealer = ValueSealer(self.hosted.keys.sets, values)
        authority = Authority(self.directory / "authority", ["localhost"])
        return ServicePorts(
            site=Named("Sealock of the tests", "0.0", b"-----BEGIN PUBLIC KEY-----\n"),
            accounts=self.accounts,
            projects=self.projects,
            secrets=HostedSecrets(self.projects.get, values, sealer),
            builds=self.builds,
            intake=self.intake,
            queue=self.queue,
            wakeups=self.wakeups,
            logs=self.shelf,
            workers=self.workers,
            invites=Joining(self.records, authority),
            exposures=self.exposures,
            idempotency=self.idempotency,
            badges=Badges(Secret(bytes(32)), DatabaseAllProjects(self.database), self.builds),
        )

    def _ports(self) -> WebPorts:
        key = Secret(b"k" * 32)
        return WebPorts(
            sign_in=SignIn(self.records, self.passwords),
            setup=Setup(self.records, self.passwords),
            sessions=self.sessions,
            tokens=self.tokens,
            hooks=HostedHooks(key, DatabaseAllProjects(self.database), self.intake),
            check_ref=check_ref,
            rates=Rates(),
            streams=Streams(),
            service=self.service,
        )

    async def build(
        self,
        outcome: Outcome | None = Outcome.GREEN,
        *,
        state: BuildState = BuildState.ENDED,
        account: str = LOCAL_ACCOUNT,
        branch: str = "main",
        commit: str = COMMIT,
    ) -> str:
        """A new build in that state, with its log; its id."""
        ours = account == LOCAL_ACCOUNT
        project, person = (self.project, self.owner) if ours else (self.foreign, self.stranger)
        label = f"only-{next(self.numbers)}"
        settings = await self.projects.settings(account, project.id)
        await self.projects.change(account, project.id, replace(settings, labels=(label,)))
        new = NewBuild(project.id, Trigger.PUSH, branch, branch, commit, "Sell more", "Ada", person.id)
        build = (await self.builds.create(account, new, protected=branch == "main")).build
        await self.projects.change(account, project.id, settings)
        if state is BuildState.QUEUED:
            return build
        fence = await self._claim(build, label)
        ended = state is BuildState.ENDED
        failing = 3 if outcome is Outcome.RED else None
        kept = MemoryLog(list(LOG), ended, failing)
        self.shelf.logs[account, project.id, run_id(build, fence.attempt)] = kept
        said = replace(progress(outcome if ended else None), commit=commit)
        assert await self.builds.progress(fence, said)
        if ended:
            assert outcome is not None
            await self.ends(fence, outcome)
        return build

    async def _claim(self, build: str, label: str) -> Fence:
        worker = await self.workers.add(f"worker-of-{label}", (label,), 1)
        await self.workers.hello(worker.id, "1", 1, (label,))
        claim = await self.queue.claim(worker.id)
        assert claim is not None and claim.fence.build == build
        return claim.fence

    async def ends(self, fence: Fence, outcome: Outcome) -> None:
        """Its worker says that it ended, with a receipt."""
        reason = "" if outcome is Outcome.GREEN else "make test ended with 1"
        assert await self.builds.end(fence, Ended(outcome, reason, b'{"payload":"receipt"}\n', "ab" * 32))

    async def finish(self, build: str, outcome: Outcome = Outcome.GREEN) -> None:
        """A build that runs ends."""
        view = await self.view(build)
        worker = await self.workers.named(view.worker or "")
        assert worker is not None
        await self.ends(Fence(build, view.attempt, worker.id), outcome)

    async def view(self, build: str) -> BuildView:
        """How a build stands, whosever it is."""
        for account in (LOCAL_ACCOUNT, OTHER_ACCOUNT):
            if (found := await self.builds.get(account, build)) is not None:
                return found
        raise LookupError(build)

    def log(self, build: str) -> MemoryLog:
        """The log of its first attempt."""
        return next(log for (_, _, run), log in self.shelf.logs.items() if run == build)

    def scope_of(self, secret: str) -> Scope:
        """Where a project's secret may be used, as it is sealed with it."""
        keys = self.hosted.keys
        [name] = [one for one in keys.everything() if one.name == secret]
        return disclose(Secret(keys.get(name)))[0]

    def kept_secrets(self) -> dict[str, bytes]:
        """The values of the projects' secrets, opened with the keeper's own keys."""
        keys = self.hosted.keys
        found = {}
        for name in keys.everything():
            if name.kind in (Kind.VARIABLE, Kind.FILE):
                found[name.name] = disclose(Secret(keys.get(name)))[1].reveal()
        return found


async def _fill(site: DatabaseSite) -> None:
    async with site.database.write() as connection:
        await connection.execute(update(accounts).values(max_running=100))
        other = {"id": OTHER_ACCOUNT, "name": "Others", "created_at": 1, "max_running": 100}
        await connection.execute(insert(accounts).values(other))
    ours = Membership(LOCAL_ACCOUNT, Role.OWNER), Membership("", Role.OPERATOR)
    site.owner = await site.add_person("ada@example.com", *ours)
    site.stranger = await site.add_person("eve@example.org", Membership(OTHER_ACCOUNT, Role.OWNER))
    shop, bank = "git@git.example.com:team/shop.git", "git@git.example.org:others/bank.git"
    site.project = await site.projects.create(LOCAL_ACCOUNT, "shop", shop, (HOST_KEY,))
    site.foreign = await site.projects.create(OTHER_ACCOUNT, "bank", bank, (HOST_KEY,))
    site.green = await site.build(Outcome.GREEN)
    site.red = await site.build(Outcome.RED)
    site.running = await site.build(None, state=BuildState.RUNNING)
    site.queued = await site.build(None, state=BuildState.QUEUED)
    site.foreign_build = await site.build(Outcome.RED, account=OTHER_ACCOUNT)


@asynccontextmanager
async def make_database_site(directory: Path) -> AsyncIterator[DatabaseSite]:
    """The website, filled. directory: for its database and its keys; empty."""
    async with AsyncExitStack() as stack:
        copy_tables(directory / "sealock.db")
        database = await stack.enter_async_context(open_database(f"sqlite:///{directory}/sealock.db"))
        site = DatabaseSite(directory, database)
        await _fill(site)
        yield site
