"""What strangers write, into branches, messages and names, stays text on every page of the website."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from sealock.core.access import Membership
from sealock.core.build import Outcome
from sealock.core.grant import Role
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.web.cookies import NAME
from tests.support.pages import Page
from tests.support.site import Site, make_site

pytestmark = pytest.mark.anyio
HTML = {"Accept": "text/html"}
MARKUP = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "' onmouseover='alert(1)",
    "</title><script>alert(1)</script>",
    "</textarea><script>alert(1)</script>",
    "--><script>alert(1)</script>",
    "javascript:alert(1)",
    "{{ 7 * 7 }}{% raw %}",
    "&lt;script&gt;&#x3C;",
]
HIDDEN = ["\u202egnp.exe", "\u2066a\u2069", "\x1b[2J\x1b[31m", "a\x00b", "\u200b\ufeff", "\x9b31m", "\ud800"]


def _sent(text: str) -> str:
    """As a browser would send it."""
    return text.encode(errors="replace").decode()


async def spoil(site: Site, build: str, text: str, patch: pytest.MonkeyPatch) -> None:
    """All that may be written about what is there is this text, whatever the records would keep of it."""
    told = {
        "branch": f"b{text}",
        "message": text,
        "author": text,
        "reason": text,
        "worker": text,
        "ref": text,
    }
    site.alter(build, **told)
    settings = await site.projects.settings(LOCAL_ACCOUNT, site.project.id)
    changed = replace(settings, default_branch=f"b{text}", protected=(text,), labels=(text,), image=text)
    account = await site.accounts.get(LOCAL_ACCOUNT)
    worker = await site.workers.add("builder-1", (), 1)
    assert account is not None
    named = replace(account, name=text)
    for port, method, answer in (
        (site.projects, "settings", changed),
        (site.accounts, "get", named),
        (site.workers, "all", [replace(worker, labels=(text,), version=text)]),
    ):
        patch.setattr(port, method, partial(_answer, answer))


async def _answer(answer: object, *_: object) -> object:
    return answer


async def pages_with(site: Site, text: str) -> list[str]:
    """Every page that shows it."""
    with pytest.MonkeyPatch.context() as patch:
        return await _pages_with(site, text, patch)


async def _pages_with(site: Site, text: str, patch: pytest.MonkeyPatch) -> list[str]:
    roles = Membership(LOCAL_ACCOUNT, Role.OWNER), Membership("", Role.OPERATOR)
    person = await site.add_person("who@example.com", *roles)
    build = await site.build(Outcome.RED, log=["said"])
    await spoil(site, build, text, patch)
    agent = text.replace("\0", "").encode("latin-1", errors="replace").decode("latin-1")  # as of a header
    value = await site.sessions.begin(replace(person, name=text), agent=agent)
    found = []
    async with site.client(**HTML) as browser:
        browser.cookies.set(NAME, value.reveal().decode())
        at = f"/projects/{site.project.id}"
        for path in ("/", "/projects", at, f"{at}/settings", "/workers", "/account", f"/builds/{build}"):
            answer = await browser.get(path)
            assert answer.status_code == 200, path
            found.append(answer.text)
        found.append((await browser.get("/", params={"branch": _sent(text)})).text)
        for path, data in (
            ("/projects/new", {"name": text, "address": text, "host_keys": text}),
            (f"{at}/builds", {"ref": f"-{text}", "pipelines": text}),
            (f"{at}/settings", {"default_branch": text, "supersede": text}),
            ("/workers", {"name": text, "labels": text}),
            ("/account/tokens", {"token_name": text, "days": text}),
            ("/account", {"name": "", "max_running": text}),
        ):
            sent = {name: _sent(value) for name, value in data.items()}
            found.append((await browser.post(path, data=sent)).text)
    async with site.client(**HTML) as stranger:
        found.append((await stranger.post("/sign-in", data={"email": _sent(text)})).text)
    return found


@pytest.mark.parametrize("text", MARKUP)
async def test_markup_stays_text(tmp_path: Path, text: str) -> None:
    async with make_site(tmp_path) as site:
        pages = [Page(html) for html in await pages_with(site, text)]
    assert len(pages) == 15
    shown = 0
    for page in pages:
        for tag, attributes in page.elements:
            assert tag not in ("iframe", "object", "embed", "base", "style")
            assert tag != "img" or attributes["src"].startswith("/badges/")
            assert not [name for name in attributes if name.startswith("on")]
            assert tag != "script" or attributes["src"].startswith("/static/")
            assert not attributes.get("href", "").lower().startswith("javascript:")
        values = [value for _, attributes in page.elements for value in attributes.values()]
        shown += text in page.text or any(text in value for value in values)
    assert shown >= 8, "it is there, as it was written"


@pytest.mark.parametrize("text", HIDDEN)
async def test_what_would_hide_is_written_out(tmp_path: Path, text: str) -> None:
    async with make_site(tmp_path) as site:
        pages = await pages_with(site, text)
    for html in pages:
        assert not set("\u202e\u2066\u2069\x1b\x00\u200b\ufeff\x9b\ud800") & set(html)
    assert sum("\\x" in html or "\\u" in html for html in pages) > 4


async def test_a_branch_of_4_kb_breaks_no_page(tmp_path: Path) -> None:
    async with make_site(tmp_path) as site:
        for _ in range(31):
            site.alter(await site.build(), branch="&\u202e" * 2000, message="&" * 4000)
        async with site.browser(None, **HTML) as browser:
            for path in ("/", f"/projects/{site.project.id}"):
                answer = await browser.get(path)
                assert answer.status_code == 200 and len(answer.content) < 200_000
