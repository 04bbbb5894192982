"""A failed build's log opens where the tool says what is wrong, and nothing much is read for it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from uuid import uuid4

import pytest

from sealock.core.event import CommandEnded, CommandStarted, Event, PhaseEnded, PhaseStarted
from sealock.core.event_text import to_text
from sealock.core.log import LONGEST_LINE, Line, Mark
from sealock.core.secret import Secret
from sealock.livelog.failing import MOST_BYTES, MOST_LINES, PIECE, Opening, opening
from sealock.livelog.failing_patterns import looks_like_an_error
from sealock.livelog.files import LogFiles
from tests.unit.livelog.conftest import KEY
from tests.unit.livelog.tool_output import HARMLESS, OUTPUTS

STARTED, FAILED = CommandStarted(1, "make test", 0.0), CommandEnded(1, 1, 1.0)


def opened(logs: LogFiles, *told: bytes | Event) -> Opening | None:
    """The opening of a log of this output and these marks."""
    build = uuid4().hex
    writer = logs.create(build, Secret(KEY))
    for each in told:
        if isinstance(each, bytes):
            writer.write(each)
        else:
            writer.mark(to_text(each))
    writer.close()
    with logs.open(build, Secret(KEY)) as reader:
        return opening(reader)


@pytest.mark.parametrize(
    ("tool", "output"), OUTPUTS, ids=[f"{tool}-{n}" for n, (tool, _) in enumerate(OUTPUTS)]
)
def test_the_line_that_says_what_is_wrong(logs: LogFiles, tool: str, output: str) -> None:
    lines = output.split("\n")
    (wanted,) = (number for number, line in enumerate(lines, 1) if line.startswith(">>>"))
    lines[wanted - 1] = lines[wanted - 1][3:]
    before = b"Collecting things\nerror: of a command that did no harm\n"
    found = opened(logs, STARTED, before, CommandEnded(1, 0, 1.0), STARTED, "\n".join(lines).encode(), FAILED)
    assert found is not None
    assert (found.line - 2, found.tool) == (wanted, tool)
    assert found.command is not None
    assert found.command.exit_code == 1


@pytest.mark.parametrize("line", HARMLESS)
def test_what_looks_like_no_error(line: str) -> None:
    assert looks_like_an_error(line) is None


def test_without_an_error_it_opens_at_the_last_lines(logs: LogFiles) -> None:
    found = opened(logs, STARTED, b"line\n" * 100, FAILED, b"after\n" * 50)
    assert found is not None
    assert (found.line, found.tool) == (91, None)
    found = opened(logs, b"before\n" * 5, STARTED, b"line\n" * 3, FAILED)
    assert found is not None
    assert found.line == 6


def test_a_command_that_printed_nothing(logs: LogFiles) -> None:
    found = opened(logs, b"before\n" * 5, STARTED, FAILED)
    assert found is not None
    assert found.line == 5
    found = opened(logs, STARTED, FAILED)
    assert found is not None
    assert found.line == 1


def test_a_green_log_opens_nowhere_in_particular(logs: LogFiles) -> None:
    assert opened(logs, STARTED, b"error: of a command that did no harm\n", CommandEnded(1, 0, 1.0)) is None
    assert opened(logs) is None


def test_a_command_that_was_stopped_or_never_ended(logs: LogFiles) -> None:
    for ends in ([CommandEnded(1, None, 1.0)], []):
        found = opened(logs, STARTED, b"x\n" * 20 + b"still at it", *ends)
        assert found is not None
        assert (found.line, found.tool) == (12, None)


def test_a_phase_that_failed_without_a_command(logs: LogFiles) -> None:
    ended = PhaseEnded("fetch", 1.0, False, "refused")
    found = opened(logs, PhaseStarted("fetch", 0.0), b"fatal: no such ref\n", ended)
    assert found == Opening(1, None, "git")


def test_the_command_that_failed_first_is_the_one(logs: LogFiles) -> None:
    second = CommandStarted(2, "cleanup", 2.0)
    found = opened(
        logs, STARTED, b"a\nfatal: first\n", FAILED, second, b"fatal: second\n", CommandEnded(2, 3, 1.0)
    )
    assert found is not None
    assert found.line == 2


def test_an_error_far_above_the_end_is_found(logs: LogFiles) -> None:
    found = opened(logs, STARTED, b"fatal: it\n" + b"line\n" * (3 * PIECE), FAILED)
    assert found is not None
    assert (found.line, found.tool) == (1, "git")


def test_a_sure_error_goes_before_one_that_may_be(logs: LogFiles) -> None:
    found = opened(logs, STARTED, b"shop: error: maybe\nx\nfatal: it\nx\n", FAILED)
    assert found is not None
    assert (found.line, found.tool) == (3, "git")


class Endless:
    """A log of half a gigabyte and more, made up as it is read. It counts what is read of it."""

    def __init__(self, lines: int, size: int) -> None:
        self.lines, self._data = lines, b"x" * size
        self.complete = True
        self.read_lines = self.read_bytes = 0

    def marks(self) -> Sequence[Mark]:
        return [Mark(1, 0.0, to_text(STARTED)), Mark(self.lines + 1, 0.0, to_text(FAILED))]

    def read(self, first: int, count: int) -> list[Line]:
        self.read_lines += count
        self.read_bytes += count * len(self._data)
        return [Line(number, self._data, 0.0) for number in range(first, first + count)]


@pytest.mark.parametrize(("lines", "size"), [(10_000_000, 50), (10_000, LONGEST_LINE)])
def test_of_a_huge_log_little_is_read(lines: int, size: int) -> None:
    log = Endless(lines, size)
    found = opening(log)  # type: ignore[arg-type]  # what it does not have is not needed
    assert found is not None
    assert found.line == lines - 9
    assert log.read_lines <= MOST_LINES
    assert log.read_bytes <= 2 * MOST_BYTES


@pytest.mark.parametrize(
    "piece", ["a: ", "a:1:", "error ", "/", " ", ":", "(", ".go:1:", "E", "'", "-- ", "ld: x "]
)
def test_no_line_takes_long(piece: str) -> None:
    line = piece * LONGEST_LINE
    begun = time.process_time()
    for _ in range(500):
        looks_like_an_error(line)
    assert time.process_time() - begun < 1.5
