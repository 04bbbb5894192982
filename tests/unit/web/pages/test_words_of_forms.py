"""The pages say of a wrong name what the API says of it."""

from __future__ import annotations

import html

import httpx2
import pytest

from sealock.builds.checked_settings import check_settings
from sealock.core.naming import rule_of
from sealock.core.plan import PIPELINE_NAME
from sealock.core.project import PROJECT_NAME
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import LABEL
from sealock.core.sealed import SEALED_NAME
from sealock.core.workers import WORKER_NAME
from sealock.web.written import TOKEN_NAME, in_words
from tests.support.site import Site

pytestmark = pytest.mark.anyio
SECRET = {"secret_name": "TOKEN", "value": "v", "kind": "variable"}
SETTINGS = {"default_branch": "main", "supersede": "queued", "priority": "0", "labels": "Two Words"}


@pytest.mark.parametrize(
    ("path", "form", "words"),
    [
        ("/workers", {"name": "A b", "machines": "1"}, rule_of(WORKER_NAME)),
        ("/workers", {"name": "a", "machines": "1", "labels": "A"}, rule_of(LABEL)),
        ("/projects/new", {"name": "A b", "address": "git@h:p"}, rule_of(PROJECT_NAME)),
        ("/projects/ID/settings/secrets", SECRET | {"secret_name": "a b"}, rule_of(SEALED_NAME)),
        ("/projects/ID/settings/secrets", SECRET | {"pipelines": "a b"}, rule_of(PIPELINE_NAME)),
        ("/account/tokens", {"token_name": "\u00e9", "days": "1"}, in_words(TOKEN_NAME)),
    ],
)
async def test_a_wrong_name_is_told_by_its_rule(
    site: Site, browser: httpx2.AsyncClient, path: str, form: dict[str, str], words: str
) -> None:
    answer = await browser.post(path.replace("ID", site.project.id), data=form)
    assert answer.status_code == 422
    assert words in html.unescape(answer.text)


async def test_what_settings_cannot_be_is_told_with_its_rule(
    site: Site, browser: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def checked(account: str, project: str, wanted: ProjectSettings) -> None:
        check_settings(wanted, str)

    monkeypatch.setattr(site.projects, "change", checked)
    answer = await browser.post(f"/projects/{site.project.id}/settings", data=SETTINGS)
    assert answer.status_code == 422
    assert f"'Two Words' is none. {rule_of(LABEL)}" in html.unescape(answer.text)
