"""A worker that asks the keeper, through the website, for what is not its own; a website that looks at what
it carries. The keeper is real."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from sealock.core.build_state import BuildState, Trigger
from sealock.core.builds import BuildView, Work
from sealock.core.grant import Role, Session
from sealock.core.lease import LONGEST_LEASE, KeeperAway, Lease, LeasedStep, Refused, Terms
from sealock.core.project import Project, ssh_key_name
from sealock.core.project_settings import ProjectSettings
from sealock.core.release import Released
from sealock.core.scope import Scope
from sealock.core.sealed import LOCAL_ACCOUNT, DoesNotOpen, Kind, Owner, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.core.source import GitAddress, GitOrigin
from sealock.keeper import key_messages, protocol, worker_messages
from sealock.keeper.carried_door import CarriedDoor
from sealock.keeper.client import KeeperClient
from sealock.keeper.opening import open_with
from sealock.keeper.peers import Peers
from sealock.keeper.refusals import MOST_LINES, Refusals
from sealock.keeper.relay import WorkerRelay
from sealock.keeper.sealing import new_pair, seal_to
from sealock.keeper.statements import sign, told_lease
from tests.support.keeper import AS_BUILDER, EVERYTHING, ORIGIN, KeeperFixture, client, serving

pytestmark = pytest.mark.anyio

RUN, OTHER_RUN = "a" * 32, "b" * 32
PROJECT, OTHER_PROJECT = "1" * 32, "2" * 32
VALUE = b"hunter22-hunter22"


class Lab:
    """A build that a worker has, and everything between it and the keeper. carried: every answer, as the
    website has it."""

    def __init__(self, keeper: KeeperFixture, socket: Path) -> None:
        self.keeper = keeper
        self.log: list[str] = []
        self.carried: list[bytes] = []
        self.relay = WorkerRelay(client(socket, os.geteuid()), self.log.append)
        self.key = keeper.seal(ssh_key_name(PROJECT, "shop", 1), VALUE)
        self.work = Work(_view(), _project(self.key), ProjectSettings())
        self.worker = KeeperClient(CarriedDoor(self.carry), AS_BUILDER)

    async def carry(self, frame: bytes) -> bytes:
        self.carried.append(await self.relay.carry(frame, self.work, RUN))
        return self.carried[-1]

    def secret(self, project: str = PROJECT, scope: Scope | None = None) -> Sealed:
        return self.keeper.seal(SealedName(LOCAL_ACCOUNT, project, Kind.VARIABLE, "TOKEN", 1), VALUE, scope)

    def issued(self) -> Lease:
        """The latest lease."""
        reply = protocol.decode_reply(next(one for one in reversed(self.carried) if b'"issued"' in one))
        assert isinstance(reply, protocol.Issued)
        return told_lease(reply.lease)


def _view() -> BuildView:
    return BuildView(
        id=RUN, account=LOCAL_ACCOUNT, project=PROJECT, project_name="shop", number=1,
        state=BuildState.RUNNING, outcome=None, reason="", trigger=Trigger.PUSH, ref="refs/heads/topic",
        branch="topic", commit=None, message="", author="", person=None, pipelines=(), restart_of=None,
        attempt=1, protected=False, from_fork=True, created_at=1.0, started_at=1.0, ended_at=None,
    )  # fmt: skip


def _project(key: Sealed) -> Project:
    return Project(PROJECT, "shop", ORIGIN.address, ORIGIN.host_keys, "ssh-ed25519 AAAA", key, 1.0)


def lies(*secrets: SealedName) -> Terms:
    """What a worker states of its build that wants all it can get."""
    steps = (LeasedStep("test:unit", "test", "unit", secrets),)
    return Terms(
        build=RUN, attempt=1, account=LOCAL_ACCOUNT, project=PROJECT, plan_digest="sha256:0",
        origin=ORIGIN, found_on="main",
        ssh_key=ssh_key_name(PROJECT, "shop", 1), steps=steps, branch="main", protected=True,
        fork=False, lifetime=LONGEST_LEASE,
    )  # fmt: skip


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[Lab]:
    keeper, socket = KeeperFixture(tmp_path / "home"), tmp_path / "keeper.sock"
    async with serving(keeper, socket, Peers({os.geteuid(): EVERYTHING})):
        yield Lab(keeper, socket)
    keeper.stop()


async def test_a_lease_is_on_the_servers_terms_whatever_the_worker_states(lab: Lab) -> None:
    async with lab.worker.lease(lies()):
        lease = lab.issued()
    terms = lease.terms
    assert (terms.build, terms.account, terms.project) == (RUN, LOCAL_ACCOUNT, PROJECT)
    assert (terms.branch, terms.protected, terms.fork) == ("topic", False, True)
    assert (lease.worker, terms.ssh_key) == ("builder", lab.key.name)


@pytest.mark.parametrize(
    "changes",
    [
        {"build": OTHER_RUN},
        {"account": "somebody"},
        {"project": OTHER_PROJECT},
        {"ssh_key": ssh_key_name(OTHER_PROJECT, "other", 1)},
        {"ssh_key": ssh_key_name(PROJECT, "shop", 2)},
        {"origin": None},
        {"origin": GitOrigin(GitAddress("git", "git.example", 22, "team/other.git"), ORIGIN.host_keys)},
        {"origin": GitOrigin(ORIGIN.address, ("ssh-ed25519 AAAB",))},
    ],
)
async def test_a_lease_for_what_the_worker_does_not_have_is_not_carried(
    lab: Lab, changes: dict[str, Any]
) -> None:
    with pytest.raises(Refused) as refused:
        async with lab.worker.lease(replace(lies(), **changes)):
            pytest.fail("it was leased")
    assert refused.value.reference in lab.log[0]
    assert not lab.keeper.log


async def test_a_worker_asks_only_whether_it_is_known_itself(lab: Lab) -> None:
    with pytest.raises(Refused):
        await lab.worker.ask(worker_messages.AskKnown(keys=(bytes(32), bytes(32))))


async def test_a_protected_secret_stays_away_from_a_branch_that_is_called_protected(lab: Lab) -> None:
    secret = lab.secret(scope=Scope(protected_only=True))
    async with lab.worker.lease(lies(secret.name)) as held:
        with pytest.raises(Refused):
            await held.open(secret, step="test:unit")


async def test_another_projects_secrets_cannot_be_leased(lab: Lab) -> None:
    with pytest.raises(Refused):
        async with lab.worker.lease(lies(lab.secret(OTHER_PROJECT).name)):
            pytest.fail("it was leased")


FORBIDDEN = [
    protocol.EndAll(),
    protocol.AskStatus(),
    protocol.Revoke(grant="g"),
    protocol.AskExposures(builds=(OTHER_RUN,)),
    protocol.AskPublicKey(owner=Owner(LOCAL_ACCOUNT, OTHER_PROJECT)),
    protocol.AskPublicKey(owner=Owner(LOCAL_ACCOUNT)),
    key_messages.AskKeys(),
    key_messages.AskOwners(),
    key_messages.DestroyKeys(owner=Owner(LOCAL_ACCOUNT, PROJECT)),
    worker_messages.AskWorkers(),
    worker_messages.AdmitWorker(name="mine", key=bytes(32)),
    worker_messages.RemoveWorker(name="builder"),
]


@pytest.mark.parametrize("request_", FORBIDDEN, ids=lambda one: one.op)
async def test_what_is_not_a_builds_is_refused_and_never_reaches_the_keeper(
    lab: Lab, request_: protocol.Request
) -> None:
    epoch, before = lab.keeper.epoch.number, len(lab.keeper.log)
    with pytest.raises(Refused) as refused:
        await lab.worker.ask(request_)
    assert refused.value.reference in lab.log[0]
    assert (lab.keeper.epoch.number, len(lab.keeper.log)) == (epoch, before)


async def test_a_lease_of_another_build_opens_and_ends_nothing(lab: Lab) -> None:
    other = replace(lies(), build=OTHER_RUN, ssh_key=None, lifetime=60.0)
    lease = lab.keeper.issue(other)
    secret = lab.secret()
    for request in (
        protocol.Open(sealed=(secret,), step="test:unit", lease=lease, nonce=bytes(16)),
        protocol.Open(sealed=(secret,), step="test:unit", lease="made.up", nonce=bytes(16)),
        protocol.Open(sealed=(secret,), nonce=bytes(16)),
        protocol.End(lease=lease),
    ):
        with pytest.raises(Refused):
            await lab.worker.ask(request)
    assert len(lab.log) == 4
    assert not lab.keeper.log


async def test_a_persons_session_is_not_carried_for_a_worker(lab: Lab) -> None:
    session = Session("s", "ada", LOCAL_ACCOUNT, Role.MEMBER, True, lab.keeper.public, 1, 2e9)
    log_key = lab.keeper.seal(SealedName(LOCAL_ACCOUNT, PROJECT, Kind.LOG_KEY, RUN, 1), bytes(32))
    signed = sign(session, lab.keeper.authority)
    async with lab.worker.lease(lies()):
        reply = protocol.decode_reply(lab.carried[-1])
        assert isinstance(reply, protocol.Issued)
        for lease in (None, reply.lease):
            asked = protocol.Open(sealed=(log_key,), lease=lease, session=signed, nonce=bytes(16))
            with pytest.raises(Refused):
                await lab.worker.ask(asked)
    assert len(lab.log) == 2


@pytest.mark.parametrize(
    "frame", [b"", b"{}", b"\xff", b'{"sealock":1,"request":{"op":"open-sesame"}}', bytes(99)]
)
async def test_what_is_no_frame_is_refused(lab: Lab, frame: bytes) -> None:
    assert isinstance(protocol.decode_reply(await lab.carry(frame)), protocol.No)
    assert not lab.keeper.log


async def test_the_website_carries_a_value_and_cannot_read_it(lab: Lab) -> None:
    secret = lab.secret()
    async with lab.worker.lease(lies(secret.name)) as held:
        with await held.open(secret, step="test:unit") as value:
            assert value.reveal() == VALUE
        answer = lab.carried[-1]
    assert VALUE not in answer
    reply = protocol.decode_reply(answer)
    assert isinstance(reply, protocol.Handed)
    ours, _ = new_pair()
    with ours, pytest.raises(DoesNotOpen):
        open_with(ours, protocol.binding(bytes(16), secret.name), reply.values[0].sealed)


async def test_a_website_that_lies_puts_a_value_of_its_own_in_the_place_of_one_it_cannot_read(
    lab: Lab,
) -> None:
    """This one succeeds, and is on the keeper's page among what is left. The lease's public key is in the
    lease, and whoever has a public key can seal to it: nothing it carries is opened, but none of it need be
    the keeper's."""
    secret, theirs = lab.secret(), b"of the website's making"
    honest = lab.relay.carry

    async def lying(frame: bytes, work: Work, run: str) -> bytes:
        asked = protocol.decode_request(frame)
        if not isinstance(asked, protocol.Open) or asked.lease is None:
            return await honest(frame, work, run)
        bound, to = protocol.binding(asked.nonce, secret.name), told_lease(asked.lease).key
        made = protocol.HandedValue(sealed=seal_to(to, bound, Secret(theirs)), entry=1, digest="0" * 64)
        return protocol.encode_reply(protocol.Handed(values=(made,)))

    lab.relay.carry = lying  # type: ignore[method-assign]
    async with lab.worker.lease(lies(secret.name)) as held:
        assert (await held.open(secret, step="test:unit")).reveal() == theirs
    assert not [1 for entry in lab.keeper.ledger.entries() if isinstance(entry.fact, Released)]


async def test_a_keeper_that_is_not_there_is_waited_for_and_asked_once(tmp_path: Path) -> None:
    keeper, socket = KeeperFixture(tmp_path / "home"), tmp_path / "late.sock"
    lab = Lab(keeper, socket)
    asked = asyncio.create_task(lab.worker.public_key(Owner(LOCAL_ACCOUNT, PROJECT)))
    await asyncio.sleep(0.5)
    assert not asked.done()
    async with serving(keeper, socket, Peers({os.geteuid(): EVERYTHING})):
        assert (await asked).owner == Owner(LOCAL_ACCOUNT, PROJECT)
    keeper.stop()


async def test_what_may_have_been_heard_is_not_said_again(tmp_path: Path) -> None:
    """A keeper hands some things out once: a second try would be refused, and the build with it."""
    keeper, socket = KeeperFixture(tmp_path / "home"), tmp_path / "rude.sock"
    lab, heard = Lab(keeper, socket), []

    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(await reader.read(4))
        writer.close()

    async with await asyncio.start_unix_server(hang_up, socket):
        with pytest.raises(KeeperAway):
            await lab.worker.public_key(Owner(LOCAL_ACCOUNT, PROJECT))
    assert len(heard) == 1
    keeper.stop()


async def test_a_flood_of_refused_frames_does_not_fill_the_log(lab: Lab) -> None:
    """Whoever keeps the log's disk full keeps what others did out of it."""
    for _ in range(500):
        assert isinstance(protocol.decode_reply(await lab.carry(b"{}")), protocol.No)
    assert len(lab.log) == MOST_LINES and all(len(line) < 1000 for line in lab.log)


def test_how_many_refusals_were_left_out_is_written_down() -> None:
    now, lines = [0.0], list[str]()
    refusals = Refusals(lines.append, lambda: now[0])
    for _ in range(MOST_LINES + 7):
        refusals.note("refused")
    now[0] += 61.0
    refusals.note("refused")
    assert len(lines) == MOST_LINES + 2 and "7 more" in lines[-2]
