"""Whoever follows a log that is being written has every line once, wherever the connection breaks."""

from __future__ import annotations

import random
import threading
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealock.core.errors import UsageError
from sealock.core.log import LONGEST_LINE, LogReader
from sealock.core.secret import Secret
from sealock.livelog.ansi import Ansi
from sealock.livelog.files import LogFiles
from sealock.livelog.pages import row
from sealock.livelog.pages_follow import AT_ONCE, Follower, Update
from sealock.livelog.write import SealedLogWriter
from tests.unit.livelog.conftest import BUILD, KEY, KeepLog


class Browser:
    """What a page does with what it is told, and the last id it saw."""

    def __init__(self) -> None:
        self.shown: dict[int, tuple[str, bool]] = {}
        self.last_id: str | None = None
        self.ids: set[str] = set()

    def take(self, updates: list[Update]) -> None:
        for update in updates:
            number = update.row.number
            assert update.id not in self.ids, "nothing is told twice"
            self.ids.add(update.id)
            if update.again:
                assert number == len(self.shown), "only the last line is told again"
            else:
                assert number == len(self.shown) + 1, "no line is left out or doubled"
            self.shown[number] = (update.row.html, update.row.cut)
            self.last_id = update.id

    def has_all_of(self, reader: LogReader) -> None:
        reader.refresh()
        ansi = Ansi()
        expected = [row(ansi, line) for line in reader.read(1, reader.lines)]
        assert self.shown == {each.number: (each.html, each.cut) for each in expected}


PIECES = st.one_of(
    st.sampled_from(
        [b"a", b"\n", b"line\n", b"\x1b[31m", b"\x1b[0m", b"\r", b"x\ny\nz", b"\xe2\x82", b"\xac"]
    ),
    st.sampled_from([b"long" * (LONGEST_LINE // 4), b"l\n" * (AT_ONCE + 3)]),
)
STEPS = st.one_of(
    st.tuples(st.just("write"), PIECES),
    st.tuples(st.sampled_from(["flush", "mark", "poll", "again"]), st.just(b"")),
    st.tuples(st.just("break"), st.integers(0, 5).map(bytes)),
)


@given(st.lists(STEPS, max_size=40))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_line_is_lost_or_doubled(logs: LogFiles, steps: list[tuple[str, bytes]]) -> None:
    build = uuid4().hex
    writer = logs.create(build, Secret(KEY))
    browser = Browser()
    with logs.open(build, Secret(KEY)) as reader:
        follower = Follower(reader)
        for what, data in steps:
            if what == "write":
                writer.write(data)
            elif what == "flush":
                writer.flush()
            elif what == "mark":
                writer.mark("mark")
            elif what == "poll":
                browser.take(follower.poll())
            elif what == "break":  # some of what was told does not arrive
                browser.take(follower.poll()[: len(data)])
                follower = Follower(reader, browser.last_id)
            else:
                follower = Follower(reader, browser.last_id)
        writer.close()
        while not follower.is_done:
            browser.take(follower.poll())
        assert follower.poll() == []
        browser.has_all_of(reader)


def test_beside_a_writer_that_goes_on_writing(logs: LogFiles) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    writing = threading.Thread(target=write_lines, args=(writer, 3000))
    browser, chance, connections = Browser(), random.Random(1), 0
    writing.start()
    try:
        done = False
        while not done:
            with logs.open(BUILD, Secret(KEY)) as reader:  # each time as a new request does
                follower = Follower(reader, browser.last_id)
                connections += 1
                for _ in range(chance.randrange(1, 8)):
                    updates = follower.poll()
                    browser.take(
                        updates[: chance.randrange(len(updates) + 1)] if connections % 2 else updates
                    )
                    if connections % 2:
                        break  # what did not arrive is what the next connection begins with
                done = follower.is_done and len(browser.shown) == reader.lines
    finally:
        writing.join(timeout=30)
    with logs.open(BUILD, Secret(KEY)) as reader:
        browser.take(Follower(reader, browser.last_id).poll())
        browser.has_all_of(reader)
        assert reader.lines == 3000


def write_lines(writer: SealedLogWriter, count: int) -> None:
    chance = random.Random(2)
    output = b"".join(b"line %d\x1b[0m\n" % number for number in range(count))
    while output:
        size = chance.randrange(1, 60)
        writer.write(output[:size])
        output = output[size:]
        if chance.random() < 0.5:
            writer.flush()
    writer.close()


def test_a_last_line_is_told_as_it_grows(logs: LogFiles) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    with logs.open(BUILD, Secret(KEY)) as reader:
        follower = Follower(reader)
        told = []
        for piece in (b"10%", b"", b"\r20%", b" done", b"\n", b"next"):
            writer.write(piece)
            writer.flush()
            told.append([(each.id, each.row.html, each.again) for each in follower.poll()])
        assert told == [
            [("1.3", "10%", False)],
            [],
            [("1.7", "20%", True)],
            [("1.12", "20% done", True)],
            [],
            [("2.4", "next", False)],
        ]
        assert not follower.is_done
        writer.close()
        assert follower.poll() == []
        assert follower.is_done


def test_what_the_end_of_a_last_line_switches_on_is_not_on_at_its_beginning(logs: LogFiles) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    with logs.open(BUILD, Secret(KEY)) as reader:
        follower = Follower(reader)
        html = []
        for piece in (b"a\x1b[31mb", b"c", b"\nd"):
            writer.write(piece)
            writer.flush()
            html += [each.row.html for each in follower.poll()]
    assert html == [
        'a<span class="t-fg-1">b</span>',
        'a<span class="t-fg-1">bc</span>',
        '<span class="t-fg-1">d</span>',
    ]


def test_it_begins_where_the_page_ends_and_knows_what_is_switched_on(
    logs: LogFiles, keep_log: KeepLog
) -> None:
    keep_log(b"\x1b[31m" + b"x\n" * 600)
    with logs.open(BUILD, Secret(KEY)) as reader:
        first = Follower(reader, first=501).poll()
        assert (first[0].id, first[0].row.html) == ("501", '<span class="t-fg-1">x</span>')
        assert [each.id for each in Follower(reader, "598").poll()] == ["599", "600"]
        assert Follower(reader, "600").poll() == []
        assert Follower(reader, "0").poll()[0].id == "1"


def test_much_at_once_comes_in_parts(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log(b"x\n" * (AT_ONCE + 1) + b"\xff" * LONGEST_LINE * 30)
    with logs.open(BUILD, Secret(KEY)) as reader:
        follower = Follower(reader)
        assert len(follower.poll()) == AT_ONCE
        assert follower.is_behind
        assert len(follower.poll()) == 2
        assert follower.is_done


def test_lines_that_become_much_html_come_in_parts(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log((b"\xff" * 60_000 + b"\n") * 12)
    with logs.open(BUILD, Secret(KEY)) as reader:
        follower, browser = Follower(reader), Browser()
        parts = 0
        while not follower.is_done:
            browser.take(follower.poll())
            parts += 1
        assert parts > 1
        browser.has_all_of(reader)


@pytest.mark.parametrize(
    "last_id",
    ["", "x", "-1", "1.", ".1", "1.1.1", "1 ", "1\n", "\u0661", "0.5", "9" * 13, "4", "1" * 5000, "5.1"],
)
def test_an_id_of_no_line_is_refused(logs: LogFiles, keep_log: KeepLog, last_id: str) -> None:
    keep_log(b"a\nb\nc")
    with logs.open(BUILD, Secret(KEY)) as reader, pytest.raises(UsageError, match="no line"):
        Follower(reader, last_id)
