"""Old logs are destroyed and no others, over each database: keys and files are real."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import insert, text, update

from sealock.builds import log_sweep
from sealock.core.build import Outcome
from sealock.core.build_state import BuildState
from sealock.core.builds import run_id
from sealock.core.errors import PermanentError
from sealock.core.log_retention import DAY, EndedBuild, Look
from sealock.store.database.engine import Database
from sealock.store.database.tables import builds, projects
from tests.contract.records.test_lists import explained, selects
from tests.support.queue import build_row
from tests.support.records import Records
from tests.support.sweeps import KEY, SHOP, Sweeping

pytestmark = pytest.mark.anyio
MANY = 10_000
YEAR = 365.0


@pytest.fixture
async def sweeping(database: Database, tmp_path: Path) -> Sweeping:
    made = Sweeping(database, tmp_path)
    await made.project(SHOP)
    return made


def holds(directory: Path, what: bytes) -> bool:
    return any(what in path.read_bytes() for path in directory.rglob("*") if path.is_file())


async def test_old_logs_go_with_their_keys_and_others_stay(sweeping: Sweeping) -> None:
    await sweeping.trust_the_clock()
    old, young = await sweeping.build(31, attempts=2), await sweeping.build(29)
    runs = [run_id(old, 1), run_id(old, 2)]
    assert all(sweeping.is_there(run) and holds(sweeping.directory, run.encode()) for run in runs)
    sealed = [sweeping.files.place(run).read_bytes()[100:150] for run in runs]
    assert await sweeping.sweep.round() == 1
    for run, piece in zip(runs, sealed, strict=True):
        assert not sweeping.is_there(run)
        assert not holds(sweeping.directory, piece)
        assert not holds(sweeping.directory, KEY + run.encode())
        gone = await sweeping.shelf.removal(run)
        assert gone is not None
        assert (gone.by, gone.why) == ("sealock", "after 30 days, as the installation's settings say")
    assert sweeping.is_there(young)
    assert await sweeping.marked() == {old}
    assert await sweeping.sweep.round() == 0


async def test_a_project_only_shortens_and_for_ever_is_for_ever(sweeping: Sweeping) -> None:
    await sweeping.trust_the_clock()
    await sweeping.project("short", keep_logs=7)
    await sweeping.project("long", keep_logs=1000)
    short, long = await sweeping.build(8, project="short"), await sweeping.build(31, project="long")
    mine = await sweeping.build(8)
    assert await sweeping.another(days=0).round() == 1
    gone = await sweeping.shelf.removal(short)
    assert gone is not None
    assert gone.why == "after 7 days, as the project's settings say"
    assert sweeping.is_there(long, "long")
    assert await sweeping.sweep.round() == 1
    assert not sweeping.is_there(long, "long")
    assert sweeping.is_there(mine)


@pytest.mark.parametrize("state", [BuildState.QUEUED, BuildState.RUNNING])
async def test_what_runs_or_waits_for_its_next_attempt_is_never_touched(
    sweeping: Sweeping, state: BuildState
) -> None:
    await sweeping.trust_the_clock()
    build = await sweeping.build(400, attempts=2, state=state, outcome=None)
    await sweeping.build(400, state=state, outcome=None, ended_at=None)
    assert await sweeping.sweep.round() == 0
    assert sweeping.is_there(run_id(build, 1))
    assert sweeping.is_there(run_id(build, 2))


@pytest.mark.parametrize("days", [3 * YEAR, -3 * YEAR])
async def test_a_clock_that_jumps_destroys_nothing_for_a_day_and_says_so(
    sweeping: Sweeping, days: float, caplog: pytest.LogCaptureFixture
) -> None:
    await sweeping.trust_the_clock()
    await sweeping.build(1)
    ancient = await sweeping.build(10 * YEAR)
    sweeping.offset += days * DAY
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert await sweeping.sweep.round() == 0
            assert await sweeping.another().round() == 0
    assert caplog.text.count("did not run on steadily: no old log is removed before 20") == 1
    sweeping.offset -= days * DAY  # it is set right
    assert await sweeping.sweep.round() == 0
    sweeping.offset += DAY
    assert await sweeping.sweep.round() == 1
    assert await sweeping.marked() == {ancient}


async def test_a_first_look_gives_a_day_s_notice(
    sweeping: Sweeping, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        assert await sweeping.sweep.round() == 0
        assert not caplog.text  # there is nothing to tell of
        await sweeping.build(31)
        assert await sweeping.sweep.round() == 0
    assert "looked at for the first time: no old log is removed before" in caplog.text
    assert "change keep_logs" in caplog.text


async def test_a_build_of_the_future_is_forgotten_once_the_clock_was_right_for_long_enough(
    sweeping: Sweeping,
) -> None:
    await sweeping.trust_the_clock()
    await sweeping.build(-5 * YEAR)
    assert await sweeping.sweep.round() == 0
    for _ in range(5):
        sweeping.offset += 6 * DAY
        await sweeping.ended.look()
    assert await sweeping.sweep.round() == 1


async def test_a_round_is_bounded(sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_sweep, "MOST", 2)
    await sweeping.trust_the_clock()
    made = [await sweeping.build(40 - number) for number in range(5)]
    assert await sweeping.sweep.round() == 2
    assert await sweeping.marked() == set(made[:2])
    assert [await sweeping.sweep.round() for _ in range(3)] == [2, 1, 0]


async def test_two_websites_at_once_do_what_one_does(sweeping: Sweeping) -> None:
    await sweeping.trust_the_clock()
    made = {await sweeping.build(31 + number, attempts=2) for number in range(6)}
    await asyncio.gather(*(sweeping.another().round() for _ in range(3)))
    assert await sweeping.marked() == made
    assert not any(sweeping.is_there(run_id(build, attempt)) for build in made for attempt in (1, 2))


async def test_a_log_that_cannot_be_removed_holds_up_no_other(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(log_sweep, "MOST", 1)
    await sweeping.trust_the_clock()
    bad, good = await sweeping.build(50), await sweeping.build(40)
    note = sweeping.files.place(bad).with_suffix(".removed")
    note.write_bytes(b"no note of ours")
    assert [await sweeping.sweep.round() for _ in range(2)] == [0, 1]
    assert "could not be removed" in caplog.text
    assert await sweeping.marked() == {good}
    note.unlink()
    assert [await sweeping.sweep.round() for _ in range(2)] == [0, 1]
    assert await sweeping.marked() == {good, bad}


async def test_a_key_that_the_disk_does_not_give_holds_up_no_other(
    sweeping: Sweeping, caplog: pytest.LogCaptureFixture
) -> None:
    """Nor does it end the website, of which the sweep is a part."""
    await sweeping.trust_the_clock()
    bad, good = await sweeping.build(50), await sweeping.build(40)
    (record,) = (path for path in sweeping.directory.rglob("1.json") if path.parent.name == bad)
    record.unlink()
    record.mkdir()
    assert await sweeping.sweep.round() == 1
    assert "could not be removed" in caplog.text
    assert await sweeping.marked() == {good}


async def test_a_log_that_somebody_removed_before_keeps_their_name(sweeping: Sweeping) -> None:
    await sweeping.trust_the_clock()
    build = await sweeping.build(31)
    await sweeping.shelf.remove("local", SHOP, build, person="ada")
    assert await sweeping.sweep.round() == 1
    gone = await sweeping.shelf.removal(build)
    assert gone is not None
    assert (gone.by, gone.why) == ("ada", "")


async def test_settings_that_cannot_be_read_keep_that_project_s_logs_only(sweeping: Sweeping) -> None:
    await sweeping.trust_the_clock()
    await sweeping.project("newer")
    async with sweeping.database.write() as connection:
        strange = update(projects).where(projects.c.id == "newer").values(settings={"of": "tomorrow"})
        await connection.execute(strange)
    kept, gone = await sweeping.build(31, project="newer"), await sweeping.build(31)
    assert await sweeping.sweep.round() == 1
    assert sweeping.is_there(kept, "newer")
    assert await sweeping.marked() == {gone}


async def test_a_sweep_goes_on_when_the_database_is_away_for_a_while(
    sweeping: Sweeping, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_sweep, "EVERY", 0.01)
    await sweeping.trust_the_clock()
    build, look, calls = await sweeping.build(31), sweeping.ended.look, 0

    async def sometimes() -> Look:
        nonlocal calls
        calls += 1
        if calls < 3:
            raise PermanentError("away")
        return await look()

    monkeypatch.setattr(sweeping.ended, "look", sometimes)
    running = asyncio.create_task(sweeping.sweep.run())
    while await sweeping.marked() != {build}:
        assert not running.done()
        await asyncio.sleep(0.01)
    running.cancel()


async def test_a_round_looks_only_into_projects_where_something_is_due(
    records: Records, sweeping_of: Any
) -> None:
    """Whatever else there is: young builds, builds whose logs are gone, and settings that say longer."""
    sweeping: Sweeping = sweeping_of
    await sweeping.trust_the_clock()
    await sweeping.build(29)
    for number in range(20):
        await sweeping.project(f"quiet-{number}", keep_logs=None if number % 2 else 20)
        await sweeping.build(15, project=f"quiet-{number}")
        await sweeping.build(15, project=f"quiet-{number}", state=BuildState.RUNNING, outcome=None)
        gone = {"logs_removed_at": 1}
        await sweeping.build(40, project=f"quiet-{number}", **gone)
    await sweeping.project("long", keep_logs=1000)
    await sweeping.project("short", keep_logs=7)
    due = [
        await sweeping.build(50, project="long"),
        await sweeping.build(40),
        await sweeping.build(8, project="short"),
    ]
    look = await sweeping.ended.look()
    async with selects(records) as seen:
        found = await sweeping.ended.old(look, 30, 100)
    assert [one.id for one in found] == due
    assert len(seen) == 1 + 3


@pytest.mark.parametrize(
    "strange", [{"keep_logs": {"of": "tomorrow"}}, ["keep_logs"], 5, {"keep_logs": None}]
)
async def test_settings_of_any_shape_hold_up_no_other(sweeping: Sweeping, strange: Any) -> None:
    await sweeping.trust_the_clock()
    await sweeping.project("newer")
    async with sweeping.database.write() as connection:
        values = update(projects).where(projects.c.id == "newer").values(settings=strange)
        await connection.execute(values)
    young, gone = await sweeping.build(29, project="newer"), await sweeping.build(31)
    assert await sweeping.sweep.round() == 1
    assert sweeping.is_there(young, "newer")
    assert await sweeping.marked() == {gone}


async def test_no_round_looks_at_every_build(records: Records, sweeping_of: Any) -> None:
    sweeping: Sweeping = sweeping_of
    done = {"state": BuildState.ENDED, "outcome": Outcome.GREEN, "project": "shop", "ended_at": 2}
    rows = [
        build_row(f"{number:032x}", records.account, number)
        | done
        | {"place": number, "attempt": 1, "logs_removed_at": 3 if number % 50 else None}
        for number in range(1, MANY)
    ]
    async with records.database.write() as connection:
        await connection.execute(insert(builds), rows)
        await connection.execute(text("ANALYZE"))
    await sweeping.trust_the_clock()
    sweeping.offset += 40 * DAY
    seen_clock = Look(2_000_000_000.0, 1_000_000_000.0)
    async with selects(records) as seen:
        found = await sweeping.ended.old(seen_clock, 30, 100)
    assert len(found) == 100
    assert all(isinstance(one, EndedBuild) for one in found)
    assert len(seen) == 2
    for statement, parameters in seen:
        plan = await explained(records, statement, parameters)
        assert "ix_builds_logs" in plan, plan
        assert "SCAN builds" not in plan and "Seq Scan on builds" not in plan, plan
        assert "TEMP B-TREE" not in plan and "Sort" not in plan, plan


@pytest.fixture
def sweeping_of(records: Records, tmp_path: Path) -> Sweeping:
    return Sweeping(records.database, tmp_path)
