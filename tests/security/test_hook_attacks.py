"""The webhook, attacked: nothing unsigned is parsed, nothing signed works twice, late, or elsewhere."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest

from sealock.core.secret import Secret
from sealock.web.app import make_app
from sealock.web.hooks import sign
from tests.support.website import ORIGIN, OTHER, PROJECT, REPOSITORY, SECRETS, Ports, client, make_ports

pytestmark = pytest.mark.anyio


@pytest.fixture
def ports() -> Ports:
    return make_ports()


@pytest.fixture
async def sender(ports: Ports) -> AsyncIterator[httpx2.AsyncClient]:
    async with client(make_app(ports.web, ORIGIN)) as made:
        yield made


def body(**changes: Any) -> bytes:
    usual = {
        "delivery": "0123456789abcdef",
        "sent_at": int(time.time()),
        "repository": REPOSITORY,
        "ref": "refs/heads/main",
        "before": "a" * 40,
        "after": "b" * 40,
    }
    return json.dumps(usual | changes).encode()


def signed(content: bytes, key: bytes = SECRETS[PROJECT]) -> dict[str, str]:
    return {"X-Sealock-Signature": sign(content, Secret(key)), "Content-Type": "application/json"}


async def send(
    sender: httpx2.AsyncClient, content: bytes, headers: dict[str, str] | None = None, project: str = PROJECT
) -> httpx2.Response:
    told = signed(content) if headers is None else headers
    return await sender.post(f"/hooks/git/{project}", content=content, headers=told)


async def test_a_signed_push_is_taken(sender: httpx2.AsyncClient, ports: Ports) -> None:
    answer = await send(sender, body())
    assert (answer.status_code, answer.json()) == (202, {"delivery": "0123456789abcdef", "taken": True})
    ((project, push),) = ports.hooks.taken
    assert project == PROJECT and (push.name, push.after) == ("main", "b" * 40)


def wrong_signatures(content: bytes) -> dict[str, dict[str, str] | dict[bytes, bytes]]:
    name, right = "X-Sealock-Signature", sign(content, Secret(SECRETS[PROJECT]))
    return {
        "none": {},
        "empty": {name: ""},
        "another project's": signed(content, SECRETS[OTHER]),
        "of an empty secret": signed(content, b""),
        "of other bytes": signed(content + b" "),
        "cut": {name: right[:-1]},
        "longer": {name: right + "0"},
        "without its algorithm": {name: right.removeprefix("sha256=")},
        "another algorithm": {name: "sha1=" + right[7:47]},
        "in capitals": {name: right.upper()},
        "zeros": {name: "sha256=" + "0" * 64},
        "two, the right one second": {name: f"sha256={'0' * 64}, {right}"},
        "no ASCII": {name.encode(): b"sha256=" + b"\xe9" * 64},
        "under GitHub's name": {"X-Hub-Signature-256": right},
        "in the address": {"Authorization": f"Bearer {right}"},
    }


@pytest.mark.parametrize("kind", wrong_signatures(b""))
async def test_what_is_not_signed_is_refused_before_it_is_parsed(
    sender: httpx2.AsyncClient, ports: Ports, kind: str
) -> None:
    """What no parser would take is answered the same as what one would."""
    for content in (body(), b"{nonsense"):
        headers = wrong_signatures(content)[kind]
        answer = await sender.post(f"/hooks/git/{PROJECT}", content=content, headers=headers)
        assert (answer.status_code, answer.json()["detail"]) == (401, "The signature is missing or wrong.")
    assert not ports.hooks.taken


async def test_the_signature_is_of_the_bytes_as_they_were_sent(
    sender: httpx2.AsyncClient, ports: Ports
) -> None:
    """Not of what they mean: with a space more, or in another order, it is another body."""
    content = body()
    turned = json.dumps(json.loads(content), sort_keys=True).encode()
    for other in (content + b"\n", b" " + content, turned):
        assert (await send(sender, other, signed(content))).status_code == 401
        assert not ports.hooks.taken
    assert (await send(sender, content + b"\n")).status_code == 202


async def test_a_stranger_learns_not_which_projects_there_are(sender: httpx2.AsyncClient) -> None:
    content = body()
    answers = [
        await send(sender, content, headers, project)
        for project in (PROJECT, "9" * 32)
        for headers in ({}, signed(content, b"a guess"))
    ]
    told = {(one.status_code, one.json()["detail"], frozenset(one.headers)) for one in answers}
    assert len(told) == 1


async def test_another_projects_secret_opens_no_door_but_its_own(
    sender: httpx2.AsyncClient, ports: Ports
) -> None:
    content = body()
    assert (await send(sender, content, signed(content, SECRETS[OTHER]))).status_code == 401
    assert (await send(sender, content, signed(content, SECRETS[OTHER]), OTHER)).status_code == 202
    assert [project for project, _ in ports.hooks.taken] == [OTHER]


async def test_a_recorded_push_starts_one_build_however_often_it_is_sent(
    sender: httpx2.AsyncClient, ports: Ports
) -> None:
    content = body()
    answers = [await send(sender, content) for _ in range(5)]
    assert [one.status_code for one in answers] == [202, 200, 200, 200, 200]
    assert not answers[1].json()["taken"] and len(ports.hooks.taken) == 1


async def test_a_recorded_push_cannot_be_given_another_name_or_time(
    sender: httpx2.AsyncClient, ports: Ports
) -> None:
    """Both are in what is signed: no header can change them."""
    content, old = body(), body(sent_at=int(time.time()) - 301)
    await send(sender, content)
    now = {"X-Sealock-Delivery": "f" * 16, "X-Sealock-Timestamp": str(int(time.time())), "Date": "now"}
    assert (await send(sender, content, signed(content) | now)).status_code == 200
    assert (await send(sender, old, signed(old) | now)).status_code == 422
    changed = content.replace(b"0123456789abcdef", b"1123456789abcdef")
    assert (await send(sender, changed, signed(content))).status_code == 401
    assert len(ports.hooks.taken) == 1


@pytest.mark.parametrize("away", [-301, -86400, 330, 86400, -1_700_000_000])
async def test_a_push_of_another_time_is_refused(sender: httpx2.AsyncClient, ports: Ports, away: int) -> None:
    answer = await send(sender, body(sent_at=int(time.time()) + away))
    assert answer.status_code == 422 and "sent_at" in answer.json()["detail"] and not ports.hooks.taken


async def test_a_push_of_another_repository_is_refused(sender: httpx2.AsyncClient, ports: Ports) -> None:
    answer = await send(sender, body(repository="git@git.example.com:team/other.git"))
    assert answer.status_code == 422 and "repository" in answer.json()["detail"] and not ports.hooks.taken


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"not JSON", "The body"),
        (b"ref=refs%2Fheads%2Fmain", "The body"),
        (b"[]", "The body"),
        (body(ref=None), "ref"),
        (body(ref=7), "ref"),
        (body(ref="refs/heads/" + "x" * 4096), "ref"),
        (body(ref="refs/heads/" + "x" * 251), "ref"),
        (body(sent_at="now"), "sent_at"),
        (body(force=True), "force"),
    ],
)
async def test_even_what_is_signed_is_read_as_a_strangers(
    sender: httpx2.AsyncClient, ports: Ports, content: bytes, said: str
) -> None:
    answer = await send(sender, content)
    assert answer.status_code == 400 and answer.json()["detail"].startswith(said)
    assert len(answer.content) < 1500 and not ports.hooks.taken


async def test_a_push_of_more_than_two_megabytes_is_refused_unread(
    sender: httpx2.AsyncClient, ports: Ports
) -> None:
    content = body(padding="x" * 2 * 1024 * 1024)
    assert (await send(sender, content)).status_code == 413

    async def dripping() -> AsyncIterator[bytes]:
        for _ in range(400):
            yield b"x" * 10_000

    answer = await sender.post(f"/hooks/git/{PROJECT}", content=dripping(), headers=signed(content))
    assert answer.status_code == 413 and not ports.hooks.taken


@pytest.mark.parametrize("project", ["", "x", "1" * 31, "1" * 33, "..", "%2e%2e", "1" * 32 + "%0a", "A" * 32])
async def test_what_is_no_project(sender: httpx2.AsyncClient, project: str) -> None:
    content = body()
    assert (await send(sender, content, project=project)).status_code in (401, 404, 405, 422)


async def test_a_flood_is_turned_away(sender: httpx2.AsyncClient, ports: Ports) -> None:
    statuses = [(await send(sender, b"x", {})).status_code for _ in range(125)]
    assert statuses == [401] * 120 + [429] * 5
