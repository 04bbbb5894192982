"""What every shelf of logs does, the one that stands in for it in the website of the tests too. It shows no
colours and one group; the rest is held to here."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Protocol

import pytest

from sealock.core.errors import UsageError
from sealock.core.log import LogWriter
from sealock.core.log_pages import MOST_LINES, LogShelf, LogUpdate, Running, log_topic
from tests.support.shelf import ACCOUNT, PROJECT, RUN, ShelfFixture
from tests.support.site_log import MemoryLog, MemoryShelf

pytestmark = pytest.mark.anyio
MINE = (ACCOUNT, PROJECT, RUN)


class Lab(Protocol):
    """A shelf, and a log on it that is written."""

    shelf: LogShelf

    async def say(self, *lines: str, end: bool = False) -> None:
        """The log of `RUN` begins, or has more lines. end: nothing comes any more."""
        ...


class MemoryLab:
    def __init__(self) -> None:
        self.memory = MemoryShelf()
        self.shelf: LogShelf = self.memory

    async def say(self, *lines: str, end: bool = False) -> None:
        self.memory.logs.setdefault(MINE, MemoryLog(complete=False)).add(*lines, complete=end)


class SealedLab:
    def __init__(self, kept: ShelfFixture) -> None:
        self.kept = kept
        self.shelf: LogShelf = kept.shelf
        self.log: LogWriter | None = None

    async def say(self, *lines: str, end: bool = False) -> None:
        self.log = self.log or self.kept.begin()
        for line in lines:
            self.log.write(line.encode() + b"\n")
        self.log.flush()
        if end:
            self.log.close()
        await self.kept.wakeups.tell(log_topic(RUN))


@pytest.fixture(params=["memory", "sealed"])
async def lab(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Lab]:
    if request.param == "memory":
        yield MemoryLab()
        return
    kept = ShelfFixture(tmp_path)
    async with kept.shelf:
        yield SealedLab(kept)


class Attempt:
    """One that goes on until it is over."""

    def __init__(self) -> None:
        self.over = False
        self.running = Running(self._is_over, "build:x")

    async def _is_over(self) -> bool:
        return self.over


async def told(source: AsyncIterator[Sequence[LogUpdate]]) -> list[str]:
    return [update.line.html async for updates in source for update in updates]


def numbered(first: int, last: int) -> list[str]:
    return [f"line {number}" for number in range(first, last + 1)]


async def test_pages_have_all_lines_and_say_which_are_final(lab: Lab) -> None:
    await lab.say(*numbered(1, 1200))
    async with lab.shelf.open(*MINE, person="ann") as log:
        pages = [await log.page(number) for number in (1, 2, 3)]
        assert [line.html for page in pages for line in page.lines] == numbered(1, 1200)
        assert [line.number for line in pages[1].lines] == list(range(501, 1001))
        assert {(page.pages, page.total_lines) for page in pages} == {(3, 1200)}
        assert [page.final for page in pages] == [True, True, False]
        assert len({page.tag for page in pages}) == 3 and pages[0].tag.startswith('"')
        for number in (0, -1, 4):
            with pytest.raises(UsageError):
                await log.page(number)
    await lab.say(end=True)
    async with lab.shelf.open(*MINE, person="ann") as log:
        assert (await log.page(3)).final and (await log.outline()).complete


async def test_a_log_without_a_line_has_one_page(lab: Lab) -> None:
    await lab.say()
    async with lab.shelf.open(*MINE, person="ann") as log:
        page, outline = await log.page(1), await log.outline()
    assert (list(page.lines), page.pages, page.total_lines) == ([], 1, 0)
    assert (outline.total_lines, outline.complete, outline.failing_line) == (0, False, None)


async def test_a_search_counts_all_and_gives_some_from_a_number_on(lab: Lab) -> None:
    await lab.say(*numbered(1, 300), "The END", end=True)
    async with lab.shelf.open(*MINE, person="ann") as log:
        first = await log.search("line")
        assert first.of == 300 and [hit.number for hit in first.hits][:2] == [1, 2]
        later = await log.search("line", first=299)
        assert [(hit.number, hit.line) for hit in later.hits] == [(299, 299), (300, 300)]
        assert all(hit.line in [line.number for line in hit.lines] for hit in later.hits)
        assert (await log.search("the end")).of == 1
        assert (await log.search("the end", ignore_case=False)).of == 0
        for wrong in ("", "a\nb", "x" * 1001):
            with pytest.raises(UsageError):
                await log.search(wrong)


async def test_text_is_given_out_in_bounds(lab: Lab) -> None:
    await lab.say(*numbered(1, MOST_LINES + 1), end=True)
    async with lab.shelf.open(*MINE, person="ann") as log:
        assert await log.text(2, 3, colours=False, times=False) == b"line 2\nline 3\n"
        end = await log.text(MOST_LINES, None, colours=False, times=False)
        assert end.splitlines() == [f"line {MOST_LINES}".encode(), f"line {MOST_LINES + 1}".encode()]
        with pytest.raises(UsageError):
            await log.text(1, None, colours=False, times=False)
        raw = b"".join([piece async for piece in log.raw()])
    assert raw.count(b"\n") == MOST_LINES + 1 and raw.startswith(b"line 1\n")


async def test_who_follows_is_told_all_to_the_end(lab: Lab) -> None:
    attempt = Attempt()
    async with lab.shelf.open(*MINE, person="ann", running=attempt.running) as log:
        following = asyncio.create_task(told(log.follow(None)))
        await asyncio.sleep(0.05)
        await lab.say("line 1", "line 2")
        await asyncio.sleep(0.05)
        await lab.say("line 3", end=True)
        async with asyncio.timeout(60):
            assert await following == numbered(1, 3), "though it was opened before it began"


async def test_who_comes_back_goes_on_where_they_were(lab: Lab) -> None:
    await lab.say(*numbered(1, 5))
    async with lab.shelf.open(*MINE, person="ann") as log:
        async with aclosing(log.follow(None)) as source:  # type: ignore[type-var]
            last = (await anext(source))[-1].id
        await lab.say("line 6", end=True)
        assert await told(log.follow(last)) == ["line 6"]
        assert await told(log.follow(None, first=5)) == ["line 5", "line 6"]
        for wrong in ("x", "-1", "99999999"):
            with pytest.raises(UsageError, match="go on from"):
                await anext(log.follow(wrong))


async def test_of_an_attempt_that_is_over_what_is_there_is_told(lab: Lab) -> None:
    """Its worker was killed: the log has no end of its own."""
    await lab.say(*numbered(1, 3))
    async with lab.shelf.open(*MINE, person="ann") as log, asyncio.timeout(60):
        assert await told(log.follow(None)) == numbered(1, 3)
    attempt = Attempt()
    attempt.over = True
    async with lab.shelf.open(*MINE, person="ann", running=attempt.running) as log, asyncio.timeout(60):
        assert await told(log.follow(None)) == numbered(1, 3)


async def test_a_log_that_has_yet_to_begin_is_empty_while_its_attempt_may_run(lab: Lab) -> None:
    attempt = Attempt()
    async with lab.shelf.open(*MINE, person="ann", running=attempt.running) as log:
        assert (await log.page(1)).total_lines == 0 and not (await log.outline()).complete
    with pytest.raises(UsageError, match="no log"):
        await lab.shelf.open(*MINE, person="ann").__aenter__()


async def test_what_is_anothers_is_not_there(lab: Lab) -> None:
    await lab.say("line 1", end=True)
    for account, project, run in (
        ("others", PROJECT, RUN),
        (ACCOUNT, "printer", RUN),
        (ACCOUNT, PROJECT, "0" * 32),
    ):
        with pytest.raises(UsageError, match="no log"):
            await lab.shelf.open(account, project, run, person="eve").__aenter__()
        with pytest.raises(UsageError, match="no log"):
            await lab.shelf.remove(account, project, run, person="eve")
    assert await lab.shelf.removal(RUN) is None
    async with lab.shelf.open(*MINE, person="ann") as log:
        assert (await log.page(1)).total_lines == 1


async def test_a_removed_log_is_gone_and_it_is_remembered_who_did_it(lab: Lab) -> None:
    attempt = Attempt()
    await lab.say("line 1")
    async with (
        lab.shelf.open(*MINE, person="ann", running=attempt.running) as log,
        aclosing(log.follow(None)) as source,  # type: ignore[type-var]
    ):
        await anext(source)
        coming = asyncio.ensure_future(anext(source))
        await asyncio.sleep(0.05)
        await lab.shelf.remove(*MINE, person="ann", why="it was old")
        with pytest.raises(UsageError, match="removed"):
            async with asyncio.timeout(60):
                await coming
    removal = await lab.shelf.removal(RUN)
    assert removal is not None and (removal.by, removal.why) == ("ann", "it was old")
    for running in (None, attempt.running):
        with pytest.raises(UsageError, match="removed"):
            await lab.shelf.open(*MINE, person="ann", running=running).__aenter__()
    with pytest.raises(UsageError, match="removed"):
        await lab.shelf.remove(*MINE, person="ann")
