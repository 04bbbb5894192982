"""Every page, form and stream of the website, found by itself, so that a new one is tried too: for somebody
of another account, for nobody, and for a form that another site sends."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import iter_route_contexts

from sealock.core.access import Membership
from sealock.core.build import Outcome
from sealock.core.grant import Role
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.web.app import unguarded_app
from sealock.web.rates import Rates
from tests.support.site import Site, make_site

pytestmark = pytest.mark.anyio

ELSEWHERE = ("/api/", "/hooks/", "/static/", "/authority.pem", "/health")
FOR_ANYBODY = {("GET", "/sign-in"), ("POST", "/sign-in"), ("POST", "/sign-out"), ("GET", "/setup/{link}")} | {
    ("POST", "/setup/{link}"),
    ("GET", "/badges/{project}/{key}.svg"),  # for whoever has the key
}
INNER = "canary of the first account"
"""What is in that account's things, and nowhere else."""


def doors(site: Site) -> Iterator[tuple[str, str]]:
    """Method and path of each, with names for what is to be put in."""
    for route in iter_route_contexts(unguarded_app(site.ports).routes):
        if not str(route.path).startswith(ELSEWHERE):
            for method in sorted(set(route.methods or ()) - {"HEAD"}):
                yield method, str(route.path)


def filled(site: Site, path: str, session: str, token: str, build: str = "") -> str:
    """The path, to what is there. build: the red one if it is not said."""
    values = {
        "build_id": build or site.red,
        "project_id": site.project.id,
        "session_id": session,
        "token_id": token,
        "name": "builder-1",
        "number": "1",
        "part": "head",
        "link": "no-link",
        "project": site.project.id,
        "key": "0" * 32,
    }
    return re.sub(r"\{(\w+)\}", lambda place: values[place[1]], path)


async def the_owners(site: Site) -> tuple[str, str]:
    """A session and a token of the first account's owner, by id."""
    await site.token()
    await site.sessions.begin(site.owner)
    return (await site.sessions.all_of(site.owner))[0].id, (await site.tokens.all_of(site.owner))[0].id


@pytest.fixture
def unlimited(monkeypatch: pytest.MonkeyPatch) -> None:
    """There are more doors than one may knock at in a minute."""

    async def count(*_: object, **__: object) -> bool:
        return True

    monkeypatch.setattr(Rates, "count", count)


async def test_somebody_of_another_account_finds_nothing(tmp_path: Path, unlimited: None) -> None:
    async with make_site(tmp_path) as site, site.browser(site.stranger) as stranger:
        session, token = await the_owners(site)
        ours = await site.build(Outcome.RED, message=INNER, log=[INNER])
        before = await site.rows("sessions"), await site.sessions.all_of(site.owner)
        tried = 0
        for method, path in doors(site):
            for build in (ours, site.running):
                where = filled(site, path, session, token, build)
                if (method, path) in FOR_ANYBODY or (path.endswith("/live") and "{" not in path):
                    continue
                form = {"name": "shop", "remove_name": "shop", "key_name": "shop", "ref": "main"}
                answer = await stranger.request(
                    method, where, params={"q": "x"}, data=form if method == "POST" else None
                )
                tried += 1
                assert INNER not in answer.text and ours not in answer.text, f"{method} {path}"
                if "{" in path:
                    assert answer.status_code in (403, 404), f"{method} {path}: {answer.status_code}"
        assert tried > 50
        after = await site.rows("sessions"), await site.sessions.all_of(site.owner)
        assert before == after, "something was changed"
        assert [one.id for one in await site.tokens.all_of(site.owner)] == [token]


async def test_nobody_is_shown_nothing_and_changes_nothing(tmp_path: Path, unlimited: None) -> None:
    async with make_site(tmp_path) as site, site.client() as nobody:
        session, token = await the_owners(site)
        ours = await site.build(Outcome.RED, message=INNER, log=[INNER])
        for method, path in doors(site):
            if (method, path) in FOR_ANYBODY:
                continue
            where = filled(site, path, session, token, ours)
            answer = await nobody.request(method, where)
            assert answer.status_code in (303, 401), f"{method} {path}: {answer.status_code}"
            assert INNER not in answer.text and answer.headers["cache-control"] == "no-store"
            if answer.status_code == 303:
                assert answer.headers["location"].startswith("/sign-in")


async def test_somebody_of_the_account_whose_role_reads_nothing_sees_nothing(
    tmp_path: Path, unlimited: None
) -> None:
    async with make_site(tmp_path) as site:
        clerk = await site.add_person("clerk@example.com", Membership(LOCAL_ACCOUNT, Role.BILLING))
        ours = await site.build(Outcome.RED, message=INNER, log=[INNER])
        async with site.browser(clerk) as browser:
            for method, path in doors(site):
                if method != "GET" or (method, path) in FOR_ANYBODY or path in ("/account",):
                    continue
                where = filled(site, path, "s", "t", ours)
                answer = await browser.get(where, params={"q": "x"})
                # What the API is like is the same for everybody who is signed in.
                assert answer.status_code in (403, 404) or path == "/api", f"{path}: {answer.status_code}"
                assert INNER not in answer.text, path


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "", "Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "", "Origin": "null"},
    ],
)
async def test_no_form_can_be_sent_by_another_site(
    tmp_path: Path, unlimited: None, headers: dict[str, str]
) -> None:
    async with make_site(tmp_path) as site, site.browser(None, **headers) as victim:
        if not headers["Sec-Fetch-Site"]:
            del victim.headers["Sec-Fetch-Site"]
        session, token = await the_owners(site)
        for method, path in doors(site):
            if method == "GET":
                continue
            where = filled(site, path, session, token)
            answer = await victim.request(method, where, data={"name": "builder-1"})
            assert answer.status_code == 403, f"{method} {path}"
            assert "another site" in answer.text


async def test_looking_changes_nothing(tmp_path: Path, unlimited: None) -> None:
    """No GET does anything, whatever stands in its address."""
    async with make_site(tmp_path) as site, site.browser() as browser:
        session, token = await the_owners(site)
        before = await site.rows("sessions")
        for method, path in doors(site):
            if method != "GET" or path.endswith("/live"):
                continue
            where = filled(site, path, session, token)
            answer = await browser.get(where, params={"done": "settings", "failed_only": "yes"})
            assert answer.status_code < 500, f"{path}: {answer.status_code}"
        assert before == await site.rows("sessions")
        assert {one.id for one in await site.tokens.all_of(site.owner)} == {token}
