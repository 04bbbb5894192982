"""A project's pages: made, shown, built."""

from __future__ import annotations

import httpx2
import pytest

from sealock.core.build_state import BuildState
from sealock.core.builds import BuildFilter
from sealock.core.sealed import LOCAL_ACCOUNT
from tests.support.pages import Page
from tests.support.site import HOST_KEY, Site

pytestmark = pytest.mark.anyio
NEW = {"name": "till", "address": "git@git.example.com:team/till.git", "host_keys": HOST_KEY}


async def test_a_project_is_made_and_says_what_to_do_next(site: Site, browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/projects/new", data=NEW)
    assert answer.status_code == 303
    page = Page((await browser.get(answer.headers["location"])).text)
    made = await site.projects.named(LOCAL_ACCOUNT, "till")
    assert "What to do next" in page.text and made.public_key in page.text
    assert "unit: make test" in page.text and "image:" not in page.text, "only the usual image is sure to be"
    assert made.host_keys == (HOST_KEY,)
    assert f"/hooks/git/{made.id}" in page.text


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"name": "Till"}, "name"),
        ({"name": ""}, "name"),
        ({"name": "shop"}, "name"),
        ({"name": "<script>"}, "name"),
        ({"address": ""}, "address"),
        ({"address": "https://git.example.com/x"}, "address"),
        ({"address": "-oProxyCommand=x:y"}, "address"),
        ({"host_keys": ""}, "host_keys"),
    ],
)
async def test_what_is_wrong_stands_beside_its_field(
    site: Site, browser: httpx2.AsyncClient, changed: dict[str, str], field: str
) -> None:
    answer = await browser.post("/projects/new", data=NEW | changed)
    page = Page(answer.text)
    assert answer.status_code == 422 and page.by_id(f"{field}-fault") is not None
    wrong = page.by_id(field)
    assert wrong is not None and wrong["aria-invalid"] == "true"
    assert f"{field}-fault" in wrong["aria-describedby"].split()
    name = page.by_id("name")
    assert name is not None and name["value"] == (NEW | changed)["name"], "what was typed is still there"
    assert len(await site.projects.all(LOCAL_ACCOUNT)) == 1


async def test_how_to_get_host_keys_is_told_for_pages(browser: httpx2.AsyncClient) -> None:
    answer = await browser.post("/projects/new", data=NEW | {"host_keys": ""})
    assert "ssh-keyscan -p 22 git.example.com" in answer.text
    assert "--host-key" not in answer.text


async def test_the_hook_and_its_script_are_there(site: Site, browser: httpx2.AsyncClient) -> None:
    page = Page((await browser.get(f"/projects/{site.project.id}")).text)
    secret = (await site.projects.hook_secret(LOCAL_ACCOUNT, site.project.id)).reveal().decode()
    assert secret in page.text and "#!/bin/sh" in page.text
    assert page.text.count(secret) == 1, "the script has it as blocks of HMAC"


async def test_a_build_is_started(site: Site, browser: httpx2.AsyncClient) -> None:
    path = f"/projects/{site.project.id}/builds"
    answer = await browser.post(path, data={"ref": " feature/x ", "pipelines": "unit, lint"})
    build = await site.view(answer.headers["location"].removeprefix("/builds/"))
    assert (build.ref, build.pipelines, build.person) == (
        "refs/heads/feature/x",
        ("unit", "lint"),
        site.owner.id,
    )
    answer = await browser.post(path, data={"ref": "", "pipelines": ""})
    build = await site.view(answer.headers["location"].removeprefix("/builds/"))
    assert (build.ref, build.state) == ("refs/heads/main", BuildState.QUEUED)


@pytest.mark.parametrize("ref", ["-x", "a b", "x" * 251, "a\x1bb"])
async def test_what_cannot_be_built_stands_beside_its_field(
    site: Site, browser: httpx2.AsyncClient, ref: str
) -> None:
    before = await site.builds.page(LOCAL_ACCOUNT, BuildFilter())
    answer = await browser.post(f"/projects/{site.project.id}/builds", data={"ref": ref})
    assert answer.status_code == 422 and Page(answer.text).by_id("ref-fault") is not None
    assert await site.builds.page(LOCAL_ACCOUNT, BuildFilter()) == before


async def test_the_list_has_each_project_with_its_newest_build(
    site: Site, browser: httpx2.AsyncClient
) -> None:
    html = (await browser.get("/projects")).text
    assert f'href="/projects/{site.project.id}"' in html and f'href="/builds/{site.red}"' in html
    assert site.foreign.id not in html
