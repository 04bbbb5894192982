"""Lists of builds: their order, what they leave out, and that none of them looks at every build there is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import event, insert, text

from sealock.core.build import Outcome
from sealock.core.build_state import BuildState, StepState, Trigger
from sealock.core.builds import BuildFilter, Ended
from sealock.store.database.tables import builds
from tests.support.queue import build_row
from tests.support.records import Records, progress

pytestmark = pytest.mark.anyio


async def ids(records: Records, **which: Any) -> list[str]:
    return [view.id for view in await records.builds.page(records.account, BuildFilter(**which))]


async def test_each_filter_leaves_out_what_it_says(records: Records) -> None:
    await records.around.project("till", records.account)
    red = await records.ended(outcome=Outcome.RED, person="ada")
    green = await records.ended("feature", commit="d" * 40)
    till = await records.make("feature", project="till")
    running = await records.make()
    await records.queue.cancel(till, "Ada asked")
    await records.claim()
    assert await ids(records) == [running, till, green, red]
    assert await ids(records, project="shop") == [running, green, red]
    assert await ids(records, branch="feature") == [till, green]
    assert await ids(records, project="shop", branch="feature") == [green]
    assert await ids(records, state=BuildState.RUNNING) == [running]
    assert await ids(records, outcome=Outcome.RED) == [red]
    assert await ids(records, mine="ada") == [red]
    assert await ids(records, commit="d" * 40) == [green]
    assert await ids(records, state=BuildState.ENDED, outcome=Outcome.GREEN, mine="ada") == []
    for nobodys in ("\0", "\ud800", "' OR 1=1 --"):
        assert await ids(records, branch=nobodys) == []
        assert await ids(records, before=nobodys, branch="\0") == []
        assert await records.builds.get(records.account, nobodys) is None
        assert await records.builds.numbered(records.account, nobodys, 1) is None
        assert await records.builds.receipt(records.account, nobodys) is None
    assert await records.builds.numbered(records.account, "shop", 2**40) is None
    assert await records.builds.receipt(records.account, red, 2**40) is None


async def test_pages_follow_each_other_while_builds_come(records: Records) -> None:
    made = [await records.make(f"b{number}") for number in range(7)]
    first = await ids(records, limit=3)
    await records.make("later")
    second = await ids(records, limit=3, before=first[-1])
    assert [*first, *second, *await ids(records, limit=3, before=second[-1])] == made[::-1]
    assert await ids(records, before=made[0]) == []
    assert len(await ids(records, limit=0)) == 1, "a page has one at least"
    views = await records.builds.page(records.account, BuildFilter())
    assert all(view.steps == () and view.waiting is None for view in views)


async def test_the_latest_of_a_branch_is_one_that_ended(records: Records) -> None:
    await records.ended(outcome=Outcome.RED)
    latest = await records.ended()
    feature = await records.ended("feature")
    await records.make()
    wanted = [("shop", "main"), ("shop", "none"), ("shop", "feature"), ("till", "main"), ("shop", "main")]
    found = await records.builds.latest_of_branches(records.account, wanted)
    assert [view.id for view in found] == [latest, feature]


async def came_out(records: Records, outcome: Outcome, *states: StepState, **new: Any) -> str:
    """A build of the branch main whose setup and tests stood so at its end; its id."""
    made = await records.make(**new)
    fence = await records.claim()
    await records.builds.progress(fence, progress(StepState.PASSED, *states))
    assert await records.builds.end(fence, Ended(outcome, ""))
    return made


async def test_a_green_of_some_pipelines_does_not_hide_a_red_one(records: Records) -> None:
    """`unit` passed and `slow` failed; unit passes again, then slow fails again, then it passes."""

    async def stands() -> list[str]:
        found = await records.builds.latest_of_branches(records.account, [("shop", "main")])
        return [view.id for view in found]

    passed, failed = StepState.PASSED, StepState.FAILED
    await records.ended(pipelines=("unit",))
    assert await stands() == [], "nobody knows how the others are"
    red = await came_out(records, Outcome.RED, passed, failed)
    await records.ended(pipelines=("unit",))
    await records.ended(pipelines=("unit",), restart_of=red)
    await records.ended(pipelines=("unit",), restart_of="f" * 32)
    assert await stands() == [red]
    again = await records.ended(outcome=Outcome.RED, pipelines=("slow",), restart_of=red)
    assert await stands() == [again]
    mended = await records.ended(pipelines=("slow",), restart_of=again)
    assert await stands() == [mended], "unit passed in the first, slow in the last"
    lost = await records.ended(outcome=Outcome.MACHINE_LOST)
    await records.ended(pipelines=("unit", "slow"), restart_of=lost)
    assert await stands() == [lost], "which pipelines it had, nobody knows"
    whole = await records.ended()
    assert await stands() == [whole]
    part = await records.ended(pipelines=("unit",), restart_of=whole)
    assert await stands() == [part]


async def test_the_last_green_is_of_the_same_branch_and_before(records: Records) -> None:
    await records.around.project("till", records.account)
    assert (
        await records.builds.last_green(records.account, await records.build(await records.ended())) is None
    )
    green = await records.make()
    fence = await records.claim()
    said = progress()
    await records.builds.progress(fence, said)
    await records.queue.finish(fence, Outcome.GREEN)
    await records.ended("feature")
    await records.ended(project="till")
    await records.ended(outcome=Outcome.RED)
    now = await records.build(await records.ended())
    found = await records.builds.last_green(records.account, now)
    assert found and (found.id, found.phases) == (green, said.phases)
    tag = await records.build(await records.make(None, trigger=Trigger.TAG))
    assert await records.builds.last_green(records.account, tag) is None


MANY = 5000


@asynccontextmanager
async def selects(records: Records) -> AsyncIterator[list[tuple[str, Any]]]:
    """What is asked of the builds' table meanwhile."""
    seen: list[tuple[str, Any]] = []

    def note(_connection: object, _cursor: object, statement: str, parameters: Any, *_: object) -> None:
        if statement.startswith("SELECT") and "FROM builds" in statement:
            seen.append((statement, parameters))

    engine = records.database.engine.sync_engine
    event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(engine, "before_cursor_execute", note)


async def test_no_list_looks_at_every_build(records: Records) -> None:
    rows = [
        build_row(f"{number:032x}", records.account, number)
        | {"place": number, "project": "shop", "branch": f"b{number % 9}", "state": BuildState.ENDED}
        | {"outcome": Outcome.GREEN if number % 50 == 0 else Outcome.RED, "person": None, "commit": None}
        for number in range(1, MANY)
    ]
    async with records.database.write() as connection:
        await connection.execute(insert(builds), rows)
        await connection.execute(text("ANALYZE"))
    last = await records.build(rows[-1]["id"])
    whiches: list[dict[str, Any]] = [
        {"project": "shop"},
        {"branch": "b3"},
        {"project": "shop", "branch": "none"},
        {"state": BuildState.RUNNING},
        {"outcome": Outcome.CANCELLED},
        {"mine": "ada"},
        {"commit": "d" * 40},
        {"before": rows[MANY // 2]["id"]},
    ]
    async with selects(records) as seen:
        for which in ({}, *whiches):
            await records.builds.page(records.account, BuildFilter(**which))
        await records.builds.latest_of_branches(records.account, [("shop", "b1"), ("shop", "none")])
        await records.builds.last_green(records.account, last)
        await records.builds.last_green(records.account, replace(last, branch="none"))
    for statement, parameters in seen:
        plan = await explained(records, statement, parameters)
        assert "SCAN builds" not in plan and "Seq Scan on builds" not in plan, f"{parameters}: {plan}"
        assert "TEMP B-TREE" not in plan and "Sort" not in plan, f"{parameters}: {plan}"
    assert len(seen) >= 13


async def explained(records: Records, statement: str, parameters: Any) -> str:
    """How the database goes about it."""
    how = "EXPLAIN QUERY PLAN" if records.database.is_sqlite else "EXPLAIN"
    async with records.database.read() as connection:
        found = await connection.exec_driver_sql(f"{how} {statement}", parameters)
        return "\n".join(str(row) for row in found)
