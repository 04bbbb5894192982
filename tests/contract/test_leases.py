"""What every source of leases must do, asked of a real keeper behind its socket and of the fake that builds
are tested with."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from sealock.core.lease import LONGEST_LEASE, HeldLease, LeasedStep, Leases, Refused, Terms
from sealock.core.release import Exposures, Released
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, Sealed, SealedName
from sealock.core.source import GitAddress, GitOrigin
from sealock.keeper.peers import Peers
from tests.support.checkout import memory
from tests.support.fake_leases import ANY_BRANCH, FakeLeases
from tests.support.keeper import (
    CONFIG,
    EVERYTHING,
    ORIGIN,
    SSH_KEY,
    TOKEN,
    FakeClock,
    KeeperFixture,
    client,
    name_of,
    serving,
    terms,
)

pytestmark = pytest.mark.anyio

Seal = Callable[[SealedName, bytes, Scope], Sealed]


@dataclass
class Source:
    """leases: what is tested. seal: keeps a value there. clock: the one leases run out by."""

    leases: Leases
    exposures: Exposures
    seal: Seal
    clock: FakeClock

    def sealed(self, name: SealedName, scope: Scope = ANY_BRANCH) -> Sealed:
        return self.seal(name, f"the value of {name}".encode(), scope)


@asynccontextmanager
async def real(directory: Path) -> AsyncIterator[Source]:
    keeper = KeeperFixture(directory / "keeper")
    with memory() as runtime:
        peers = Peers(by_user={os.geteuid(): EVERYTHING})
        async with serving(keeper, runtime / "keeper.sock", peers):
            asked = client(runtime / "keeper.sock", os.geteuid())
            yield Source(asked, asked, keeper.seal, keeper.clock)
    keeper.stop()


@asynccontextmanager
async def fake(_: Path) -> AsyncIterator[Source]:
    clock = FakeClock()
    leases = FakeLeases(clock=lambda: clock.wall)

    def seal(name: SealedName, value: bytes, scope: Scope) -> Sealed:
        leases.values[name], leases.scopes[name] = value, scope
        return Sealed(name, 1, "none", b"", 0.0)

    yield Source(leases, leases, seal, clock)


@pytest.fixture(params=[real, fake], ids=["keeper", "fake"])
async def source(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Source]:
    async with request.param(tmp_path) as made:
        yield made


async def refused(lease: HeldLease, *sealed: Sealed, step: str) -> bool:
    try:
        await lease.open_all(sealed, step=step)
    except Refused:
        return True
    return False


async def test_a_step_gets_what_it_names_in_that_order(source: Source) -> None:
    config, token = source.sealed(CONFIG), source.sealed(TOKEN)
    async with source.leases.lease(terms()) as lease:
        values = await lease.open_all([config, token], step="test:unit")
        told = [value.reveal().decode() for value in values]
        assert told == [f"the value of {CONFIG}", f"the value of {TOKEN}"]
        assert (await lease.open(token, step="deploy:live")).reveal() == f"the value of {TOKEN}".encode()


async def test_a_step_gets_nothing_else(source: Source) -> None:
    token, config = source.sealed(TOKEN), source.sealed(CONFIG)
    newer, other = source.sealed(replace(TOKEN, version=2)), source.sealed(replace(TOKEN, project="other"))
    key = source.sealed(SSH_KEY)
    async with source.leases.lease(terms(secrets=[TOKEN])) as lease:
        for each in (config, newer, other, key):
            assert await refused(lease, each, step="test:unit"), each.name
        assert await refused(lease, token, config, step="test:unit")
        assert await refused(lease, token, token, step="test:unit")
        assert await refused(lease, token, step="setup")
        assert await refused(lease, token, step="no-such-step")
        assert await refused(lease, token, step="")
    assert await source.exposures.exposures(terms().build) == []


async def test_steps_go_forward(source: Source) -> None:
    token = source.sealed(TOKEN)
    async with source.leases.lease(terms()) as lease:
        await lease.open(token, step="deploy:live")
        await lease.open(token, step="deploy:live")
        assert await refused(lease, token, step="test:unit")


async def test_the_key_of_the_fetch_is_had_once_and_before_any_step(source: Source) -> None:
    key, token = source.sealed(SSH_KEY), source.sealed(TOKEN)
    async with source.leases.lease(terms()) as lease:
        await lease.open(key)
        assert await refused(lease, key, step="")
    async with source.leases.lease(terms(attempt=2)) as lease:
        await lease.open(token, step="test:unit")
        assert await refused(lease, key, step="")


async def test_a_later_attempt_ends_the_one_before(source: Source) -> None:
    token = source.sealed(TOKEN)
    async with source.leases.lease(terms(attempt=2)) as one:
        async with source.leases.lease(terms(attempt=3)) as other:
            assert await refused(one, token, step="test:unit")
            await other.open(token, step="test:unit")
        for attempt in (1, 2, 3):
            with pytest.raises(Refused):
                async with source.leases.lease(terms(attempt=attempt)):
                    pass


async def test_leaving_the_block_ends_it(source: Source) -> None:
    token = source.sealed(TOKEN)
    async with source.leases.lease(terms()) as lease:
        pass
    assert await refused(lease, token, step="test:unit")


async def test_it_runs_out(source: Source) -> None:
    token = source.sealed(TOKEN)
    async with source.leases.lease(terms()) as lease:
        assert lease.expires_at == pytest.approx(source.clock.wall + terms().lifetime, abs=1)
        source.clock.pass_by(terms().lifetime - 1)
        await lease.open(token, step="test:unit")
        source.clock.pass_by(2)
        assert await refused(lease, token, step="test:unit")


@pytest.mark.parametrize(
    ("scope", "changes", "step"),
    [
        (Scope(), {"branch": "topic", "protected": False}, "test:unit"),
        (Scope(), {"branch": None, "protected": True}, "test:unit"),
        (Scope(), {"fork": True}, "test:unit"),
        (Scope(deployments_only=True), {}, "test:unit"),
        (Scope(pipelines=("live",)), {}, "test:unit"),
    ],
)
async def test_the_scope_decides(scope: Scope, changes: dict[str, Any], step: str, source: Source) -> None:
    sealed = source.sealed(TOKEN, scope)
    async with source.leases.lease(replace(terms(), **changes)) as lease:
        assert await refused(lease, sealed, step=step)
    async with source.leases.lease(terms(attempt=2)) as lease:
        await lease.open(sealed, step="deploy:live")


@pytest.mark.parametrize(
    "changes",
    [
        {"lifetime": LONGEST_LEASE + 1},
        {"lifetime": 0.0},
        {"steps": (LeasedStep("a", "test", "a"), LeasedStep("a", "test", "b"))},
        {"steps": (LeasedStep("", "test", "a"),)},
        {"steps": (LeasedStep("a", "test", "a", (replace(TOKEN, project="other"),)),)},
        {"steps": (LeasedStep("a", "test", "a", (SSH_KEY,)),)},
        {"ssh_key": replace(SSH_KEY, project="other")},
    ],
)
async def test_terms_that_no_build_has_are_refused(changes: dict[str, Any], source: Source) -> None:
    wanted: Terms = replace(terms(), **changes)
    with pytest.raises(Refused):
        async with source.leases.lease(wanted):
            pass


async def test_what_was_given_is_told_of_that_build_alone(source: Source) -> None:
    older, key = name_of(Kind.VARIABLE, "TOKEN", 1), source.sealed(SSH_KEY)
    sealed = source.sealed(older)
    async with source.leases.lease(terms(secrets=[older])) as lease:
        await lease.open(key)
        await lease.open(sealed, step="test:unit")
    async with source.leases.lease(terms(build="b2", secrets=[older])) as lease:
        await lease.open(sealed, step="test:unit")
    facts = [entry.fact for entry in await source.exposures.exposures("b1")]
    told = [
        (fact.kind, fact.name, fact.version, fact.step, fact.project, fact.build)
        for fact in facts
        if isinstance(fact, Released)
    ]
    assert told == [
        ("ssh-key", SSH_KEY.name, 1, "", "parser", "b1"),
        ("variable", "TOKEN", 1, "test:unit", "parser", "b1"),
    ]


OTHER = GitOrigin(GitAddress("git", "git.example", 22, "team/other.git"), ORIGIN.host_keys)


@pytest.mark.parametrize(
    ("scope", "changes", "given"),
    [
        (Scope(protected_only=False, origin=ORIGIN), {}, True),
        (Scope(protected_only=False, origin=OTHER), {}, False),
        (Scope(protected_only=False, origin=ORIGIN), {"origin": OTHER}, False),
        (Scope(protected_only=False, origin=ORIGIN), {"origin": replace(ORIGIN, host_keys=("k",))}, False),
        (Scope(protected_only=False, origin=ORIGIN), {"origin": None}, False),
        (Scope(protected_only=False, origin=ORIGIN, directories=True), {"origin": None}, True),
        (Scope(origin=ORIGIN), {}, True),
        (Scope(origin=ORIGIN), {"found_on": None}, False),
        (Scope(origin=ORIGIN), {"found_on": "topic"}, False),
        (Scope(origin=ORIGIN), {"branch": "topic"}, False),
        (Scope(origin=ORIGIN), {"branch": None, "found_on": None}, False),
    ],
)
async def test_what_is_fetched_has_to_be_what_a_secret_is_for(
    source: Source, scope: Scope, changes: dict[str, Any], given: bool
) -> None:
    token = source.sealed(TOKEN, scope)
    async with source.leases.lease(replace(terms(), **changes)) as lease:
        assert await refused(lease, token, step="test:unit") is not given
