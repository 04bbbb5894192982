"""Build servers, accounts, and requests that are sent twice, as the server keeps them."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from hashlib import sha256

import pytest

from sealock.core.errors import UsageError
from sealock.core.queue import WORK, Beat
from sealock.core.worker_state import WorkerState
from tests.support.queue import pass_time
from tests.support.records import Records

pytestmark = pytest.mark.anyio
FIRST, SECOND = sha256(b"first").digest(), sha256(b"second").digest()


async def test_a_worker_joins_renews_and_is_revoked(records: Records) -> None:
    workers = records.workers
    made = await workers.add("arm-1", ("arm64", "big"), 3)
    assert (made.labels, made.machines, made.state, made.certificate) == (
        ("arm64", "big"),
        3,
        WorkerState.ACTIVE,
        None,
    )
    assert made.seen_at is None and made.created_at > 1_600_000_000
    assert await workers.joined(made.id, FIRST)
    assert await workers.by_certificate(FIRST) == replace(made, certificate=FIRST)
    assert not await workers.joined(made.id, SECOND), "it has joined already"
    assert not await workers.joined(made.id, SECOND, certificate_before=SECOND)
    assert await workers.joined(made.id, SECOND, certificate_before=FIRST)
    assert await workers.by_certificate(FIRST) is None
    assert not await workers.joined("w", SECOND), "another shows it"
    assert await workers.revoke(made.id)
    assert not await workers.revoke(made.id)
    assert not await workers.revoke("nobody")
    removed = next(one for one in await workers.all() if one.id == made.id)
    assert removed.removed_at is not None and removed.removed_at >= removed.created_at
    assert await workers.by_certificate(SECOND) is None
    assert await workers.named("arm-1") is None
    assert not await workers.joined(made.id, FIRST, certificate_before=SECOND)
    again = await workers.add("arm-1", (), 1)
    assert again.id != made.id and await workers.named("arm-1") == again
    assert [(one.name, one.state) for one in await workers.all()] == [
        ("arm-1", WorkerState.ACTIVE),
        ("w", WorkerState.ACTIVE),
        ("arm-1", WorkerState.REVOKED),
    ]


async def test_of_two_with_a_name_one_is_made(records: Records) -> None:
    tried = await asyncio.gather(
        *(records.workers.add("one", (), 1) for _ in range(4)), return_exceptions=True
    )
    assert sum(isinstance(each, UsageError) for each in tried) == 3
    with pytest.raises(UsageError, match="there is a worker one already"):
        await records.workers.add("one", (), 1)


@pytest.mark.parametrize(
    ("name", "labels", "machines"),
    [
        ("", (), 1),
        ("A b", (), 1),
        ("a_b", (), 1),
        ("a\0", (), 1),
        ("a", ("no label",), 1),
        ("a", (), 65),
        ("a", (), -1),
    ],
)
async def test_what_no_worker_can_be_is_refused(
    records: Records, name: str, labels: tuple[str, ...], machines: int
) -> None:
    with pytest.raises(UsageError):
        await records.workers.add(name, labels, machines)
    assert [one.name for one in await records.workers.all()] == ["w"]


async def test_what_a_worker_says_of_itself_is_kept_unless_it_is_revoked(records: Records) -> None:
    await records.queue.drain("w")
    await records.workers.hello("w", "1.2\0", 2, ("kvm", "kvm"))
    worker = await records.workers.named("w")
    assert worker and (worker.machines, worker.labels, worker.state) == (2, ("kvm",), WorkerState.ACTIVE)
    assert worker.version == "1.2\N{REPLACEMENT CHARACTER}" and worker.seen_at
    with pytest.raises(UsageError, match="is no label"):
        await records.workers.hello("w", "", 2, ("no label",))
    await records.workers.revoke("w")
    await records.workers.hello("w", "9", 9, ())
    [revoked] = await records.workers.all()
    assert (revoked.state, revoked.machines, revoked.version[:3]) == (WorkerState.REVOKED, 2, "1.2")


async def test_what_a_worker_has_is_counted(records: Records) -> None:
    for branch in ("a", "b"):
        await records.make(branch)
        await records.claim()
    worker = await records.workers.named("w")
    assert worker and worker.running == 2


async def test_a_worker_that_has_no_room_to_ask_is_heard_of_by_its_beats(records: Records) -> None:
    await records.make()
    fence = await records.claim()
    claimed = await records.workers.named("w")
    records.around.jump(20)
    assert await records.queue.beat(fence) is Beat.OK
    beaten = await records.workers.named("w")
    assert claimed and beaten and claimed.seen_at and beaten.seen_at
    assert 19 < beaten.seen_at - claimed.seen_at < 30
    await pass_time(records.around, 60)
    assert await records.queue.beat(fence) is Beat.LOST
    assert await records.workers.named("w") == replace(beaten, running=0), "who lost it is not heard of"


async def test_an_account_changes_and_builds_that_waited_are_looked_at(records: Records) -> None:
    await records.make("a")
    await records.make("b")
    assert await records.accounts.change(records.account, max_running=0)
    assert await records.queue.claim("w") is None
    async with records.around.wakeups.subscribe(WORK) as work:
        assert await records.accounts.change(records.account, name="Tea House", max_running=1)
        assert await work.wait(0.01)
    account = await records.accounts.get(records.account)
    assert account and (account.name, account.max_running) == ("Tea House", 1)
    await records.claim()
    assert await records.queue.claim("w") is None
    assert await records.accounts.change(records.account)
    assert not await records.accounts.change("nobody", name="x")
    assert not await records.accounts.change("nobody")
    assert await records.accounts.get("nobody") is None


@pytest.mark.parametrize(
    "what", [{"name": " "}, {"name": "x" * 201}, {"name": "a\0"}, {"max_running": -1}, {"max_running": 10**9}]
)
async def test_what_no_account_can_be_is_refused(records: Records, what: dict[str, object]) -> None:
    before = await records.accounts.get(records.account)
    with pytest.raises(UsageError):
        await records.accounts.change(records.account, **what)  # type: ignore[arg-type]
    assert await records.accounts.get(records.account) == before


async def test_what_a_worker_signs_with_is_kept(records: Records) -> None:
    made = await records.workers.add("arm-1", (), 1)
    assert (made.key, made.known) == (None, None)
    for known in (False, True):
        await records.workers.known(made.id, FIRST, known=known)
        assert await records.workers.named("arm-1") == replace(made, key=FIRST, known=known)
    await records.workers.revoke(made.id)
    await records.workers.known(made.id, FIRST, known=False)
    removed = next(one for one in await records.workers.all() if one.id == made.id)
    assert (removed.key, removed.known) == (FIRST, False)
