"""The website as it is served, with people in memory and a project that is told of pushes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import httpx2
from argon2 import PasswordHasher
from starlette.types import ASGIApp

from sealock.access.authority import Authority
from sealock.access.memory import MemoryAccess
from sealock.access.passwords import Passwords
from sealock.access.sessions import Sessions
from sealock.access.sign_in import Setup, SignIn
from sealock.access.tokens import Tokens
from sealock.builds.hook_events import HookTarget, Push
from sealock.core.secret import Secret
from sealock.providers.git.ref import check_ref
from sealock.web.app import make_app
from sealock.web.origin import Origin
from sealock.web.ports import WebPorts
from sealock.web.rates import Rates
from sealock.web.streams import Streams
from sealock.web.tls import Listen, Website
from tests.support.ports import free_port

PROJECT, OTHER = "1" * 32, "2" * 32
SECRETS = {PROJECT: bytes(range(32)), OTHER: bytes(range(32, 64))}
REPOSITORY = "git@git.example.com:team/shop.git"
ORIGIN = Origin("localhost", 8443)
PASSWORD = "correct horse battery"


@dataclass
class TakenHooks:
    """Two projects; what they were told of."""

    taken: list[tuple[str, Push]] = field(default_factory=list)
    seen: set[tuple[str, str]] = field(default_factory=set)

    async def target(self, project_id: str) -> HookTarget | None:
        if project_id not in SECRETS:
            return None
        return HookTarget(project_id, (Secret(SECRETS[project_id]),), REPOSITORY)

    async def take(self, project_id: str, push: Push) -> bool:
        if project_id not in SECRETS or (project_id, push.delivery) in self.seen:
            return False
        self.seen.add((project_id, push.delivery))
        self.taken.append((project_id, push))
        return True


@dataclass
class Ports:
    """What a test looks at behind the website."""

    web: WebPorts
    hooks: TakenHooks
    setup: Setup
    records: MemoryAccess


def make_ports() -> Ports:
    """Ports over memory; passwords are hashed with little work."""
    records, hooks = MemoryAccess(), TakenHooks()
    passwords = Passwords(PasswordHasher(time_cost=1, memory_cost=64, parallelism=1))
    setup = Setup(records, passwords)
    web = WebPorts(
        SignIn(records, passwords),
        setup,
        Sessions(records),
        Tokens(records),
        hooks,
        check_ref,
        Rates(),
        Streams(),
    )
    return Ports(web, hooks, setup, records)


def client(app: ASGIApp, address: str = "192.0.2.7", **headers: str) -> httpx2.AsyncClient:
    """Talks to an application without a server between, from that address."""
    transport = httpx2.ASGITransport(app=app, client=(address, 4711))
    return httpx2.AsyncClient(transport=transport, base_url=str(ORIGIN), headers=headers)


@dataclass
class Served:
    """A website on loopback. authority: what to trust it by."""

    website: Website
    ports: Ports
    authority: Path
    https: int
    http: int


@asynccontextmanager
async def served(
    directory: Path, app: Callable[[WebPorts], ASGIApp] | None = None, grace: int = 5
) -> AsyncIterator[Served]:
    """Served until the block is left. app: another application than the real one."""
    ports, authority = make_ports(), Authority(directory / "authority", ["localhost", "127.0.0.1"])
    port = free_port()
    origin = Origin("localhost", port)
    made = app(ports.web) if app else make_app(ports.web, origin)
    website = Website(made, origin, authority.website_certificate, ports.web.streams, grace)
    task = asyncio.create_task(website.serve(Listen("127.0.0.1", port, ("127.0.0.1", 0))))
    try:
        waiting = asyncio.create_task(website.ready.wait())
        await asyncio.wait((waiting, task), timeout=120, return_when=asyncio.FIRST_COMPLETED)
        assert waiting.done(), "the website did not start"
        yield Served(website, ports, authority.certificate(), website.ports["https"], website.ports["http"])
    finally:
        website.stop()
        await asyncio.wait_for(task, 120)
