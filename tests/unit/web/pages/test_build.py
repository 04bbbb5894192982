"""A build's page: what it says of each build, who may do what with it, and its buttons."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from sealock.core.access import Membership
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import BuildView, StepView
from sealock.core.grant import Role
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.web.pages import build_words as words
from tests.support.build_views import RED
from tests.support.site import Site

pytestmark = pytest.mark.anyio


@pytest.fixture
async def browser(site: Site) -> AsyncIterator[httpx2.AsyncClient]:
    async with site.browser() as made:
        yield made


async def test_it_says_what_became_of_it_in_a_word_with_an_icon(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    for build, word in ((site.red, "Red"), (site.green, "Green"), (site.running, "Running")):
        page = (await browser.get(f"/builds/{build}")).text
        assert re.search(
            rf'<span class="status [^"]*">\s*<svg[^>]*aria-hidden="true".*?</svg>\s*{word}', page
        )
        assert f"<title>{word}: shop #" in page


@pytest.mark.parametrize("outcome", list(Outcome))
async def test_every_outcome_has_its_words_and_its_favicon(
    site: Site, browser: httpx2.AsyncClient, outcome: Outcome
) -> None:
    site.alter(site.red, outcome=outcome)
    page = (await browser.get(f"/builds/{site.red}")).text
    (icon,) = re.findall(r'data-icon="([^"]+)"', page)
    assert (await browser.get(icon)).status_code == 200


async def test_it_says_why_it_ran(site: Site, browser: httpx2.AsyncClient) -> None:
    page = (await browser.get(f"/builds/{site.red}")).text
    assert re.search(r"<dt>Why it ran</dt><dd>.*>a push<", page)
    intake = site.service.intake
    created = await intake.restart(LOCAL_ACCOUNT, site.red, failed_only=True, person=site.owner.id)
    page = (await browser.get(f"/builds/{created.build}")).text
    assert f'you restarted</bdi> <a href="/builds/{site.red}">an earlier build</a>' in page
    assert "only <bdi" in page


@pytest.mark.parametrize("trigger", list(Trigger))
def test_every_trigger_has_its_words(trigger: Trigger, some_build: BuildView) -> None:
    assert words.because(replace(some_build, trigger=trigger), "you")


@pytest.fixture
def some_build() -> BuildView:
    return RED


async def test_while_it_waits_it_says_where_and_why(site: Site, browser: httpx2.AsyncClient) -> None:
    page = (await browser.get(f"/builds/{site.queued}")).text
    assert re.search(r"Number \d+ of \d+ that wait", page)
    waiting = await site.queue.why(site.queued)
    assert waiting is not None and all(reason.sentence in page for reason in waiting.reasons)


async def test_the_failing_step_is_open_and_no_other(site: Site, browser: httpx2.AsyncClient) -> None:
    page = (await browser.get(f"/builds/{site.red}")).text
    found = re.findall(r'<details class="step [^"]*" data-step="([^"]*)" data-state="[a-z]*" (open)?', page)
    assert found == [("setup", ""), ("unit", "open")]


async def test_the_waterfall_is_a_table_against_the_last_green_build(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    page = (await browser.get(f"/builds/{site.red}")).text
    assert '<th scope="col">Against build&nbsp;1</th>' in page
    rows = re.findall(r'<th scope="row"><bdi[^>]*>([^<]*)</bdi>', page)
    assert rows == ["queue", "machine", "fetch", "setup", "unit"]
    assert "style=" not in page, "the policy would leave it out"


async def test_cancel_and_restart_answer_with_where_to_look(site: Site, browser: httpx2.AsyncClient) -> None:
    cancelled = await browser.post(f"/builds/{site.queued}/cancel")
    assert (cancelled.status_code, cancelled.headers["location"]) == (303, f"/builds/{site.queued}")
    assert (await site.view(site.queued)).outcome is Outcome.CANCELLED
    whole = await browser.post(f"/builds/{site.red}/restart")
    failed = await browser.post(
        f"/builds/{site.red}/restart",
        content="failed_only=yes",
        headers={"Content-Type": "application/x-www-form-urlencoded"},
    )
    made = [await site.view(one.headers["location"].rpartition("/")[2]) for one in (whole, failed)]
    assert [one.pipelines for one in made] == [(), ("unit",)]
    assert all(one.restart_of == site.red and one.person == site.owner.id for one in made)


async def test_what_failed_can_be_restarted_where_nothing_was_begun(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    """After a setup that failed every pipeline is left out, and none has failed."""
    red = await site.view(site.red)
    steps = [replace(one, state=StepState.SKIPPED) for one in red.steps if one.kind == "test"]
    site.alter(site.red, steps=tuple(steps))
    button = '<button class="button">Restart failed only</button>'
    assert button in (await browser.get(f"/builds/{site.red}")).text
    assert button not in (await browser.get(f"/builds/{site.green}")).text
    assert button not in (await browser.get(f"/builds/{site.running}")).text
    form = {"failed_only": "yes"}
    again = await browser.post(f"/builds/{site.red}/restart", data=form)
    assert (await site.view(again.headers["location"].rpartition("/")[2])).pipelines == ("unit",)
    assert (await browser.post(f"/builds/{site.green}/restart", data=form)).status_code == 409


async def test_a_running_build_is_stopped_and_says_so(site: Site, browser: httpx2.AsyncClient) -> None:
    await browser.post(f"/builds/{site.running}/cancel")
    page = (await browser.get(f"/builds/{site.running}")).text
    assert "Stopping" in page and "disabled>Cancelling" in page


async def test_one_pipeline_of_several_can_be_restarted(site: Site, browser: httpx2.AsyncClient) -> None:
    red = await site.view(site.red)
    assert "Restart this only" not in (await browser.get(f"/builds/{site.red}")).text, "there is one"
    unit = next(one for one in red.steps if one.kind == "test")
    lint = replace(unit, number=unit.number + 1, name="lint", state=StepState.PASSED)
    site.alter(site.red, steps=(*red.steps, lint))
    assert (await browser.get(f"/builds/{site.red}")).text.count("Restart this only") == 2
    again = await browser.post(f"/builds/{site.red}/restart", data={"pipelines": "lint"})
    assert (await site.view(again.headers["location"].rpartition("/")[2])).pipelines == ("lint",)
    strange = await browser.post(f"/builds/{site.red}/restart", data={"pipelines": "none"})
    assert strange.status_code == 409


async def test_a_build_that_runs_cannot_be_restarted(site: Site, browser: httpx2.AsyncClient) -> None:
    answer = await browser.post(f"/builds/{site.running}/restart")
    assert answer.status_code in (400, 409)
    assert "Restart" not in (await browser.get(f"/builds/{site.running}/part/head")).text


async def test_the_parts_are_the_same_as_in_the_page(site: Site, browser: httpx2.AsyncClient) -> None:
    page = (await browser.get(f"/builds/{site.red}")).text
    for part in ("head", "steps"):
        answer = await browser.get(f"/builds/{site.red}/part/{part}")
        assert answer.status_code == 200 and answer.text.strip() in page
    assert (await browser.get(f"/builds/{site.red}/part/other")).status_code == 404


PATHS = [
    ("GET", ""), ("GET", "/part/head"), ("GET", "/part/steps"), ("GET", "/live"), ("GET", "/log"),
    ("GET", "/log/page/1"),
    ("GET", "/log/outline"), ("GET", "/log/search?q=x"), ("GET", "/log/raw"), ("GET", "/log/live"),
    ("POST", "/cancel"), ("POST", "/restart"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_another_accounts_build_is_not_found(
    site: Site, browser: httpx2.AsyncClient, method: str, path: str
) -> None:
    theirs = await browser.request(method, f"/builds/{site.foreign_build}{path}")
    never = await browser.request(method, f"/builds/{'0' * 32}{path}")
    assert theirs.status_code == never.status_code == 404
    same = [one.text.replace(one.headers["x-request-id"], "") for one in (theirs, never)]
    assert same[0] == same[1]


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_a_role_without_builds_may_do_nothing_with_them(site: Site, method: str, path: str) -> None:
    payer = await site.add_person("pay@example.com", Membership(LOCAL_ACCOUNT, Role.BILLING))
    async with site.browser(payer) as browser:
        answer = await browser.request(method, f"/builds/{site.red}{path}")
    assert answer.status_code == 403


@pytest.mark.parametrize(("method", "path"), PATHS)
async def test_nobody_who_is_not_signed_in_is_let_in(site: Site, method: str, path: str) -> None:
    async with site.client(**{"Sec-Fetch-Site": "same-origin"}) as nobody:
        answer = await nobody.request(method, f"/builds/{site.red}{path}")
    assert answer.status_code in (303, 401) and "shop" not in answer.text


async def test_another_site_cannot_press_a_button(site: Site) -> None:
    evil = {"Sec-Fetch-Site": "cross-site"}
    async with site.browser() as browser:
        answer = await browser.post(f"/builds/{site.queued}/cancel", headers=evil)
    assert answer.status_code == 403
    assert (await site.view(site.queued)).state is BuildState.QUEUED


def test_words_for_durations() -> None:
    assert [words.took(one) for one in (0, 9.94, 9.96, 59.4, 61, 3599, 7265, -1)] == [
        "0.0 s", "9.9 s", "10 s", "59 s", "1 min 01 s", "59 min 59 s", "2 h 01 min", "0.0 s",
    ]  # fmt: skip
    assert (words.longer(3.04), words.longer(-12)) == ("+3.0 s", "\N{MINUS SIGN}12 s")


def test_the_step_to_open_is_the_first_that_failed_else_the_one_that_runs(some_build: BuildView) -> None:
    steps = [StepView(n, f"s{n}", "test", state) for n, state in enumerate(StepState, 1)]
    build = replace(some_build, steps=tuple(steps))
    found = words.failing_step(build)
    assert found is not None and found.state is StepState.FAILED
    running = replace(build, steps=tuple(steps[:3]))
    found = words.failing_step(running)
    assert found is not None and found.state is StepState.RUNNING
