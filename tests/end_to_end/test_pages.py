"""The pages in a real browser, over a served site: what a team does in a day, by mouse, by keyboard, without
a script, on a phone, in both themes."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.async_playwright import Axe  # type: ignore[import-untyped]
from playwright.async_api import Page, expect

from sealock.core.build import Outcome
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.core.workers import JOIN_PREFIX
from sealock.web.streams import Streams
from tests.support.browser import BUSY, chromium, press_in_a_row
from tests.support.site import HOST_KEY, ServedSite, serve_site
from tests.support.website import PASSWORD

pytestmark = [pytest.mark.anyio, pytest.mark.slow]
SERIOUS = ("serious", "critical")


@dataclass
class Desk:
    """A served site and a browser. requests: every address that any page asked for. long: a build whose
    branch, message and author are."""

    served: ServedSite
    browser: Any
    directory: Path
    long: str = ""
    complaints: list[str] = field(default_factory=list)
    requests: set[str] = field(default_factory=set)

    async def window(self, *, signed_in: bool = True, **options: Any) -> Page:
        context = await self.browser.new_context(ignore_https_errors=True, **options)
        context.set_default_timeout(BUSY)
        page: Page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda told: self.complaints.append(told.text) if told.type == "error" else None)
        page.on("request", lambda request: self.requests.add(request.url))
        if signed_in:
            await self.sign_in(page)
        return page

    async def sign_in(self, page: Page) -> None:
        await page.goto(f"{self.served.url}/sign-in")
        await page.get_by_label("E-mail address").fill("ada@example.com")
        await page.get_by_label("Password").fill(PASSWORD)
        await page.get_by_role("button", name="Sign in").click()
        await expect(page.get_by_role("heading", name="Dashboard")).to_be_visible()

    async def go(self, page: Page, path: str) -> None:
        await page.goto(f"{self.served.url}{path}")

    def pages(self) -> dict[str, str]:
        """Every page by a name for its picture."""
        site = self.served.site
        return {
            "dashboard": "/",
            "projects": "/projects",
            "new": "/projects/new",
            "project": f"/projects/{site.project.id}",
            "settings": f"/projects/{site.project.id}/settings",
            "given": f"/projects/{site.project.id}/given",
            "workers": "/workers",
            "account": "/account",
            "api": "/api",
            "receipt": f"/builds/{site.green}/receipt",
            "error": "/nowhere",
            "long": f"/builds/{self.long}",
            "queued": f"/builds/{site.queued}",
        }

    async def picture(self, page: Page, name: str) -> None:
        await page.screenshot(path=self.directory / f"{name}.png", full_page=True)


@pytest.fixture
async def desk(tmp_path: Path) -> AsyncIterator[Desk]:
    async with serve_site(tmp_path) as served, chromium() as browser:
        made = Desk(served, browser, tmp_path)
        worker = await served.site.workers.add("builder-1", ("kvm",), 4)
        assert await served.site.workers.joined(worker.id, bytes(32))
        await served.site.workers.hello(worker.id, "0.1", 4, ("kvm",))
        message = "<script>alert(1)</script>\u202egpj" + "\nline" * 100
        made.long = await served.site.build(Outcome.RED, branch="long")
        served.site.alter(made.long, branch="x" * 4000, message=message, author="y" * 900)
        yield made
        for context in browser.contexts:
            await context.close()
        expected = ("status of 404", "status of 422")  # a browser says so of pages it was given on purpose
        assert not [one for one in made.complaints if not any(each in one for each in expected)]
        assert {urlsplit(one).netloc for one in made.requests} == {urlsplit(served.url).netloc}


async def test_a_project_is_made_set_up_and_built(desk: Desk) -> None:
    page = await desk.window()
    await page.get_by_role("link", name="New project").click()
    await page.get_by_label("Name").fill("till")
    await page.get_by_label("Address of the repository").fill("git@git.example.com:team/till.git")
    await page.get_by_role("button", name="Make the project").click()
    await expect(page.locator("#host_keys-fault")).to_contain_text("ssh-keyscan")
    await page.get_by_label("Host keys of its server").fill(HOST_KEY)
    await page.get_by_role("button", name="Make the project").click()
    await expect(page.get_by_role("heading", name="What to do next")).to_be_visible()
    await page.get_by_role("button", name="Copy The public key").click()
    await page.get_by_role("link", name="Settings").click()
    await page.get_by_label("Default branch").fill("trunk")
    await page.get_by_role("button", name="Save").click()
    await expect(page.get_by_text("The settings are saved.")).to_be_visible()
    await page.get_by_label("Name", exact=True).fill("DEPLOY_TOKEN")
    await page.get_by_label("Value").fill("hunter2")
    await page.get_by_role("button", name="Seal it").click()
    await expect(page.get_by_role("cell", name="DEPLOY_TOKEN", exact=True)).to_be_visible()
    assert "hunter2" not in await page.content()
    await page.get_by_role("link", name="Builds", exact=True).click()
    await page.get_by_role("button", name="Start").click()
    await page.wait_for_url("**/builds/*")
    settings = await desk.served.site.projects.settings(
        LOCAL_ACCOUNT, (await desk.served.site.projects.named(LOCAL_ACCOUNT, "till")).id
    )
    assert settings.default_branch == "trunk"


async def test_the_dashboard_changes_by_itself_and_keeps_the_focus(desk: Desk) -> None:
    page = await desk.window()
    site = desk.served.site
    now = page.get_by_role("region", name="Now")
    await expect(now.locator(".status.is-running")).to_be_visible()
    link = page.locator(f'#main a[href="/builds/{site.red}"]').first
    await link.focus()
    await site.finish(site.running, Outcome.GREEN)
    await expect(now.locator(".status.is-running")).to_have_count(0, timeout=10_000)
    focused = await page.evaluate("document.activeElement.getAttribute('href')")
    assert focused == f"/builds/{site.red}"


async def held(count: int, streams: Streams) -> None:
    """Wait until pages hold so many."""
    async with asyncio.timeout(60):
        while sum(streams._held.values()) != count:  # noqa: ASYNC110 - a browser's affair
            await asyncio.sleep(0.02)


async def test_a_hidden_page_holds_no_connection_and_catches_up(desk: Desk) -> None:
    page = await desk.window()
    site, streams = desk.served.site, desk.served.site.ports.streams
    await held(1, streams)
    hide = "Object.defineProperty(document, 'hidden', {value: %s, configurable: true});"
    tell = "document.dispatchEvent(new Event('visibilitychange'));"
    await page.evaluate(hide % "true" + tell)
    await held(0, streams)
    await site.finish(site.running, Outcome.GREEN)
    await page.wait_for_timeout(500)
    now = page.get_by_role("region", name="Now")
    await expect(now.locator(".status.is-running")).to_be_visible()
    await page.evaluate(hide % "false" + tell)
    await expect(now.locator(".status.is-running")).to_have_count(0, timeout=10_000)


async def test_tokens_workers_and_sign_out(desk: Desk) -> None:
    page = await desk.window()
    await desk.go(page, "/account")
    await page.get_by_label("What it is for").fill("ci")
    await page.get_by_role("button", name="Make it").click()
    await expect(page.locator("#new-token")).to_contain_text("slk_")
    await page.reload()  # would send the form anew: the browser asks, and is told yes by the test
    await desk.go(page, "/account")
    await expect(page.locator("#new-token")).to_have_count(0)
    ending = page.locator("details.sure").first
    await ending.locator("summary").click()
    await expect(ending.get_by_text("Programs that use it are refused")).to_be_visible()
    await ending.get_by_role("button", name="End it ci").click()
    await expect(page.get_by_text("The token is ended.")).to_be_visible()
    await page.get_by_role("link", name="Workers").click()
    await page.get_by_label("Name", exact=True).fill("builder-2")
    await page.get_by_role("button", name="Add", exact=True).click()
    await expect(page.locator("#join-token")).to_contain_text(JOIN_PREFIX)
    await page.get_by_text("Remove builder-1").click()
    await page.get_by_label("Its name").first.fill("builder-1")
    await page.locator("tr", has_text="builder-1").get_by_role("button", name="Remove").click()
    await expect(page.locator("tr", has_text="builder-1")).not_to_be_visible()
    await page.get_by_text("Removed: 1").click()
    await expect(page.locator("tr", has_text="builder-1")).to_be_visible()
    await page.get_by_role("button", name="Sign out").click()
    await desk.go(page, "/projects")
    await expect(page).to_have_url(f"{desk.served.url}/sign-in?next=/projects")


@pytest.mark.parametrize("theme", ["light", "dark"])
async def test_pages_have_no_serious_finding_and_fit(desk: Desk, theme: str) -> None:
    page = await desk.window(color_scheme="light")
    await desk.go(page, "/account")
    await page.get_by_label(theme.capitalize()).check()
    await page.get_by_role("button", name="Keep").click()
    await page.wait_for_url("**/account?done=preferences*")
    grounds = {await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")}
    for name, path in desk.pages().items():
        for width in (1280, 360):
            await page.set_viewport_size({"width": width, "height": 800})
            await desk.go(page, path)
            await desk.picture(page, f"{theme}-{width}-{name}")
            found = (await Axe().run(page)).response["violations"]
            assert not [(one["id"], one["nodes"]) for one in found if one["impact"] in SERIOUS], name
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, name
    assert grounds == {"rgb(247, 246, 242)" if theme == "light" else "rgb(18, 21, 24)"}


async def test_by_keyboard_alone(desk: Desk) -> None:
    page = await desk.window()
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "Skip to the content"
    await page.keyboard.press("Enter")
    await page.keyboard.press("Tab")
    assert await page.evaluate("document.activeElement.textContent") == "New project"
    outline = await page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    await page.keyboard.press("?")
    await expect(page.get_by_role("dialog", name="Keys")).to_contain_text("Go to: Projects")
    await expect(page.get_by_role("button", name="Close", exact=True)).to_be_focused()
    await page.keyboard.press("Escape")
    await page.keyboard.press("j")
    await page.keyboard.press("j")
    row = await page.evaluate("document.activeElement.getAttribute('href')")
    rows = await page.locator("main [data-row]").evaluate_all(
        "all => all.map(one => one.getAttribute('href'))"
    )
    assert row == rows[1] != rows[0] == f"/builds/{desk.served.site.running}"
    await page.keyboard.press("/")
    await page.keyboard.type("main gp")  # into the field: keys do nothing there
    await expect(page.get_by_label("Branch", exact=True)).to_have_value("main gp")
    await page.get_by_label("Branch", exact=True).blur()
    await press_in_a_row(page, "gp", "**/projects")
    await page.keyboard.press("j")
    await page.keyboard.press("Enter")
    await page.wait_for_url(f"**/projects/{desk.served.site.project.id}")


async def test_single_keys_can_be_turned_off(desk: Desk) -> None:
    page = await desk.window()
    await desk.go(page, "/account")
    await page.get_by_label("Do nothing").check()
    await page.get_by_role("button", name="Keep").click()
    await desk.go(page, "/")
    await page.keyboard.press("?")
    await page.keyboard.press("c")
    await page.wait_for_timeout(300)
    assert not await page.locator("#keys").is_visible()
    assert page.url == f"{desk.served.url}/"


async def test_without_a_script(desk: Desk) -> None:
    page = await desk.window(java_script_enabled=False)
    await page.get_by_label("Status").select_option("red")
    await page.get_by_role("button", name="Filter").click()
    await expect(page).to_have_url(re.compile("status=red"))
    await page.get_by_role("link", name="shop").first.click()
    await page.get_by_label("Branch or commit").fill("-x")
    await page.get_by_role("button", name="Start").click()
    await expect(page.locator("#ref-fault")).to_be_visible()
    await page.get_by_label("Branch or commit").fill("feature/x")
    await page.get_by_role("button", name="Start").click()
    await page.wait_for_url("**/builds/*")
    await desk.go(page, "/account")
    await page.get_by_label("Dark").check()
    await page.get_by_role("button", name="Keep").click()
    await expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    await expect(page.locator("button[data-copy]").first).not_to_be_visible()
