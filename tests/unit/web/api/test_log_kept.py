"""Until when a log is kept, and why it is gone, by the API. The data directory, the keys and the sweep are
real."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import Connection

from sealock.builds.log_sweep import LogSweep
from sealock.core.log import LogReader
from sealock.core.log_retention import DAY, HELD_FOR
from sealock.core.project import owner_of
from sealock.core.sealed import Kind, Owner, Sealed
from sealock.keeper.member import SealedMemberLogs
from sealock.livelog.files import LogFiles
from sealock.livelog.shelf import SealedShelf
from sealock.store.database.log_sweeps import DatabaseEndedBuilds
from sealock.store.queue.change import database_time
from sealock.web.app import make_app
from tests.support.keys import files
from tests.support.site import Site

pytestmark = pytest.mark.anyio
OUTPUT = b"".join(b"canary of line %d\n" % number for number in range(2000))
PIECE = 48


class MemberLogs(SealedMemberLogs):
    """Everything real but the way to the keeper, which is in this process."""

    site: Site

    async def read(self, owner: Owner, run_id: str, *, person: str) -> LogReader:
        self._sealed_key(owner, run_id)
        return await self.site.hosted.logs.read(owner, run_id)


class Keeping:
    """The site with its logs in its data directory. later: seconds the clock is turned by."""

    def __init__(self, site: Site) -> None:
        self.site, self.later = site, 0.0
        self.directory = site.hosted.directory
        self.values = site.hosted.keys.store
        # Neither the keeper nor the key for it is asked for: `MemberLogs` reads otherwise.
        members = MemberLogs(LogFiles(self.directory / "logs"), self.values, None, None)  # type: ignore[arg-type]
        members.site = site
        shelf = SealedShelf(members, site.wakeups)
        self.sweep = LogSweep(DatabaseEndedBuilds(site.database, self.clock), shelf, 30)
        site.service = replace(site.service, logs=shelf, site=replace(site.service.site, keep_logs=30))
        site.ports = replace(site.ports, service=site.service)
        site.app = make_app(site.ports, site.origin)

    def clock(self, connection: Connection) -> int:
        return database_time(connection) + round(self.later * 1000)

    async def pass_days(self, days: float) -> None:
        """Days in which somebody looks at the clock now and then."""
        for _ in range(int(days)):
            self.later += DAY
            await self.sweep._ended.look()

    async def write(self, build: str) -> list[bytes]:
        """A log; what is to be found of it in the data directory: pieces of the file, and its sealed key."""
        owner = owner_of(self.site.project.id)
        log = await self.site.hosted.logs.begin(owner, build)
        log.write(OUTPUT)
        log.close()
        content = (self.directory / "logs" / f"{build}.log").read_bytes()
        sealed = self.values.get(owner, Kind.LOG_KEY, build)
        assert isinstance(sealed, Sealed)
        pieces = [content[start : start + PIECE] for start in range(64, len(content) - PIECE, PIECE)]
        return [*pieces, sealed.data, b64encode(sealed.data).rstrip(b"=")]

    def holds(self, traces: list[bytes]) -> list[Path]:
        return [path for path, found in files(self.directory) if any(trace in found for trace in traces)]


@pytest.fixture
async def keeping(site: Site) -> Keeping:
    return Keeping(site)


async def test_an_old_log_is_gone_with_its_key_and_the_api_says_why(
    keeping: Keeping, site: Site, api: httpx2.AsyncClient
) -> None:
    async with site.program() as program:
        program.base_url = api.base_url
        traces, others = await keeping.write(site.red), await keeping.write(site.running)
        assert {path.suffix for path in keeping.holds(traces)} == {".log", ".json"}
        told = (await program.get(f"builds/{site.red}")).json()
        assert told["log"] == {
            "kept_until": told["ended_at"] + 30 * DAY,
            "removed_at": None,
            "removed_by": None,
            "removed_why": "",
        }
        receipt = (await program.get(f"builds/{site.red}/receipt")).content
        changed = await program.patch(f"projects/{site.project.id}", json={"keep_logs": 7})
        assert changed.json()["settings"]["keep_logs"] == 7
        assert (await program.get(f"builds/{site.red}")).json()["log"]["kept_until"] == told[
            "ended_at"
        ] + 7 * DAY
        assert (await program.get(f"builds/{site.red}/log?first=1&last=1")).status_code == 200

        await keeping.pass_days(6)
        assert await keeping.sweep.round() == 0
        assert keeping.holds(traces)
        keeping.later += 2 * HELD_FOR
        assert await keeping.sweep.round() == 2  # the green one, which has no log, is done as well

        assert keeping.holds(traces) == []
        assert {path.suffix for path in keeping.holds(others)} == {".log", ".json"}
        gone = (await program.get(f"builds/{site.red}")).json()["log"]
        assert (gone["kept_until"], gone["removed_by"]) == (None, "sealock")
        assert gone["removed_why"] == "after 7 days, as the project's settings say"
        answer = await program.get(f"builds/{site.red}/log")
        assert answer.status_code == 404
        assert "after 7 days, as the project's settings say" in answer.json()["detail"]
        assert (await program.get(f"builds/{site.red}/receipt")).content == receipt


async def test_a_log_that_a_person_removed_says_so(keeping: Keeping, site: Site) -> None:
    async with site.program() as program:
        program.base_url = f"{site.origin}/api/v1/"
        await keeping.write(site.red)
        assert (await program.delete(f"builds/{site.red}/log")).status_code == 204
        gone = (await program.get(f"builds/{site.red}")).json()["log"]
        assert (gone["removed_by"], gone["removed_why"]) == (site.owner.id, "")


async def test_a_project_cannot_keep_logs_for_longer_than_the_installation(site: Site) -> None:
    site.projects = site.hosted.with_ports(keep_logs=30)
    site.service = replace(site.service, projects=site.projects)
    site.app = make_app(replace(site.ports, service=site.service), site.origin)
    async with site.program() as program:
        program.base_url = f"{site.origin}/api/v1/"
        place = f"projects/{site.project.id}"
        for wrong in (31, 0, -1, 1.5, "7", 36_501):
            answer = await program.patch(place, json={"keep_logs": wrong})
            assert answer.status_code == 422, wrong
            assert answer.json()["fields"][0]["field"] == "keep_logs"
        for right in (30, 1, None):
            answer = await program.patch(place, json={"keep_logs": right})
            assert answer.json()["settings"]["keep_logs"] == right
