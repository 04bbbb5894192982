"""A project's settings, secrets, key, hook and end, by forms."""

from __future__ import annotations

import httpx2
import pytest

from sealock.core.build import Outcome
from sealock.core.errors import UsageError
from sealock.core.plan import MOST_PIPELINES
from sealock.core.project_settings import ProjectSettings
from sealock.core.queue import Supersede
from sealock.core.scope import Scope
from sealock.core.sealed import LOCAL_ACCOUNT, Kind
from tests.support.pages import Page
from tests.support.site import Site

pytestmark = pytest.mark.anyio
FORM = {
    "default_branch": "trunk",
    "protected": "trunk\r\nrelease/1,with-a-comma\r\n\r\n",
    "one_at_a_time": "deploy",
    "image": "debian-13",
    "supersede": "running",
    "max_running": "2",
    "priority": "-7",
    "labels": "kvm, big",
}
SECRET = {
    "secret_name": "DEPLOY_TOKEN",
    "value": "hunter2 hunter2",
    "kind": "variable",
    "protected_only": "yes",
}


@pytest.fixture
def path(site: Site) -> str:
    return f"/projects/{site.project.id}/settings"


async def test_settings_are_saved_and_shown(site: Site, browser: httpx2.AsyncClient, path: str) -> None:
    assert (await browser.post(path, data=FORM)).headers["location"] == f"{path}?done=settings"
    assert await site.projects.settings(LOCAL_ACCOUNT, site.project.id) == ProjectSettings(
        default_branch="trunk",
        protected=("trunk", "release/1,with-a-comma"),
        image="debian-13",
        supersede=Supersede.RUNNING,
        max_running=2,
        priority=-7,
        labels=("kvm", "big"),
        one_at_a_time=("deploy",),
    )
    page = Page((await browser.get(f"{path}?done=settings")).text)
    for name, value in (("default_branch", "trunk"), ("labels", "kvm, big"), ("priority", "-7")):
        field = page.by_id(name)
        assert field is not None and field["value"] == value
    assert "The settings are saved." in page.text and "release/1,with-a-comma" in page.text
    await browser.post(path, data=FORM | {"max_running": ""})
    assert (await site.projects.settings(LOCAL_ACCOUNT, site.project.id)).max_running is None


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"priority": "101"}, "priority"),
        ({"max_running": "x"}, "max_running"),
        ({"supersede": "all"}, "supersede"),
    ],
)
async def test_wrong_settings_stand_beside_their_field(
    site: Site, browser: httpx2.AsyncClient, path: str, changed: dict[str, str], field: str
) -> None:
    answer = await browser.post(path, data=FORM | changed)
    assert answer.status_code == 422 and Page(answer.text).by_id(f"{field}-fault") is not None
    assert await site.projects.settings(LOCAL_ACCOUNT, site.project.id) == ProjectSettings()


async def test_a_secret_goes_in_and_is_on_no_page(site: Site, browser: httpx2.AsyncClient, path: str) -> None:
    answer = await browser.post(
        f"{path}/secrets", data=SECRET | {"pipelines": "deploy", "deployments_only": "yes"}
    )
    assert answer.headers["location"] == f"{path}?done=secret#secrets"
    ((name, (scope, value)),) = site.secrets_of_projects().items()
    assert (name.kind, name.name, value) == (Kind.VARIABLE, "DEPLOY_TOKEN", b"hunter2 hunter2")
    origin = site.project.origin
    assert scope == Scope(("deploy",), deployments_only=True, protected_only=True, origin=origin)
    page = (await browser.get(path)).text
    assert "DEPLOY_TOKEN" in page and "hunter2" not in page
    assert f"is for code of <code>{site.project.address}</code> alone" in page
    wrong = await browser.post(f"{path}/secrets", data=SECRET | {"secret_name": "not a name"})
    assert wrong.status_code == 422 and "hunter2" not in wrong.text, "not even after a slip"
    taken = await browser.post(f"{path}/secrets", data=SECRET | {"kind": "file"})
    assert taken.status_code == 422 and "hunter2" not in taken.text


@pytest.mark.parametrize("value", ["123", "true"])
async def test_a_secret_that_logs_will_show_is_kept_and_told_of(
    site: Site, browser: httpx2.AsyncClient, path: str, value: str
) -> None:
    answer = await browser.post(f"{path}/secrets", data=SECRET | {"value": value})
    assert answer.status_code == 303 and len(site.secrets_of_projects()) == 1
    told = (await browser.get(answer.headers["location"].partition("#")[0])).text
    assert "<code>DEPLOY_TOKEN</code> is sealed, but it is too short or too common to be masked" in told
    assert "Choose a longer value" in told and "note-warn" in told and "note-good" not in told
    assert "too common" not in (await browser.get(f"{path}?done=secret")).text
    other = (await browser.get(f"{path}?done=secret&not_masked=NO_SUCH")).text
    assert "NO_SUCH" not in other and "too common" not in other, "a link says nothing that is not so"


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"secret_name": "a/b"}, "secret_name"),
        ({"secret_name": "1-x"}, "secret_name"),
        ({"kind": "ssh-key"}, "kind"),
        ({"value": ""}, "value"),
        ({"pipelines": "a b"}, "pipelines"),
    ],
)
async def test_a_secret_that_cannot_be_is_not_kept(
    site: Site, browser: httpx2.AsyncClient, path: str, changed: dict[str, str], field: str
) -> None:
    answer = await browser.post(f"{path}/secrets", data=SECRET | changed)
    assert answer.status_code == 422 and Page(answer.text).by_id(f"{field}-fault") is not None
    assert not site.secrets_of_projects()


async def test_a_form_takes_the_secrets_that_the_api_takes(
    site: Site, browser: httpx2.AsyncClient, path: str
) -> None:
    names = ",".join(f"p{number}" for number in range(MOST_PIPELINES))
    large = SECRET | {"kind": "file", "value": "x" * 900_000, "pipelines": names}
    assert (await browser.post(f"{path}/secrets", data=large)).status_code == 303
    more = await browser.post(f"{path}/secrets", data=large | {"pipelines": names + ",more"})
    assert more.status_code == 422 and Page(more.text).by_id("pipelines-fault") is not None
    assert [len(one) for one in site.kept_secrets().values()] == [900_000]


async def test_a_value_that_is_refused_is_the_value_s_fault(
    site: Site, browser: httpx2.AsyncClient, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise UsageError("the value is longer than a variable may be", resolution="Set it as a file.")

    monkeypatch.setattr(site.secrets, "keep", refuse)
    answer = await browser.post(f"{path}/secrets", data=SECRET)
    assert answer.status_code == 422 and Page(answer.text).by_id("value-fault") is not None


async def test_a_secret_is_destroyed(site: Site, browser: httpx2.AsyncClient, path: str) -> None:
    for _ in range(2):
        await browser.post(f"{path}/secrets", data=SECRET)
    answer = await browser.post(f"{path}/secrets/remove", data={"name": "DEPLOY_TOKEN"})
    assert answer.status_code == 303
    versions = await site.secrets.all(LOCAL_ACCOUNT, site.project.id)
    assert [bool(one.destroyed_at) for one in versions] == [True, True] and not site.kept_secrets()
    assert "DEPLOY_TOKEN</code>" not in (await browser.get(path)).text
    for name in ("DEPLOY_TOKEN", "a/b", ""):
        assert (await browser.post(f"{path}/secrets/remove", data={"name": name})).status_code == 404


async def test_a_new_key_is_made_by_typing_the_name(
    site: Site, browser: httpx2.AsyncClient, path: str
) -> None:
    refused = await browser.post(f"{path}/key", data={"key_name": "bank"})
    assert refused.status_code == 422 and Page(refused.text).by_id("key_name-fault") is not None
    assert (await site.projects.get(LOCAL_ACCOUNT, site.project.id)).sealed_key.version == 1
    assert (await browser.post(f"{path}/key", data={"key_name": "shop"})).status_code == 303
    assert (await site.projects.get(LOCAL_ACCOUNT, site.project.id)).sealed_key.version == 2


async def test_the_hook_gets_a_new_secret(site: Site, browser: httpx2.AsyncClient, path: str) -> None:
    assert (await browser.post(f"{path}/hook")).status_code == 303
    assert (await site.projects.settings(LOCAL_ACCOUNT, site.project.id)).hook_version == 2


async def test_a_project_is_removed_by_typing_its_name_once_nothing_runs(
    site: Site, browser: httpx2.AsyncClient, path: str
) -> None:
    for name, field in (("", "remove_name"), ("Shop", "remove_name"), ("shop", "remove_name")):
        refused = await browser.post(f"{path}/remove", data={"remove_name": name})
        assert refused.status_code == 422 and Page(refused.text).by_id(f"{field}-fault") is not None
    await site.finish(site.running, Outcome.GREEN)
    answer = await browser.post(f"{path}/remove", data={"remove_name": "shop"})
    assert answer.status_code == 303
    assert "Its keys are destroyed" in (await browser.get(answer.headers["location"])).text
    assert (await browser.get(path)).status_code == 404
    assert not await site.projects.all(LOCAL_ACCOUNT)


async def test_a_secret_is_destroyed_only_in_a_second_step(site: Site, browser: httpx2.AsyncClient) -> None:
    path = f"/projects/{site.project.id}/settings"
    await browser.post(f"{path}/secrets", data={"secret_name": "TOKEN", "value": "x", "kind": "variable"})
    page = (await browser.get(path)).text
    before, _, form = page.partition(f'action="{path}/secrets/remove"')
    assert form and before.rpartition("<details")[2].count("</details>") == 0, "the form is folded away"
