"""A log's lines come out as a tree of ranges, whatever marks them and however little of it fits."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Callable, Iterable

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sealock.core.event import CommandEnded, CommandStarted, Event, Notice, PhaseEnded, PhaseStarted
from sealock.core.event_text import to_text
from sealock.core.log import Line, Mark
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles
from sealock.livelog.groups import DEEPEST, MOST_GROUPS, MOST_NOTES, Group, Outliner, every_group, outline
from sealock.livelog.groups_marks import stretches
from sealock.livelog.groups_notes import note
from tests.unit.livelog.conftest import BUILD, KEY

Tree = list[object]


def tree(lines: Iterable[bytes], marks: Iterable[Mark] = (), *, at_end: bool = True) -> Tree:
    """[name, first, last, [groups in it]] for each."""
    found, last = Outliner(marks), 0
    for last, data in enumerate(lines, 1):
        found.add(Line(last, data, 0.0))
    return shape(found.outline(last if at_end else None).groups)


def shape(groups: list[Group]) -> Tree:
    return [
        [group.name, group.first, group.last, *([shape(group.groups)] if group.groups else [])]
        for group in groups
    ]


def mark(line: int, event: Event) -> Mark:
    return Mark(line, 0.0, to_text(event))


RUN = [
    mark(1, PhaseStarted("setup", 10.0)),
    mark(1, CommandStarted(1, "make deps", 10.0)),
    mark(4, CommandEnded(1, 0, 2.0)),
    mark(4, PhaseEnded("setup", 13.0, True)),
    mark(4, PhaseStarted("test:unit", 13.0)),
    mark(4, CommandStarted(2, "true", 13.0)),
    mark(4, CommandEnded(2, 0, 0.1)),
    mark(4, Notice("nearly full")),
    mark(4, CommandStarted(3, "make test", 14.0)),
    mark(7, CommandEnded(3, 2, 1.0)),
    mark(7, PhaseEnded("test:unit", 16.0, False)),
]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([b"::group::Build", b"cc", b"::endgroup::", b"x"], [["Build", 1, 3]]),
        ([b"##[group]Build", b"cc", b"##[endgroup]"], [["Build", 1, 3]]),
        ([b"::group::A", b"a", b"::group::B", b"b", b"::endgroup::"], [["A", 1, 2], ["B", 3, 5]]),
        ([b"::endgroup::", b"x", b"::endgroup::"], []),
        ([b"x", b"::group::A", b"a"], [["A", 2, 3]]),
        ([b"\x1b[36m::group::\x1b[1mBold\x1b[0m", b"::endgroup::"], [["Bold", 1, 2]]),
        ([b"echo ::group::A", b"::grouping", b"a ##[group]x"], []),
        (
            [
                b"\x1b[0Ksection_start:1560896352:outer\r\x1b[0KOuter work",
                b"section_start:1560896353:inner[collapsed=true]\r\x1b[0K\x1b[36mInner\x1b[0m",
                b"x",
                b"section_end:1560896354:inner\r\x1b[0K",
                b"\x1b[0Ksection_end:1560896355:outer\r\x1b[0K",
            ],
            [["Outer work", 1, 5, [["Inner", 2, 4]]]],
        ),
        (
            [b"section_start:1:a\r", b"section_start:2:b\r", b"section_end:3:a\r", b"section_end:4:b\r"],
            [["a", 1, 3, [["b", 2, 3]]]],
        ),
        ([b"section_start:soon:a\r", b"section_start:1:\x1b\r"], []),
        (
            [b"--- Build", b"cc", b"+++ Test", b"ok", b"~~~ Cache", b"x"],
            [["Build", 1, 2], ["Test", 3, 4], ["Cache", 5, 6]],
        ),
        ([b"--- :docker: Build", b"+++ Test"], [[":docker: Build", 1, 1], ["Test", 2, 2]]),
        ([b"--- a/x.py", b"+++ b/x.py", b"@@ -1 +1 @@"], []),
        ([b"--- /dev/null", b"+++ x.py\t2026-03-01 12:00:00"], []),
        ([b"--- FAIL: TestX (0.00s)", b"--- PASS: TestY", b"---", b"--- "], []),
        ([b"--- Last"], [["Last", 1, 1]]),
        ([b"::group::A", b"--- B", b"b", b"::endgroup::", b"c"], [["A", 1, 4, [["B", 2, 4]]]]),
        ([b"::group::\xe2\x80\xaelive\x07"], [["<U+202E>live␇", 1, 1]]),
    ],
)
def test_marked_groups(lines: list[bytes], expected: Tree) -> None:
    assert tree(lines) == expected


def test_the_names_scripts_give_are_cut() -> None:
    assert tree([b"::group::" + b"x" * 60_000]) == [["x" * 200, 1, 1]]


def test_which_groups_are_open() -> None:
    lines = [b"--- A", b"x", b"+++ B", b"x", b"--- C", b"^^^ +++", b"section_start:1:d[collapsed=true]\r"]
    found = Outliner([])
    for number, data in enumerate(lines, 1):
        found.add(Line(number, data, 0.0))
    groups = every_group(found.outline(7).groups)
    assert {group.name: group.is_open for group in groups} == {"A": False, "B": True, "C": True, "d": False}


def test_phases_and_commands_hold_the_groups_in_them() -> None:
    lines = [b"::group::A", b"a", b"a", b"test", b"::group::B", b"b"]
    assert tree(lines, RUN) == [
        ["setup", 1, 3, [["make deps", 1, 3, [["A", 1, 3]]]]],
        ["test:unit", 4, 6, [["true", 4, 3], ["make test", 4, 6, [["B", 5, 6]]]]],
    ]
    assert [group.is_open for group in Outliner(RUN).outline(None).groups] == [False, True]


def test_a_log_under_way_has_ranges_without_an_end() -> None:
    marks = [mark(1, PhaseStarted("setup", 0.0)), mark(2, CommandStarted(1, "make", 0.0))]
    lines = [b"x", b"::group::A", b"a"]
    under_way: Tree = [["setup", 1, None, [["make", 2, None, [["A", 2, None]]]]]]
    assert tree(lines, marks, at_end=False) == under_way
    assert tree(lines, marks) == [["setup", 1, 3, [["make", 2, 3, [["A", 2, 3]]]]]]


def test_marks_that_do_not_match_up() -> None:
    marks = [
        mark(1, CommandEnded(7, 0, 1.0)),
        mark(1, PhaseEnded("end", 1.0, True)),
        Mark(1, 0.0, "no event"),
        mark(1, CommandStarted(1, "a", 0.0)),
        mark(3, CommandStarted(2, "b", 0.0)),
        mark(5, PhaseStarted("setup", 0.0)),
        mark(6, PhaseStarted("end", 0.0)),
    ]
    found = [(each.name, each.first, each.last, each.ok) for each in stretches(marks)]
    assert found == [("a", 1, 2, None), ("b", 3, 4, None), ("setup", 5, 5, None), ("end", 6, None, None)]


def test_how_commands_and_phases_went() -> None:
    setup, deps, unit, _, test = stretches(RUN)
    assert (setup.ok, setup.seconds, deps.ok, deps.exit_code, deps.seconds) == (True, 3.0, True, 0, 2.0)
    assert (unit.ok, test.ok, test.exit_code, test.number) == (False, False, 2, 3)


def test_of_a_log_in_its_file(logs: LogFiles) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    writer.mark(to_text(PhaseStarted("setup", 0.0)))
    writer.mark(to_text(CommandStarted(1, "make", 0.0)))
    writer.write(b"::group::A\n" + b"line\n" * 2000 + b"::error file=a.c,line=3::wrong\n::endgroup::\nlast")
    writer.mark(to_text(CommandEnded(1, 1, 1.0)))
    writer.close()
    with logs.open(BUILD, Secret(KEY)) as reader:
        found = outline(reader)
    assert shape(found.groups) == [["setup", 1, 2004, [["make", 1, 2004, [["A", 1, 2003]]]]]]
    assert [(each.at, each.path, each.line) for each in found.notes] == [(2002, "a.c", 3)]


ANY_LINE = st.sampled_from(
    [
        *(
            b"::group::A",
            b"::endgroup::",
            b"##[group]B",
            b"##[endgroup]",
            b"--- C",
            b"+++ D",
            b"^^^ +++",
            b"x",
        ),
        *(b"--- a/b", b"+++ b/b", b"~~~ E", b"section_start:1:f\r", b"section_end:1:f\r"),
        *(b"section_start:1:g\rH", b"section_end:1:g\r"),
    ]
)
ANY_EVENT = st.sampled_from(
    [
        *(PhaseStarted("setup", 0.0), PhaseEnded("setup", 1.0, True), PhaseStarted("test:x", 2.0)),
        *(CommandStarted(1, "a", 0.0), CommandEnded(1, 0, 1.0), CommandEnded(1, None, 1.0), Notice("n")),
    ]
)


@given(st.lists(st.one_of(ANY_LINE, ANY_EVENT), max_size=60))
@example([PhaseStarted("setup", 0.0), PhaseEnded("setup", 1.0, True), CommandStarted(1, "a", 0.0), b"x"])
@settings(max_examples=500, deadline=None)
def test_every_range_lies_within_its_parent_and_behind_the_one_before(log: list[bytes | Event]) -> None:
    lines, marks = [], []
    for each in log:
        if isinstance(each, bytes):
            lines.append(each)
        else:
            marks.append(mark(len(lines) + 1, each))
    found = Outliner(marks)
    for number, data in enumerate(lines, 1):
        found.add(Line(number, data, 0.0))
    check(found.outline(len(lines)).groups, 1, len(lines))


def check(groups: list[Group], first: int, last: int) -> None:
    for group in groups:
        assert group.last is not None
        assert first <= group.first <= group.last + 1 <= last + 1
        check(group.groups, group.first, group.last)
        first = group.last + 1


def test_memory_is_bounded_and_what_is_left_out_is_counted() -> None:
    found = Outliner([])
    tracemalloc.start()
    try:
        for number in range(1, 4_001):
            kind = number % 2
            data = (
                b"section_start:1:s%d\r%s" % (number, b"x" * 300) if kind else b"::error::%s" % (b"y" * 3000)
            )
            found.add(Line(number, data, 0.0))
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    result = found.outline(4_000)
    assert len(list(every_group(result.groups))) == DEEPEST
    assert len(result.notes) == MOST_NOTES
    assert result.left_out == 4_000 - DEEPEST - MOST_NOTES
    assert kept < 10_000_000
    many = Outliner([])
    for number in range(1, MOST_GROUPS + 11):
        many.add(Line(number, b"::group::x", 0.0))
    result = many.outline(MOST_GROUPS + 10)
    assert (len(result.groups), result.left_out) == (MOST_GROUPS, 10)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            b"::error file=src/a.py,line=3,endLine=4,col=5,title=Bad%3A thing::Wrong%0Aand%25 more",
            {"level": "error", "path": "src/a.py", "line": 3, "end_line": 4, "column": 5,
             "title": "Bad: thing", "message": "Wrong\nand% more"},
        ),
        (b"::warning::careful::really", {"level": "warning", "message": "careful::really"}),
        (b"  \x1b[33m::notice title=T::hi\x1b[0m", {"level": "notice", "title": "T", "message": "hi"}),
        (b"##[error]boom", {"level": "error", "message": "boom"}),
        (
            b"##vso[task.logissue type=warning;sourcepath=a/b.cs;linenumber=7;columnnumber=2]old",
            {"level": "warning", "path": "a/b.cs", "line": 7, "column": 2, "message": "old"},
        ),
        (b"::error file=./a//b.c,line=0,col=x::m", {"path": "a/b.c", "line": None, "column": None}),
        (b"::error file=/etc/passwd,line=1::m", {"path": None}),
        (b"::error file=../../x::m", {"path": None}),
        (b"::error file=a/%2e%2e/x::m", {"path": "a/%2e%2e/x"}),
        (b"::error file=javascript%3Ax::m", {"path": None}),
        (b"::error file=a\xe2\x80\xaeb::m", {"path": "a<U+202E>b"}),
        (b"::error file=a,line=99999999999::m", {"line": None}),
        (b"::error::\xe2\x80\xaex\x1b]0;t\x07", {"message": "<U+202E>x"}),
    ],
)  # fmt: skip
def test_notes(line: bytes, expected: dict[str, object]) -> None:
    found = note(line, 12)
    assert found is not None
    assert found.at == 12
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    "line",
    [b"error: x", b"echo ::error::x", b"::errors::x", b"::error", b"::error x",
     b"##vso[task.setvariable a=b]c", b"##[section]x", b"##vso[task.logissue type=odd]x", b"::debug::x"],
)  # fmt: skip
def test_what_is_no_note(line: bytes) -> None:
    assert note(line, 1) is None


def test_a_mark_of_any_json_is_no_event() -> None:
    texts = [
        "",
        "[]",
        "null",
        "1",
        json.dumps({"event": "notice"}),
        json.dumps({"event": []}),
        '{"event":"x"}',
    ]
    assert stretches([Mark(1, 0.0, text) for text in texts]) == []


def test_an_empty_log_has_no_groups(keep_log: Callable[..., object], logs: LogFiles) -> None:
    keep_log(b"")
    with logs.open(BUILD, Secret(KEY)) as reader:
        assert outline(reader).groups == []
