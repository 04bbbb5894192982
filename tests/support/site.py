"""A whole website for tests: two accounts with an owner each, a project each, builds in every state.

    async with make_site(directory) as site:            # no socket
        async with site.browser() as browser: …         # the first owner, signed in
        async with site.program() as program: …         # a token of theirs
    async with serve_site(directory) as served: …       # the same on loopback, with TLS

`site.green`, `site.red`, `site.running`, `site.queued` are builds of `site.project`, `site.foreign_build` is
the other account's; `site.build(…)` makes more. What changes is done as the server does it, so that whoever
waits hears of it: `site.worker_says(…)`, `site.ends(…)`, `site.logs[…].add(…)`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from argon2 import PasswordHasher
from sqlalchemy import insert

from sealock.access.authority import Authority
from sealock.access.passwords import Passwords
from sealock.access.sessions import Sessions
from sealock.access.sign_in import Setup, SignIn
from sealock.access.tokens import Tokens
from sealock.builds.badges import Badges
from sealock.core.access import Membership, Person
from sealock.core.accounts import Account
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import BuildView, Ended, NewBuild, PhaseView, Progress, StepView, run_id
from sealock.core.grant import Role
from sealock.core.project import Project
from sealock.core.queue import HIGHEST_PRIORITY, Fence, Order
from sealock.core.queue_rules import Host, Share
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.core.secret import Secret
from sealock.core.worker_state import WorkerState
from sealock.providers.git.ref import check_ref
from sealock.store.database.access import DatabaseAccess
from sealock.store.database.engine import Database, open_database
from sealock.store.database.tables import accounts
from sealock.store.queue.wakeups import LocalWakeups
from sealock.web.app import make_app
from sealock.web.origin import Origin
from sealock.web.ports import ServicePorts, WebPorts
from sealock.web.ports import Site as Named
from sealock.web.rates import Rates
from sealock.web.security import Guard
from sealock.web.streams import Streams
from sealock.web.tls import Listen, Website
from tests.support.migrated import copy_tables
from tests.support.site_log import MemoryLog, MemoryShelf
from tests.support.site_memory import (
    HOST_KEY,
    MemoryAccounts,
    MemoryBuilds,
    MemoryExposures,
    MemoryIdempotency,
    MemoryIntake,
    MemoryInvites,
    MemoryProjects,
    MemorySecrets,
    MemoryWorkers,
)
from tests.support.site_visitors import Visitors
from tests.support.website import ORIGIN, TakenHooks, free_port

OTHER_ACCOUNT = "other"
COMMIT = "1f" * 20
LOG = ["setting up", "\x1b[31mred text\x1b[0m <b>no tag</b>", "FAILED tests/test_shop.py", "1 failed"]


@dataclass
class Site(Visitors):
    """What a test looks at. Everything behind the website is reached by `ports`, `service` and the rest."""

    directory: Path
    database: Database
    origin: Origin = ORIGIN
    authority: bytes | None = None
    wakeups: LocalWakeups = field(default_factory=LocalWakeups)
    shelf: MemoryShelf = field(default_factory=MemoryShelf)
    accounts: MemoryAccounts = field(default_factory=MemoryAccounts)
    projects: MemoryProjects = field(default_factory=MemoryProjects)
    workers: MemoryWorkers = field(default_factory=MemoryWorkers)
    exposures: MemoryExposures = field(default_factory=MemoryExposures)
    hooks: TakenHooks = field(default_factory=TakenHooks)
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
        self.secrets = MemorySecrets(self.projects)
        self.builds = MemoryBuilds(self.projects, self.wakeups)
        self.service = ServicePorts(
            site=Named("Sealock of the tests", "0.0", b"-----BEGIN PUBLIC KEY-----\n", self.authority),
            accounts=self.accounts,
            projects=self.projects,
            secrets=self.secrets,
            builds=self.builds,
            intake=MemoryIntake(self.builds, self.projects),
            queue=self.builds.queue,
            wakeups=self.wakeups,
            logs=self.shelf,
            workers=self.workers,
            invites=MemoryInvites(),
            exposures=self.exposures,
            idempotency=MemoryIdempotency(),
            badges=Badges(Secret(bytes(32)), self.projects, self.builds),
        )
        self.ports = WebPorts(
            sign_in=SignIn(self.records, self.passwords),
            setup=Setup(self.records, self.passwords),
            sessions=self.sessions,
            tokens=self.tokens,
            hooks=self.hooks,
            check_ref=check_ref,
            rates=Rates(),
            streams=Streams(),
            service=self.service,
        )
        self.app: Guard = make_app(self.ports, self.origin)

    async def build(
        self,
        outcome: Outcome | None = Outcome.GREEN,
        *,
        state: BuildState = BuildState.ENDED,
        account: str = LOCAL_ACCOUNT,
        project: str | None = None,
        branch: str | None = "main",
        commit: str | None = COMMIT,
        message: str = "Sell more",
        author: str = "Ada <ada@example.com>",
        log: list[str] | None = None,
        steps: tuple[StepView, ...] | None = None,
    ) -> str:
        """A new build in that state, with its log; its id. log: of its attempt, `LOG` by default."""
        new = NewBuild(
            project or (self.project if account == LOCAL_ACCOUNT else self.foreign).id,
            Trigger.PUSH,
            branch,
            branch,
            commit,
            message,
            author,
            self.owner.id if account == LOCAL_ACCOUNT else self.stranger.id,
        )
        build = (await self.builds.create(account, new, protected=branch == "main")).build
        if state is BuildState.QUEUED:
            return build
        fence = await self.claim(build)
        ended = state is BuildState.ENDED
        kept = MemoryLog(list(LOG if log is None else log), ended, 3 if outcome is Outcome.RED else None)
        self.shelf.logs[account, new.project, run_id(build, fence.attempt)] = kept
        said = progress(outcome if ended else None, steps)
        await self.builds.progress(fence, replace(said, commit=commit))
        if ended:
            assert outcome is not None
            await self.ends(fence, outcome)
        return build

    async def claim(self, build: str) -> Fence:
        """Have the worker `builder-1` take a queued build."""
        queue, worker = self.builds.queue, f"worker-of-{build}"
        view = self.builds.kept[build]
        queue.hosts[worker] = Host(worker, frozenset({f"only-{build}"}), 1, 0, present=True)
        queue.states[worker] = WorkerState.ACTIVE
        # As if it had asked for this very worker, so that no build that waits is taken in its place.
        entry = queue._entries[build]
        order = Order(build, view.account, view.project, frozenset({f"only-{build}"}))
        entry.order = replace(order, priority=HIGHEST_PRIORITY)
        claim = await queue.claim(worker)
        assert claim is not None and claim.fence.build == build
        return claim.fence

    async def ends(self, fence: Fence, outcome: Outcome, reason: str = "") -> None:
        """Its worker says that it ended, with a receipt."""
        told = reason or ("" if outcome is Outcome.GREEN else "make test ended with 1")
        assert await self.builds.end(fence, Ended(outcome, told, b'{"payload":"receipt"}\n', "ab" * 32))

    async def finish(self, build: str, outcome: Outcome = Outcome.GREEN) -> None:
        """A build that runs ends."""
        view = self.builds.kept[build]
        assert view.worker is not None
        await self.ends(Fence(build, view.attempt, view.worker), outcome)

    async def worker_says(self, build: str, said: Progress) -> None:
        """Its worker tells how far it is."""
        view = self.builds.kept[build]
        assert view.worker is not None
        assert await self.builds.progress(Fence(build, view.attempt, view.worker), said)

    async def view(self, build: str) -> BuildView:
        """How a build stands."""
        return self.builds.kept[build]

    def log(self, build: str) -> MemoryLog:
        """The log of its latest attempt."""
        view = self.builds.kept[build]
        assert view.run is not None
        return self.shelf.logs[view.account, view.project, view.run]


def progress(outcome: Outcome | None, steps: tuple[StepView, ...] | None = None) -> Progress:
    """What a worker says of a build that came out so; None: it is still at it."""
    begun = time.time() - 60
    state = {None: StepState.RUNNING, Outcome.GREEN: StepState.PASSED}.get(outcome, StepState.FAILED)
    code = {None: None, Outcome.GREEN: 0}.get(outcome, 1)
    until = None if outcome is None else begun + 50
    default = (
        StepView(1, "setup", "setup", StepState.PASSED, 0, "", begun + 5, begun + 10, 1),
        StepView(2, "unit", "test", state, code, "", begun + 10, until, 2),
    )
    phases = (
        PhaseView("machine", begun, begun + 3, ok=True),
        PhaseView("fetch", begun + 3, begun + 5, ok=True),
        PhaseView("setup", begun + 5, begun + 10, ok=True),
        PhaseView("test:unit", begun + 10, until, None if outcome is None else outcome is Outcome.GREEN),
    )
    return Progress(phases, default if steps is None else steps, COMMIT)


async def _fill(site: Site) -> None:
    for account, name in ((LOCAL_ACCOUNT, "Team"), (OTHER_ACCOUNT, "Others")):
        site.accounts.kept[account] = Account(account, name, 100, 1, time.time())
        site.builds.queue.shares[account] = Share(100, 1, 0)
    async with site.database.write() as connection:
        await connection.execute(insert(accounts).values(id=OTHER_ACCOUNT, name="Others", created_at=1))
    ours = Membership(LOCAL_ACCOUNT, Role.OWNER), Membership("", Role.OPERATOR)
    site.owner = await site.add_person("ada@example.com", *ours)
    site.stranger = await site.add_person("eve@example.org", Membership(OTHER_ACCOUNT, Role.OWNER))
    site.project = await site.projects.create(
        LOCAL_ACCOUNT, "shop", "git@git.example.com:team/shop.git", (HOST_KEY,)
    )
    site.foreign = await site.projects.create(
        OTHER_ACCOUNT, "bank", "git@git.example.org:others/bank.git", (HOST_KEY,)
    )
    site.green = await site.build(Outcome.GREEN)
    site.red = await site.build(Outcome.RED)
    site.running = await site.build(None, state=BuildState.RUNNING)
    site.queued = await site.build(None, state=BuildState.QUEUED)
    site.foreign_build = await site.build(Outcome.RED, account=OTHER_ACCOUNT)


@asynccontextmanager
async def make_site(
    directory: Path,
    origin: Origin = ORIGIN,
    authority: bytes | None = None,
    *,
    shelf: MemoryShelf | None = None,
) -> AsyncIterator[Site]:
    """The website, filled. directory: for its database; empty. authority: PEM, what it is certified by.
    shelf: for its logs."""
    async with AsyncExitStack() as stack:
        copy_tables(directory / "sealock.db")
        database = await stack.enter_async_context(open_database(f"sqlite:///{directory}/sealock.db"))
        site = Site(directory, database, origin, authority, shelf=shelf or MemoryShelf())
        await _fill(site)
        yield site


@dataclass
class ServedSite:
    """It listens on loopback. authority: a file to trust it by. url: where, without a path."""

    site: Site
    website: Website
    authority: Path
    url: str


@asynccontextmanager
async def serve_site(
    directory: Path, grace: int = 5, shelf: MemoryShelf | None = None
) -> AsyncIterator[ServedSite]:
    """The website, served over TLS until the block is left."""
    origin = Origin("localhost", free_port())
    authority = Authority(directory / "authority", ["localhost", "127.0.0.1"])
    pem = authority.certificate().read_bytes()
    async with make_site(directory, origin, pem, shelf=shelf) as site:
        website = Website(site.app, origin, authority.website_certificate, site.ports.streams, grace)
        task = asyncio.create_task(website.serve(Listen("127.0.0.1", origin.port, ("127.0.0.1", 0))))
        try:
            waiting = asyncio.create_task(website.ready.wait())
            await asyncio.wait((waiting, task), timeout=20, return_when=asyncio.FIRST_COMPLETED)
            assert waiting.done(), "the website did not start"
            yield ServedSite(site, website, authority.certificate(), str(origin))
        finally:
            website.stop()
            await asyncio.wait_for(task, 30)
