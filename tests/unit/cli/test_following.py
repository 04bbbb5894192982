"""A log is followed through lost connections: no line lost, none told twice."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from sealock.cli import following
from sealock.cli.api import Api
from sealock.cli.following import follow_log
from sealock.core.errors import TemporaryError, UsageError

pytestmark = pytest.mark.anyio
BUILD = "a" * 32


def event(number: int, identity: str = "", text: str = "x") -> bytes:
    said = f'{{"number": {number}, "text": "{text}"}}'
    return f"id: {identity or number}\nevent: line\ndata: {said}\n\n".encode()


END = b'event: end\ndata: {"status": "green"}\n\n'


class Pieces(httpx2.AsyncByteStream):
    """What comes of an answer, and how it is cut."""

    def __init__(self, pieces: list[bytes], cut: bool) -> None:
        self._pieces, self._cut = pieces, cut

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for piece in self._pieces:
            yield piece
        if self._cut:
            raise httpx2.ReadError("the connection was reset")


class Server(httpx2.AsyncBaseTransport):
    """Tells a stream for each time it is asked; None: it cannot be reached."""

    def __init__(self, *streams: tuple[list[bytes], bool] | None) -> None:
        self.streams, self.came_back_with = list(streams), list[str | None]()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.came_back_with.append(request.headers.get("last-event-id"))
        stream = self.streams.pop(0)
        if stream is None:
            raise httpx2.ConnectError("refused")
        headers = {"content-type": "text/event-stream"}
        return httpx2.Response(200, headers=headers, stream=Pieces(*stream))


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "PAUSE", 0.0)


async def followed(server: Server) -> list[tuple[int, bool]]:
    async with Api("https://ci.example", transport=server) as api:
        return [(line["number"], line["whole"]) async for line in follow_log(api, BUILD)]


async def test_after_a_loss_it_goes_on_behind_the_last_line() -> None:
    server = Server(
        ([event(1), event(2)], True),
        None,
        ([event(3)[:20]], True),
        ([event(3)], False),  # a stream that ends without `end` was cut, too
        ([event(4), END], False),
    )
    assert await followed(server) == [(1, True), (2, True), (3, True), (4, True)]
    assert server.came_back_with == [None, "2", "2", "2", "3"]


async def test_a_line_that_is_not_whole_is_marked_and_comes_again() -> None:
    server = Server(([event(1, "1.5")], True), ([event(1), END], False))
    assert await followed(server) == [(1, False), (1, True)]
    assert server.came_back_with == [None, "1.5"]


async def test_a_line_that_ended_without_more_of_it_is_whole_once_that_is_known() -> None:
    server = Server(([event(1, "1.5"), event(2), event(3, "3.5"), END], False))
    assert await followed(server) == [(1, False), (1, True), (2, True), (3, False), (3, True)]


async def test_a_server_that_stays_away_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "TRIES", 3)
    server = Server(*[None] * 9)
    with pytest.raises(TemporaryError, match="cannot be reached"):
        await followed(server)
    assert len(server.came_back_with) == 4


async def test_a_refusal_is_told() -> None:
    refused = b'event: refused\ndata: {"reason": "this log has no line 9"}\n\n'
    with pytest.raises(UsageError, match="no line 9"):
        await followed(Server(([refused], False)))
