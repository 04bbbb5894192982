"""Bodies that are small to send and dear to read: whoever sends them must not hold the website up.

What is measured is how much is made of a body, not how long it takes, so that a slow host fails no test.
"""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator

import pytest

from sealock.builds import worker_wire as wire
from sealock.core.errors import UsageError
from sealock.web.app import make_app
from tests.support.website import ORIGIN, client, make_ports

JSON = {"content-type": "application/json"}
MOST_MEMORY = 64 * 1024 * 1024
"""Bytes that may be made of one of these bodies, each of about 1 MiB."""


@pytest.fixture
def measured() -> Iterator[None]:
    """What is taken from now on is counted; it must stay within bounds."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < MOST_MEMORY, f"{peak >> 20} MiB were made of one body"


@pytest.mark.anyio
@pytest.mark.parametrize("path", ["/api/session", "/api/setup"])
@pytest.mark.usefixtures("measured")
async def test_a_stranger_cannot_have_each_of_a_hundred_thousand_fields_complained_of(path: str) -> None:
    app = make_app(make_ports().web, ORIGIN)
    body = json.dumps({f"{number:x}": 0 for number in range(90_000)})
    assert len(body) > 900_000
    async with client(app) as stranger:
        answer = await stranger.post(path, content=body, headers=JSON)
    assert answer.status_code == 422
    assert len(answer.json()["fields"]) == 1, "it was read no further than that there are too many"


RECORD = b'{"outcome":"green","reason":"","record":%s}'
FLOODS = {
    "values of the wrong type": RECORD % (b'{"commands":[' + b",".join([b"0"] * 400_000) + b"]}"),
    "fields there are not": RECORD
    % (b"{" + b",".join(b'"%x":0' % number for number in range(90_000)) + b"}"),
    "lists in a list": RECORD % (b"[" + b",".join([b"[]"] * 300_000) + b"]"),
    "no end of lists": b"[" * 1_000_000,
    "fields at the top": b"{" + b",".join(b'"%x":0' % number for number in range(90_000)) + b"}",
}


@pytest.mark.parametrize("flood", FLOODS)
@pytest.mark.usefixtures("measured")
def test_a_worker_cannot_have_each_of_its_mistakes_told(flood: str) -> None:
    with pytest.raises(UsageError) as refused:
        wire.decode(wire.End, FLOODS[flood])
    assert len(str(refused.value)) < 1000


def test_what_a_worker_may_have_to_say_still_fits() -> None:
    """A record of a build of thousands of commands whose lines are full of what JSON is made of."""
    words = {"outcome": "green", "reason": "[{,:}]" * 300, "record": None}
    assert wire.decode(wire.End, json.dumps(words).encode()).record is None
    steps = [
        {"number": number, "name": ",[{" * 60, "kind": "test", "state": "waiting"} for number in range(1, 257)
    ]
    told = wire.decode(wire.Report, json.dumps({"progress": {"steps": steps}}).encode())
    assert len(told.progress.steps) == 256
