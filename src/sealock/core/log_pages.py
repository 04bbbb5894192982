"""The log of a build as a person reads it: pages, groups, the failing lines, a search, what comes live.

Whoever asks has been let in by the website; the keeper checks it again, and writes down that this person
read it. Lines are HTML that is safe to put into a page, made of whatever the build printed.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol


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
        """Lines as plain text. colours: with their escape sequences, made harmless."""
        ...

    def raw(self) -> AsyncIterator[bytes]:
        """All of it as plain text, piece by piece."""
        ...

    def follow(self, last_id: str | None, *, first: int = 1) -> AsyncIterator[Sequence[LogUpdate]]:
        """What comes, as it comes, until the log has ended. UsageError for an id that cannot be."""
        ...


class LogShelf(Protocol):
    """The logs of builds' attempts, by `core.builds.run_id`."""

    def open(
        self, account: str, project: str, run: str, *, person: str
    ) -> AbstractAsyncContextManager[OpenLog]:
        """The log, for this person, a member of the account. UsageError if there is none, or it was removed;
        `core.lease.Refused` or `KeeperAway`."""
        ...

    async def remove(self, account: str, project: str, run: str, *, person: str) -> None:
        """Remove it for good: its key, then the log. UsageError if there is none, or it was removed."""
        ...
