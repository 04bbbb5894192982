"""A whole website for tests: two accounts with an owner each, a project each, builds in every state.

    async with make_site(directory) as site:            # no socket
        async with site.browser() as browser: …         # the first owner, signed in
        async with site.program() as program: …         # a token of theirs
    async with serve_site(directory) as served: …       # the same on loopback, with TLS

`site.green`, `site.red`, `site.running`, `site.queued` are builds of `site.project`, `site.foreign_build` is
the other account's; `site.build(…)` makes more. It works on what the real website does: a database and its
queue, key sets and sealed files. Only the logs and the keeper's process are stood in for. What changes is
done as the server does it, so that whoever waits hears of it: `site.worker_says(…)`, `site.ends(…)`,
`site.log(…).add(…)`.
"""

from __future__ import annotations

import asyncio
import itertools
import tempfile
import threading
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from argon2 import PasswordHasher
from sqlalchemy import insert, select, update

from sealock.access.authority import Authority
from sealock.access.joining import Joining
from sealock.access.passwords import Passwords
from sealock.access.sessions import Sessions
from sealock.access.sign_in import Setup, SignIn
from sealock.access.tokens import Tokens
from sealock.builds.badges import Badges
from sealock.builds.hosted_hooks import HostedHooks
from sealock.builds.hosted_secrets import HostedSecrets
from sealock.builds.intake import Intake
from sealock.core.access import Membership
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.grant import Role
from sealock.core.queue import Patience
from sealock.core.release import Entry
from sealock.core.scope import Scope, disclose
from sealock.core.sealed import LOCAL_ACCOUNT, Kind, SealedName
from sealock.core.secret import Secret
from sealock.keeper.seal_secret import ValueSealer
from sealock.ledger.releases import exposures
from sealock.providers.git.ref import check_ref
from sealock.store.database.access import DatabaseAccess
from sealock.store.database.accounts import DatabaseAccounts
from sealock.store.database.all_projects import DatabaseAllProjects
from sealock.store.database.engine import open_database
from sealock.store.database.idempotency import DatabaseIdempotency
from sealock.store.database.metadata import metadata
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
from sealock.web.tls import Listen, Website
from tests.support.hosted import Hosted
from tests.support.migrated import copy_tables
from tests.support.ports import free_port
from tests.support.site_builds import COMMIT, LOG, OTHER_ACCOUNT, AlteredBuilds, SiteBuilds, progress
from tests.support.site_log import MemoryShelf
from tests.support.site_visitors import Visitors
from tests.support.website import ORIGIN

__all__ = ["COMMIT", "HOST_KEY", "LOG", "OTHER_ACCOUNT", "ServedSite", "Site", "make_site", "progress"]
HOST_KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIFSJVb0nhkTqr4C0A8IVcN5R3qWZFbPBEmpxdb0Hj7kZ"
NO_END = Patience(lease=24 * 3600.0)
"""Nobody beats for the workers of a test."""
MAKE_AGAIN = 15.0
"""Seconds after which a filled site is made anew, so that its builds are of just now."""
CARRIED = ("owner", "stranger", "project", "foreign", "green", "red", "running", "queued", "foreign_build")


@dataclass
class ReleasedSecrets:
    """A `core.release.Exposures` over what a test says the ledger has."""

    entries: list[Entry] = field(default_factory=list)

    async def exposures(self, *builds: str) -> list[Entry]:
        return exposures(iter(self.entries), builds)


@dataclass(kw_only=True)
class Site(Visitors, SiteBuilds):
    """What a test looks at. Everything behind the website is reached by `ports`, `service` and the rest."""

    directory: Path
    origin: Origin = ORIGIN
    authority: bytes | None = None
    wakeups: LocalWakeups = field(default_factory=LocalWakeups)
    shelf: MemoryShelf = field(default_factory=MemoryShelf)
    exposures: ReleasedSecrets = field(default_factory=ReleasedSecrets)
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
        self.queue = DatabaseQueue(self.database, self.wakeups, NO_END)
        self.builds = AlteredBuilds(self.database, self.queue)
        self.projects = self.hosted.with_ports(builds=self.builds, queue=self.queue)
        self.accounts = DatabaseAccounts(self.database, self.wakeups)
        self.workers = DatabaseWorkers(self.database)
        self.intake = Intake(self.of_account, self.builds, check_ref, ("main",))
        self.idempotency = DatabaseIdempotency(self.database)
        values = self.hosted.keys.store
        self.secrets = HostedSecrets(self.projects.get, values, ValueSealer(self.hosted.keys.sets, values))
        self.service = self._service()
        self.ports = self._ports()
        self.app: Guard = make_app(self.ports, self.origin)

    @property
    def of_account(self) -> partial[DatabaseProjects]:
        """The projects of an account."""
        return partial(DatabaseProjects, self.database)

    def _service(self) -> ServicePorts:
        return ServicePorts(
            site=Named("Sealock of the tests", "0.0", b"-----BEGIN PUBLIC KEY-----\n", self.authority),
            accounts=self.accounts,
            projects=self.projects,
            secrets=self.secrets,
            builds=self.builds,
            intake=self.intake,
            queue=self.queue,
            wakeups=self.wakeups,
            logs=self.shelf,
            workers=self.workers,
            invites=Joining(self.records, Authority(self.directory / "authority", ["localhost"])),
            exposures=self.exposures,
            idempotency=self.idempotency,
            badges=Badges(Secret(bytes(32)), DatabaseAllProjects(self.database), self.builds),
        )

    def _ports(self) -> WebPorts:
        return WebPorts(
            sign_in=SignIn(self.records, self.passwords),
            setup=Setup(self.records, self.passwords),
            sessions=self.sessions,
            tokens=self.tokens,
            hooks=HostedHooks(Secret(b"k" * 32), DatabaseAllProjects(self.database), self.intake),
            check_ref=check_ref,
            rates=Rates(),
            streams=Streams(),
            service=self.service,
        )

    def secrets_of_projects(self) -> dict[SealedName, tuple[Scope, bytes]]:
        """Where each may be used and its value, opened with the keeper's own keys."""
        keys = self.hosted.keys
        found = {}
        for name in keys.everything():
            if name.kind in (Kind.VARIABLE, Kind.FILE):
                scope, value = disclose(Secret(keys.get(name)))
                found[name] = scope, value.reveal()
        return found

    async def rows(self, *without: str) -> dict[str, list[str]]:
        """What stands in the database's tables, but these."""
        found = {}
        async with self.database.read() as connection:
            for table in metadata.sorted_tables:
                if table.name not in without:
                    rows = await connection.execute(select(table).order_by(*table.primary_key))
                    found[table.name] = [repr(row) for row in rows]
        return found

    def scope_of(self, secret: str) -> Scope:
        """Where a project's secret may be used, as it is sealed with it."""
        [scope] = [scope for name, (scope, _) in self.secrets_of_projects().items() if name.name == secret]
        return scope

    def kept_secrets(self) -> dict[str, bytes]:
        """The values of the projects' secrets by their names."""
        return {name.name: value for name, (_, value) in self.secrets_of_projects().items()}


async def _fill(site: Site) -> None:
    async with site.database.write() as connection:
        await connection.execute(update(accounts).values(name="Team", max_running=100))
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


class _Filled:
    """A site that was filled once, to be copied: filling one takes longer than most tests do."""

    def __init__(self) -> None:
        self.made_at = time.monotonic()
        self.places: list[tuple[Path, int, bytes | None]] = []
        # Whoever asks may have a loop running, and there is one to a thread.
        making = threading.Thread(target=lambda: asyncio.run(self._make()))
        making.start()
        making.join()

    async def _make(self) -> None:
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            copy_tables(directory / "sealock.db")
            async with open_database(f"sqlite:///{directory}/sealock.db") as database:
                self.site = Site(directory=directory, database=database)
                await _fill(self.site)
            for place in sorted(directory.rglob("*")):
                content = None if place.is_dir() else place.read_bytes()
                self.places.append((place.relative_to(directory), place.stat().st_mode & 0o777, content))

    def put(self, directory: Path) -> None:
        """Its files, into an empty directory."""
        for place, mode, content in self.places:
            to = directory / place
            if content is None:
                to.mkdir(mode)
            else:
                to.touch(mode)
                to.write_bytes(content)

    def tell(self, site: Site) -> None:
        """What is in them, to a site over a copy."""
        for name in CARRIED:
            setattr(site, name, getattr(self.site, name))
        site.labels, site.numbers = dict(self.site.labels), itertools.count(len(self.site.labels) + 1)
        for run, log in self.site.shelf.logs.items():
            site.shelf.logs[run] = replace(log, lines=list(log.lines), changed=asyncio.Event())


_filled: list[_Filled] = []


def _newest() -> _Filled:
    if not _filled or time.monotonic() - _filled[-1].made_at > MAKE_AGAIN:
        _filled[:] = [_Filled()]
    return _filled[-1]


@asynccontextmanager
async def make_site(
    directory: Path,
    origin: Origin = ORIGIN,
    authority: bytes | None = None,
    *,
    shelf: MemoryShelf | None = None,
) -> AsyncIterator[Site]:
    """The website, filled. directory: for its database and its keys. authority: PEM, what it is certified by.
    shelf: for its logs."""
    filled = _newest()
    async with AsyncExitStack() as stack:
        filled.put(directory)
        database = await stack.enter_async_context(open_database(f"sqlite:///{directory}/sealock.db"))
        site = Site(
            directory=directory,
            database=database,
            origin=origin,
            authority=authority,
            shelf=shelf or MemoryShelf(),
        )
        filled.tell(site)
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
            await asyncio.wait((waiting, task), timeout=120, return_when=asyncio.FIRST_COMPLETED)
            assert waiting.done(), "the website did not start"
            yield ServedSite(site, website, authority.certificate(), str(origin))
        finally:
            website.stop()
            await asyncio.wait_for(task, 120)
