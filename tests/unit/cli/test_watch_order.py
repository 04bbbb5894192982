"""What is told of a build comes out in the order it happened in, whichever way was faster."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest

from sealock.cli.sign_ins import SignIn
from sealock.cli.watch_display import telling
from sealock.cli.watch_order import HELD, InOrder
from sealock.core.secret import Secret


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Told:
    """What came out of an `InOrder`."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.order = InOrder(self.clock)
        self.said: list[str] = []

    def put(self, at: float | None, text: str) -> None:
        self.order.put(at, lambda: self.said.append(text))

    def after(self, seconds: float) -> list[str]:
        self.clock.now += seconds
        self.order.tell()
        return self.said


@pytest.fixture
def told() -> Told:
    return Told()


def test_a_line_that_is_faster_than_its_step_comes_behind_it(told: Told) -> None:
    told.put(5.1, "line")
    assert told.after(1.0) == []
    told.put(5.0, "step")
    assert told.after(HELD - 1.0) == ["step", "line"]


def test_nothing_is_held_for_longer_because_more_comes(told: Told) -> None:
    told.put(1.0, "one")
    told.clock.now += HELD
    told.put(2.0, "two")
    assert told.after(0.0) == ["one"]
    assert told.after(HELD) == ["one", "two"]


def test_what_was_at_the_same_time_stays_as_it_came(told: Told) -> None:
    for text in ("a", "b", "c"):
        told.put(7.0, text)
    assert told.after(HELD) == ["a", "b", "c"]


def test_what_has_no_time_is_not_lost(told: Told) -> None:
    told.put(None, "timeless")
    told.put(3.0, "timed")
    assert told.after(HELD) == ["timeless", "timed"]


def test_at_the_end_all_is_told_in_order(told: Told) -> None:
    told.put(2.0, "second")
    told.put(1.0, "first")
    told.order.tell(all_of_it=True)
    assert told.said == ["first", "second"]


def test_lines_stand_below_their_steps_on_the_screen(capsys: pytest.CaptureFixture[str]) -> None:
    def phase(name: str, begun: float, ended: float | None) -> dict[str, object]:
        return {"name": name, "started_at": begun, "ended_at": ended, "ok": True, "detail": ""}

    def line(at: float, text: str) -> dict[str, object]:
        return {"number": 1, "at": at, "text": text, "whole": True}

    shown = telling(
        SignIn("https://ci.example.com", Secret(b"slk_x"), "a@example.com"), quiet=False, as_json=False
    )
    build = {"id": "a" * 32, "project_name": "shop", "number": 1, "attempt": 1, "status": "green"}
    shown.build(build | {"phases": [phase("test:unit", 10.0, None)]})
    shown.line(line(10.5, "of unit"))
    shown.line(line(12.5, "of second"))  # its step is not known yet
    phases = [phase("test:unit", 10.0, 12.0), phase("test:second", 12.1, 13.0)]
    shown.build(build | {"phases": phases})
    shown.line(line(12.9, "last of second"))
    shown.ended(build | {"phases": phases, "steps": []}, 0)
    out = [text.strip() for text in capsys.readouterr().out.splitlines()]
    wanted = ["==> test:unit", "of unit", "done in 2.00 s", "==> test:second"]
    wanted += ["of second", "last of second", "done in 0.90 s"]
    assert [text for text in out if text in wanted] == wanted


def test_lines_stand_below_their_step_though_one_piece_of_the_log_holds_those_of_several(
    capsys: pytest.CaptureFixture[str],
) -> None:
    phases = [
        {"name": "setup", "started_at": 10.0004, "ended_at": 10.2003, "ok": True, "detail": ""},
        {"name": "test:unit", "started_at": 10.2004, "ended_at": 10.4, "ok": True, "detail": ""},
    ]
    steps = [
        {"kind": "setup", "name": "setup", "first_line": 1, "state": "passed"},
        {"kind": "test", "name": "unit", "first_line": 3, "state": "passed"},
    ]
    build = {"id": "a" * 32, "attempt": 1, "status": "green", "phases": phases, "steps": steps}
    shown = telling(SignIn("https://ci.example.com", Secret(b"slk_x")), quiet=False, as_json=False)
    shown.build({"id": "a" * 32, "attempt": 1})
    for count, at in enumerate((10.0, 10.201, 10.0, 10.0), 1):  # rounded, and of the piece's first line
        shown.line({"number": count, "at": at, "text": f"line {count}", "whole": True})
    shown.build(build)
    shown.ended(build, 0)
    out = [text.strip() for text in capsys.readouterr().out.splitlines()]
    wanted = ["==> setup", "line 1", "line 2", "done in 0.20 s", "==> test:unit", "line 3", "line 4"]
    assert out[1:9] == [*wanted, "done in 0.20 s"]


@pytest.mark.parametrize("printed", [False, True])
def test_a_log_is_named_only_where_there_is_one(printed: bool, capsys: pytest.CaptureFixture[str]) -> None:
    shown = telling(SignIn("https://ci.example.com", Secret(b"slk_x")), quiet=True, as_json=False)
    build = {"id": "a" * 32, "project_name": "shop", "number": 7, "attempt": 1, "status": "error"}
    steps = [{"name": "setup", "state": "failed"}] if printed else []
    shown.build(build)
    if printed:
        shown.line({"number": 1, "at": 1.0, "text": "of setup", "whole": True})
    shown.ended(build | {"steps": steps}, 3)
    out = capsys.readouterr().out
    assert ("sealock logs shop#7 --failed" in out) is printed
    assert f"sealock rerun shop#7{' --failed' if printed else ''}\n" in out


def test_what_an_attempt_printed_is_not_the_next_ones(capsys: pytest.CaptureFixture[str]) -> None:
    shown = telling(SignIn("https://ci.example.com", Secret(b"slk_x")), quiet=True, as_json=False)
    build = {"id": "a" * 32, "project_name": "shop", "number": 7, "attempt": 1, "status": "error"}
    shown.build(build)
    shown.line({"number": 1, "at": 1.0, "text": "lost", "whole": True})
    shown.build(build | {"attempt": 2})
    shown.ended(build | {"attempt": 2}, 3)
    assert "sealock logs" not in capsys.readouterr().out


def test_a_reason_is_told_once_for_phase_step_and_build(capsys: pytest.CaptureFixture[str]) -> None:
    reason = "`make test` ended with exit code 1"
    phase = {"name": "test:unit", "started_at": 1.0, "ended_at": 2.0, "ok": False, "detail": reason}
    steps = [
        {"name": "unit", "state": "failed", "reason": reason},
        {"name": "lint", "state": "failed", "reason": "no"},
    ]
    build = {"id": "1", "attempt": 1, "status": "red", "reason": reason, "phases": [phase], "steps": steps}
    told = telling(SignIn("https://ci.example.com", Secret(b"t"), "ada", "", ""), quiet=True, as_json=False)
    told.build(build)
    told.ended(build, 1)
    out = capsys.readouterr().out
    assert out.count(reason) == 1 and "  failed: unit\n" in out and "  failed: lint, no\n" in out


def test_a_log_that_comes_fast_is_not_gone_through_with_each_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """A line a millisecond: some 1,500 are held at a time."""
    looks = 0
    place = InOrder._place

    def counted(order: InOrder, thing: Any) -> Any:
        nonlocal looks
        looks += 1
        return place(order, thing)

    monkeypatch.setattr(InOrder, "_place", counted)
    told: list[int] = []
    now = [0.0]
    order = InOrder(lambda: now[0])
    for line in range(1, 5001):
        now[0] = line / 1000
        order.put(now[0], partial(told.append, line), line=line)
        order.tell()
    order.tell(all_of_it=True)
    assert told == list(range(1, 5001))
    assert looks < 5000 * 50
