"""Logs on the shelf: opened for a person, shown in pages, followed while they come, and closed again."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from sealock.core.errors import PermanentError, TemporaryError, UsageError
from sealock.core.event import CommandEnded, CommandStarted, PhaseStarted
from sealock.core.event_text import to_text
from sealock.core.lease import KeeperAway
from sealock.core.log import LogWriter
from sealock.core.log_pages import MOST_LINES, LogUpdate, OpenLog, Running, log_topic
from sealock.livelog import shelf_follow
from sealock.livelog.shelf_readers import Readers
from tests.support.shelf import ACCOUNT, PROJECT, RUN, ShelfFixture

pytestmark = pytest.mark.anyio

OTHER = "cd" * 16


@pytest.fixture
async def lab(tmp_path: Path) -> AsyncIterator[ShelfFixture]:
    lab = ShelfFixture(tmp_path)
    async with lab.shelf:
        yield lab
    assert len(lab.shelf.readers) == 0
    assert lab.wakeups._waiting == {}


def write(log: LogWriter, first: int, last: int) -> None:
    for number in range(first, last + 1):
        log.write(b"line %d\n" % number)
    log.flush()


async def over() -> bool:
    return True


async def goes_on() -> bool:
    return False


RUNNING = Running(goes_on, "build:x")


async def told(source: AsyncIterator[Sequence[LogUpdate]]) -> list[str]:
    return [update.line.html async for updates in source for update in updates]


@asynccontextmanager
async def closed(
    source: AsyncIterator[Sequence[LogUpdate]],
) -> AsyncIterator[AsyncIterator[Sequence[LogUpdate]]]:
    """As the website's streams close what they follow."""
    try:
        yield source
    finally:
        await source.aclose()  # type: ignore[attr-defined]


def descriptors() -> int:
    gc.collect()  # what other tests left to it is not to be missed later
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_a_log_is_shown_in_pages_with_an_outline_and_its_failing_line(lab: ShelfFixture) -> None:
    log = lab.begin()
    log.mark(to_text(PhaseStarted("test:unit", 0.0)))
    log.mark(to_text(CommandStarted(1, "make test", 0.0)))
    write(log, 1, 1200)
    log.write(b"\x1b[31merror: it broke\x1b[0m\n::warning file=a.py,line=3::careful\n")
    log.mark(to_text(CommandEnded(1, 2, 1.5)))
    log.close()
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
        page = await opened.page(1)
        assert (page.pages, page.total_lines, page.final) == (3, 1202, True)
        assert [line.html for line in page.lines[:2]] == ["line 1", "line 2"]
        with pytest.raises(UsageError, match="no page 4"):
            await opened.page(4)
        outline = await opened.outline()
        assert (outline.complete, outline.total_lines) == (True, 1202)
        assert (outline.failing_line, outline.failing_command) == (1201, "make test")
        (phase,) = outline.groups
        (command,) = phase.groups
        assert (command.name, command.ok, command.exit_code, command.seconds) == ("make test", False, 2, 1.5)
        assert [(note.line, note.level, note.text) for note in outline.notes] == [
            (1202, "warning", "a.py:3: careful")
        ]
        assert await opened.outline() is outline, "made once"
        hits = await opened.search("LINE 119")
        assert (hits.of, hits.hits[0].line) == (11, 119)
        assert [hit.number for hit in (await opened.search("line 119", first=11)).hits] == [11]
        with pytest.raises(UsageError):
            await opened.search("")
        assert await opened.text(2, 3, colours=False, times=False) == b"line 2\nline 3\n"
        coloured = await opened.text(1201, 1201, colours=True, times=True)
        assert coloured.split(b" ", 1)[1] == b"\x1b[38;5;1merror: it broke\x1b[0m\n"
        assert b"".join([piece async for piece in opened.raw()]).count(b"\n") == 1202
    assert lab.logs.opened == [("ann", RUN)]


async def test_the_keeper_is_asked_once_for_a_person_who_pages_and_again_for_another(
    lab: ShelfFixture,
) -> None:
    write(lab.begin(), 1, 10)
    for person in ("ann", "ann", "bob", "ann"):
        async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person=person) as opened:
            assert (await opened.page(1)).total_lines == 10
    assert lab.logs.opened == [("ann", RUN), ("bob", RUN)]


async def test_many_that_come_at_once_have_the_keeper_asked_once(lab: ShelfFixture) -> None:
    write(lab.begin(), 1, 10)

    async def look() -> int:
        async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
            return (await opened.page(1)).total_lines

    assert await asyncio.gather(*(look() for _ in range(20))) == [10] * 20
    assert lab.logs.opened == [("ann", RUN)]


async def test_what_nobody_has_is_closed_and_what_is_old_is_asked_for_anew(lab: ShelfFixture) -> None:
    write(lab.begin(), 1, 10)
    lab.shelf.readers = Readers(lab.shelf.open_reader, linger=0.2, life=0.5)
    before = descriptors()
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann"):
        assert descriptors() == before + 1
    assert len(lab.shelf.readers) == 1
    await asyncio.sleep(0.4)
    assert len(lab.shelf.readers) == 0
    assert descriptors() == before
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as first:
        await asyncio.sleep(0.6)
        async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann"):
            assert lab.logs.opened == [("ann", RUN)] * 3
            assert (await first.page(1)).total_lines == 10, "who has it keeps it"
    await asyncio.sleep(0.4)
    assert descriptors() == before


async def test_there_is_a_bound_on_what_is_open(lab: ShelfFixture) -> None:
    runs = [f"{number:032x}" for number in range(6)]
    for run in runs:
        write(lab.begin(run), 1, 3)
    lab.shelf.readers = Readers(lab.shelf.open_reader, most=4, most_of_one=3)

    def open_one(run: str, person: str):  # type: ignore[no-untyped-def]
        return lab.shelf.open(ACCOUNT, PROJECT, run, person=person)

    async with open_one(runs[0], "ann"), open_one(runs[1], "ann"):
        for run in runs[2:]:
            async with open_one(run, "ann") as opened:
                assert (await opened.page(1)).total_lines == 3
            assert len(lab.shelf.readers) == 3, "what nobody has makes room"
        async with open_one(runs[2], "ann"):
            with pytest.raises(TemporaryError, match="too many logs"):
                await open_one(runs[3], "ann").__aenter__()
            async with open_one(runs[0], "bob"):
                with pytest.raises(TemporaryError, match="too many logs"):
                    await open_one(runs[0], "eve").__aenter__()


async def test_followed_while_it_comes_over_the_network(lab: ShelfFixture) -> None:
    """From before it is there, through pieces that end anywhere, to its end."""
    asked = 0

    async def is_over() -> bool:
        nonlocal asked
        asked += 1
        return False

    running = Running(is_over, "build:x")
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann", running=running) as opened:
        assert (await opened.page(1)).lines == []
        assert (await opened.outline()).total_lines == 0
        assert (await opened.search("x")).of == 0
        following = asyncio.create_task(told(opened.follow(None)))
        await asyncio.sleep(0.05)
        log = lab.begin_at_worker()
        for begin in range(1, 2000, 100):
            write(log, begin, begin + 99)
            await lab.send()
        assert not following.done()
        log.close()
        await lab.send()
        async with asyncio.timeout(60):
            assert await following == [f"line {number}" for number in range(1, 2001)]
        assert (await opened.page(4)).final
    assert lab.logs.opened == [("ann", RUN)]
    assert asked < 30


@pytest.mark.parametrize("is_told", [True, False])
async def test_woken_at_once_and_without_being_told_within_a_second(
    lab: ShelfFixture, monkeypatch: pytest.MonkeyPatch, is_told: bool
) -> None:
    if is_told:
        monkeypatch.setattr(shelf_follow, "LOOK", 3600.0)
    log = lab.begin()
    write(log, 1, 1)
    async with (
        lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann", running=RUNNING) as opened,
        closed(opened.follow(None)) as source,
    ):
        assert [each.line.html for each in await anext(source)] == ["line 1"]
        coming = asyncio.ensure_future(anext(source))
        await asyncio.sleep(0.05)
        write(log, 2, 2)
        if is_told:
            await lab.wakeups.tell(log_topic(RUN))
        async with asyncio.timeout(60):
            assert [each.line.html for each in await coming] == ["line 2"]


async def test_it_ends_with_an_attempt_whose_worker_was_killed(lab: ShelfFixture) -> None:
    log = lab.begin_at_worker()
    write(log, 1, 5)
    await lab.send()
    killed = False

    async def is_over() -> bool:
        return killed

    running = Running(is_over, "build:x")
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann", running=running) as opened:
        following = asyncio.create_task(told(opened.follow(None)))
        await asyncio.sleep(0.1)
        write(log, 6, 9)
        await lab.send()
        killed = True
        await lab.wakeups.tell("build:x")
        async with asyncio.timeout(60):
            assert await following == [f"line {number}" for number in range(1, 10)], "what came last, too"
        assert not (await opened.outline()).complete


async def test_of_an_attempt_that_is_over_what_is_there_is_told_and_no_more_waited_for(
    lab: ShelfFixture,
) -> None:
    write(lab.begin(), 1, 1000)
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened, asyncio.timeout(60):
        assert len(await told(opened.follow(None))) == 1000


async def test_it_ends_where_no_log_was_ever_begun(lab: ShelfFixture) -> None:
    async with lab.shelf.open(
        ACCOUNT, PROJECT, RUN, person="ann", running=Running(over, "build:x")
    ) as opened:
        async with asyncio.timeout(60):
            assert await told(opened.follow(None)) == []
    with pytest.raises(UsageError, match="no log"):
        await lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann").__aenter__()


async def test_who_comes_back_goes_on_where_they_were(lab: ShelfFixture) -> None:
    log = lab.begin()
    write(log, 1, 5)
    log.write(b"half a ")
    log.flush()
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
        async with closed(opened.follow(None)) as source:
            last = (await anext(source))[-1]
        assert (last.line.html, last.again) == ("half a ", False)
        log.write(b"line\nline 7\n")
        log.close()
        rest = [each async for updates in opened.follow(last.id) for each in updates]
        assert [(each.line.number, each.line.html, each.again) for each in rest] == [
            (6, "half a line", True),
            (7, "line 7", False),
        ]
        for wrong in ("x", "9", "-1", "1.2.3", "99999999"):
            with pytest.raises(UsageError, match="go on from"):
                await anext(opened.follow(wrong))


async def test_what_is_anothers_is_not_there(lab: ShelfFixture) -> None:
    write(lab.begin(), 1, 3)
    for account, project in (("others", PROJECT), (ACCOUNT, "printer"), ("../team", PROJECT), ("", "")):
        with pytest.raises(UsageError, match="no log"):
            await lab.shelf.open(account, project, RUN, person="eve").__aenter__()
        with pytest.raises(UsageError, match="no log"):
            await lab.shelf.remove(account, project, RUN, person="eve")
    for run in (RUN.upper(), "../" + "a" * 29, "", "a" * 31):
        with pytest.raises(UsageError, match="no log"):
            await lab.shelf.open(ACCOUNT, PROJECT, run, person="eve").__aenter__()
    assert lab.logs.opened == []
    assert lab.files.place(RUN).exists()


async def test_a_removed_log_is_gone_for_all_who_have_it(lab: ShelfFixture) -> None:
    log = lab.begin()
    write(log, 1, 3)
    before = descriptors()
    async with (
        lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as mine,
        lab.shelf.open(ACCOUNT, PROJECT, RUN, person="bob", running=RUNNING) as theirs,
    ):
        following = asyncio.create_task(told(theirs.follow(None)))
        await asyncio.sleep(0.1)
        await lab.shelf.remove(ACCOUNT, PROJECT, RUN, person="ann")
        with pytest.raises(UsageError, match="was removed"):
            await following
        for opened in (mine, theirs):
            with pytest.raises(UsageError, match="was removed"):
                await opened.page(1)
    for running in (None, RUNNING):
        with pytest.raises(UsageError, match="was removed"):
            await lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann", running=running).__aenter__()
    with pytest.raises(UsageError, match="was removed"):
        await lab.shelf.remove(ACCOUNT, PROJECT, RUN, person="ann")
    assert descriptors() == before
    gone = lab.files.removal(RUN)
    assert gone is not None
    assert gone.by == "ann"


async def test_a_log_that_was_removed_by_another_process_is_not_shown_any_more(lab: ShelfFixture) -> None:
    write(lab.begin(), 1, 3)
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
        assert (await opened.page(1)).total_lines == 3
        lab.files.remove(RUN, "the operator")
        uses: list[Callable[[OpenLog], Awaitable[object]]] = [
            lambda log: log.page(1),
            lambda log: log.outline(),
            lambda log: log.search("line"),
            lambda log: log.text(1, 2, colours=False, times=False),
            lambda log: anext(log.raw()),
            lambda log: anext(log.follow(None)),
        ]
        for use in uses:
            with pytest.raises(UsageError, match="was removed"):
                await use(opened)


async def test_no_log_is_opened_while_the_keeper_is_away(lab: ShelfFixture) -> None:
    write(lab.begin(), 1, 3)
    lab.logs.away = True
    before = descriptors()
    for running in (None, RUNNING):
        with pytest.raises(KeeperAway):
            await lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann", running=running).__aenter__()
    assert len(lab.shelf.readers) == 0
    lab.logs.away = False
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
        lab.logs.away = True
        assert (await opened.page(1)).total_lines == 3, "what is open stays so"
    await asyncio.sleep(0)
    lab.shelf.readers.close()
    assert descriptors() == before


async def test_text_is_given_out_in_bounds(lab: ShelfFixture) -> None:
    log = lab.begin()
    log.write(b"\n" * (MOST_LINES + 1) + (b"x" * 65000 + b"\n") * 300)
    log.close()
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
        for first, last in ((1, None), (1, MOST_LINES + 1), (-5, MOST_LINES + 1), (MOST_LINES + 2, None)):
            with pytest.raises(UsageError, match="too much at once"):
                await opened.text(first, last, colours=False, times=False)
        assert len(await opened.text(1, MOST_LINES, colours=False, times=False)) == MOST_LINES
        assert await opened.text(MOST_LINES, 5, colours=False, times=False) == b""


async def test_a_terminal_is_shown_colours_and_obeys_nothing_else(lab: ShelfFixture) -> None:
    log = lab.begin()
    log.write(
        b"\x1b]0;title\x07\x1b[2J\x1b[1;38;5;9mred\x1b[0m \x1b]52;c;eA==\x07\x9bx\x08\x1b[31m\n\x1b[4mon\n"
    )
    log.close()
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
        shown = await opened.text(1, 2, colours=True, times=False)
        assert shown.startswith(b"\x1b[1;38;5;9mred\x1b[0m ")
        assert b"\x1b[4;38;5;1mon\x1b[0m\n" in shown
        for sequence in shown.split(b"\x1b")[1:]:
            assert sequence[:1] == b"["
            assert sequence.partition(b"m")[0].strip(b"[0123456789;") == b""


async def test_an_altered_log_is_refused(lab: ShelfFixture) -> None:
    log = lab.begin()
    for number in range(5):
        write(log, number * 1000 + 1, number * 1000 + 1000)
    log.close()
    content = lab.files.place(RUN).read_bytes()
    third = len(content) // 2
    altered = [
        content[:third] + bytes([content[third] ^ 1]) + content[third + 1 :],
        content[:100] + content[200:],
        content + content[-100:],
        b"sealock-log 1\n" + bytes.fromhex(OTHER) + content[30:],
    ]
    for wrong in altered:
        lab.files.place(RUN).write_bytes(wrong)
        with pytest.raises(PermanentError, match="not what was kept"):
            async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
                await opened.search("no such text")
        lab.shelf.readers.close()
    lab.files.place(RUN).write_bytes(content[: third // 2])
    async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann") as opened:
        assert not (await opened.outline()).complete, "what was cut off says that it has no end"


async def test_who_gives_up_leaves_nothing_open(lab: ShelfFixture) -> None:
    """Cancelled at any moment: a thread that reads then closes behind itself."""
    log = lab.begin()
    write(log, 1, 3000)
    before = descriptors()

    async def read() -> None:
        async with lab.shelf.open(ACCOUNT, PROJECT, RUN, person="ann", running=RUNNING) as opened:
            await opened.outline()
            await opened.search("line 2999")
            await told(opened.follow(None))

    for moment in range(60):
        reading = asyncio.create_task(read())
        await asyncio.sleep(moment / 1000)
        reading.cancel()
        await asyncio.wait([reading])
        assert reading.cancelled()
    lab.shelf.readers.close()
    deadline = time.monotonic() + 60
    # Threads end when they do.
    while descriptors() > before and time.monotonic() < deadline:  # noqa: ASYNC110 - nothing tells
        await asyncio.sleep(0.05)
    assert descriptors() == before
