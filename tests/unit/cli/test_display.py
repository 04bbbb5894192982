"""Displays: our own lines stand on lines of their own, whatever the guest prints between them."""

from __future__ import annotations

import io
import time

import pytest
from rich.console import Console

from sealock.cli.display import JsonDisplay, PlainDisplay, seconds
from sealock.cli.live import LiveDisplay
from sealock.cli.summary import summary
from sealock.core import event

HOSTILE = b"\x1b[2J\x1b]0;title\x07\x1b[10Aup\x1b[31mred"


def tell(display: PlainDisplay | LiveDisplay | JsonDisplay, *output: bytes) -> None:
    display.emit(event.PhaseStarted("machine", 10.0))
    display.emit(event.PhaseEnded("machine", 10.9, True, "clone of python"))
    display.emit(event.PhaseStarted("test:unit", 11.0))
    display.emit(event.CommandStarted(1, "make \x1b[2J", 11.0))
    for data in output:
        display.emit(event.Output(data))
    display.emit(event.CommandEnded(1, 2, 65.0))
    display.emit(event.PhaseEnded("test:unit", 76.0, False, "it failed"))
    display.emit(event.Notice("a word"))
    display.close()


def test_plain_lines() -> None:
    stream = io.StringIO()
    tell(PlainDisplay(stream), b"no end of ", b"line")
    assert stream.getvalue().splitlines() == [
        "==> machine",
        "    done in 0.90 s: clone of python",
        "==> test:unit",
        "$ make ",
        "no end of line",
        "    exit 2 in 1 min 05 s",
        "    failed in 1 min 05 s: it failed",
        "--- a word",
    ]


@pytest.mark.parametrize("colour", [False, True])
def test_hostile_output_keeps_at_most_its_colours(colour: bool) -> None:
    stream = io.StringIO()
    tell(PlainDisplay(stream, colour=colour), HOSTILE)
    found = stream.getvalue()
    assert found.splitlines()[4] == ("up\x1b[31mred\x1b[0m" if colour else "upred")
    assert found.splitlines()[5].startswith("    exit 2")


def test_an_output_that_was_cut_off_is_ended() -> None:
    stream = io.StringIO()
    display = PlainDisplay(stream, colour=True)
    display.emit(event.Output(b"\x1b[31mhalf"))
    display.close()
    assert stream.getvalue() == "\x1b[31mhalf\x1b[0m\n"


def test_the_live_display_shows_the_same_in_a_terminal() -> None:
    stream = io.StringIO()
    display = LiveDisplay(Console(file=stream, force_terminal=True, width=40, color_system="standard"))
    tell(display, HOSTILE)
    found = stream.getvalue()
    for expected in ("machine", "0.90 s", "clone of python", "up\x1b[31mred\x1b[0m\n", "exit 2", "a word"):
        assert expected in found
    assert "title" not in found
    assert "\x1b[2J" not in found
    assert list(display.phases.items()) == [("machine", pytest.approx(0.9)), ("test:unit", 65.0)]


def test_a_flood_is_shown_quickly() -> None:
    display = LiveDisplay(Console(file=io.StringIO(), force_terminal=True))
    line = b"all work and no play \x1b[32mok\x1b[0m makes for a long line of output\n" * 500
    began = time.process_time()  # other tests run beside this one
    for _ in range(300):
        display.emit(event.Output(line))
    display.close()
    assert time.process_time() - began < 5


def test_phases_that_happen_twice_are_added_up() -> None:
    display = PlainDisplay(io.StringIO())
    for began in (1.0, 5.0):
        display.emit(event.PhaseStarted("machine", began))
        display.emit(event.PhaseEnded("machine", began + 1.5, True))
    assert display.phases == {"machine": 3.0}


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0.00 s"),
        (9.994, "9.99 s"),
        (12.34, "12.3 s"),
        (59.97, "1 min 00 s"),
        (125.4, "2 min 05 s"),
        (3725.0, "1 h 02 min"),
    ],
)
def test_durations_are_for_people(value: float, text: str) -> None:
    assert seconds(value) == text


def test_what_was_not_measured_is_not_claimed() -> None:
    from sealock.builds.run import RunResult
    from sealock.core.build import BuildRecord, Outcome

    digest = "sha256:" + "0" * 64
    record = BuildRecord("b", "s", None, None, False, (), "base", digest, digest, digest, 1.0)
    record.outcome, record.ended_at, record.reason = Outcome.RED, 2.0, "x\x1b[2J"
    assert summary(RunResult(record, None), {}) == ["red: a command failed in 1.00 s", "  x"]
