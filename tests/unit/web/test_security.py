"""The guard before every door, attacked from outside."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator

import httpx2
import pytest
from fastapi import FastAPI, Request
from fastapi.testclient import TestClient
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.web.problems import tell_problems
from sealock.web.rates import EVERYTHING, Rates
from sealock.web.security import HEADERS, Guard
from tests.support.website import ORIGIN, client

pytestmark = pytest.mark.anyio


def app() -> FastAPI:
    """Doors that do what a door may do wrong."""
    made = FastAPI(telemetry={"tracing": False, "metrics": False, "logs": False, "auto_configure": False})
    tell_problems(made)

    @made.get("/")
    async def fine() -> str:
        return "fine"

    @made.get("/shown")
    async def shown(kind: str) -> Response:
        return Response("x", headers={"Cross-Origin-Resource-Policy": "cross-origin"}, media_type=kind)

    @made.post("/length")
    async def length(request: Request) -> int:
        return len(await request.body())

    @made.get("/broken")
    async def broken() -> str:
        raise RuntimeError("the password is hunter2")

    @made.get("/ours/{kind}")
    async def ours(kind: str) -> str:
        raise {"usage": UsageError, "temporary": TemporaryError, "permanent": PermanentError}[kind](
            "What happened", details="seen on the inside", resolution="Do this."
        )

    @made.post("/typed")
    async def typed(password: int, name: str) -> str:
        return f"{password} {name}"

    return made


@pytest.fixture
async def asked() -> AsyncIterator[httpx2.AsyncClient]:
    async with client(Guard(app(), ORIGIN, Rates(), longest_body=1000)) as made:
        yield made


PLACES = ["/", "/none", "/broken", "/ours/permanent", "/length"]


@pytest.mark.parametrize("path", PLACES)
async def test_every_answer_has_the_headers(asked: httpx2.AsyncClient, path: str) -> None:
    answer = await asked.get(path)
    assert {name: answer.headers[name] for name in HEADERS} == HEADERS
    assert answer.headers["cache-control"] == "no-store"
    assert len(answer.headers["x-request-id"]) == 32


def test_what_the_headers_ask_of_browsers() -> None:
    """Spelled out once more: what is only compared with itself could be taken away unseen."""
    told = {name: value for name, value in HEADERS.items() if name != "Content-Security-Policy"}
    permitted = told.pop("Permissions-Policy").split(", ")
    assert told == {
        "Strict-Transport-Security": "max-age=31536000",
        "X-Content-Type-Options": "nosniff",
        "X-Frame-Options": "DENY",
        "Referrer-Policy": "same-origin",
        "Cross-Origin-Opener-Policy": "same-origin",
        "Cross-Origin-Resource-Policy": "same-origin",
    }
    assert {"camera=()", "microphone=()", "geolocation=()", "display-capture=()"} <= set(permitted)
    assert all(each.endswith("=()") for each in permitted)


@pytest.mark.parametrize(
    ("kind", "policy"),
    [("image/svg+xml", "cross-origin"), ("text/html", "same-origin"), ("application/json", "same-origin")],
)
async def test_nothing_but_a_picture_is_for_the_pages_of_others(
    asked: httpx2.AsyncClient, kind: str, policy: str
) -> None:
    answer = await asked.get("/shown", params={"kind": kind})
    assert answer.text == "x" and answer.headers.get_list("cross-origin-resource-policy") == [policy]


async def test_refusals_have_the_headers_too(asked: httpx2.AsyncClient) -> None:
    answers = [
        await asked.get("/", headers={"Host": "evil.example.net"}),
        await asked.post("/length", headers={"Sec-Fetch-Site": "cross-site"}),
        await asked.post("/length", content=b"x" * 1001),
    ]
    assert [answer.status_code for answer in answers] == [421, 403, 413]
    for answer in answers:
        assert {name: answer.headers[name] for name in HEADERS} == HEADERS
        assert answer.headers["content-type"] == "application/problem+json"


async def test_pages_run_nothing_inline_and_nothing_from_elsewhere() -> None:
    policy = dict(part.split(" ", 1) for part in HEADERS["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == "'none'" and policy["base-uri"] == policy["frame-ancestors"] == "'none'"
    assert set(policy.values()) == {"'self'", "'none'"}, (
        "no host, no scheme, no unsafe-inline, no unsafe-eval"
    )


@pytest.mark.parametrize(
    "host", ["evil.example.net", "localhost", "localhost:8443.evil.net", "", "localhost:1"]
)
async def test_a_request_for_another_host_gets_nowhere(asked: httpx2.AsyncClient, host: str) -> None:
    answer = await asked.get("/", headers={"Host": host})
    assert answer.status_code == 421 and "fine" not in answer.text


async def test_a_request_with_two_hosts_gets_nowhere() -> None:
    """One for the check, one for whatever comes after."""
    sent: list[Message] = []
    scope = scope_of("GET", "/", [(b"host", b"localhost:8443"), (b"host", b"evil.example.net")])
    await Guard(app(), ORIGIN, Rates())(scope, body_of(b""), gather(sent))
    assert sent[0]["status"] == 421


async def test_another_site_cannot_make_a_browser_change_anything(asked: httpx2.AsyncClient) -> None:
    for headers in (
        {"Sec-Fetch-Site": "cross-site"},
        {"Origin": "https://evil.example.net"},
        {"Cookie": "a=b"},
    ):
        answer = await asked.post("/length", content=b"x", headers=headers)
        assert answer.status_code == 403
    assert (await asked.post("/length", content=b"x", headers={"Sec-Fetch-Site": "same-origin"})).json() == 1


# Bodies


def scope_of(method: str, path: str, headers: list[tuple[bytes, bytes]]) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "https",
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"",
        "headers": headers,
        "client": ("192.0.2.7", 1),
        "server": ("localhost", 8443),
    }


def body_of(*parts: bytes, read: list[int] | None = None, wait: float = 0.0) -> Receive:
    remaining = list(parts)

    async def receive() -> Message:
        if not remaining:
            return {"type": "http.disconnect"}
        await asyncio.sleep(wait)
        part = remaining.pop(0)
        if read is not None:
            read.append(len(part))
        return {"type": "http.request", "body": part, "more_body": bool(remaining)}

    return receive


def gather(sent: list[Message]) -> Send:
    async def send(message: Message) -> None:
        sent.append(message)

    return send


HOST = (b"host", b"localhost:8443")


async def test_a_body_said_to_be_too_long_is_not_read() -> None:
    sent: list[Message] = []
    read: list[int] = []
    scope = scope_of("POST", "/length", [HOST, (b"content-length", b"1001")])
    await Guard(app(), ORIGIN, Rates(), longest_body=1000)(scope, body_of(b"x", read=read), gather(sent))
    assert sent[0]["status"] == 413 and read == []


async def test_a_body_that_does_not_say_is_read_up_to_the_limit() -> None:
    sent: list[Message] = []
    read: list[int] = []
    scope = scope_of("POST", "/length", [HOST, (b"transfer-encoding", b"chunked")])
    parts = [b"x" * 400] * 100
    await Guard(app(), ORIGIN, Rates(), longest_body=1000)(scope, body_of(*parts, read=read), gather(sent))
    assert sent[0]["status"] == 413 and read == [400, 400, 400]
    assert json.loads(sent[1]["body"])["title"] == "Request Entity Too Large"


async def test_a_body_that_lies_about_its_length_is_read_up_to_the_limit() -> None:
    sent: list[Message] = []
    scope = scope_of("POST", "/length", [HOST, (b"content-length", b"-1")])
    guard = Guard(app(), ORIGIN, Rates(), longest_body=1000)
    await guard(scope, body_of(*[b"x" * 400] * 100), gather(sent))
    assert sent[0]["status"] == 413


async def test_a_body_that_trickles_in_is_given_up() -> None:
    sent: list[Message] = []
    scope = scope_of("POST", "/length", [HOST, (b"transfer-encoding", b"chunked")])
    guard = Guard(app(), ORIGIN, Rates(), longest_body=1000, body_seconds=0.3)
    await asyncio.wait_for(guard(scope, body_of(*[b"x"] * 100, wait=0.1), gather(sent)), 60)
    assert sent[0]["status"] == 408


async def test_a_body_of_just_the_limit_is_taken(asked: httpx2.AsyncClient) -> None:
    assert (await asked.post("/length", content=b"x" * 1000)).json() == 1000


# Errors


async def test_what_went_wrong_inside_stands_in_the_log_only(
    asked: httpx2.AsyncClient, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        answer = await asked.get("/broken")
    assert answer.status_code == 500 and "hunter2" not in answer.text
    assert answer.json()["request_id"] == answer.headers["x-request-id"]
    assert answer.headers["x-request-id"] in caplog.text and "hunter2" in caplog.text


async def test_a_stranger_does_not_choose_the_requests_id(asked: httpx2.AsyncClient) -> None:
    answer = await asked.get("/", headers={"X-Request-Id": "mine\tevil"})
    assert "mine" not in answer.headers["x-request-id"]


@pytest.mark.parametrize(
    ("path", "status", "members"),
    [
        ("/none", 404, {"title": "Not Found"}),
        ("/length", 405, {"title": "Method Not Allowed"}),
        ("/ours/usage", 400, {"detail": "What happened. Do this."}),
        ("/ours/temporary", 503, {"title": "Service Unavailable"}),
        ("/ours/permanent", 500, {"title": "Internal Server Error"}),
    ],
)
async def test_errors_are_problems(
    asked: httpx2.AsyncClient, path: str, status: int, members: dict[str, str]
) -> None:
    answer = await asked.get(path)
    assert answer.status_code == status and answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert told.items() >= {"type": "about:blank", "status": status, **members}.items()
    assert "inside" not in answer.text


async def test_a_wrong_field_is_named_and_its_value_is_not_repeated(asked: httpx2.AsyncClient) -> None:
    answer = await asked.post("/typed?password=hunter2")
    assert answer.status_code == 422 and "hunter2" not in answer.text
    assert {one["field"] for one in answer.json()["fields"]} == {"password", "name"}


# Others


async def test_too_many_requests_are_turned_away_with_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sealock.web.security.EVERYTHING", type(EVERYTHING)("everything", "3/minute"))
    guard = Guard(app(), ORIGIN, Rates())
    async with client(guard) as here, client(guard, "192.0.2.8") as there:
        statuses = [(await here.get("/")).status_code for _ in range(4)]
        assert statuses == [200, 200, 200, 429]
        forged = await here.get("/", headers={"X-Forwarded-For": "192.0.2.99", "Forwarded": "for=192.0.2.99"})
        assert forged.status_code == 429 and 0 < int(forged.headers["retry-after"]) <= 61
        assert (await there.get("/")).status_code == 200


def test_a_websocket_is_closed() -> None:
    with (
        pytest.raises(WebSocketDisconnect),
        TestClient(Guard(app(), ORIGIN, Rates())).websocket_connect("/", headers={"Host": "localhost:8443"}),
    ):
        pass
