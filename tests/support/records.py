"""The server's records over a database, with accounts, projects and workers in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from sealock.core.build import Outcome
from sealock.core.build_state import StepState, Trigger
from sealock.core.builds import BuildView, Ended, NewBuild, PhaseView, Progress, StepView
from sealock.core.queue import Fence
from sealock.core.sealed import LOCAL_ACCOUNT
from sealock.store.database.accounts import DatabaseAccounts
from sealock.store.database.builds import DatabaseBuilds
from sealock.store.database.engine import Database
from sealock.store.database.projects import DatabaseProjects
from sealock.store.database.workers import DatabaseWorkers
from tests.support.queue import AroundDatabase

COMMIT = "c0ffee" + "0" * 34
OTHER = "two"
"""An account of somebody else, with a project of the same name."""


@dataclass
class Records:
    """account: the installation's own; its project is `shop`. around: accounts, projects, workers, a clock
    that tests turn, and what the queue tells."""

    database: Database
    around: AroundDatabase = field(init=False)
    account: str = LOCAL_ACCOUNT
    project: str = "shop"

    def __post_init__(self) -> None:
        self.around = AroundDatabase(self.database)
        self.queue = self.around.database_queue
        self.builds = DatabaseBuilds(self.database, self.queue)
        self.workers = DatabaseWorkers(self.database)
        self.accounts = DatabaseAccounts(self.database, self.around.wakeups)

    async def furnish(self) -> None:
        """The projects, and a worker."""
        await self.around.project(self.project, self.account)
        await self.around.account(OTHER)
        await self.around.worker("w")

    def projects(self, account: str = LOCAL_ACCOUNT) -> DatabaseProjects:
        return DatabaseProjects(self.database, account)

    async def make(self, branch: str | None = "main", *, protected: bool = False, **new: Any) -> str:
        """A build that was pushed; its id."""
        wanted: dict[str, Any] = {"project": self.project, "trigger": Trigger.PUSH, "branch": branch}
        ref = f"refs/heads/{branch}" if branch else None
        made = await self.builds.create(
            self.account, NewBuild(**(wanted | {"ref": ref} | new)), protected=protected
        )
        return made.build

    async def claim(self, worker: str = "w") -> Fence:
        claimed = await self.queue.claim(worker)
        assert claimed is not None
        return claimed.fence

    async def build(self, build: str) -> BuildView:
        found = await self.builds.get(self.account, build)
        assert found is not None
        return found

    async def ended(self, branch: str | None = "main", outcome: Outcome = Outcome.GREEN, **new: Any) -> str:
        """A build that came out so; its id."""
        build = await self.make(branch, **new)
        assert await self.builds.end(await self.claim(), Ended(outcome, ""))
        return build


def progress(*states: StepState, commit: str | None = COMMIT) -> Progress:
    """What a worker says whose steps stand so: setup, then tests."""
    names = ["setup", "unit", "slow", "docs"]
    steps = tuple(
        StepView(number, name, "setup" if number == 1 else "test", state, started_at=100.25, first_line=7)
        for number, (name, state) in enumerate(zip(names, states, strict=False), 1)
    )
    phases = (PhaseView("machine", 90.5, 99.0, True), PhaseView("fetch", 99.0))
    return Progress(phases, steps, commit, "Add tea", "Ada", "sha256:plan")
