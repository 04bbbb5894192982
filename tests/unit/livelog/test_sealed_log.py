"""A sealed log gives back what was written, by lines, also while it is written and after a crash."""

from __future__ import annotations

import gc
import resource
import time
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sealock.core.errors import PermanentError, UsageError
from sealock.core.log import LONGEST_LINE, Found, Line, LogReader, Logs, LogWriter, Mark
from sealock.core.secret import Secret
from sealock.livelog.files import LogFiles
from sealock.livelog.format import CHUNK_OUTPUT, FILE_HEADER_LENGTH, TAG_LENGTH, ChunkHeader
from sealock.livelog.write import SealedLogWriter
from tests.unit.livelog.conftest import BUILD, KEY, KeepLog


def reading(logs: LogFiles, build: str = BUILD) -> LogReader:
    return logs.open(build, Secret(KEY))


def texts(lines: Sequence[Line]) -> list[bytes]:
    return [line.data for line in lines]


def as_lines(output: bytes) -> list[bytes]:
    *whole, rest = output.split(b"\n")
    return [*whole, rest] if rest else whole


def forget(logs: LogFiles) -> None:
    """Unlike removing it, so that the next example can use the same id."""
    logs.place(BUILD).unlink()


def test_it_is_what_the_port_says(logs: LogFiles) -> None:
    port: Logs = logs
    writer: LogWriter = port.create(BUILD, Secret(KEY))
    writer.close()
    with port.open(BUILD, Secret(KEY)) as reader:
        assert (reader.lines, reader.complete, reader.read(1, 10)) == (0, True, [])


PIECES = st.lists(
    st.one_of(st.binary(max_size=30), st.text("ab\n", max_size=20).map(str.encode)), max_size=12
)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(PIECES, st.integers(1, 40), st.integers(0, 40))
def test_any_range_of_lines_of_any_chunks(
    logs: LogFiles, keep_log: KeepLog, pieces: list[bytes], first: int, count: int
) -> None:
    summary = keep_log(*pieces)
    want = as_lines(b"".join(pieces))
    with reading(logs) as reader:
        lines = reader.read(first, count)
        assert texts(lines) == want[first - 1 : first - 1 + count]
        assert [line.number for line in lines] == list(range(first, first + len(lines)))
        assert reader.lines == summary.lines == len(want)
        assert reader.summary() == summary
        assert summary.size == len(b"".join(pieces))
    forget(logs)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
@given(PIECES, st.text("abA", min_size=1, max_size=3), st.data())
def test_any_search_over_any_chunks(
    logs: LogFiles, keep_log: KeepLog, pieces: list[bytes], text: str, data: st.DataObject
) -> None:
    first, ignore_case = data.draw(st.integers(1, 6)), data.draw(st.booleans())
    keep_log(*pieces)

    def place(line: bytes) -> int:
        return line.lower().find(text.lower().encode()) if ignore_case else line.find(text.encode())

    lines = enumerate(as_lines(b"".join(pieces)), 1)
    want = [Found(number, place(line)) for number, line in lines if number >= first and place(line) >= 0]
    with reading(logs) as reader:
        assert reader.search(text, first=first, ignore_case=ignore_case) == want
        assert reader.search(text, first=first, ignore_case=ignore_case, limit=2) == want[:2]
    forget(logs)


def test_a_long_log_is_kept_in_chunks_and_read_anywhere(logs: LogFiles, keep_log: KeepLog) -> None:
    output = b"".join(b"line %d of a long log\n" % number for number in range(1, 50_001))
    summary = keep_log(output)
    assert summary.chunks == len(output) // CHUNK_OUTPUT + 2
    with reading(logs) as reader:
        assert reader.lines == 50_000
        for number in (1, 2, 2500, 25_000, 49_999):
            assert texts(reader.read(number, 2)) == [
                b"line %d of a long log" % each for each in (number, number + 1)
            ]
        assert reader.read(50_001, 5) == []
        assert reader.search("line 31337 ") == [Found(31_337, 0)]


def test_a_line_longer_than_is_shown_is_cut_and_searched_whole(logs: LogFiles, keep_log: KeepLog) -> None:
    long = b"x" * (3 * LONGEST_LINE) + b"needle"
    keep_log(b"one\n" + long + b"\nthree\n" + b"y" * LONGEST_LINE)
    with reading(logs) as reader:
        one, two, three, four = reader.read(1, 9)
        assert (one.cut, two.cut, three.cut, four.cut) == (False, True, False, False)
        assert two.data == long[:LONGEST_LINE]
        assert reader.search("needle") == [Found(2, 3 * LONGEST_LINE)]
        assert texts([one, three, four]) == [b"one", b"three", b"y" * LONGEST_LINE]


def test_marks_stand_between_lines(logs: LogFiles) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    writer.mark("begin")
    writer.write(b"one\ntwo without an end")
    writer.flush()
    writer.mark('next "ü" \udcff')
    writer.write(b"three\n")
    writer.mark("end")
    writer.close()
    with reading(logs) as reader:
        assert [(mark.line, mark.text) for mark in reader.marks()] == [
            (1, "begin"),
            (3, 'next "ü" \udcff'),
            (4, "end"),
        ]
        assert texts(reader.read(1, 9)) == [b"one", b"two without an end", b"three"]
        assert all(isinstance(mark, Mark) and mark.at > 1e9 for mark in reader.marks())


def test_very_many_and_very_long_marks_fit(logs: LogFiles) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    for _ in range(2000):
        writer.mark("")
    for _ in range(5):
        writer.mark("\U0001f600" * 100_000)
    writer.close()
    with reading(logs) as reader:
        assert len(reader.marks()) == 2005


def test_a_chunk_has_the_time_of_the_first_thing_in_it(logs: LogFiles, tmp_path: Path) -> None:
    clock = iter([10.0, 20.0, 30.0])
    (tmp_path / "logs").mkdir(mode=0o700)
    writer = SealedLogWriter(
        tmp_path / "logs" / f"{BUILD}.log", BUILD, Secret(KEY), clock=lambda: next(clock)
    )
    writer.write(b"one\nbegun")
    writer.write(b" and")
    writer.flush()
    writer.write(b" ended\nthree\n")
    writer.close()
    with reading(logs) as reader:
        assert [(line.data, line.at) for line in reader.read(1, 9)] == [
            (b"one", 10.0),
            (b"begun and ended", 10.0),
            (b"three", 20.0),
        ]


def test_no_two_chunks_are_sealed_with_one_nonce(logs: LogFiles, tmp_path: Path) -> None:
    """Two that were would tell whoever has the file what the difference of their lines is."""
    writer = logs.create(BUILD, Secret(KEY))
    line = b"the same line, long enough to be told from chance\n"
    for _ in range(3):
        writer.write(line)
        writer.flush()
    writer.close()
    data = (tmp_path / "logs" / f"{BUILD}.log").read_bytes()[FILE_HEADER_LENGTH:]
    size = ChunkHeader.LENGTH + 4 + len(line) + TAG_LENGTH
    bodies = {data[at * size : (at + 1) * size][ChunkHeader.LENGTH : -TAG_LENGTH] for at in range(3)}
    assert len(bodies) == 3
    assert {len(body) for body in bodies} == {4 + len(line)}


def test_a_log_is_read_while_it_is_written(logs: LogFiles) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    with reading(logs) as reader:
        assert (reader.lines, reader.complete) == (0, False)
        writer.write(b"one\ntw")
        writer.flush()
        reader.refresh()
        assert texts(reader.read(1, 9)) == [b"one", b"tw"]
        writer.write(b"o\n")
        writer.close()
        assert reader.lines == 2
        reader.refresh()
        assert texts(reader.read(1, 9)) == [b"one", b"two"]
        assert reader.complete


def test_a_torn_last_chunk_is_ignored_wherever_it_is_torn(logs: LogFiles, tmp_path: Path) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    path = tmp_path / "logs" / f"{BUILD}.log"
    writer.write(b"kept\n")
    writer.flush()
    whole = path.stat().st_size
    writer.write(b"torn\n")
    writer.flush()
    data = path.read_bytes()
    cut_off = [data[:end] for end in range(whole, len(data))]
    # A power cut may leave a file longer than what had been written.
    zeros_behind = [data[:end] + bytes(len(data) - end) for end in range(whole, len(data) - 16)]
    for torn in (*cut_off, *zeros_behind, data[:whole] + bytes(5000)):
        path.write_bytes(torn)
        with reading(logs) as reader:
            assert texts(reader.read(1, 9)) == [b"kept"]
            assert not reader.complete


def test_a_full_disk_ends_the_log_and_loses_nothing_that_was_kept(logs: LogFiles, tmp_path: Path) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    writer.write(b"kept\n")
    writer.flush()
    size = (tmp_path / "logs" / f"{BUILD}.log").stat().st_size
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 20, hard))
    try:
        writer.write(b"lost\n")
        with pytest.raises(PermanentError, match="cannot be kept any further"):
            writer.flush()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for again in (lambda: writer.write(b"x"), writer.flush, writer.close, lambda: writer.mark("x")):
        with pytest.raises(PermanentError):
            again()
    with reading(logs) as reader:
        assert texts(reader.read(1, 9)) == [b"kept"]
        assert not reader.complete


def test_a_closed_log_takes_nothing_more(logs: LogFiles) -> None:
    writer = logs.create(BUILD, Secret(KEY))
    writer.write(b"one\n")
    assert writer.close() == writer.close()
    with pytest.raises(PermanentError):
        writer.write(b"two\n")


def test_a_log_is_written_once(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log(b"one\n")
    with pytest.raises(PermanentError, match="has a log already"):
        logs.create(BUILD, Secret(KEY))
    with reading(logs) as reader:
        assert texts(reader.read(1, 9)) == [b"one"]


def test_logs_are_listed_and_removed(logs: LogFiles, keep_log: KeepLog, tmp_path: Path) -> None:
    assert logs.all() == []
    keep_log(b"one\n")
    keep_log(b"two\n", build="f" * 32)
    (tmp_path / "logs" / "notes.log").write_text("of somebody else")
    assert logs.all() == [BUILD, "f" * 32]
    assert logs.removal(BUILD) is None
    before = time.time()
    logs.remove(BUILD, "ann")
    assert logs.all() == ["f" * 32]
    gone = logs.removal(BUILD)
    assert gone is not None
    assert (gone.build_id, gone.by) == (BUILD, "ann")
    assert before <= gone.at <= time.time()
    for use in (lambda: logs.remove(BUILD, "bob"), lambda: logs.open(BUILD, Secret(KEY))):
        with pytest.raises(UsageError, match="was removed") as told:
            use()
        assert "by ann" in told.value.details
    with pytest.raises(PermanentError, match="has a log already"):
        logs.create(BUILD, Secret(KEY))
    assert logs.removal(BUILD) == gone


def test_a_removal_that_was_cut_short_is_finished(
    logs: LogFiles, keep_log: KeepLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    def killed(_: Path) -> None:
        raise OSError("killed")

    keep_log(b"one\n")
    with monkeypatch.context() as patch:
        patch.setattr("sealock.livelog.files.remove_whole", killed)
        with pytest.raises(PermanentError, match="cannot be removed"):
            logs.remove(BUILD, "ann")
    assert logs.all() == [BUILD]
    with pytest.raises(UsageError, match="was removed"):
        logs.open(BUILD, Secret(KEY))
    logs.remove(BUILD, "bob")
    gone = logs.removal(BUILD)
    assert gone is not None
    assert gone.by == "ann"
    assert logs.all() == []


def test_a_log_that_is_put_back_is_not_opened(logs: LogFiles, keep_log: KeepLog, tmp_path: Path) -> None:
    keep_log(b"one\n")
    path = tmp_path / "logs" / f"{BUILD}.log"
    copy = path.read_bytes()
    logs.remove(BUILD, "ann")
    path.write_bytes(copy)
    with pytest.raises(UsageError, match="was removed"):
        logs.open(BUILD, Secret(KEY))


def test_who_removed_a_log_cannot_move_the_cursor(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log(b"one\n")
    logs.remove(BUILD, "a\x1b[2J\n" + "n" * 5000)
    gone = logs.removal(BUILD)
    assert gone is not None
    assert gone.by.startswith("a\ufffd[2J\ufffdn")
    assert len(gone.by) == 256


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"{}",
        b"[" * 4000,
        b"\xff",
        b"[]" + b" " * 5000,
        b'{"format": 1, "build": "%s", "by": "ann"}' % BUILD.encode(),
        b'{"format": 1, "build": "%s", "by": "ann", "at": 1.0}' % (b"f" * 32),
        b'{"format": 2, "build": "%s", "by": "ann", "at": 1.0}' % BUILD.encode(),
        b'{"format": 1, "build": "%s", "by": "a\\n", "at": 1.0}' % BUILD.encode(),
        b'{"format": 1, "build": "%s", "by": 7, "at": 1.0}' % BUILD.encode(),
        b'{"format": 1, "build": "%s", "by": "ann", "at": true}' % BUILD.encode(),
        b'{"format": 1, "build": "%s", "by": "ann", "at": NaN}' % BUILD.encode(),
        b'{"format": 1, "build": "%s", "by": "ann", "at": 1e300}' % BUILD.encode(),
    ],
)
def test_a_note_that_was_altered_is_refused(
    note: bytes, logs: LogFiles, keep_log: KeepLog, tmp_path: Path
) -> None:
    keep_log(b"one\n")
    (tmp_path / "logs" / f"{BUILD}.removed").write_bytes(note)
    with pytest.raises(PermanentError, match="cannot be read"):
        logs.removal(BUILD)
    with pytest.raises(PermanentError, match="cannot be read"):
        logs.open(BUILD, Secret(KEY))


@pytest.mark.parametrize("build", ["", "../../etc/passwd", BUILD + "\n", BUILD.upper(), BUILD[:-1], "g" * 32])
def test_what_is_no_build_id_is_no_path(logs: LogFiles, build: str) -> None:
    for use in (
        lambda: logs.create(build, Secret(KEY)),
        lambda: logs.open(build, Secret(KEY)),
        lambda: logs.remove(build, "ann"),
        lambda: logs.removal(build),
    ):
        with pytest.raises(UsageError, match="no log"):
            use()


@pytest.mark.parametrize("text", ["", "two\nlines", "x" * 1001, "\ud800"])
def test_what_cannot_be_searched_for_is_refused(logs: LogFiles, keep_log: KeepLog, text: str) -> None:
    keep_log(b"one\n")
    with reading(logs) as reader, pytest.raises(UsageError, match="cannot be searched for"):
        reader.search(text)


def test_reading_leaves_no_file_open(logs: LogFiles, keep_log: KeepLog) -> None:
    keep_log(b"one\n")
    gc.collect()  # what other tests left to it is not to be missed below
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(5):
        with reading(logs) as reader:
            reader.read(1, 1)
        with pytest.raises(PermanentError):
            logs.open(BUILD, Secret(bytes(32)))
    assert len(list(Path("/proc/self/fd").iterdir())) == before
