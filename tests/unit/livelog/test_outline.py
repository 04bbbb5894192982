"""The outline that is kept with a log says what reading all of it would, and is found without reading it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealock.core.event import CommandEnded, CommandStarted, PhaseEnded, PhaseStarted
from sealock.core.event_text import to_text
from sealock.core.log import Line, LogReader
from sealock.core.log_pages import LogGroup, LogOutline
from sealock.core.secret import Secret
from sealock.livelog import groups_said, outline, outline_form
from sealock.livelog.files import LogFiles
from sealock.livelog.format import CHUNK_OUTPUT, Flags
from sealock.livelog.groups import MOST_GROUPS, MOST_NOTES, Group, Outliner, every_group
from sealock.livelog.outline import Outlining, outline_of
from sealock.livelog.read import SealedLogReader
from sealock.livelog.shelf_shapes import page_of
from tests.unit.livelog.conftest import BUILD, KEY


@contextmanager
def kept(logs: LogFiles, *pieces: bytes | str, close: bool = True) -> Iterator[LogReader]:
    """A log of output and marks, each piece in a chunk of its own."""
    logs.place(BUILD).unlink(missing_ok=True)
    writer = logs.create(BUILD, Secret(KEY))
    for piece in pieces:
        if isinstance(piece, str):
            writer.mark(piece)
        else:
            writer.write(piece)
            writer.flush()
    if close:
        writer.close()
    else:
        writer.flush()
    with logs.open(BUILD, Secret(KEY)) as reader:
        yield reader


def failed(*output: bytes) -> list[bytes | str]:
    """A phase of two commands, of which the second fails."""
    return [
        to_text(PhaseStarted("test", 1.0)),
        to_text(CommandStarted(1, "true", 1.0)),
        to_text(CommandEnded(1, 0, 0.5)),
        to_text(CommandStarted(2, "make", 2.0)),
        *output,
        to_text(CommandEnded(2, 2, 1.5)),
        to_text(PhaseEnded("test", 4.0, False)),
    ]


def shape(groups: list[LogGroup] | list[Group]) -> list[object]:
    return [
        (each.name, each.first, each.last, each.is_open, shape(list(each.groups)))  # type: ignore[arg-type]
        for each in groups
    ]


def by_line(reader: LogReader) -> list[object]:
    """What every line and mark comes to, one after the other."""
    found = Outliner(reader.marks())
    lines: list[Line] = reader.read(1, 10**6)
    for line in lines:
        found.add(line)
    return shape(found.outline(reader.lines if reader.complete else None).groups)


SAYING = st.sampled_from(
    [
        b"x", b"", b"::group::A", b"  ::group::B", b"::endgroup::", b"--- a/x.c", b"+++ b/x.c", b"--- step",
        b"\x1b[1m##[group]C\x1b[0m", b"##[endgroup]", b"section_start:1:k\rHead", b"section_end:1:k\r",
        b"~~~ t", b"^^^ +++", b"::error file=a.py,line=3::bad", b"::warning::w", b"\r::group::D",
        b"error: no",
    ]
)  # fmt: skip
EVENTS = st.sampled_from(
    [
        to_text(PhaseStarted("p", 1.0)),
        to_text(PhaseEnded("p", 2.0, False)),
        to_text(CommandStarted(1, "c", 1.0)),
        to_text(CommandEnded(1, 1, 1.0)),
    ]
)


@given(
    st.lists(st.lists(SAYING, max_size=6).map(b"\n".join) | EVENTS, max_size=12),
    st.integers(1, 9),
    st.booleans(),
)
@settings(max_examples=150, deadline=None)
def test_it_says_what_reading_line_after_line_does(
    tmp_path_factory: pytest.TempPathFactory, pieces: list[bytes | str], length: int, close: bool
) -> None:
    """However output is split, and whether it was kept or is made anew."""
    logs = LogFiles(tmp_path_factory.getbasetemp() / "outlines")
    cut = [
        part
        for piece in pieces
        for part in (
            [piece]
            if isinstance(piece, str)
            else [piece[start : start + length] for start in range(0, len(piece), length)]
        )
    ]
    with kept(logs, *cut, close=close) as reader:
        found = outline_of(reader)
        assert shape(list(found.groups)) == by_line(reader)
        anew = outline_form.decode(outline._made_anew(reader), reader.lines, complete=reader.complete)
        assert anew == found


def test_it_has_all_that_a_page_shows_of_it(logs: LogFiles) -> None:
    with kept(
        logs, *failed(b"::warning file=a.py,line=3::careful\n", b"error: it broke\nthe end\n")
    ) as reader:
        found = outline_form.decode(reader.outline(), reader.lines, complete=True)
        assert found == outline_of(reader)
    assert (found.total_lines, found.complete) == (3, True)
    assert (found.failing_line, found.failing_command, found.tool is None) == (2, "make", False)
    ((line, level, text),) = [(note.line, note.level, note.text) for note in found.notes]
    assert (line, level, text) == (1, "warning", "a.py:3: careful")
    (phase,) = found.groups
    assert [(each.name, each.ok, each.exit_code, each.seconds) for each in phase.groups] == [
        ("true", True, 0, 0.5),
        ("make", False, 2, 1.5),
    ]


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The numbers of the chunks that are opened."""
    numbers: list[int] = []
    real = SealedLogReader._open

    def note(reader: SealedLogReader, chunk):  # type: ignore[no-untyped-def]
        numbers.append(chunk.header.number)
        return real(reader, chunk)

    monkeypatch.setattr(SealedLogReader, "_open", note)
    return numbers


def test_the_first_look_opens_as_little_of_a_long_log_as_of_a_short_one(
    logs: LogFiles, opened: list[int]
) -> None:
    block = b"".join(b"line %d of the log\n" % number for number in range(4000))
    counts = []
    for blocks in (5, 60):
        with kept(logs, *failed(block * blocks, b"error: it broke\n")) as reader:
            opened.clear()
            found = outline_of(reader)
            assert opened == [max(opened)], "its end, nothing else"
            assert page_of(reader, -(-(found.failing_line or 0) // 500)).final
            counts.append(len(opened))
    assert counts[1] <= counts[0] + 4


def test_of_a_line_that_goes_on_and_on_no_more_is_opened_than_is_shown(
    logs: LogFiles, opened: list[int]
) -> None:
    long = b"x" * (100 * CHUNK_OUTPUT)
    with kept(logs, b"a\n" + long + b"\nb\nc\n") as reader:
        opened.clear()
        lines = reader.read(1, 500)
        assert [(line.number, len(line.data), line.cut) for line in lines] == [
            (1, 1, False),
            (2, 64 * 1024, True),
            (3, 1, False),
            (4, 1, False),
        ]
        assert len(opened) <= 6
        assert b"".join(iter_pieces(reader)) == b"a\n" + long + b"\nb\nc\n", "a download has all of it"


def iter_pieces(reader: LogReader) -> Iterator[bytes]:
    number = 0
    while (piece := reader.piece(number)) is not None:
        yield piece
        number += 1


def test_a_log_without_one_has_it_made_anew(logs: LogFiles, monkeypatch: pytest.MonkeyPatch) -> None:
    """From before outlines were kept, or without an end."""
    output = failed(b"::group::A\n", b"error: it broke\n")
    with kept(logs, *output) as reader:
        expected = outline_of(reader)
    monkeypatch.setattr(Outlining, "kept", lambda *_: b"")
    with kept(logs, *output) as reader:
        assert reader.outline() == b""
        assert outline_of(reader) == expected
    with kept(logs, *output, close=False) as reader:
        found = outline_of(reader)
        assert not found.complete
        assert shape(list(found.groups)) == by_line(reader)


def test_how_much_is_read_for_one_that_was_not_kept_has_a_bound(
    logs: LogFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(outline, "READ_FOR_GROUPS", 30)
    with kept(logs, *failed(b"::group::A\n", b"x\n" * 20, b"::group::B\n", b"x\n"), close=False) as reader:
        (phase,) = outline_of(reader).groups
        assert shape(list(phase.groups)[1:]) == [("make", 1, 23, True, [("A", 1, 21, False, [])])]


def test_a_log_of_markers_alone_keeps_a_bounded_one(logs: LogFiles) -> None:
    name = "\U0001f600" * 200
    markers = b"".join(f"::group::{number} {name}\n::error::{name}\n".encode() for number in range(12_000))
    with kept(logs, *failed(markers)) as reader:
        assert len(reader.outline()) in outline_form.LENGTHS
        found = outline_of(reader)
    counted = len(list(every_group(found.groups)))  # type: ignore[arg-type]
    assert MOST_GROUPS // 10 < counted <= MOST_GROUPS
    assert MOST_NOTES // 20 < len(found.notes) <= MOST_NOTES
    assert found.total_lines == 24_000


def test_what_is_heard_has_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, most in (("MOST_SAID", 10), ("MOST_HEARD", 10 * 101)):
        with monkeypatch.context() as patch:
            patch.setattr(groups_said, name, most)
            heard = groups_said.Listening()
            for _ in range(50):
                heard.add(b"::group::A\nx\n")
            assert (len(list(heard.said())), heard.line) == (10, 101)


@pytest.mark.parametrize("output", [b"", b"x\n", b"::group::a name\n" * 20])
def test_its_length_does_not_say_what_is_in_it(logs: LogFiles, output: bytes) -> None:
    with kept(logs, output) as reader:
        assert len(reader.outline()) == outline_form.LENGTHS[0]
        assert isinstance(reader, SealedLogReader)
        flags = [chunk.header.flags for chunk in reader._index.chunks]
        assert [Flags.OUTLINE in each for each in flags] == [*[False] * (len(flags) - 1), True]


def test_a_command_that_is_no_text_is_shown_as_far_as_it_is(logs: LogFiles) -> None:
    bad: list[bytes | str] = [
        to_text(CommandStarted(1, "echo \udcff", 1.0)),
        b"error: x\n",
        to_text(CommandEnded(1, 1, 1.0)),
    ]
    with kept(logs, *bad) as reader:
        found: LogOutline = outline_of(reader)
    assert (found.failing_command, found.groups[0].name) == ("echo ?", "echo ?")
