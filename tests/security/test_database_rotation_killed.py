"""Rotation of keys that lie in a database, killed with SIGKILL at random points while the website writes:
nothing lost, and it goes on (P2)."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from sealock.core.errors import SealockError, TemporaryError, UsageError
from sealock.core.keys import Sealer
from sealock.core.project import Project, owner_of
from sealock.core.scope import Scope
from sealock.core.sealed import Kind, RetiredKey, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.core.source import GitOrigin
from sealock.keeper.asked_rotation import AskedRotation
from sealock.store.database.engine import Database
from tests.support.hosted import ADDRESS, HOST_KEY, Hosted
from tests.support.hosted_keys import rotate
from tests.support.keys import files

pytestmark = [pytest.mark.slow, pytest.mark.anyio]
ROOT = Path(__file__).parents[2]
POINTS = 15
"""More where too few were in time: they are a busy host's, as is how often keys are reset meanwhile."""
PROJECTS = 5
BUSY = 3
"""How much longer a rotation takes while the website works."""

CANARY = b"canary-9e7c"


async def keep(hosted: Hosted, project: Project, name: str, value: bytes) -> SealedName:
    scope = Scope((), False, True)
    return await hosted.secrets.keep(
        "local", project.id, kind=Kind.VARIABLE, name=name, value=Secret(value), scope=scope
    )


class SlowSealer:
    """Its keys are on the way for a while, in which what they are sealed to may be rotated away."""

    def __init__(self, sealer: Sealer) -> None:
        self._sealer = sealer
        self._timing = random.Random(3)

    def new_key(self, project_id: str, version: int, name: str, origin: GitOrigin) -> tuple[str, Sealed]:
        made = self._sealer.new_key(project_id, version, name, origin)
        time.sleep(self._timing.uniform(0.0, 0.1))
        return made


class Website:
    """Its people reset keys and set secrets all the time."""

    def __init__(self, hosted: Hosted) -> None:
        self._hosted = hosted
        self._slow = hosted.with_ports(sealer=SlowSealer(hosted.ports.sealer))
        self.resets = 0

    async def write(self, project: Project) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._slow.reset_key("local", project.id)
                self.resets += 1
                await self._opens(project)
                if self.resets % 20 == 0:
                    await keep(self._hosted, project, "BUSY", CANARY)
            except (RetiredKey, UsageError):
                pass  # told to try again: whoever asked knows
            await asyncio.sleep(0.02)

    async def _opens(self, project: Project) -> None:
        """What was kept opens; unless it was sealed anew, or reset, between the two looks."""
        found = await self._hosted.projects.get("local", project.id)
        try:
            self._hosted.opener.open_key(found).forget()
        except SealockError as error:
            again = await self._hosted.projects.get("local", project.id)
            if again.sealed_key == found.sealed_key:
                raise AssertionError("a key was lost") from error

    async def all_open(self) -> None:
        """Every project's key opens and fits its public half."""
        found = await self._hosted.projects.all("local")
        assert len(found) == PROJECTS
        for project in found:
            self._hosted.opener.open_key(project).forget()


async def rotate_and_kill(
    ours: Hosted, url: str, level: str, after: float | None, *, under_way: bool = False
) -> float:
    """Start a rotation and kill it `after` seconds, or let it end; returns how long it ran. under_way: the
    seconds count from when its journal says that it has begun."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "tests.support.hosted_keys", str(ours.directory), url, level),
        cwd=ROOT,
        stdout=subprocess.PIPE,
    )
    assert process.stdout is not None
    await process.stdout.readline()
    begun = time.monotonic()
    begins = under_way
    while begins and process.returncode is None:
        begins = ours.keys.journal.read().level is None
        await asyncio.sleep(0.001)
    try:
        async with asyncio.timeout(300 if after is None else after):
            code = await process.wait()
        assert code == 0 or after is not None  # it may give up against a busy website; then it is run again
    except TimeoutError:
        assert after is not None, "it does not end"
        process.kill()
        await process.wait()
    return time.monotonic() - begun


async def test_kills_while_the_website_writes(database: Database, database_url: str, tmp_path: Path) -> None:
    hosted = Hosted(database, tmp_path / "data")
    projects = [
        await hosted.projects.create(
            "local", f"p{number}", ADDRESS.replace("parser", f"p{number}"), (HOST_KEY,)
        )
        for number in range(PROJECTS)
    ]
    values = {}
    for project in projects:
        name = await keep(hosted, project, "TOKEN", b"of " + project.id.encode())
        values[name] = hosted.keys.get(name)
    website = Website(hosted)
    usual = {level: await rotate_and_kill(hosted, database_url, level, None) for level in ("root", "sets")}
    cut_short, timing = 0, random.Random(1)
    writing = asyncio.gather(*map(website.write, projects))
    try:
        for point in range(5 * POINTS):
            if point >= POINTS and cut_short >= 2 and website.resets > POINTS / 2:
                break
            level = "root" if point % 4 == 0 else "sets"
            if point % 3 == 1:  # at the random moments of the others it may not have begun, or be done
                await rotate_and_kill(hosted, database_url, level, timing.uniform(0, 0.01), under_way=True)
            else:
                await rotate_and_kill(hosted, database_url, level, timing.uniform(0, BUSY * usual[level]))
            cut_short += hosted.keys.journal.read().level is not None
            with suppress(TemporaryError):  # against a busy website it may give up
                await asyncio.to_thread(rotate, hosted.keys, database_url, "sets")
            if writing.done():
                await writing
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)
    await website.all_open()
    while hosted.keys.journal.read().level is not None:
        await asyncio.to_thread(rotate, hosted.keys, database_url, "sets")
    await asyncio.to_thread(rotate, hosted.keys, database_url, "sets")
    await website.all_open()
    everything = hosted.keys.everything()
    assert {name: everything[name] for name in values} == values
    newest = {owner: hosted.keys.files.load(owner) for owner in hosted.keys.files.owners()}
    assert all(record is not None and len(record.versions) == 1 for record in newest.values())
    assert cut_short >= 2
    assert website.resets > POINTS / 2
    for path, content in files(tmp_path):
        assert CANARY not in content, path


async def test_without_the_database_its_keys_would_be_lost(
    database: Database, database_url: str, tmp_path: Path
) -> None:
    """What the database as a place is for: a rotation that does not know of it destroys what opens its keys,
    where the same owner has a secret besides."""
    hosted = Hosted(database, tmp_path / "data")
    made = await hosted.projects.create("local", "parser", ADDRESS, (HOST_KEY,))
    hosted.keys.put(owner_of(made.id), "TOKEN", b"x")
    await asyncio.to_thread(rotate, hosted.keys, database_url, "sets")
    hosted.opener.open_key(await hosted.projects.get("local", made.id)).forget()
    unaware = AskedRotation(hosted.keys.ask, [hosted.keys.projects, hosted.keys.store], hosted.keys.projects)
    await unaware.run("sets", lambda _: None)
    with pytest.raises((RetiredKey, TemporaryError)):
        hosted.opener.open_key(await hosted.projects.get("local", made.id))
