"""Whatever a build tells, it tells without its secrets, in order and whole."""

from __future__ import annotations

from collections.abc import Sequence

from sealock.builds.masked import mask_error, masked
from sealock.builds.watcher import Watcher
from sealock.core.errors import PermanentError
from sealock.core.event import (
    CommandEnded,
    CommandStarted,
    Event,
    Notice,
    Output,
    PhaseEnded,
    PhaseStarted,
)
from sealock.core.secret import Secret
from sealock.livelog.mask import StreamMasker


def told(events: Sequence[Event], *secrets: bytes) -> list[Event]:
    heard: list[Event] = []
    masker = StreamMasker()
    for secret in secrets:
        masker.add("S", Secret(secret))
    watcher = masked(Watcher(heard.append), masker)
    for event in events:
        watcher.emit(event)
    return heard


def test_output_is_masked_over_its_pieces_and_told_before_the_end() -> None:
    events: list[Event] = [
        CommandStarted(1, "echo", 0),
        Output(b"it is hun"),
        Output(b"ter2\nhun"),
        CommandEnded(1, 0, 0.1),
        CommandStarted(2, "echo", 0),
        Output(b"ter2"),
        CommandEnded(2, 0, 0.1),
    ]
    assert told(events, b"hunter2") == [
        events[0],
        Output(b"it is "),
        Output(b"***\n"),
        Output(b"hun"),
        events[3],
        events[4],
        Output(b"ter2"),
        events[6],
    ]


def test_what_stands_beside_the_output_is_masked_too() -> None:
    events: list[Event] = [
        PhaseStarted("test:unit", 0),
        CommandStarted(1, "curl -u me:hunter2 x", 0),
        CommandEnded(1, 7, 0.1),
        PhaseEnded("test:unit", 1, ok=False, detail="`curl -u me:hunter2 x` ended with exit code 7"),
        Notice("console: hunter2"),
    ]
    assert told(events, b"hunter2") == [
        events[0],
        CommandStarted(1, "curl -u me:*** x", 0),
        events[2],
        PhaseEnded("test:unit", 1, ok=False, detail="`curl -u me:*** x` ended with exit code 7"),
        Notice("console: ***"),
    ]


def test_a_notice_in_the_middle_of_output_lets_no_half_secret_out() -> None:
    events: list[Event] = [Output(b"hunt"), Notice("still there"), Output(b"er2\n")]
    assert told(events, b"hunter2") == [Notice("still there"), Output(b"***\n")]


def test_without_secrets_everything_is_told_as_it_is() -> None:
    events: list[Event] = [PhaseStarted("setup", 0), Output(b"\xff\x00"), PhaseEnded("setup", 1, ok=True)]
    assert told(events) == events


def test_an_error_is_masked_with_all_it_came_from() -> None:
    masker = StreamMasker()
    masker.add("S", Secret(b"hunter2"))
    try:
        try:
            try:
                raise ValueError("answered hunter2", 7)
            except ValueError as first:
                raise ExceptionGroup("both", [first, KeyError("hunter2")]) from first
        except ExceptionGroup as group:
            raise PermanentError(
                "no hunter2", details="it said hunter2", resolution="Try without hunter2."
            ) from group
    except PermanentError as error:
        mask_error(error, masker)
        assert str(error) == "no ***\nit said ***\nWhat to do: Try without ***."
        assert isinstance(error.__cause__, ExceptionGroup)
        assert error.__cause__.exceptions[0].args == ("answered ***", 7)
        assert error.__cause__.exceptions[1].args == ("***",)


def test_what_an_error_came_upon_is_masked_though_it_names_no_cause() -> None:
    """A traceback shows it all the same."""
    masker = StreamMasker()
    masker.add("S", Secret(b"hunter2"))
    try:
        try:
            raise ValueError("answered hunter2")
        except ValueError:
            raise KeyError("another")  # noqa: B904 - that is what is tried
    except KeyError as error:
        mask_error(error, masker)
        assert error.__context__ is not None and error.__context__.args == ("answered ***",)


def test_an_error_of_the_system_is_masked_too() -> None:
    masker = StreamMasker()
    masker.add("S", Secret(b"hunter2"))
    error = FileNotFoundError(2, "no hunter2", "/hunter2", None, "/to/hunter2")
    mask_error(error, masker)
    assert str(error) == "[Errno 2] no ***: '/***' -> '/to/***'"
