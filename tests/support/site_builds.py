"""The builds of a website of the tests: made, run by workers of their own, and looked at.

One worker takes them, each by a label of the build's own, so that what waits goes on waiting. Nobody's lease
runs out, though the worker never beats.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import delete, insert, select, update

from sealock.builds.hosted_projects import HostedProjects
from sealock.core.access import Person
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import (
    BuildFilter,
    BuildView,
    Ended,
    NewBuild,
    PhaseView,
    Progress,
    StepView,
    run_id,
)
from sealock.core.project import Project
from sealock.core.queue import Fence
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.core.workers import MOST_MACHINES, Worker
from sealock.store.database.builds import DatabaseBuilds
from sealock.store.database.engine import Database
from sealock.store.database.kept_tables import receipts
from sealock.store.database.metadata import storable
from sealock.store.database.tables import builds, workers
from sealock.store.database.workers import DatabaseWorkers
from sealock.store.queue.database import DatabaseQueue
from tests.support.site_log import MemoryLog, MemoryShelf

OTHER_ACCOUNT = "other"
COMMIT = "1f" * 20
LOG = ["setting up", "\x1b[31mred text\x1b[0m <b>no tag</b>", "FAILED tests/test_shop.py", "1 failed"]
WORKER = "worker-of-the-tests"
RECEIPT = b'{"payload":"receipt"}\n'


class AlteredBuilds(DatabaseBuilds):
    """The builds' records, some of which are shown as a test wants them: also as no database would keep
    them, since a page must bear whatever it is given. altered: fields by build. kept: as they are."""

    def __init__(self, database: Database, queue: DatabaseQueue) -> None:
        super().__init__(database, queue)
        self.kept = DatabaseBuilds(database, queue)
        self.altered: dict[str, dict[str, Any]] = {}

    async def get(self, account: str, build: str) -> BuildView | None:
        return self._shown(await self.kept.get(account, build))

    async def numbered(self, account: str, project: str, number: int) -> BuildView | None:
        return self._shown(await self.kept.numbered(account, project, number))

    async def page(self, account: str, which: BuildFilter) -> Sequence[BuildView]:
        found = await self.kept.page(account, which)
        return [replace(one, **self._fields(one, without=("steps", "phases"))) for one in found]

    async def latest_of_branches(self, account: str, branches: Sequence[tuple[str, str]]) -> list[BuildView]:
        found = await self.kept.latest_of_branches(account, [one for one in branches if storable(*one)])
        return [replace(one, **self._fields(one)) for one in found]

    async def last_green(self, account: str, build: BuildView) -> BuildView | None:
        real = await self.kept.get(account, build.id)
        return None if real is None else self._shown(await self.kept.last_green(account, real))

    def _shown(self, view: BuildView | None) -> BuildView | None:
        return None if view is None else replace(view, **self._fields(view))

    def _fields(self, view: BuildView, without: tuple[str, ...] = ()) -> dict[str, Any]:
        changed = self.altered.get(view.id, {})
        return {name: value for name, value in changed.items() if name not in without}


@dataclass(kw_only=True)
class SiteBuilds:
    """Of a website that has these. labels: what the worker must have for a build, by build."""

    database: Database
    shelf: MemoryShelf
    labels: dict[str, str] = field(default_factory=dict)
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))
    owner: Person = field(init=False)
    stranger: Person = field(init=False)
    project: Project = field(init=False)
    foreign: Project = field(init=False)
    queue: DatabaseQueue = field(init=False)
    builds: AlteredBuilds = field(init=False)
    projects: HostedProjects = field(init=False)
    workers: DatabaseWorkers = field(init=False)

    async def build(
        self,
        outcome: Outcome | None = Outcome.GREEN,
        *,
        state: BuildState = BuildState.ENDED,
        account: str = LOCAL_ACCOUNT,
        project: Project | None = None,
        branch: str | None = "main",
        commit: str | None = COMMIT,
        message: str = "Sell more",
        author: str = "Ada <ada@example.com>",
        log: list[str] | None = None,
        steps: tuple[StepView, ...] | None = None,
    ) -> str:
        """A new build in that state, with its log; its id. log: of its attempt, `LOG` by default."""
        ours = account == LOCAL_ACCOUNT
        whose, person = (self.project, self.owner) if ours else (self.foreign, self.stranger)
        of = (project or whose).id
        new = NewBuild(of, Trigger.PUSH, branch, branch, commit, message, author, person.id)
        build = await self._create(account, new)
        if state is BuildState.QUEUED:
            return build
        fence = await self.claim(build)
        ended = state is BuildState.ENDED
        kept = MemoryLog(list(LOG if log is None else log), ended, 3 if outcome is Outcome.RED else None)
        self.shelf.logs[account, of, run_id(build, fence.attempt)] = kept
        said = replace(progress(outcome if ended else None, steps), commit=commit)
        assert await self.builds.progress(fence, said)
        if ended:
            assert outcome is not None
            await self.ends(fence, outcome)
        return build

    async def _create(self, account: str, new: NewBuild) -> str:
        label = f"only-{next(self.numbers)}"
        settings = await self.projects.settings(account, new.project)
        await self.projects.change(account, new.project, replace(settings, labels=(label,)))
        build = (await self.builds.create(account, new, protected=new.branch == "main")).build
        await self.projects.change(account, new.project, settings)
        self.labels[build] = label
        return build

    async def claim(self, build: str) -> Fence:
        """Have the worker of the tests take a queued build; of those that need no label, the next."""
        found = await self.workers.named(WORKER)
        worker = found or await self.workers.add(WORKER, (), MOST_MACHINES)
        label = self.labels.get(build) or f"only-{next(self.numbers)}"
        await self.workers.hello(worker.id, "1", MOST_MACHINES, (label,))
        claim = await self.queue.claim(worker.id)
        assert claim is not None and claim.fence.build == build
        return claim.fence

    async def fence(self, build: str) -> Fence:
        """What the worker has that runs it."""
        view = await self.view(build)
        worker = await self.workers.named(view.worker or "")
        assert worker is not None
        return Fence(build, view.attempt, worker.id)

    async def ends(self, fence: Fence, outcome: Outcome, reason: str = "") -> None:
        """Its worker says that it ended, with a receipt."""
        told = reason or ("" if outcome is Outcome.GREEN else "make test ended with 1")
        assert await self.builds.end(fence, Ended(outcome, told, RECEIPT, "ab" * 32))

    async def finish(self, build: str, outcome: Outcome = Outcome.GREEN) -> None:
        """A build that runs ends."""
        await self.ends(await self.fence(build), outcome)

    async def worker_says(self, build: str, said: Progress) -> None:
        """Its worker tells how far it is."""
        assert await self.builds.progress(await self.fence(build), said)

    async def view(self, build: str) -> BuildView:
        """How a build stands, whosever it is."""
        for account in (LOCAL_ACCOUNT, OTHER_ACCOUNT):
            if (found := await self.builds.get(account, build)) is not None:
                return found
        raise LookupError(build)

    def alter(self, build: str, **changed: Any) -> None:
        """Show a build with these fields of `BuildView` from now on."""
        self.builds.altered.setdefault(build, {}).update(changed)

    async def keep_receipt(self, build: str, content: bytes) -> None:
        """Put it in the place of the receipt of its attempts."""
        async with self.database.write() as connection:
            kept = update(receipts).where(receipts.c.build == build).values(envelope=content)
            assert (await connection.execute(kept)).rowcount

    async def lose_receipt(self, build: str) -> None:
        """As if none of its attempts had one."""
        async with self.database.write() as connection:
            assert (await connection.execute(delete(receipts).where(receipts.c.build == build))).rowcount

    async def add_attempt(self, build: str, receipt: bytes) -> None:
        """As if it had been run once more, and had that receipt."""
        mine = receipts.c.build == build
        async with self.database.write() as connection:
            row = dict((await connection.execute(select(receipts).where(mine))).mappings().one())
            again = row | {"attempt": 2, "envelope": receipt, "leaf": None}
            await connection.execute(insert(receipts), again)
            await connection.execute(update(builds).where(builds.c.id == build).values(attempt=2))

    async def added_workers(self) -> list[Worker]:
        """Those that are not the one of the tests."""
        return [one for one in await self.workers.all() if one.name != WORKER]

    async def forget_worker(self) -> None:
        """As if the one of the tests had never been; it may have no build."""
        async with self.database.write() as connection:
            await connection.execute(delete(workers).where(workers.c.name == WORKER))

    def log(self, build: str) -> MemoryLog:
        """The log of its first attempt."""
        return next(log for (_, _, run), log in self.shelf.logs.items() if run == build)


def progress(outcome: Outcome | None, steps: tuple[StepView, ...] | None = None) -> Progress:
    """What a worker says of a build that came out so; None: it is still at it."""
    begun = time.time() - 60
    state = {None: StepState.RUNNING, Outcome.GREEN: StepState.PASSED}.get(outcome, StepState.FAILED)
    code = {None: None, Outcome.GREEN: 0}.get(outcome, 1)
    until = None if outcome is None else begun + 50
    default = (
        StepView(1, "setup", "setup", StepState.PASSED, 0, "", begun + 5, begun + 10, 1),
        StepView(2, "unit", "test", state, code, "", begun + 10, until, 2),
    )
    phases = (
        PhaseView("machine", begun, begun + 3, ok=True),
        PhaseView("fetch", begun + 3, begun + 5, ok=True),
        PhaseView("setup", begun + 5, begun + 10, ok=True),
        PhaseView("test:unit", begun + 10, until, None if outcome is None else outcome is Outcome.GREEN),
    )
    return Progress(phases, default if steps is None else steps, COMMIT)
