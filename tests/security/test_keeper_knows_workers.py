"""A website that was taken over asks the keeper for leases of its own. It carries for workers and schedules,
as the real one does; what it cannot do is sign as a worker that the keeper itself knows."""

from __future__ import annotations

import os
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.errors import PermanentError
from sealock.core.lease import LeasedStep, LeaseRequest, NotKnownToKeeper
from sealock.core.release import LeaseIssued, Released, WorkerAdmitted, WorkerRemoved
from sealock.core.sealed import Kind
from sealock.core.source import GitAddress, GitOrigin
from sealock.keeper import protocol
from sealock.keeper.admission import FRESH
from sealock.keeper.client import KeeperClient, LocalDoor
from sealock.keeper.peers import Peer, PeerRole, Peers
from sealock.keeper.sealing import new_pair
from sealock.keeper.signing import AsWorker, public_half
from sealock.keeper.statements import sign, told_lease, told_request
from sealock.keeper.worker_messages import AdmitWorker, AskKnown, AskWorkers, Known, RemoveWorker
from tests.support.keeper import BUILDER, EVERYTHING, ORIGIN, TOKEN, KeeperFixture, name_of, serving, terms

WEBSITE = Peer("web", frozenset({PeerRole.RELAY, PeerRole.SCHEDULER}))
ITS_KEY = Ed25519PrivateKey.from_private_bytes(bytes(reversed(range(32))))
OTHER_SECRET = name_of(Kind.VARIABLE, "PASSWORD")


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[KeeperFixture]:
    keeper = KeeperFixture(tmp_path)
    yield keeper
    keeper.ledger.close()


def refused(keeper: KeeperFixture, issue: protocol.Issue, why: str, peer: Peer = WEBSITE) -> None:
    """It gets no lease, hears nothing of why, and the keeper's log has that."""
    before = sum(isinstance(entry.fact, LeaseIssued) for entry in keeper.ledger.entries())
    reply = keeper.desk.answer(peer, issue)
    assert isinstance(reply, protocol.No), reply
    assert why in keeper.log[-1] and reply.reference in keeper.log[-1]
    assert sum(isinstance(entry.fact, LeaseIssued) for entry in keeper.ledger.entries()) == before
    assert not [entry for entry in keeper.ledger.entries() if isinstance(entry.fact, Released)]


def altered(issue: protocol.Issue, **changes: Any) -> protocol.Issue:
    """What the worker asked for with something exchanged, under its signature."""
    asked: LeaseRequest = replace(told_request(issue.asked), **changes)
    payload = sign(asked, ITS_KEY).partition(".")[0]
    return issue.model_copy(update={"asked": f"{payload}.{issue.asked.partition('.')[2]}"})


def test_what_a_known_worker_signed_is_leased_whoever_carries_it(
    keeper: KeeperFixture,
) -> None:
    reply = keeper.desk.answer(WEBSITE, keeper.asking())
    assert isinstance(reply, protocol.Issued), keeper.log
    lease = told_lease(reply.lease)
    assert (lease.worker, lease.key) == ("builder", keeper.public)
    assert isinstance(keeper.open(reply.lease, keeper.seal(TOKEN), "test:unit", WEBSITE), protocol.Handed)
    released = [e.fact for e in keeper.ledger.entries() if isinstance(e.fact, Released)]
    assert [(fact.to, fact.via) for fact in released] == [("builder", "web")]


def test_a_lease_that_no_worker_signed(keeper: KeeperFixture) -> None:
    issue = keeper.asking()
    payload = issue.asked.partition(".")[0]
    for signature in ("", urlsafe_b64encode(bytes(64)).decode()):
        refused(keeper, issue.model_copy(update={"asked": f"{payload}.{signature}"}), "signed")


def test_a_lease_that_the_website_signed_itself(keeper: KeeperFixture) -> None:
    refused(keeper, keeper.asking(key=ITS_KEY, one_time=new_pair()[1]), "knows no worker")


def test_a_lease_that_the_website_signed_in_a_workers_name(keeper: KeeperFixture) -> None:
    asked = replace(told_request(keeper.asking().asked), key=new_pair()[1])
    assert asked.worker == public_half(BUILDER)
    issue = keeper.asking().model_copy(update={"asked": sign(asked, ITS_KEY)})
    refused(keeper, issue, "signed")


def test_what_a_worker_asked_for_is_used_once(keeper: KeeperFixture) -> None:
    issue = keeper.asking()
    assert isinstance(keeper.desk.answer(WEBSITE, issue), protocol.Issued)
    refused(keeper, issue, "attempt")
    keeper.restart()
    refused(keeper, issue, "attempt")


@pytest.mark.parametrize("passes", [FRESH + 1, 30 * 86400.0])
def test_what_a_worker_asked_for_long_ago(keeper: KeeperFixture, passes: float) -> None:
    """Held back by the website, for a day when somebody has the worker's one-time key."""
    issue = keeper.asking(terms("b2"))
    keeper.clock.pass_by(passes)
    refused(keeper, issue, "too long ago")


def test_what_a_worker_was_made_to_sign_for_later(keeper: KeeperFixture) -> None:
    asked = replace(told_request(keeper.asking().asked), at=keeper.epoch.now() + FRESH + 60)
    refused(keeper, keeper.asking().model_copy(update={"asked": sign(asked, BUILDER)}), "in the future")


WIDER = (LeasedStep("test:unit", "test", "unit", (TOKEN, OTHER_SECRET)),)


@pytest.mark.parametrize(
    "changes",
    [
        {"key": new_pair()[1]},
        {"steps": WIDER},
        {"steps": terms().steps[::-1]},
        {"project": "other", "steps": (), "ssh_key": None},
        {"account": "other", "steps": (), "ssh_key": None},
        {"build": "b2"},
        {"attempt": 2},
        {"plan_digest": "sha256:1"},
        {"origin": None},
        {"found_on": "topic"},
        {"origin": GitOrigin(GitAddress("git", "git.example", 22, "team/other.git"), ORIGIN.host_keys)},
        {"origin": GitOrigin(ORIGIN.address, ("ssh-ed25519 AAAB",))},
        {"ssh_key": None},
        {"ssh_key": name_of(Kind.SSH_KEY, "ssh-key", 2)},
        {"lifetime": 86400.0},
        {"at": 1.0},
    ],
    ids="+".join,
)
def test_what_a_worker_signed_with_something_exchanged(
    keeper: KeeperFixture, changes: dict[str, Any]
) -> None:
    refused(keeper, altered(keeper.asking(), **changes), "signed")


@settings(deadline=None, max_examples=50)
@given(at=st.integers(0), bit=st.integers(0, 7))
def test_what_a_worker_signed_with_any_bit_exchanged(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    keeper = KeeperFixture(tmp_path_factory.mktemp("keeper"))
    issue = keeper.asking()
    parts = [bytearray(urlsafe_b64decode(part)) for part in issue.asked.split(".")]
    whole = at % sum(map(len, parts))
    part, place = (0, whole) if whole < len(parts[0]) else (1, whole - len(parts[0]))
    parts[part][place] ^= 1 << bit
    asked = ".".join(urlsafe_b64encode(one).decode() for one in parts)
    refused(keeper, issue.model_copy(update={"asked": asked}), "")
    keeper.ledger.close()


def test_a_statement_of_another_kind_is_no_request(keeper: KeeperFixture) -> None:
    issue = keeper.asking()
    refused(keeper, issue.model_copy(update={"asked": keeper.issue()}), "lease-request")


def test_the_website_admits_and_removes_nobody(keeper: KeeperFixture) -> None:
    for request in (
        AdmitWorker(name="mine", key=public_half(ITS_KEY)),
        AdmitWorker(name="builder", key=public_half(ITS_KEY)),
        RemoveWorker(name="builder"),
        AskWorkers(),
    ):
        assert isinstance(keeper.desk.answer(WEBSITE, request), protocol.No)
    told = keeper.desk.answer(WEBSITE, AskKnown(keys=(public_half(ITS_KEY), public_half(BUILDER))))
    assert isinstance(told, Known) and told.names == ("", "builder")


def test_a_removed_worker_gets_no_lease_and_nothing_for_those_it_has(keeper: KeeperFixture) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    assert isinstance(keeper.desk.answer(EVERYTHING, RemoveWorker(name="builder")), protocol.Done)
    for _ in range(2):
        refused(keeper, keeper.asking(terms("b2")), "knows no worker")
        assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)
        keeper.restart()
    keeper.admit("builder", ITS_KEY)
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)
    refused(keeper, keeper.asking(terms("b2")), "knows no worker")


def test_a_name_has_one_key_and_a_key_one_name(keeper: KeeperFixture) -> None:
    keeper.admit("builder", ITS_KEY)
    refused(keeper, keeper.asking(), "knows no worker")
    again = keeper.desk.answer(EVERYTHING, AdmitWorker(name="second", key=public_half(ITS_KEY)))
    assert not isinstance(again, protocol.Done) and "known as builder" in repr(again)
    facts = [entry.fact for entry in keeper.ledger.entries()]
    assert [type(fact) for fact in facts] == [WorkerAdmitted, WorkerRemoved, WorkerAdmitted]


def test_a_ledger_that_was_cut_brings_nobody_back(keeper: KeeperFixture) -> None:
    """The keeper is killed the moment after a removal; whoever has its disk cuts off what said so."""
    keeper.desk.answer(EVERYTHING, RemoveWorker(name="builder"))
    keeper.ledger.close()
    path = keeper.directory / "ledger" / "releases.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-1]))
    with pytest.raises(PermanentError, match="not the one this keeper wrote"):
        keeper.start()


def test_a_worker_cannot_be_written_into_a_ledger(keeper: KeeperFixture) -> None:
    keeper.stop()
    path = keeper.directory / "ledger" / "releases.jsonl"
    ours, theirs = (public_half(key).hex().encode() for key in (BUILDER, ITS_KEY))
    path.write_bytes(path.read_bytes().replace(ours, theirs))
    with pytest.raises(PermanentError, match="not as it was written"):
        keeper.start()


def test_killed_at_any_point_of_an_admission_the_keeper_knows_what_its_ledger_says(tmp_path: Path) -> None:
    """There is no second file that could say otherwise: half a line is no entry, a whole one is."""
    keeper = KeeperFixture(tmp_path, admitted=False)
    path = keeper.directory / "ledger" / "releases.jsonl"
    keeper.admit()
    keeper.ledger.close()
    whole = path.read_bytes()
    epoch = (keeper.directory / "keeper" / "epoch").read_bytes()
    for length in (0, 1, len(whole) // 2, len(whole) - 1, len(whole)):
        path.write_bytes(whole[:length])
        if length < len(whole):
            (keeper.directory / "keeper" / "epoch").unlink()  # it was not written yet
        else:
            (keeper.directory / "keeper" / "epoch").write_bytes(epoch)
        keeper.start()
        told = keeper.desk.answer(WEBSITE, AskKnown(keys=(public_half(BUILDER),)))
        assert isinstance(told, Known) and (told.names == ("builder",)) is (length == len(whole))
        keeper.ledger.close()


def test_what_could_not_be_written_down_admits_nobody(keeper: KeeperFixture) -> None:
    keeper.ledger.close()
    reply = keeper.desk.answer(EVERYTHING, AdmitWorker(name="mine", key=public_half(ITS_KEY)))
    assert isinstance(reply, protocol.Away)
    refused_key = keeper.desk.answer(WEBSITE, AskKnown(keys=(public_half(ITS_KEY),)))
    assert isinstance(refused_key, Known) and refused_key.names == ("",)


@pytest.mark.anyio
async def test_a_run_that_may_not_admit_itself_is_told_what_to_do(
    keeper: KeeperFixture, tmp_path: Path
) -> None:
    """Who may is, without a word."""
    peer = Peer("builds", frozenset(PeerRole) - {PeerRole.OPERATOR})
    door = LocalDoor(tmp_path / "keeper.sock", frozenset({os.geteuid()}))
    asked = KeeperClient(door, AsWorker(lambda: ITS_KEY, is_run=True))
    async with serving(keeper, door.path, Peers({os.geteuid(): peer})):
        with pytest.raises(NotKnownToKeeper) as told:
            async with asked.lease(terms()):
                pytest.fail("it was leased")
    assert f"workers admit run@builds {public_half(ITS_KEY).hex()}" in told.value.resolution
    async with serving(keeper, door.path, Peers({os.geteuid(): EVERYTHING})), asked.lease(terms()):
        assert [worker.name for worker in await asked.workers()] == ["builder", "run@local"]
