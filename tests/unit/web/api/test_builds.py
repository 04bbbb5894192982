"""Builds by the API: lists, waiting, starting, cancelling, and what stays of them."""

from __future__ import annotations

import asyncio
import time

import httpx2
import pytest

from sealock.core.build import Outcome
from sealock.core.builds import account_topic, build_topic
from sealock.core.release import Basis, Entry, Released
from sealock.web.api.lists import after, cursor_after
from tests.support.site import Site

pytestmark = pytest.mark.anyio


async def listed(api: httpx2.AsyncClient, query: str) -> list[str]:
    return [one["id"] for one in (await api.get(f"builds?{query}")).json()["items"]]


async def test_builds_are_listed_newest_first_and_filtered(site: Site, api: httpx2.AsyncClient) -> None:
    assert await listed(api, "") == [site.queued, site.running, site.red, site.green]
    other = await site.build(Outcome.GREEN, branch="side", commit="2e" * 20)
    assert await listed(api, "branch=side") == await listed(api, f"commit={'2e' * 20}") == [other]
    assert await listed(api, "state=running") == [site.running]
    assert await listed(api, "outcome=red&project=shop") == [site.red]
    assert await listed(api, f"project={site.project.id}&mine=true&outcome=red") == [site.red]
    for wrong in ("state=done", "outcome=blue", "limit=0", "limit=101", "commit=xyz", "branch=%00", "mine=9"):
        assert (await api.get(f"builds?{wrong}")).status_code == 422, wrong
    assert (await api.get("builds?project=bank")).status_code == 404


async def test_each_build_has_a_word_for_how_it_stands(site: Site, api: httpx2.AsyncClient) -> None:
    words = [one["status"] for one in (await api.get("builds")).json()["items"]]
    assert words == ["queued", "running", "red", "green"]
    waiting = (await api.get(f"builds/{site.queued}")).json()["waiting"]
    assert waiting["position"] == 1 and waiting["reasons"][0]["sentence"]


async def test_a_build_is_found_by_its_number(site: Site, api: httpx2.AsyncClient) -> None:
    for project in ("shop", site.project.id):
        found = (await api.get(f"projects/{project}/builds/2")).json()
        assert found == (await api.get(f"builds/{site.red}")).json() and found["number"] == 2
    for wrong in ("shop/builds/99", "bank/builds/1", "nothing/builds/1", f"{site.foreign.id}/builds/1"):
        assert (await api.get(f"projects/{wrong}")).status_code == 404, wrong
    for number in ("0", "-1", "x", str(2**31)):
        assert (await api.get(f"projects/shop/builds/{number}")).status_code == 422, number


async def test_a_list_goes_on_where_it_ended(site: Site, api: httpx2.AsyncClient) -> None:
    first = (await api.get("builds?limit=2")).json()
    await site.build(Outcome.GREEN)
    second = (await api.get(f"builds?limit=2&cursor={first['next']}")).json()
    ids = [one["id"] for one in first["items"] + second["items"]]
    assert ids == [site.queued, site.running, site.red, site.green]


async def test_a_cursor_is_of_its_question_and_whole(site: Site, api: httpx2.AsyncClient) -> None:
    """The attack: cursors that are cut, made up, of another filter, or lead to another account's build."""
    cursor = (await api.get("builds?limit=2")).json()["next"]
    question = ("builds", "local", *[None] * 6)
    assert after(question, cursor) == site.running
    foreign, gone = cursor_after(question, site.foreign_build), cursor_after(question, "0" * 32)
    bad = [
        f"cursor={one}" for one in (cursor[:-2], cursor + "A", "AAAA", "%00", "é", foreign, gone, "x" * 900)
    ]
    for query in [*bad, f"cursor={cursor}&branch=main", "cursor="]:
        answer = await api.get(f"builds?{query}")
        assert answer.status_code == 422, query
        assert answer.json()["fields"][0]["field"] == "cursor"
    wrong_list = await api.get(f"projects?cursor={cursor}")
    assert wrong_list.status_code == 422


async def test_a_build_is_not_sent_twice(site: Site, api: httpx2.AsyncClient) -> None:
    first = await api.get(f"builds/{site.running}")
    tag = first.headers["etag"]
    same = await api.get(f"builds/{site.running}", headers={"If-None-Match": f'"x", W/{tag}'})
    assert (same.status_code, same.content, same.headers["etag"]) == (304, b"", tag)
    await site.finish(site.running)
    other = await api.get(f"builds/{site.running}", headers={"If-None-Match": tag})
    assert other.status_code == 200 and other.headers["etag"] != tag


async def test_waiting_ends_with_the_build(site: Site, api: httpx2.AsyncClient) -> None:
    waiting = asyncio.create_task(api.get(f"builds/{site.running}?wait=30"))
    await asyncio.sleep(0.05)
    begun = time.monotonic()
    assert not waiting.done()
    await site.finish(site.running)
    told = (await waiting).json()
    assert told["status"] == "green" and time.monotonic() - begun < 4


async def test_waiting_ends_in_time_and_with_the_website(site: Site, api: httpx2.AsyncClient) -> None:
    begun = time.monotonic()
    assert (await api.get(f"builds/{site.running}?wait=0.1")).json()["status"] == "running"
    assert (await api.get(f"builds/{site.red}?wait=30")).json()["status"] == "red"
    assert time.monotonic() - begun < 4
    waiting = asyncio.create_task(api.get(f"builds/{site.running}?wait=30"))
    await asyncio.sleep(0.05)
    site.ports.streams.end()
    assert (await asyncio.wait_for(waiting, 4)).json()["status"] == "running"
    for wrong in ("61", "-1", "nan", "inf", "x"):
        assert (await api.get(f"builds/{site.running}?wait={wrong}")).status_code == 422


async def test_nobody_waits_for_too_many_at_once(site: Site, api: httpx2.AsyncClient) -> None:
    site.ports.streams._most = 2
    waits = [asyncio.create_task(api.get(f"builds/{site.running}?wait=20")) for _ in range(3)]
    done, waiting = await asyncio.wait(waits, timeout=60, return_when=asyncio.FIRST_COMPLETED)
    assert [one.result().status_code for one in done] == [429] and len(waiting) == 2
    await site.finish(site.running)
    assert [answer.status_code for answer in await asyncio.gather(*waiting)] == [200, 200]
    assert not site.ports.streams._held


async def test_a_build_is_started(site: Site, api: httpx2.AsyncClient) -> None:
    made = await api.post("projects/shop/builds", json={"ref": "side", "pipelines": ["unit"]})
    told = made.json()
    assert made.status_code == 201
    assert (told["status"], told["ref"], told["pipelines"], told["person"]) == (
        "queued",
        "refs/heads/side",
        ["unit"],
        site.owner.id,
    )
    assert (await listed(api, "limit=1")) == [told["id"]]
    for wrong, field in (
        ({"ref": "-x"}, "ref"),
        ({"ref": "a\nb"}, "ref"),
        ({"ref": "x" * 4096}, "ref"),
        ({"pipelines": ["a;b"]}, "pipelines.0"),
        ({"commit": "x"}, "commit"),
    ):
        answer = await api.post("projects/shop/builds", json=wrong)
        assert answer.status_code == 422 and answer.json()["fields"][0]["field"] == field, wrong


async def test_a_build_is_restarted(site: Site, api: httpx2.AsyncClient) -> None:
    again = await api.post(f"builds/{site.red}/restart", json={"failed_only": True})
    assert again.status_code == 201
    assert (again.json()["restart_of"], again.json()["pipelines"]) == (site.red, ["unit"])
    one = await api.post(f"builds/{site.green}/restart", json={"pipelines": ["unit"]})
    assert (one.status_code, one.json()["pipelines"]) == (201, ["unit"])
    none = await api.post(f"builds/{site.green}/restart", json={"pipelines": ["unit", "deploy"]})
    assert none.status_code == 409 and "no pipeline deploy" in none.json()["detail"]
    assert (await api.post(f"builds/{site.green}/restart", json={"failed_only": True})).status_code == 409
    assert (await api.post(f"builds/{site.running}/restart", json={})).status_code == 409
    assert (await api.post(f"builds/{site.red}/restart", json={"failed_only": "yes"})).status_code == 422


async def test_a_build_is_cancelled(site: Site, api: httpx2.AsyncClient) -> None:
    topics = (build_topic(site.queued), account_topic("local"))
    async with site.wakeups.subscribe(topics[0]) as build, site.wakeups.subscribe(topics[1]) as account:
        queued = (await api.post(f"builds/{site.queued}/cancel")).json()
        assert await build.wait(0.0) and await account.wait(0.0), "who looks at it is told"
    assert queued["status"] == "cancelled" and "ada@example.com" in queued["reason"]
    assert (await api.post(f"builds/{site.running}/cancel")).json()["status"] == "stopping"
    assert (await api.post(f"builds/{site.green}/cancel")).json()["status"] == "green"


async def test_steps_history_and_receipt(site: Site, api: httpx2.AsyncClient) -> None:
    steps = (await api.get(f"builds/{site.red}/steps")).json()["items"]
    assert [(one["name"], one["state"], one["exit_code"]) for one in steps] == [
        ("setup", "passed", 0),
        ("unit", "failed", 1),
    ]
    history = (await api.get(f"builds/{site.red}/history")).json()["items"]
    assert [one["kind"] for one in history] == ["enqueued", "claimed", "finished"]
    receipt = await api.get(f"builds/{site.red}/receipt?attempt=1")
    assert receipt.content == b'{"payload":"receipt"}\n'
    assert receipt.headers["content-disposition"] == 'attachment; filename="shop-2.receipt.jsonl"'
    for missing in (f"{site.red}/receipt?attempt=2", f"{site.running}/receipt"):
        assert (await api.get(f"builds/{missing}")).status_code == 404


async def test_exposures_are_the_accounts_own(site: Site, api: httpx2.AsyncClient) -> None:
    def entry(sequence: int, account: str) -> Entry:
        fact = Released(
            account=account,
            project=site.project.id,
            kind="variable",
            name="TOKEN",
            version=3,
            basis=Basis.LEASE,
            reason="r",
            build=site.red,
            attempt=1,
            step="test:unit",
            to="worker",
            via="web",
            key="k",
        )
        return Entry(sequence, 5.0, fact, "0" * 64, "1" * 64)

    site.exposures.entries[:] = [entry(7, "local"), entry(8, "other")]
    told = (await api.get(f"builds/{site.red}/exposures")).json()["items"]
    assert [(one["sequence"], one["name"], one["version"], one["step"]) for one in told] == [
        (7, "TOKEN", 3, "test:unit")
    ]
