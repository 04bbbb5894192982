"""A log in pages, as text and as what a search found."""

from __future__ import annotations

import re
from html import unescape
from pathlib import Path

import pytest

from sealock.core.errors import UsageError
from sealock.core.event import CommandEnded, CommandStarted
from sealock.core.event_text import to_text
from sealock.core.log import LONGEST_LINE, Line, LogReader
from sealock.core.log_times import by_the_clock, since
from sealock.core.secret import Secret
from sealock.livelog.ansi import Ansi
from sealock.livelog.ansi_style import PLAIN
from sealock.livelog.failing import Opening, opening
from sealock.livelog.files import LogFiles
from sealock.livelog.pages import (
    MOST_HTML,
    PAGE,
    linked_lines,
    page,
    page_of,
    pages,
    permalink,
    rows,
    style_before,
)
from sealock.livelog.pages_search import AT_ONCE, MOST_FOUND, made_out, search
from sealock.livelog.pages_text import EXCERPT, excerpt, whole_text
from sealock.livelog.read import SealedLogReader
from sealock.livelog.write import SealedLogWriter
from tests.unit.livelog.conftest import BUILD, KEY, KeepLog


def numbered(count: int) -> bytes:
    return b"".join(b"line %d\n" % number for number in range(1, count + 1))


def opened(logs: LogFiles) -> LogReader:
    return logs.open(BUILD, Secret(KEY))


@pytest.mark.parametrize(
    ("lines", "count"), [(0, 1), (1, 1), (PAGE, 1), (PAGE + 1, 2), (2 * PAGE, 2), (2 * PAGE + 1, 3)]
)
def test_pages_hold_every_line_once(logs: LogFiles, keep_log: KeepLog, lines: int, count: int) -> None:
    keep_log(numbered(lines))
    with opened(logs) as reader:
        assert pages(reader.lines) == count
        found = [page(reader, number) for number in range(1, count + 1)]
        assert page(reader) == found[-1]
    texts = [(row.number, row.html) for each in found for row in each.rows]
    assert texts == [(number, f"line {number}") for number in range(1, lines + 1)]
    assert all(page_of(row.number) == each.number for each in found for row in each.rows)
    assert all((each.final, each.pages, each.lines) == (True, count, lines) for each in found)


@pytest.mark.parametrize("number", [-1, 0, 3])
def test_there_is_no_other_page(logs: LogFiles, keep_log: KeepLog, number: int) -> None:
    keep_log(numbered(PAGE + 1))
    with opened(logs) as reader, pytest.raises(UsageError, match=f"no page {number}"):
        page(reader, number)


def test_a_page_is_final_once_it_is_full_and_its_tag_tells_every_change(logs: LogFiles) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    writer.write(numbered(PAGE - 1) + b"unfini")
    writer.flush()
    tags = []
    with opened(logs) as reader:
        for more in (b"", b"shed", b"\n", b"next\n"):
            writer.write(more)
            writer.flush()
            reader.refresh()
            found = page(reader, 1)
            tags.append(found.tag)
            assert found.final == (more == b"next\n")
        assert len(set(tags)) == 2, "the newline alone is not seen"
        assert re.fullmatch('"[0-9a-f]{32}"', tags[0])
        last = page(reader)
        assert (last.number, last.final, len(last.rows)) == (2, False, 1)
        writer.close()
        reader.refresh()
        closed = page(reader)
    assert (closed.final, closed.tag) == (True, last.tag)
    with opened(logs) as reader:
        assert page(reader, 1).tag == tags[-1]


def test_a_look_holds_on_to_the_next_page_and_not_for_ever(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log(b"\x1b[31m" + numbered(3 * PAGE))
    with opened(logs) as reader:
        html = [page(reader, number).rows[0].html for number in (1, 2, 3)]
        style = style_before(reader, 2 * PAGE)
    assert html == [
        '<span class="t-fg-1">line 1</span>',
        '<span class="t-fg-1">line 501</span>',
        "line 1001",
    ]
    assert style.fg == 1


def test_the_tag_tells_what_was_switched_on_before(tmp_path: Path) -> None:
    """Of two logs with the same lines at the same time on their second pages."""
    found = []
    for name, begin in (("red", b"\x1b[31m"), ("green", b"\x1b[32m"), ("red too", b"\x1b[31m")):
        writer = SealedLogWriter(tmp_path / name, BUILD, Secret(KEY), clock=lambda: 1.0)
        writer.write(begin + numbered(PAGE + 1))
        writer.close()
        with SealedLogReader(tmp_path / name, BUILD, Secret(KEY)) as reader:
            found.append(page(reader, 2))
    red, green, again = found
    assert red == again
    assert red.rows != green.rows
    assert red.tag != green.tag


def test_a_row_says_what_is_not_shown_of_it() -> None:
    lines = [Line(1, b"10%\r20%", 1.0), Line(2, b"x", 2.0, True), Line(3, b"y", 3.0)]
    assert [(row.hidden, row.cut, row.at) for row in rows(lines)] == [
        (True, False, 1.0),
        (False, True, 2.0),
        (False, False, 3.0),
    ]


def test_a_page_of_the_longest_lines_stays_small() -> None:
    lines = [Line(number, b"\xff" * LONGEST_LINE, 0.0, True) for number in range(PAGE)]
    found = rows(lines)
    assert len(found) == PAGE
    assert sum(len(row.html) for row in found) < 3 * MOST_HTML
    assert all(row.cut and row.html for row in found)


@pytest.mark.parametrize(
    ("fragment", "expected"),
    [
        ("#L120", (120, 120)),
        ("L120", (120, 120)),
        ("#L120-L135", (120, 135)),
        ("#L120-135", (120, 135)),
        ("#L135-L120", (120, 135)),
        ("#L0", None),
        ("#L01", None),
        ("#L-1", None),
        ("#L1-", None),
        ("#L1-L2-L3", None),
        ("#L1 ", None),
        ("#L1\n", None),
        ("#L\u0661", None),
        ("#L" + "9" * 13, None),
        ("#l1", None),
        ("", None),
    ],
)
def test_addresses_of_lines(fragment: str, expected: tuple[int, int] | None) -> None:
    assert linked_lines(fragment) == expected


def test_addresses_that_are_made_are_read_again() -> None:
    assert [permalink(120), permalink(5, 5), permalink(120, 135), permalink(135, 120)] == [
        "#L120",
        "#L5",
        "#L120-L135",
        "#L120-L135",
    ]
    assert linked_lines(permalink(7, 9)) == (7, 9)


def test_times() -> None:
    begun = 1772366400.0
    assert since(begun + 5.312, begun) == "0:05.312"
    assert since(begun + 65, begun) == "1:05.000"
    assert since(begun + 3600 + 5, begun) == "1:00:05.000"
    assert since(begun - 1, begun) == "-0:01.000"
    assert since(begun - 0.0001, begun) == "0:00.000"
    assert by_the_clock(begun + 0.25) == "2026-03-01T12:00:00.250Z"
    assert by_the_clock(2.0**64 / 1000) == "?"


def test_the_whole_text_as_it_was_printed_and_as_it_is_read(logs: LogFiles, keep_log: KeepLog) -> None:
    output = b"\x1b[31mred\x1b[0m\n10%\r20%\n\xff\x07\r\n" + numbered(1200) + b"last"
    keep_log(output[:700], output[700:])
    with opened(logs) as reader:
        assert b"".join(whole_text(reader, escapes=True)) == output + b"\n"
        read = b"".join(whole_text(reader, escapes=False)).decode()
        some = b"".join(whole_text(reader, escapes=False, first=4, last=5))
    assert read.startswith("red\n20%\n<0xFF>␇\nline 1\n")
    assert read.endswith("line 1200\nlast\n")
    assert some == b"line 1\nline 2\n"
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f]", read)


def test_the_whole_text_says_where_a_line_is_cut(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log(b"x" * (LONGEST_LINE + 1) + b"\nnext\n")
    with opened(logs) as reader:
        for escapes in (True, False):
            text = b"".join(whole_text(reader, escapes=escapes)).decode()
            assert text == "x" * LONGEST_LINE + " [… line 1 is longer]\nnext\n"


def failed(logs: LogFiles, output: bytes) -> str:
    writer = logs.create(BUILD, Secret(KEY))
    writer.mark(to_text(CommandStarted(3, "make\ntest\u202e", 0.0)))
    writer.write(output)
    writer.mark(to_text(CommandEnded(3, 2, 1.0)))
    writer.close()
    with opened(logs) as reader:
        where = opening(reader)
        assert where is not None
        return excerpt(reader, where)


def test_an_excerpt_is_what_is_around_the_error(logs: LogFiles) -> None:
    text = failed(logs, numbered(200) + b"\x1b[31mfatal: it\x1b[0m\n" + numbered(200))
    lines = text.splitlines()
    assert lines[0] == "command 3 ended with 2: make test<U+202E>"
    assert lines[1] == "    151  line 151"
    assert lines[51] == ">   201  fatal: it"
    assert lines[-1] == "    251  line 50"


def test_an_excerpt_has_a_bound_and_keeps_what_is_nearest(logs: LogFiles) -> None:
    output = ("ü" * 450 + "\n").encode() * 60
    text = failed(logs, output + b"fatal: it " + b"x" * 5000 + b"\n" + output)
    assert len(text.encode()) <= EXCERPT
    assert len(text.encode()) > EXCERPT - 1000
    (wanted,) = (line for line in text.splitlines() if line.startswith(">"))
    assert wanted.endswith("x…")
    numbers = [int(line[1:7]) for line in text.splitlines()[1:]]
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert abs((numbers[0] + numbers[-1]) / 2 - 61) <= 1


def test_an_excerpt_of_an_empty_log(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log(b"")
    with opened(logs) as reader:
        assert excerpt(reader, Opening(1)) == ""


def test_a_search_shows_what_it_found_with_the_lines_around(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log(numbered(100) + b"\x1b[31mgo\x1b[1mal GOAL\n" + numbered(30))
    with opened(logs) as reader:
        assert [hit.line for hit in search(reader, "line 30").hits] == [30, 131]
        found = search(reader, "GOAL")
        assert (found.of, found.more) == (1, False)
        assert [row.number for row in found.hits[0].rows] == [99, 100, 101, 102, 103]
        assert found.hits[0].rows[2].html == (
            '<span class="t-fg-1">go</span><span class="t-bold t-fg-1">al </span>'
            '<span class="t-found t-bold t-fg-1">GOAL</span>'
        )
        assert search(reader, "nowhere").hits == []
        with pytest.raises(UsageError):
            search(reader, "")


def test_a_search_counts_and_goes_on(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log(numbered(MOST_FOUND + 50))
    with opened(logs) as reader:
        found = search(reader, "line")
        assert (found.of, found.more) == (MOST_FOUND, True)
        assert [hit.number for hit in found.hits] == list(range(1, AT_ONCE + 1))
        behind = search(reader, "line", first=AT_ONCE + 1)
        assert [hit.number for hit in behind.hits] == list(range(AT_ONCE + 1, 2 * AT_ONCE + 1))
        assert search(reader, "line", first=MOST_FOUND + 1).hits == []
        assert not search(reader, "line 99", first=-5).more


@pytest.mark.parametrize(
    ("line", "text", "ignore_case", "found"),
    [
        (b"abcabc", "bc", False, ["bc", "bc"]),
        (b"aaaa", "aa", False, ["aa", "aa"]),
        (b"a\x1b[1mb\x1b[0mc", "abc", False, ["a", "b", "c"]),
        (b"xa\x1b[1mb\x1b[0mc a\x1b[3mbcx", "abc", False, ["a", "b", "c", "a", "bc"]),
        (b"ABC abc", "aBc", True, ["ABC", "abc"]),
        ("İabc".encode(), "ABC", True, ["abc"]),
        (b"<b> &lt;b>", "<b>", False, ["<b>"]),
        (b"secret\rpublic", "secret", False, []),
    ],
)
def test_what_was_searched_for_is_made_out(
    line: bytes, text: str, ignore_case: bool, found: list[str]
) -> None:
    shown = Ansi(PLAIN).show(line)
    result = made_out(shown, text, ignore_case)
    assert [unescape(span.text) for span in result.spans if "t-found" in span.look.classes] == found
    assert result.text == shown.text
