"""Which secrets builds were given, as a project's page lists it: each attempt's, and no other project's."""

from __future__ import annotations

from dataclasses import replace

import httpx2
import pytest

from sealock.core.access import Membership
from sealock.core.builds import run_id
from sealock.core.grant import Role
from sealock.core.lease import KeeperAway
from sealock.core.release import Basis, Entry, Released
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.web.pages import project_given
from tests.support.pages import Page
from tests.support.site import Site

pytestmark = pytest.mark.anyio
HTML = {"Accept": "text/html"}
FACT = Released(
    LOCAL_ACCOUNT, "p", "variable", "TOKEN", 3, Basis.LEASE, "r", "", 1, "test:<b>unit</b>", "w", "w", "k"
)


def give(site: Site, build: str, sequence: int, **changed: object) -> None:
    fact = replace(FACT, build=build, **changed)  # type: ignore[arg-type]
    site.exposures.entries.append(Entry(sequence, 5.0, fact, "0" * 64, "1" * 64))


async def page_of(site: Site, browser: httpx2.AsyncClient, query: str = "") -> Page:
    answer = await browser.get(f"/projects/{site.project.id}/given{query}")
    assert answer.status_code == 200
    assert "<b>unit" not in answer.text
    return Page(answer.text)


async def test_each_build_with_what_it_was_given(site: Site, browser: httpx2.AsyncClient) -> None:
    give(site, site.green, 1, kind="ssh-key", name="ssh-key", step="")
    give(site, site.green, 2)
    give(site, site.red, 3, kind="file", name="service.json")
    give(site, site.foreign_build, 4, name="FOREIGN")
    text = (await page_of(site, browser)).text
    assert text.index("service.json") < text.index("ssh-key"), "the newest build first"
    for part in ("TOKEN", "test:<b>unit</b>", "the fetch"):
        assert part in text
    assert "FOREIGN" not in text
    home = Page((await browser.get(f"/projects/{site.project.id}")).text)
    assert f"/projects/{site.project.id}/given" in list(home.addresses())


async def test_what_the_ledger_has_of_another_account_is_left_out(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    give(site, site.green, 1, account="other", name="FOREIGN")
    text = (await page_of(site, browser)).text
    assert "FOREIGN" not in text and "None of these builds was given a secret" in text


async def test_of_many_the_first_are_shown(
    site: Site, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(project_given, "MOST_OF_A_BUILD", 2)
    for number in range(5):
        give(site, site.green, number + 1, name=f"SECRET_{number}")
    text = (await page_of(site, browser)).text
    assert "SECRET_1" in text and "SECRET_2" not in text
    assert "3 more: sealock secrets exposures shop#" in text


async def test_attempts_are_told_apart(site: Site, browser: httpx2.AsyncClient) -> None:
    site.alter(site.red, attempt=2)
    give(site, run_id(site.red, 1), 1, name="FIRST")
    give(site, run_id(site.red, 2), 2, name="SECOND")
    text = (await page_of(site, browser)).text
    assert "attempt 1 FIRST" in " ".join(text.split()) and "attempt 2 SECOND" in " ".join(text.split())


async def test_nobody_else_sees_it(site: Site, browser: httpx2.AsyncClient) -> None:
    member = await site.add_person("mel@example.com", Membership(LOCAL_ACCOUNT, Role.MEMBER))
    async with site.browser(member, **HTML) as other:
        assert (await other.get(f"/projects/{site.project.id}/given")).status_code == 403
        assert "/given" not in (await other.get(f"/projects/{site.project.id}")).text
    for project in (site.foreign.id, "0" * 32, "x"):
        assert (await browser.get(f"/projects/{project}/given")).status_code == 404


async def test_without_the_keeper_it_says_so(
    site: Site, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: str) -> list[Entry]:
        raise KeeperAway("it is not there")

    monkeypatch.setattr(site.exposures, "exposures", away)
    answer = await browser.get(f"/projects/{site.project.id}/given")
    assert answer.status_code == 503 and "The keeper has this list" in answer.text
