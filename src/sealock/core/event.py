"""What a run tells while it runs. Displays and logs are made of these, in this order.

PhaseStarted … PhaseEnded     machine, fetch, setup, test, end: never nested; image, if there is none to use
CommandStarted … Output … CommandEnded     inside a `setup` or `test` phase
Notice                        a sentence for the person watching, anywhere
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

NO_IMAGE = "image"
"""The phase of a build that finds no image to run in. It always fails; others do not have it."""


@dataclass(frozen=True)
class PhaseStarted:
    """name: `machine`, `fetch`, `setup`, `test:NAME`, `end`, or `NO_IMAGE`. at: seconds since 1970."""

    name: str
    at: float


@dataclass(frozen=True)
class PhaseEnded:
    """ok: whether it did what it was for. detail: a few words, such as `clone of base in 0.9 s`."""

    name: str
    at: float
    ok: bool
    detail: str = ""


@dataclass(frozen=True)
class CommandStarted:
    """line: the command as configured. number: from 1, over the whole run."""

    number: int
    line: str
    at: float


@dataclass(frozen=True)
class Output:
    """Bytes a command wrote, standard output and error together, in order. May be any bytes."""

    data: bytes


@dataclass(frozen=True)
class CommandEnded:
    """exit_code None: it was stopped before it could end. seconds: how long it ran."""

    number: int
    exit_code: int | None
    seconds: float


@dataclass(frozen=True)
class Notice:
    """Something worth knowing that is not part of the build's own output."""

    text: str


Event = PhaseStarted | PhaseEnded | CommandStarted | Output | CommandEnded | Notice
Emit = Callable[[Event], None]
