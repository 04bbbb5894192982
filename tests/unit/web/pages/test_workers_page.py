"""The page of workers: added, invited, drained, removed."""

from __future__ import annotations

import re

import httpx2
import pytest

from sealock.core.access import Membership
from sealock.core.grant import Role
from sealock.core.lease import KeeperAway
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.core.worker_state import WorkerState
from sealock.core.workers import JOIN_PREFIX
from tests.support.pages import Page
from tests.support.site import Site

pytestmark = pytest.mark.anyio
NEW = {"name": "builder-1", "machines": "4", "labels": "kvm, big"}


def tokens(page: str) -> list[str]:
    """The join tokens that stand in it."""
    return re.findall(rf"{JOIN_PREFIX}[-\w]+\.[0-9a-f]{{64}}", page)


async def test_a_worker_is_added_and_its_token_shown_once(site: Site, browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/workers", data=NEW)
    assert answer.status_code == 200 and tokens(answer.text)
    assert answer.headers["cache-control"] == "no-store"
    assert "sealock worker --server https://localhost:8444 --state" in answer.text
    worker = await site.workers.named("builder-1")
    assert worker is not None and (worker.machines, worker.labels) == (4, ("big", "kvm"))
    again = (await browser.get("/workers")).text
    assert not tokens(again) and "Has yet to join" in again
    other = await browser.post("/workers/builder-1/invite")
    assert tokens(other.text) != tokens(answer.text)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "Builder"}, "name"),
        ({"name": "../x"}, "name"),
        ({"machines": "0"}, "machines"),
        ({"machines": "65"}, "machines"),
        ({"labels": "A"}, "labels"),
        ({"labels": ",".join(f"l{n}" for n in range(17))}, "labels"),
    ],
)
async def test_a_worker_that_cannot_be_is_told_so(
    site: Site, browser: httpx2.AsyncClient, changed: dict[str, str], field: str
) -> None:
    answer = await browser.post("/workers", data=NEW | changed)
    assert answer.status_code == 422 and Page(answer.text).by_id(f"{field}-fault") is not None
    assert not await site.added_workers() and not tokens(answer.text)


async def test_a_name_that_is_taken_is_told(browser: httpx2.AsyncClient) -> None:
    await browser.post("/workers", data=NEW)
    answer = await browser.post("/workers", data=NEW)
    assert answer.status_code == 422 and not tokens(answer.text)


async def test_a_worker_is_removed_by_typing_its_name(site: Site, browser: httpx2.AsyncClient) -> None:
    await browser.post("/workers", data=NEW)
    assert (await browser.post("/workers/builder-1/revoke", data={"name": "x"})).status_code == 422
    assert await site.workers.named("builder-1") is not None
    assert (await browser.post("/workers/builder-1/revoke", data={"name": "builder-1"})).status_code == 303
    assert [one.state for one in await site.added_workers()] == [WorkerState.REVOKED]
    assert "Removed" in (await browser.get("/workers")).text
    for what in ("revoke", "invite", "drain"):
        assert (
            await browser.post(f"/workers/builder-1/{what}", data={"name": "builder-1"})
        ).status_code == 404


async def test_every_worker_that_is_not_removed_can_be_given_a_new_token(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    """One whose certificate has expired joins anew."""
    worker = await site.workers.add("builder-1", (), 1)
    assert await site.workers.joined(worker.id, bytes(32))
    form = 'action="/workers/builder-1/invite"'
    assert form in (await browser.get("/workers")).text
    await site.workers.revoke(worker.id)
    assert form not in (await browser.get("/workers")).text


async def test_a_worker_is_drained(site: Site, browser: httpx2.AsyncClient) -> None:
    await browser.post("/workers", data=NEW)
    drained: list[str] = []

    async def drain(worker: str) -> int:
        drained.append(worker)
        return 0

    site.queue.drain = drain  # type: ignore[method-assign]
    assert (await browser.post("/workers/builder-1/drain")).status_code == 303
    worker = await site.workers.named("builder-1")
    assert worker is not None and drained == [worker.id]


async def test_states_are_words(site: Site, browser: httpx2.AsyncClient) -> None:
    worker = await site.workers.add("there", (), 1)
    assert await site.workers.joined(worker.id, bytes(32))
    assert "Away" in (await browser.get("/workers")).text
    await site.workers.hello(worker.id, "0.1", 1, ())
    assert "Active" in (await browser.get("/workers")).text


async def test_an_owner_who_does_not_operate_has_no_workers(site: Site) -> None:
    owner = await site.add_person("own@example.com", Membership(LOCAL_ACCOUNT, Role.OWNER))
    async with site.browser(owner) as browser:
        assert (await browser.get("/workers")).status_code == 403
        assert (await browser.post("/workers", data=NEW)).status_code == 403
    assert not await site.added_workers()


async def test_those_that_were_removed_stand_apart_and_are_not_for_ever_more(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    await site.forget_worker()
    for number in range(25):
        worker = await site.workers.add(f"gone-{number}", (), 1)
        await site.workers.revoke(worker.id)
    page = (await browser.get("/workers")).text
    above, _, folded = page.partition('<details class="removed">')
    assert "gone-" not in above and "No worker is here" in above and "sealock workers add" in above
    assert folded.count("gone-") == 20 and "5 more were removed before" in folded
    assert folded.count("just now") == 40, "added and removed"


KEY = bytes(range(32))


class FakeRoll:
    """A keeper's, which lets the website withdraw workers or does not."""

    def __init__(self, answer: bool | Exception) -> None:
        self.answer, self.asked = answer, list[tuple[str, bytes | None]]()

    async def withdraw(self, name: str, key: bytes | None = None) -> bool:
        self.asked.append((name, key))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


async def known(site: Site, *, known: bool) -> None:
    """What a worker has told of itself, and the keeper of it."""
    worker = await site.workers.named("builder-1")
    assert worker is not None and await site.workers.joined(worker.id, bytes(32))
    await site.workers.hello(worker.id, "1", 2, ())
    await site.workers.known(worker.id, KEY, known=known)


async def test_a_worker_that_the_keeper_does_not_know_says_how_to_have_it_known(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    await browser.post("/workers", data=NEW)
    await known(site, known=False)
    page = (await browser.get("/workers")).text
    assert "Not known to the keeper" in page
    assert f"sealock keeper workers admit builder-1 {KEY.hex()}" in page
    await known_again(site)
    page = (await browser.get("/workers")).text
    assert "Not known" not in page and "workers admit" not in page


async def known_again(site: Site) -> None:
    worker = await site.workers.named("builder-1")
    assert worker is not None
    await site.workers.known(worker.id, KEY, known=True)


@pytest.mark.parametrize(("answer", "still"), [(True, False), (False, True), (KeeperAway("it sleeps"), True)])
async def test_a_removed_worker_is_removed_at_the_keeper_or_it_is_said_how(
    site: Site, browser: httpx2.AsyncClient, answer: bool | Exception, still: bool
) -> None:
    roll = FakeRoll(answer)
    object.__setattr__(site.service, "roll", roll)
    await browser.post("/workers", data=NEW)
    await known(site, known=True)
    assert (await browser.post("/workers/builder-1/revoke", data={"name": "builder-1"})).status_code == 303
    assert roll.asked == [("builder-1", KEY)]
    page = (await browser.get("/workers")).text
    assert ("sealock keeper workers remove builder-1" in page) is still
