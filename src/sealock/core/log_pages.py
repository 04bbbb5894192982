"""The log of a build as a person reads it: pages, groups, the failing lines, a search, what comes live.

Whoever asks has been let in by the website; the keeper checks it again, and writes down that this person
read it. Lines are HTML that is safe to put into a page, made of whatever the build printed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from sealock.core.log import LogRemoval

MOST_LINES = 10_000
MOST_BYTES = 16 * 1024 * 1024
"""Of one call of `OpenLog.text`."""


@dataclass(frozen=True)
class LogLine:
    """html: one line, safe. at: seconds since 1970. cut: there is more of it. hidden: something of it was
    written over."""

    number: int
    html: str
    at: float
    cut: bool = False
    hidden: bool = False


@dataclass(frozen=True)
class LogPage:
    """number: from 1. tag: an ETag, quotes included. final: it will not change any more."""

    number: int
    lines: Sequence[LogLine]
    pages: int
    total_lines: int
    tag: str
    final: bool


@dataclass(frozen=True)
class LogGroup:
    """A range of lines that can be folded. kind: `phase`, `command` or `group`. last None: it goes on; first
    - 1 if it has no line. is_open: it is shown open. ok, exit_code, seconds: of a phase or a command that has
    ended, else None."""

    kind: str
    name: str
    first: int
    last: int | None
    is_open: bool = False
    ok: bool | None = None
    exit_code: int | None = None
    seconds: float | None = None
    groups: Sequence[LogGroup] = ()


@dataclass(frozen=True)
class LogNote:
    """An annotation that the build made of itself. level: notice, warning or error."""

    line: int
    level: str
    text: str


@dataclass(frozen=True)
class LogOutline:
    """failing_line: where to open the log of a build that failed, None if nothing in it failed. tool: whose
    error stands there, None if it is just the last lines before the failure."""

    total_lines: int
    complete: bool
    groups: Sequence[LogGroup]
    notes: Sequence[LogNote]
    failing_line: int | None = None
    failing_command: str | None = None
    tool: str | None = None


@dataclass(frozen=True)
class LogHit:
    """number: which of all it is, from 1. lines: the one that has the text, marked in its HTML, and those
    around it."""

    number: int
    line: int
    lines: Sequence[LogLine]


@dataclass(frozen=True)
class LogHits:
    """of: how many lines have it. more: there are more than are counted."""

    hits: Sequence[LogHit]
    of: int
    more: bool


@dataclass(frozen=True)
class LogUpdate:
    """A line that came. id: to come back with. again: it stands in the place of the one told before."""

    id: str
    line: LogLine
    again: bool


def log_topic(run: str) -> str:
    """Topic of `core.queue.Wakeups`: there is more of this attempt's log, or it was removed. It is told much
    more often than `core.builds.build_topic`."""
    return f"log:{run}"


@dataclass(frozen=True)
class Running:
    """An attempt whose log may go on. is_over: asked now and then, true once nothing more will come of it,
    also where its worker was killed and never closed the log. topic: told when that may have changed."""

    is_over: Callable[[], Awaitable[bool]]
    topic: str


class OpenLog(Protocol):
    """A log opened for one person. Every method may raise PermanentError for a log that was altered."""

    async def page(self, number: int) -> LogPage:
        """UsageError for a page that is not there."""
        ...

    async def outline(self) -> LogOutline:
        """Its groups, notes and failing line."""
        ...

    async def search(self, text: str, *, first: int = 1, ignore_case: bool = True) -> LogHits:
        """A few hits from number `first` on. UsageError for a text that cannot be searched for."""
        ...

    async def text(self, first: int, last: int | None, *, colours: bool, times: bool) -> bytes:
        """Lines as plain text, from number `first` to `last`, each with a newline. colours: with looks as
        escape sequences, and no other ones. times: each line begins with when it came. last None: to the
        end. UsageError for more than `MOST_LINES`, or `MOST_BYTES`, at once."""
        ...

    def raw(self) -> AsyncIterator[bytes]:
        """All of it as it was printed, every escape sequence included, piece by piece: for a file."""
        ...

    def follow(self, last_id: str | None, *, first: int = 1) -> AsyncIterator[Sequence[LogUpdate]]:
        """What comes, as it comes, until the log has ended or the attempt is over. UsageError for an id that
        cannot be, and where the log is removed meanwhile."""
        ...


class LogShelf(Protocol):
    """The logs of builds' attempts, by `core.builds.run_id`."""

    def open(
        self, account: str, project: str, run: str, *, person: str, running: Running | None = None
    ) -> AbstractAsyncContextManager[OpenLog]:
        """The log, for this person, a member of the account. UsageError if there is none, or it was removed;
        `core.lease.Refused` or `KeeperAway`; TemporaryError if too many are open.

        running: of an attempt that may not have ended. Its log need not be there yet: then it is empty so
        far, and `follow` waits for it. None: the attempt is over, and `follow` tells what is there."""
        ...

    async def remove(self, account: str, project: str, run: str, *, person: str, why: str = "") -> None:
        """Remove it for good: its key, then the log. why: as in `core.log.LogRemoval`. UsageError if there
        is none, or it was removed."""
        ...

    async def removal(self, run: str) -> LogRemoval | None:
        """What is remembered of a log that was removed. None for any other."""
        ...
