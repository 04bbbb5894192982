"""Which build is meant by a name: found by one question, however many builds there are."""

from __future__ import annotations

import httpx2
import pytest

from sealock.cli.api import Api
from sealock.cli.build_names import find_build
from sealock.core.errors import UsageError

pytestmark = pytest.mark.anyio
BUILD = "b" * 32


class Server(httpx2.AsyncBaseTransport):
    """Knows one build, by its id, its number and as the latest of its project."""

    def __init__(self) -> None:
        self.asked = list[str]()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        asked = request.url.raw_path.decode().removeprefix("/api/v1/")
        self.asked.append(asked)
        found = {"id": BUILD, "number": 12}
        known = {
            f"builds/{BUILD}": found,
            "projects/shop/builds/12": found,
            "builds?project=shop&limit=1": {"items": [found], "next": "more"},
            "builds?project=new&limit=1": {"items": [], "next": None},
        }
        return httpx2.Response(200, json=known[asked]) if asked in known else httpx2.Response(404, json={})


@pytest.mark.parametrize("named", [BUILD, "shop#12", "shop"])
async def test_a_build_is_found_by_one_question(named: str) -> None:
    server = Server()
    async with Api("https://ci.example", transport=server) as api:
        assert (await find_build(api, named))["id"] == BUILD
    assert len(server.asked) == 1


@pytest.mark.parametrize("named", ["a" * 32, "shop#13", "nothing#1", "nothing", "new", "shop#012", "#12", ""])
async def test_a_name_of_nothing_is_said_to_be_none(named: str) -> None:
    async with Api("https://ci.example", transport=Server()) as api:
        with pytest.raises(UsageError):
            await find_build(api, named)
