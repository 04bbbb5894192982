"""What the keeper opens it opens for a reason, and only for as long as it takes to seal it again."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.scope import Scope
from sealock.core.sealed import Kind, Owner, Sealed
from sealock.core.secret import Secret
from sealock.keeper import key_messages as keys
from sealock.keeper import protocol
from sealock.keeper.peers import Peers
from sealock.keeper.statements import sign, told_lease
from tests.support.keeper import (
    ACCOUNT,
    CONFIG,
    EVERYTHING,
    SSH_KEY,
    TOKEN,
    KeeperFixture,
    client,
    name_of,
    serving,
    terms,
)

STRANGER = Ed25519PrivateKey.from_private_bytes(bytes(reversed(range(32))))
COST = keys.BackupCost(salt=bytes(16), iterations=1, memory=64, lanes=1)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[KeeperFixture]:
    keeper = KeeperFixture(tmp_path)
    yield keeper
    keeper.ledger.close()


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[Secret]:
    """Every secret that is made from here on."""
    found: list[Secret] = []
    real = Secret.__init__

    def noting(secret: Secret, value: bytes | bytearray) -> None:
        real(secret, value)
        found.append(secret)

    monkeypatch.setattr(Secret, "__init__", noting)
    return found


def remembered(made: list[Secret]) -> list[Secret]:
    """Those whose bytes are still there. A key that is tried is tried with `trial`."""
    return [secret for secret in made if not secret._forgotten and secret.reveal() != b"trial"]


def test_what_is_refused_is_not_even_opened(keeper: KeeperFixture, monkeypatch: pytest.MonkeyPatch) -> None:
    lease, other = keeper.issue(), keeper.seal(name_of(Kind.VARIABLE, "OTHER"))
    token, real, opened = keeper.seal(TOKEN), keeper.sets.open, list[Sealed]()

    def noting(sealed: Sealed) -> Secret:
        opened.append(sealed)
        return real(sealed)

    monkeypatch.setattr(keeper.sets, "open", noting)
    for sealed, step in (
        (other, "test:unit"),
        (token, "setup"),
        (token, ""),
        (keeper.seal(SSH_KEY), "setup"),
    ):
        assert isinstance(keeper.open(lease, sealed, step), protocol.No)
    assert opened == []
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.Handed)
    assert opened == [token]


def test_nothing_that_was_opened_outlives_its_request(keeper: KeeperFixture, made: list[Secret]) -> None:
    """The value, the private half it was sealed to, the seed that comes out of, the keys that wrap this."""
    lease, key, token = keeper.issue(), keeper.seal(SSH_KEY), keeper.seal(TOKEN)
    guarded = keeper.seal(CONFIG, b"value", Scope(deployments_only=True))
    made.clear()
    assert isinstance(keeper.open(lease, key), protocol.Handed)
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.Handed)
    assert isinstance(keeper.open(lease, guarded, "test:unit"), protocol.No)
    assert isinstance(keeper.open(lease, replace(token, data=bytes(90)), "test:unit"), protocol.No)
    assert len(made) > 16
    assert remembered(made) == []


def test_nor_does_what_is_made_of_keys(keeper: KeeperFixture, made: list[Secret]) -> None:
    keeper.seal(TOKEN)
    made.clear()
    about: tuple[protocol.Request, ...] = (
        protocol.AskPublicKey(owner=Owner(ACCOUNT, "new")),
        keys.BackUp(cost=COST, key=bytes(32), number=0),
        keys.BeginRotation(level="sets"),
        keys.Renew(generation=1, owner=TOKEN.owner),
        keys.Reseal(generation=1, sealed=(keeper.seal(TOKEN),)),
    )
    made.clear()
    for request in about:
        assert not isinstance(keeper.desk.answer(EVERYTHING, request), protocol.No | keys.Cannot), request.op
    assert len(made) > 10
    assert remembered(made) == []


@pytest.mark.anyio
async def test_the_private_half_of_a_lease_goes_with_it(keeper: KeeperFixture, made: list[Secret]) -> None:
    path, us = keeper.directory / "keeper.sock", os.geteuid()
    token = keeper.seal(TOKEN)
    async with serving(keeper, path, Peers(by_user={us: EVERYTHING})):
        made.clear()
        async with client(path, us).lease(terms()) as lease:
            value = await lease.open(token, step="test:unit")
            value.forget()
            assert len(remembered(made)) == 1, "the private half, needed until the lease ends"
    assert remembered(made) == []


def test_a_lease_is_ended_by_who_shows_it_and_not_by_who_knows_of_it(keeper: KeeperFixture) -> None:
    """Else whoever reads the ledger, where its id stands, could end every build's."""
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    forged = sign(told_lease(lease), STRANGER)
    assert isinstance(keeper.desk.answer(EVERYTHING, protocol.End(lease=forged)), protocol.No)
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.Handed)


def test_a_lease_that_ran_out_stays_so_if_the_keeper_is_killed_and_its_clock_set_back(
    keeper: KeeperFixture,
) -> None:
    """The time is noted every few seconds, the ledger's with each entry."""
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    keeper.clock.pass_by(3601)
    keeper.issue(terms("b2"))
    keeper.ledger.close()
    keeper.clock.wall -= 3601
    keeper.start()
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)
    assert "run out" in keeper.log[-1]
