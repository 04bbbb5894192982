"""The client of the API: what it sends again, and how it tells what went wrong."""

from __future__ import annotations

from typing import Any

import httpx2
import pytest

from sealock import __version__
from sealock.cli import api as under_test
from sealock.cli.api import Api
from sealock.cli.api_errors import UNKNOWN_FIELD, NotFound, SignInEnded
from sealock.core.errors import PermanentError, SealockError, TemporaryError, UsageError
from sealock.web.written import wrong_word

pytestmark = pytest.mark.anyio


class Server(httpx2.AsyncBaseTransport):
    """Gives each answer once; an exception is raised."""

    def __init__(self, *answers: httpx2.Response | Exception) -> None:
        self.answers, self.asked = list(answers), list[httpx2.Request]()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "AGAIN", (0.0, 0.0, 0.0))


def ok(content: Any = None) -> httpx2.Response:
    return httpx2.Response(200, json=content)


async def test_what_changes_nothing_is_asked_again() -> None:
    server = Server(httpx2.ReadError("reset"), httpx2.ConnectError("refused"), ok({"a": 1}))
    async with Api("https://ci.example", transport=server) as api:
        assert await api.get("builds", query={"limit": 1, "cursor": None}) == {"a": 1}
    assert {str(one.url) for one in server.asked} == {"https://ci.example/api/v1/builds?limit=1"}


async def test_what_makes_something_is_sent_again_under_the_same_key() -> None:
    busy = httpx2.Response(409, json={"detail": "being done"}, headers={"retry-after": "1"})
    server = Server(httpx2.ReadError("reset"), busy, ok({"id": "b"}), ok())
    async with Api("https://ci.example", transport=server) as api:
        await api.post("projects", "shop", "builds", body={"ref": None})
        keys = [one.headers["idempotency-key"] for one in server.asked]
        assert len(set(keys)) == 1 and len(keys) == 3
        await api.post("projects", "shop", "builds")
    assert server.asked[-1].headers["idempotency-key"] not in keys


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE", "POST"])
async def test_what_may_not_come_twice_is_sent_once(method: str) -> None:
    server = Server(httpx2.ReadError("reset"), ok())
    async with Api("https://ci.example", transport=server) as api:
        with pytest.raises(TemporaryError):
            if method == "POST":
                await api.post("tokens", body={}, again=False)
            else:
                await api.change(method, "projects", "shop")
    assert len(server.asked) == 1


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, UsageError, 2),
        (401, SignInEnded, 2),
        (403, UsageError, 2),
        (404, NotFound, 2),
        (409, UsageError, 2),
        (422, UsageError, 2),
        (429, TemporaryError, 3),
        (500, PermanentError, 3),
        (503, TemporaryError, 3),
    ],
)
async def test_each_answer_is_an_error_for_who_must_act(
    status: int, kind: type[SealockError], code: int
) -> None:
    told = {"detail": "It is so.", "request_id": "r1", "fields": [{"field": "ref", "reason": "no"}]}
    server = Server(httpx2.Response(status, json=told))
    async with Api("https://ci.example", transport=server) as api:
        with pytest.raises(kind) as caught:
            await api.change("DELETE", "tokens", "x")
    assert "It is so" in caught.value.brief
    assert ("r1" if status == 500 else "ref: no") in caught.value.details
    assert caught.value.exit_code == code


async def test_what_is_not_there_says_which_command_lists_what_is() -> None:
    server = Server(httpx2.Response(404, json={"detail": "There is no such worker."}))
    async with Api("https://ci.example", transport=server) as api:
        with pytest.raises(NotFound) as caught:
            await api.get("workers", "x")
    assert caught.value.resolution == "`sealock workers list` lists them."


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx2.Response(404, json={"title": "Not Found"}), NotFound),
        (httpx2.Response(405, json={"title": "Method Not Allowed"}), UsageError),
        (httpx2.Response(422, json={"fields": [{"field": "x", "reason": UNKNOWN_FIELD}]}), UsageError),
        (httpx2.Response(200, content=b"<html>"), PermanentError),
    ],
)
async def test_a_server_of_another_version_is_told_as_one(
    answer: httpx2.Response, kind: type[SealockError]
) -> None:
    async with Api("https://ci.example", transport=Server(answer)) as api:
        with pytest.raises(kind) as caught:
            await api.get("what-came-later")
    assert __version__ in caught.value.resolution and "`sealock whoami`" in caught.value.resolution


def test_what_the_website_says_of_an_unknown_field_is_what_is_looked_for() -> None:
    assert wrong_word({"type": "extra_forbidden"}) == UNKNOWN_FIELD


async def test_a_server_reached_by_another_name_says_by_which() -> None:
    server = Server(httpx2.Response(421, json={"detail": "This website has another name."}))
    async with Api("https://ci.example", transport=server) as api:
        with pytest.raises(UsageError) as caught:
            await api.get("builds")
    assert "`origin`" in caught.value.resolution


async def test_a_token_that_ended_says_how_to_get_another() -> None:
    server = Server(httpx2.Response(401, json={"detail": "This token opens nothing, or no longer."}))
    async with Api("https://ci.example", transport=server) as api:
        with pytest.raises(SignInEnded) as caught:
            await api.get("builds")
    for needed in ("has run out or was revoked", "sealock login https://ci.example", "/account"):
        assert needed in caught.value.resolution


@pytest.mark.parametrize("content", [b"<html>", b"{", b"[" * 100_000])
async def test_an_answer_that_is_none_of_ours_is_told(content: bytes) -> None:
    server = Server(httpx2.Response(200, content=content))
    async with Api("https://ci.example", transport=server) as api:
        with pytest.raises(PermanentError, match="cannot be read"):
            await api.get("builds")


async def test_a_list_is_read_to_its_end() -> None:
    server = Server(ok({"items": [{"n": 1}], "next": "c"}), ok({"items": [{"n": 2}], "next": None}))
    async with Api("https://ci.example", transport=server) as api:
        assert [one["n"] for one in await api.all("workers")] == [1, 2]
    assert server.asked[1].url.params["cursor"] == "c"
