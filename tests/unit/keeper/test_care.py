"""What operators may have done to keys, and nobody else; no reply holds an opened key (P2)."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path
from typing import get_args

import pytest

from sealock.core.project import SealedKey
from sealock.core.release import KeysDestroyed
from sealock.core.sealed import Owner, Sealed
from sealock.keeper import key_messages as keys
from sealock.keeper import protocol
from sealock.keeper.admission import CARE
from sealock.keeper.keysets import private_half
from sealock.keeper.peers import Peer, PeerRole
from tests.support.keeper import EVERYTHING, ORIGIN, TOKEN, KeeperFixture
from tests.support.keys import files

OWNER = TOKEN.owner
OPERATOR = Peer("operator", frozenset({PeerRole.OPERATOR}))
CUSTODIAN = Peer("custodian", frozenset({PeerRole.OPERATOR, PeerRole.CUSTODIAN}))
ERASER = Peer("eraser", frozenset({PeerRole.ERASER}))
NO_OPERATOR = Peer("all the others", frozenset(PeerRole) - {PeerRole.OPERATOR, PeerRole.ERASER})
COST = keys.BackupCost(salt=bytes(16), iterations=1, memory=64, lanes=1)
VALUE = b"a canary that no reply may hold"


@pytest.fixture
def keeper(tmp_path: Path) -> KeeperFixture:
    return KeeperFixture(tmp_path)


@pytest.fixture
def token(keeper: KeeperFixture) -> Sealed:
    return keeper.seal(TOKEN, VALUE)


def requests(token: Sealed) -> list[keys.KeyRequest]:
    """One of each, in an order in which each does something."""
    old = keys.OldKey(
        id="0" * 32,
        name="parser",
        public_key="",
        origin=ORIGIN,
        sealed=SealedKey(1, "a", "k", "n", "w", "n", "c"),
    )
    key, data = bytes(range(32)), bytes(40)
    return [
        keys.AskKeys(),
        keys.AskOwners(),
        keys.Adopt(key=old),
        keys.BackUp(cost=COST, key=key, number=0),
        keys.BeginRotation(level="sets"),
        keys.Renew(generation=1, owner=OWNER),
        keys.Reseal(generation=1, sealed=(token,)),
        keys.DropOld(generation=1, owner=OWNER, version=2),
        keys.EndRotation(generation=1),
        keys.BeginRotation(level="root"),
        keys.Rewrap(generation=2),
        keys.EndRotation(generation=2),
        keys.Restore(format=2, cost=COST, key=key, number=0, last=True, data=data, trial=False),
        keys.ChangePassphrase(new=b"another passphrase"),
        keys.DestroyKeys(owner=OWNER),
    ]


def kept(keeper: KeeperFixture) -> dict[Path, bytes]:
    """Everything about keys, and the ledger."""
    return {path: data for path, data in files(keeper.directory) if "epoch" not in path.name}


def test_every_request_about_keys_has_its_row(token: Sealed) -> None:
    assert set(CARE) == set(get_args(keys.KeyRequest)) == {type(request) for request in requests(token)}
    others = [roles for kind, roles in CARE.items() if kind is not keys.DestroyKeys]
    assert all(PeerRole.OPERATOR in roles for roles in others)


@pytest.mark.parametrize("number", range(15))
def test_nobody_but_an_operator(keeper: KeeperFixture, token: Sealed, number: int) -> None:
    """Not even somebody with every other role: refused like anybody, and nothing is done."""
    request, before = requests(token)[number], kept(keeper)
    peers = [NO_OPERATOR, *(Peer("one", frozenset({role})) for role in NO_OPERATOR.roles)]
    for peer in (*peers, Peer("none", frozenset())):
        assert isinstance(keeper.desk.answer(peer, request), protocol.No)
    assert kept(keeper) == before


def test_an_eraser_has_keys_destroyed_and_nothing_else_done(keeper: KeeperFixture, token: Sealed) -> None:
    """As a website does when a project is removed."""
    *others, destroy = requests(token)
    before = kept(keeper)
    for request in others:
        assert isinstance(keeper.desk.answer(ERASER, request), protocol.No)
    assert kept(keeper) == before
    assert keeper.desk.answer(ERASER, destroy) == protocol.Done()
    assert keeper.sets.files.is_destroyed(OWNER)


@pytest.mark.parametrize("kind", [keys.BackUp, keys.Restore, keys.ChangePassphrase])
def test_an_operator_has_no_way_to_content(
    keeper: KeeperFixture, token: Sealed, kind: type[keys.KeyRequest]
) -> None:
    """A backup under a key of one's own is all the keys."""
    request = next(each for each in requests(token) if isinstance(each, kind))
    before = kept(keeper)
    assert isinstance(keeper.desk.answer(OPERATOR, request), protocol.No)
    assert kept(keeper) == before
    assert isinstance(keeper.desk.answer(CUSTODIAN, request), keys.BackedUp | keys.Cannot)


def test_no_reply_holds_what_was_opened(keeper: KeeperFixture, token: Sealed) -> None:
    """Seeds, private halves and values, of every version there ever was, in no spelling."""
    secrets, done = [VALUE, b64encode(VALUE)], 0
    replies = b""
    for request in requests(token):
        record = keeper.sets.files.load(OWNER)
        for version in record.versions if record else ():
            with keeper.sets.seed(record, version) as seed, private_half(seed) as private:  # type: ignore[arg-type]
                for secret in (seed.reveal(), private.reveal()):
                    secrets += [secret, b64encode(secret), secret.hex().encode()]
        reply = keeper.desk.answer(CUSTODIAN, request)
        assert not isinstance(reply, protocol.No | protocol.Away), (request.op, keeper.log)
        done += not isinstance(reply, keys.Cannot)
        replies += protocol.encode_reply(reply)
    assert done == len(requests(token)) - 3  # no old key, no backup, no passphrase
    for secret in secrets:
        assert secret not in replies
        assert secret not in "\n".join(keeper.log).encode()


def test_a_value_is_sealed_anew_to_its_owners_keys_alone(keeper: KeeperFixture, token: Sealed) -> None:
    """Whoever has a sealed record cannot have it sealed to somebody else by asking for another name."""
    keeper.seal(TOKEN.__class__("team", "other", TOKEN.kind, "TOKEN", 1))
    keeper.desk.answer(OPERATOR, keys.BeginRotation(level="sets"))
    moved = Sealed(TOKEN.__class__("team", "other", TOKEN.kind, "TOKEN", 1), 1, token.suite, token.data, 1.0)
    reply = keeper.desk.answer(OPERATOR, keys.Reseal(generation=1, sealed=(moved,)))
    assert isinstance(reply, keys.Cannot)
    assert "does not open" in reply.brief


def test_destroying_is_written_down_first_and_once(keeper: KeeperFixture, token: Sealed) -> None:
    for _ in range(2):
        assert isinstance(keeper.desk.answer(OPERATOR, keys.DestroyKeys(owner=OWNER)), protocol.Done)
    facts = [entry.fact for entry in keeper.ledger.entries()][1:]
    assert facts == [KeysDestroyed("team", "parser", "operator")]
    assert keeper.sets.files.is_destroyed(OWNER)
    asked = keeper.desk.answer(EVERYTHING, protocol.AskPublicKey(owner=OWNER))
    assert isinstance(asked, protocol.No)


def test_without_a_ledger_nothing_is_done_to_keys(keeper: KeeperFixture, token: Sealed) -> None:
    """A backup does not leave, nothing is destroyed, no rotation begins."""
    keeper.ledger.close()
    before = kept(keeper)
    for request in (
        keys.DestroyKeys(owner=OWNER),
        keys.BackUp(cost=COST, key=bytes(32), number=0),
        keys.BeginRotation(level="root"),
    ):
        assert isinstance(keeper.desk.answer(CUSTODIAN, request), protocol.Away)
    assert kept(keeper) == before
    with keeper.sets.open(token) as value:
        assert VALUE in value.reveal()


def test_an_operator_is_told_what_went_wrong(keeper: KeeperFixture) -> None:
    reply = keeper.desk.answer(CUSTODIAN, keys.ChangePassphrase(new=b"a new passphrase"))
    assert isinstance(reply, keys.Cannot)
    assert (reply.kind, "has no passphrase" in reply.brief) == ("usage", True)
    assert any(line.startswith("cannot reference=") for line in keeper.log)
    assert not any("a new passphrase" in line for line in keeper.log)


def test_an_accounts_keys_go_with_those_of_its_projects(keeper: KeeperFixture, token: Sealed) -> None:
    keeper.desk.answer(OPERATOR, keys.DestroyKeys(owner=Owner("team")))
    assert keeper.sets.files.owners() == []
