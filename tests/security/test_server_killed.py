"""kill -9 of website, keeper, workers and machines in the middle of builds: no build is lost, none ends
twice, and no machine, agent or key is left.

Machines are stand-ins here (`tests.support.quick_sealock`), everything else is as it is: the processes and
their doors, Git over SSH with an agent for each key, the sealed logs, the database. SEALOCK_TEST_KILLS sets
how many kills there are for each database. Seen with 200, on two slow cores: SQLite, 80 builds, claimed 110
times, put back 45 times, in 9 minutes; PostgreSQL, 93 builds, claimed 124 times, put back 46 times, in 7
minutes; each ended once.
"""

from __future__ import annotations

import asyncio
import os
import random
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from scripts.sample.git_server import GitServer
from sealock.machines.reaper import HostReaper
from tests.support.checkout import memory
from tests.support.ended_builds import Kept, Logs
from tests.support.killed_server import KilledServer, Killer
from tests.support.postgres import Cluster
from tests.support.search import found, places
from tests.support.traces import left, traces

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

KILLS = int(os.environ.pop("SEALOCK_TEST_KILLS", "60"))
LONGEST_PAUSE = 2.0
"""Seconds from when a build runs until something is killed."""

SETTLED = 600.0
"""Seconds until the last build has ended once nothing is killed any more."""

ENOUGH = max(2, KILLS // 12)
"""Builds that must have ended by themselves, and such as were put back."""

AT_MOST = 8
"""Builds that are asked for and have not ended."""

LAST = "that was all of it"
PLAN = f"""\
test:
  unit:
    commands:
      - for n in $(seq 30); do echo "line $n, and $TOKEN"; sleep 0.02; done
      - echo "{LAST}"
    secrets: [TOKEN]
"""

AWAY = float(os.environ.pop("SEALOCK_TEST_AWAY", "25"))
"""Seconds for which the website is away; `quick_sealock` has leases of 15."""

NOTICED = 120.0
"""Seconds from when the website is back until a worker that died meanwhile is given up."""


@dataclass
class Chaos:
    """A server with one project."""

    server: KilledServer
    git: GitServer
    project: str
    secret: bytes
    searched: list[Path]


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[str, list[Path]]]:
    """A URL, and the directories beside `tmp_path` that it keeps its rows in."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/data/server.db", []
        return
    cluster: Cluster = request.getfixturevalue("postgres")
    with cluster.database() as url:
        yield url, [cluster.directory]


@pytest.fixture
async def chaos(tmp_path: Path, database: tuple[str, list[Path]]) -> AsyncIterator[Chaos]:
    url, kept_in = database
    tree = tmp_path / "tree"
    tree.mkdir()
    (tree / "sealock.yml").write_text(PLAN)
    before = traces()
    with memory() as runtime, GitServer(tmp_path / "git") as git:
        git.publish("sample.git", tree)
        server = KilledServer(tmp_path, runtime, url, "tests.support.quick_sealock")
        try:
            await server.begin()
            await server.must("PATCH", "/api/v1/accounts/local", {"max_running": 3})
            made = await server.project(
                "sample", git.address("sample.git"), git.host_key, supersede="nothing"
            )
            git.authorize(made["public_key"], "sample.git")
            secret = secrets.token_hex(20).encode()
            await server.must(
                "PUT", f"/api/v1/projects/{made['id']}/secrets/TOKEN", {"value": secret.decode()}
            )
            for name in ("one", "two"):
                await server.add_worker(name, 2)
            yield Chaos(server, git, made["id"], secret, [tmp_path, runtime, *kept_in])
        finally:
            await server.stop()
        assert left(before) == set()
        assert_nothing_runs(runtime)


def assert_nothing_runs(runtime: Path) -> None:
    """No machine, agent, command or key is left of the server that had this runtime directory."""
    # Of processes, which may be of a test beside this one, `left` has told.
    assert [each for each in HostReaper(runtime).find() if each.orphaned and each.kind != "process"] == []
    assert sorted(path.name for path in runtime.rglob("*") if not path.is_dir()) == []
    named = str(runtime).encode()
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            said = (process / "cmdline").read_bytes()
            at = os.fsencode((process / "cwd").readlink())
            assert named not in said, said
            assert named not in at, said


async def test_whatever_is_killed_each_build_ends_once(chaos: Chaos) -> None:
    seed = secrets.randbits(32)
    chance = random.Random(seed)
    server = chaos.server
    killer = Killer(server, chance, ("website", "keeper", "one", "two"), LONGEST_PAUSE)
    enough = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(_ask(chaos, chance, enough))
        await killer.kill(KILLS)
        enough.set()
    await _until_all_ended(chaos)
    shown = [await server.log_of(build) for build in await _green(chaos)]
    await server.all_up()
    codes = await server.stop()
    kept = await Kept.read(server.settings["SEALOCK_DATABASE"])
    told = f"seed {seed}, {dict(killer.killed)}, {kept.kinds}, {kept.outcomes}, {server.asked.answers}"
    print(told)
    kept.check(server.asked.builds)
    ends = Logs(server.root).check(kept, last=LAST.encode(), secret=chaos.secret)
    assert found([chaos.secret], places(*chaos.searched)) == []
    assert all(LAST.encode() in log and chaos.secret not in log for log in shown), told
    assert set(codes.values()) == {0}, codes
    # Whether enough was going on to show anything; how much gets through is the host's affair.
    assert shown, told
    assert ends >= ENOUGH, told
    assert kept.kinds["put-back"] >= ENOUGH, told


async def test_a_website_that_is_away_for_longer_than_a_lease_loses_no_build(
    chaos: Chaos, tmp_path: Path
) -> None:
    """Some builds go on through it, some end meanwhile. A worker that is killed meanwhile is given up once
    the website is back, and its builds alone are tried again."""
    server = chaos.server
    await server.must("PATCH", "/api/v1/accounts/local", {"max_running": 4})
    project = await _lasting(chaos, tmp_path / "lasting")
    for number, pipeline in enumerate(("short", "short", "long", "long")):
        await server.ask_for(project, str(number), pipeline)
    builds = server.asked.builds.values()
    await asyncio.gather(*(_until_it_prints(chaos, build) for build in builds))
    dead = [build for build in builds if await _worker_of(chaos, build) == await _worker_named(chaos, "two")]
    assert len(dead) == 2, "each worker has as many as it takes"
    website = server.parts["website"]
    await website.hold_back()
    server.parts["two"].kill()
    (tmp_path / "short").touch()
    await asyncio.sleep(AWAY)
    await website.let_go()
    back_at = time.time()
    (tmp_path / "long").touch()
    await _until_all_ended(chaos)
    await server.stop()
    kept = await Kept.read(server.settings["SEALOCK_DATABASE"])
    kept.check(server.asked.builds)
    attempts = {row.id: row.attempt for row in kept.builds}
    assert attempts == {build: 2 if build in dead else 1 for build in builds}, server.told()
    assert kept.outcomes == {"green": 4}
    assert Logs(server.root).check(kept, last=LAST.encode(), secret=chaos.secret) == 4
    given_up = [event.at for build in dead for event in kept.events[build] if event.kind == "put-back"]
    assert max(given_up) / 1000 - back_at < NOTICED


async def _lasting(chaos: Chaos, tree: Path) -> str:
    """A project with builds that go on until there is a file of their name beside the tree."""
    tree.mkdir()
    (tree / "sealock.yml").write_text(
        "test:\n"
        + "".join(
            f"  {name}:\n"
            f"    - echo line 1; until test -e {tree.parent}/{name}; do echo and on; sleep 0.5; done\n"
            f'    - echo "{LAST}"\n'
            for name in ("short", "long")
        )
    )
    chaos.git.publish("lasting.git", tree)
    made = await chaos.server.project(
        "lasting", chaos.git.address("lasting.git"), chaos.git.host_key, supersede="nothing"
    )
    chaos.git.authorize(made["public_key"], "lasting.git")
    return str(made["id"])


async def _until_it_prints(chaos: Chaos, build: str) -> None:
    async with asyncio.timeout(SETTLED):
        while True:
            answer = await chaos.server.client.get(f"/api/v1/builds/{build}/log/raw")
            if b"line 1" in answer.content:
                return
            await asyncio.sleep(0.3)


async def _worker_of(chaos: Chaos, build: str) -> str:
    events = (await chaos.server.must("GET", f"/api/v1/builds/{build}/history"))["items"]
    return str(next(event["worker"] for event in events if event["kind"] == "claimed"))


async def _worker_named(chaos: Chaos, name: str) -> str:
    workers = (await chaos.server.must("GET", "/api/v1/workers"))["items"]
    return str(next(worker["id"] for worker in workers if worker["name"] == name))


async def _ask(chaos: Chaos, chance: random.Random, enough: asyncio.Event) -> None:
    """Builds in a stream; now and then one is cancelled."""
    number = 0
    while not enough.is_set():
        opened = await chaos.server.open_builds()
        if len(opened) < AT_MOST:
            number += 1
            await chaos.server.ask_for(chaos.project, f"build-{number}")
        elif chance.random() < 0.03:
            build = chance.choice(opened)["id"]
            await chaos.server.persist("POST", f"/api/v1/builds/{build}/cancel")
        await asyncio.sleep(chance.uniform(0.0, 0.5))


async def _green(chaos: Chaos) -> list[str]:
    """Some builds whose logs the keeper is asked to open, by the website."""
    found = await chaos.server.persist("GET", "/api/v1/builds?outcome=green&limit=5")
    return [each["id"] for each in found["items"]]


async def _until_all_ended(chaos: Chaos) -> None:
    try:
        async with asyncio.timeout(SETTLED):
            while await chaos.server.open_builds():  # noqa: ASYNC110 - asked over the API
                await asyncio.sleep(1.0)
    except TimeoutError:
        pytest.fail(f"builds have not ended: {await chaos.server.open_builds()}\n{chaos.server.told()}")
