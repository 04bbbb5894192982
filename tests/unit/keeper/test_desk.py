"""The desk: what is allowed leaves sealed to the asker's key, after it was written down. Nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from sealock.core.errors import PermanentError, TemporaryError
from sealock.core.grant import Grant, Role, Session
from sealock.core.lease import LeasedStep
from sealock.core.release import Basis, Released, WorkerAdmitted
from sealock.core.scope import Scope
from sealock.core.sealed import DoesNotOpen, Kind, Owner, RetiredKey, Sealed
from sealock.core.secret import Secret
from sealock.keeper import protocol, sealing
from sealock.keeper.opening import open_with
from sealock.keeper.peers import Peer, PeerRole
from sealock.keeper.statements import sign
from sealock.keeper.worker_messages import AdmitWorker, AskKnown, AskWorkers, RemoveWorker
from tests.support.keeper import ACCOUNT, BUILD, CONFIG, SSH_KEY, TOKEN, KeeperFixture, name_of, terms

LOG_KEY = name_of(Kind.LOG_KEY, BUILD)


@pytest.fixture
def keeper(tmp_path: Path) -> Iterator[KeeperFixture]:
    keeper = KeeperFixture(tmp_path)
    yield keeper
    keeper.ledger.close()


def value_of(keeper: KeeperFixture, reply: protocol.Reply, sealed: Sealed, nonce: bytes = bytes(16)) -> bytes:
    assert isinstance(reply, protocol.Handed), keeper.log
    return open_with(keeper.private, protocol.binding(nonce, sealed.name), reply.values[0].sealed).reveal()


def session(keeper: KeeperFixture, **changes: object) -> str:
    held = Session(
        "s1", "ada", ACCOUNT, Role.MEMBER, False, keeper.public, keeper.epoch.number, keeper.epoch.now() + 600
    )
    return sign(replace(held, **changes), keeper.authority)  # type: ignore[arg-type]


def grant(keeper: KeeperFixture, key: Ed25519PrivateKey | None = None, **changes: object) -> str:
    now = keeper.epoch.now()
    held = Grant(
        id="g1",
        account=ACCOUNT,
        projects=("parser",),
        kinds=(Kind.LOG_KEY,),
        names=(),
        people=("crew-1",),
        epoch=keeper.epoch.number,
        begins_at=now - 1,
        expires_at=now + 600,
        reason="it hangs",
    )
    return sign(replace(held, **changes), key or keeper.team_key)  # type: ignore[arg-type]


def show(
    keeper: KeeperFixture, sealed: Sealed, session: str | None, grant: str | None = None
) -> protocol.Reply:
    request = protocol.Open(sealed=(sealed,), session=session, grant=grant, nonce=bytes(16))
    return keeper.desk.answer(Peer("web", frozenset({PeerRole.RELAY})), request)


def crew(keeper: KeeperFixture, **changes: object) -> str:
    return session(keeper, person="crew-1", account="", role=Role.CREW, second_factor=True, **changes)


def test_a_build_gets_its_key_and_its_steps_secrets(keeper: KeeperFixture) -> None:
    lease = keeper.issue()
    key, token, config = (
        keeper.seal(SSH_KEY, b"key"),
        keeper.seal(TOKEN, b"t0ken"),
        keeper.seal(CONFIG, b"c\0"),
    )
    assert value_of(keeper, keeper.open(lease, key), key) == b"key"
    assert value_of(keeper, keeper.open(lease, token, "test:unit"), token) == b"t0ken"
    assert value_of(keeper, keeper.open(lease, config, "deploy:live"), config) == b"c\0"


def test_each_release_was_written_down_before(keeper: KeeperFixture) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    reply = keeper.open(lease, token, "test:unit")
    assert isinstance(reply, protocol.Handed)
    entry = list(keeper.ledger.entries())[reply.values[0].entry - 1]
    assert entry.digest == reply.values[0].digest
    assert isinstance(entry.fact, Released)
    assert (entry.fact.name, entry.fact.version, entry.fact.step) == ("TOKEN", 1, "test:unit")
    assert (entry.fact.build, entry.fact.attempt, entry.fact.basis) == (BUILD, 1, Basis.LEASE)


def test_several_are_released_together_or_not_at_all(keeper: KeeperFixture) -> None:
    lease, token, config = keeper.issue(), keeper.seal(TOKEN), keeper.seal(CONFIG)
    other = keeper.seal(name_of(Kind.VARIABLE, "OTHER"))

    def ask(*sealed: Sealed) -> protocol.Reply:
        request = protocol.Open(sealed=sealed, step="test:unit", lease=lease, nonce=bytes(16))
        return keeper.desk.answer(Peer("local", frozenset(PeerRole)), request)

    for refused in ((token, other), (other, token), (token, replace(config, data=bytes(90))), (token, token)):
        assert isinstance(ask(*refused), protocol.No)
    assert not [e for e in keeper.ledger.entries() if isinstance(e.fact, Released)]
    reply = ask(token, config)
    assert isinstance(reply, protocol.Handed)
    assert [value.entry for value in reply.values] == [3, 4]


def test_the_fetchs_key_is_not_released_twice_in_one_request(keeper: KeeperFixture) -> None:
    lease, key = keeper.issue(), keeper.seal(SSH_KEY)
    request = protocol.Open(sealed=(key, key), lease=lease, nonce=bytes(16))
    assert isinstance(keeper.desk.answer(Peer("local", frozenset(PeerRole)), request), protocol.No)


def test_the_fetchs_key_is_released_once(keeper: KeeperFixture) -> None:
    lease, key = keeper.issue(), keeper.seal(SSH_KEY)
    assert isinstance(keeper.open(lease, key), protocol.Handed)
    assert isinstance(keeper.open(lease, key), protocol.No)
    keeper.restart()
    assert isinstance(keeper.open(lease, key), protocol.No)
    assert len([e for e in keeper.ledger.entries() if isinstance(e.fact, Released)]) == 1


def test_steps_go_forward_only_over_a_restart_too(keeper: KeeperFixture) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    assert isinstance(keeper.open(lease, token, "deploy:live"), protocol.Handed)
    keeper.restart()
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)
    assert isinstance(keeper.open(lease, token, "deploy:live"), protocol.Handed)


def test_a_later_attempt_ends_the_one_before(keeper: KeeperFixture) -> None:
    first, token = keeper.issue(), keeper.seal(TOKEN)
    second = keeper.issue(terms(attempt=2))
    assert isinstance(keeper.open(first, token, "test:unit"), protocol.No)
    assert isinstance(keeper.open(second, token, "test:unit"), protocol.Handed)


def test_an_attempt_of_a_restored_queue_gets_no_lease(keeper: KeeperFixture) -> None:
    keeper.issue(terms(attempt=2))
    keeper.restart()
    for attempt in (1, 2):
        reply = keeper.desk.answer(
            Peer("local", frozenset(PeerRole)),
            keeper.asking(terms(attempt=attempt)),
        )
        assert isinstance(reply, protocol.No)


def test_a_lease_ends_by_time_whatever_the_clock_is_set_to(keeper: KeeperFixture) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    keeper.clock.pass_by(3601)
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)
    keeper.clock.wall -= 10_000
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)
    keeper.restart()
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)


def test_a_lease_can_be_ended(keeper: KeeperFixture) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    for _ in range(2):
        assert (
            keeper.desk.answer(Peer("local", frozenset(PeerRole)), protocol.End(lease=lease))
            == protocol.Done()
        )
    keeper.restart()
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)


def test_a_new_epoch_ends_everything(keeper: KeeperFixture) -> None:
    lease, log, token = keeper.issue(), keeper.seal(LOG_KEY), keeper.seal(TOKEN)
    member, granted, staff = session(keeper), grant(keeper), crew(keeper)
    assert isinstance(show(keeper, log, member), protocol.Handed)
    assert isinstance(show(keeper, log, staff, granted), protocol.Handed)
    operator = Peer("op", frozenset({PeerRole.OPERATOR}))
    assert keeper.desk.answer(operator, protocol.EndAll()) == protocol.Done()
    keeper.restart()
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)
    assert isinstance(show(keeper, log, member), protocol.No)
    assert isinstance(show(keeper, log, crew(keeper), granted), protocol.No)


def test_a_lease_of_another_keeper_or_altered_is_none(keeper: KeeperFixture, tmp_path: Path) -> None:
    other, token = KeeperFixture(tmp_path / "other"), keeper.seal(TOKEN)
    lease, foreign = keeper.issue(), other.issue()
    other.ledger.close()
    assert isinstance(keeper.open(foreign, token, "test:unit"), protocol.No)
    payload, _, signature = lease.partition(".")
    for altered in (lease[:-4], "." + signature, payload, payload + "." + foreign.partition(".")[2], ""):
        assert isinstance(keeper.open(altered, token, "test:unit"), protocol.No)


def test_who_carries_nothing_for_workers_cannot_use_it(keeper: KeeperFixture) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    stranger = Peer("operator", frozenset(PeerRole) - {PeerRole.WORKER, PeerRole.RELAY})
    assert isinstance(keeper.open(lease, token, "test:unit", stranger), protocol.No)


def test_whoever_carries_it_cannot_read_it(keeper: KeeperFixture) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN, b"t0ken")
    reply = keeper.open(lease, token, "test:unit")
    assert isinstance(reply, protocol.Handed)
    assert b"t0ken" not in reply.values[0].sealed
    with pytest.raises(DoesNotOpen):
        open_with(sealing.new_pair()[0], protocol.binding(bytes(16), TOKEN), reply.values[0].sealed)
    with pytest.raises(DoesNotOpen):
        open_with(keeper.private, protocol.binding(b"1" * 16, TOKEN), reply.values[0].sealed)
    with pytest.raises(DoesNotOpen):
        open_with(keeper.private, protocol.binding(bytes(16), CONFIG), reply.values[0].sealed)


def test_no_such_thing_looks_like_not_allowed(keeper: KeeperFixture) -> None:
    """Shape and length of the reply are the same, whatever is wrong."""
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    unknown = replace(token, name=name_of(Kind.VARIABLE, "NO_SUCH"))
    replies = [
        keeper.open(lease, unknown, "test:unit"),
        keeper.open(lease, keeper.seal(name_of(Kind.VARIABLE, "OTHER")), "test:unit"),
        keeper.open(lease, replace(token, data=bytes(80)), "test:unit"),
        keeper.open(lease, replace(token, key_version=7), "test:unit"),
        keeper.open(lease, token, "setup"),
        keeper.open("", token, "test:unit"),
    ]
    assert all(isinstance(reply, protocol.No) for reply in replies[:3] + replies[4:])
    assert (
        len({len(protocol.encode_reply(reply)) for reply in replies if isinstance(reply, protocol.No)}) == 1
    )
    assert [e for e in keeper.ledger.entries() if isinstance(e.fact, Released)] == []


def test_an_owner_whose_keys_were_destroyed_is_as_one_that_never_was(keeper: KeeperFixture) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    keeper.sets.destroy(Owner(ACCOUNT, "parser"))
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.No)


@pytest.mark.parametrize(
    ("scope", "changes", "allowed"),
    [
        (Scope(protected_only=True), {}, True),
        (Scope(protected_only=True), {"fork": True}, False),
        (Scope(protected_only=True), {"protected": False}, False),
        (Scope(protected_only=False), {"fork": True, "protected": False}, True),
        (Scope(deployments_only=True), {}, False),
        (Scope(pipelines=("live",)), {}, False),
        (Scope(pipelines=("unit",)), {}, True),
    ],
)
def test_the_scope_sealed_with_a_value_decides(
    keeper: KeeperFixture, scope: Scope, changes: dict[str, object], allowed: bool
) -> None:
    lease = keeper.issue(replace(terms(), **changes))  # type: ignore[arg-type]
    token = keeper.seal(TOKEN, b"value", scope)
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.Handed if allowed else protocol.No)


def test_a_secret_without_a_scope_is_not_released(keeper: KeeperFixture) -> None:
    bare = sealing.seal(TOKEN, Secret(b"canary-bare"), keeper.sets.public_key(TOKEN.owner))
    assert isinstance(keeper.open(keeper.issue(), bare, "test:unit"), protocol.No)
    assert "canary" not in "".join(keeper.log)


def test_a_member_reads_a_log_and_an_outsider_does_not(keeper: KeeperFixture) -> None:
    log = keeper.seal(LOG_KEY, b"k" * 32)
    assert value_of(keeper, show(keeper, log, session(keeper)), log) == b"k" * 32
    for role in set(Role) - {Role.OWNER, Role.MEMBER}:
        assert isinstance(show(keeper, log, session(keeper, role=role)), protocol.No)
    assert isinstance(show(keeper, log, session(keeper, account="other")), protocol.No)


def test_a_session_counts_only_from_who_signs_people_in(keeper: KeeperFixture) -> None:
    log, forger = keeper.seal(LOG_KEY), Ed25519PrivateKey.generate()
    held = Session(
        "s1", "ada", ACCOUNT, Role.OWNER, True, keeper.public, keeper.epoch.number, keeper.clock.wall + 9
    )
    assert isinstance(show(keeper, log, sign(held, keeper.authority)), protocol.Handed)
    assert isinstance(show(keeper, log, sign(held, forger)), protocol.No)


def test_crew_reads_under_a_grant_the_account_signed(keeper: KeeperFixture) -> None:
    log = keeper.seal(LOG_KEY, b"k" * 32)
    assert isinstance(show(keeper, log, crew(keeper)), protocol.No)
    assert value_of(keeper, show(keeper, log, crew(keeper), grant(keeper)), log) == b"k" * 32
    released = [entry.fact for entry in keeper.ledger.entries()][-1]
    assert isinstance(released, Released)
    assert (released.basis, released.reason, released.to, released.via) == (
        Basis.GRANT,
        "g1",
        "crew-1",
        "web",
    )


def test_nobody_at_the_operators_can_make_a_grant(keeper: KeeperFixture) -> None:
    log = keeper.seal(LOG_KEY)
    for key in (keeper.authority, Ed25519PrivateKey.generate()):
        assert isinstance(show(keeper, log, crew(keeper), grant(keeper, key)), protocol.No)
    assert isinstance(show(keeper, log, crew(keeper), grant(keeper, account="other")), protocol.No)


def test_an_outside_account_with_everything_else_is_refused_even_with_a_grant(keeper: KeeperFixture) -> None:
    """P11: not in the core team, so no role and no grant helps."""
    log, granted = keeper.seal(LOG_KEY), grant(keeper, people=("crew-2", "ada"))
    for role in Role:
        shown = session(keeper, person="crew-2", account="", role=role, second_factor=True)
        assert isinstance(show(keeper, log, shown, granted), protocol.No)


def test_a_revoked_grant_stays_revoked(keeper: KeeperFixture) -> None:
    log, granted = keeper.seal(LOG_KEY), grant(keeper)
    web = Peer("web", frozenset({PeerRole.RELAY}))
    for _ in range(2):
        assert keeper.desk.answer(web, protocol.Revoke(grant="g1")) == protocol.Done()
    keeper.restart()
    assert isinstance(show(keeper, log, crew(keeper), granted), protocol.No)


def test_a_grant_ends_by_time(keeper: KeeperFixture) -> None:
    log, granted = keeper.seal(LOG_KEY), grant(keeper)
    keeper.clock.pass_by(601)
    assert isinstance(show(keeper, log, crew(keeper), granted), protocol.No)


class FailingLedger:
    """Takes nothing, as a full disk does."""

    last = None

    def append(self, fact: object, at: float) -> object:
        raise PermanentError("the release ledger cannot be written", details="No space left on device")

    def entries(self) -> Iterator[object]:
        return iter(())


def test_what_cannot_be_written_down_does_not_leave(
    keeper: KeeperFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    monkeypatch.setattr(keeper.ledger, "append", FailingLedger().append)
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.Away)
    assert "No space left" in keeper.log[-1]
    monkeypatch.undo()
    assert isinstance(keeper.open(lease, token, "test:unit"), protocol.Handed)


@pytest.mark.parametrize(
    ("error", "reply"),
    [
        (RetiredKey(), protocol.Retired),
        (TemporaryError("the back end cannot be reached"), protocol.Away),
        (PermanentError("its key is gone"), protocol.No),
        (RuntimeError("canary-in-an-error"), protocol.Away),
    ],
)
def test_a_back_end_that_fails(
    keeper: KeeperFixture, monkeypatch: pytest.MonkeyPatch, error: Exception, reply: type
) -> None:
    def fails(_: Sealed) -> Secret:
        raise error

    lease, token = keeper.issue(), keeper.seal(TOKEN)
    monkeypatch.setattr(keeper.sets, "open", fails)
    assert isinstance(keeper.open(lease, token, "test:unit"), reply)
    assert "canary" not in "".join(keeper.log)
    assert not [e for e in keeper.ledger.entries() if isinstance(e.fact, Released)]


@pytest.mark.parametrize(
    "changes",
    [
        {"attempt": 0},
        {"lifetime": 0.0},
        {"lifetime": 25 * 3600.0},
        {"steps": (LeasedStep("a", "test", ""), LeasedStep("a", "test", ""))},
        {"steps": (LeasedStep("", "test", ""),)},
        {"steps": (LeasedStep("a", "test", "", (SSH_KEY,)),)},
        {"steps": (LeasedStep("a", "test", "", (LOG_KEY,)),)},
        {"steps": (LeasedStep("a", "test", "", (name_of(Kind.VARIABLE, "T", project="other"),)),)},
        {"steps": (LeasedStep("a", "test", "", (TOKEN,) * 257),)},
        {"steps": tuple(LeasedStep(str(n), "test", "") for n in range(257))},
        {"ssh_key": TOKEN},
        {"ssh_key": name_of(Kind.SSH_KEY, "ssh-key", project="other")},
        {"ssh_key": name_of(Kind.SSH_KEY, "ssh-key", project=None)},
        {"build": "two\nlines"},
        {"build": ""},
        {"plan_digest": "x" * 2000},
    ],
)
def test_terms_that_get_no_lease(keeper: KeeperFixture, changes: dict[str, object]) -> None:
    wanted = replace(terms(), **changes)  # type: ignore[arg-type]
    reply = keeper.desk.answer(Peer("local", frozenset(PeerRole)), keeper.asking(wanted))
    assert isinstance(reply, protocol.No), keeper.log
    assert [type(entry.fact) for entry in keeper.ledger.entries()] == [WorkerAdmitted]


def test_a_key_that_cannot_be_one_gets_no_lease(keeper: KeeperFixture) -> None:
    reply = keeper.desk.answer(Peer("local", frozenset(PeerRole)), keeper.asking(one_time=bytes(32)))
    assert isinstance(reply, protocol.No)


@pytest.mark.parametrize("role", PeerRole)
def test_each_role_may_do_its_own_and_no_more(keeper: KeeperFixture, role: PeerRole) -> None:
    lease = keeper.issue()
    peer = Peer("local" if role is PeerRole.WORKER else "other", frozenset({role}))
    requests: dict[protocol.Request, set[PeerRole]] = {
        keeper.asking(terms("b2")): {PeerRole.SCHEDULER},
        AskKnown(keys=()): set(PeerRole) - {PeerRole.CUSTODIAN, PeerRole.ERASER},
        AskWorkers(): {PeerRole.OPERATOR},
        AdmitWorker(name="other", key=bytes(32)): {PeerRole.OPERATOR},
        RemoveWorker(name="other"): {PeerRole.OPERATOR},
        protocol.Revoke(grant="g9"): {PeerRole.RELAY, PeerRole.OPERATOR},
        protocol.AskExposures(builds=(BUILD,)): {PeerRole.RELAY, PeerRole.OPERATOR, PeerRole.SCHEDULER},
        protocol.End(lease=lease): {PeerRole.SCHEDULER, PeerRole.WORKER},
        protocol.EndAll(): {PeerRole.OPERATOR},
        protocol.AskPublicKey(owner=Owner(ACCOUNT)): {PeerRole.RELAY, PeerRole.OPERATOR, PeerRole.SCHEDULER},
        protocol.AskStatus(): set(PeerRole),
    }
    for request, allowed in requests.items():
        refused = isinstance(keeper.desk.answer(peer, request), protocol.No)
        assert refused is (role not in allowed), request


def test_exposures_are_what_a_build_was_given(keeper: KeeperFixture) -> None:
    lease, token = keeper.issue(), keeper.seal(TOKEN)
    keeper.open(lease, keeper.seal(SSH_KEY))
    keeper.open(lease, token, "test:unit")
    keeper.open(keeper.issue(terms("b2")), token, "test:unit")
    listed = keeper.desk.answer(
        Peer("op", frozenset({PeerRole.OPERATOR})), protocol.AskExposures(builds=(BUILD,))
    )
    assert isinstance(listed, protocol.Listed)
    assert [(r.fact.kind, r.fact.step) for r in listed.releases] == [
        ("ssh-key", ""),
        ("variable", "test:unit"),
    ]


def test_a_ledger_put_back_or_cut_short_is_seen(keeper: KeeperFixture) -> None:
    path = keeper.directory / "ledger" / "releases.jsonl"
    keeper.issue()
    older = path.read_bytes()
    keeper.open(keeper.issue(terms("b2")), keeper.seal(TOKEN), "test:unit")
    keeper.stop()
    newest = path.read_bytes()
    path.write_bytes(older)
    with pytest.raises(PermanentError, match="not the one this keeper wrote"):
        keeper.start()
    keeper.ledger.close()
    path.write_bytes(newest)
    keeper.start()
