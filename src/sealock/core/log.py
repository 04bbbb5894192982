"""What a build prints, on its way to whoever may read it: secrets masked, then sealed as it is kept.

    a step's output -> Masker -> LogWriter -> the sealed log -> LogReader, for who was given the key

A log is bytes in lines, numbered from 1, with marks between them. Only its key opens it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Protocol, Self

from sealock.core.errors import UsageError
from sealock.core.sealed import Owner
from sealock.core.secret import Secret

LOG_KEY_LENGTH = 32
"""Bytes, random. One key for one log."""

LONGEST_LINE = 64 * 1024
"""Bytes of a line that are shown. The rest of a longer one is kept, counted and searched all the same."""


class Masker(Protocol):
    """Replaces secrets by `***` in one stream of output, wherever the stream is split.

    It holds back only what may be the beginning of a secret, and that for as long as it may be: a time
    after which it is shown anyway would show the secret that comes in two parts. So whatever is not
    held back is there at once, and no timer is needed. Masking prevents accidents, not attackers.
    """

    def add(self, name: str, secret: Secret) -> str | None:
        """Mask this one too, from the next byte on. May be called at any time.

        name: what the user calls it. Returns a sentence for the user if it cannot be masked, or not in
        every spelling: it is too short or very long.
        """
        ...

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; returns those that are certain, masked. May be empty."""
        ...

    def finish(self) -> bytes:
        """The stream ends here; returns the rest. What is fed afterwards is a new stream."""
        ...

    def text(self, text: str) -> str:
        """Mask a whole text that stands beside the stream, such as a command's line."""
        ...


NewMasker = Callable[[], Masker]


@dataclass(frozen=True)
class Line:
    """data: without the newline, may be any bytes. cut: it is longer than `LONGEST_LINE`, and this is its
    beginning. at: when it began to be kept, seconds since 1970."""

    number: int
    data: bytes
    at: float
    cut: bool = False


@dataclass(frozen=True)
class Mark:
    """Something that happened before the line of that number. text: its writer's to choose."""

    line: int
    at: float
    text: str


@dataclass(frozen=True)
class Found:
    """Where a line first holds what was searched for. column: bytes before it, from 0."""

    line: int
    column: int


@dataclass(frozen=True)
class LogSummary:
    """What there is to say about a sealed log in the open. size: bytes of output in it. digest:
    `sha256:…` of the sealed file, so that a receipt can name it. complete: it was closed by its writer."""

    build_id: str
    lines: int
    size: int
    chunks: int
    digest: str
    complete: bool


@dataclass(frozen=True)
class LogRemoval:
    """What is left of a log that was removed. by: who had it removed. at: seconds since 1970. why: goes on
    after "was removed on …,"; empty where somebody just wanted it."""

    build_id: str
    by: str
    at: float
    why: str = ""


def was_removed(removal: LogRemoval) -> UsageError:
    """What to tell whoever asks for a log that was removed."""
    at = datetime.fromtimestamp(removal.at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
    why = f", {removal.why}" if removal.why else ""
    return UsageError(
        f"the log of build {removal.build_id} was removed on {at[:10]}{why}",
        details=f"{at}, by {removal.by}",
        resolution="Its receipt still has the log's digest: a copy that somebody kept can be told by it.",
    )


class LogWriter(Protocol):
    """Keeps the log of one build that is under way. Each method raises PermanentError if nothing more
    can be kept; it is of no use from then on, and what was kept before is whole."""

    def write(self, data: bytes) -> None:
        """Add output. It is kept once there is a chunk of it, or with the next `flush`."""
        ...

    def mark(self, text: str) -> None:
        """Add a mark. A line that is not finished ends here, so that no mark stands within a line."""
        ...

    def flush(self) -> None:
        """Seal and keep whatever was not yet."""
        ...

    def close(self) -> LogSummary:
        """The log ends here. May be called twice."""
        ...

    def summary(self) -> LogSummary:
        """Of what is kept so far. Never raises: also where nothing more can be kept."""
        ...


class LogReader(Protocol):
    """Reads a sealed log, also one that is still being written. Leaving the block closes it. One is for one
    thread at a time.

    Every method raises PermanentError for a log that was altered. What it returns was kept by the
    writer, at this place of this build's log.
    """

    @property
    def lines(self) -> int:
        """How many lines there are."""
        ...

    @property
    def complete(self) -> bool:
        """Whether it ends where its writer closed it. If not: it is still being written, its writer was
        killed, or somebody cut it off."""
        ...

    def refresh(self) -> None:
        """Take in what was added since it was opened."""
        ...

    def again(self) -> LogReader:
        """Another reader of the same log, for another thread, closed by itself. ValueError if this one was
        closed."""
        ...

    def read(self, first: int, count: int) -> list[Line]:
        """The lines from number `first` on, at most `count` of them; fewer where the log ends."""
        ...

    def piece(self, number: int) -> bytes | None:
        """The output in order, as it was printed and kept, in pieces of a bounded size: one of them, from 0.
        None behind the last."""
        ...

    def outline(self) -> bytes:
        """What the writer of a log that is complete kept of it, to be shown without reading it: the writer's
        word, which may be anything. Empty if there is nothing."""
        ...

    def marks(self, most: int | None = None) -> list[Mark]:
        """Every mark, in order. most: characters of them; those behind that are left out."""
        ...

    def search(
        self, text: str, *, first: int = 1, limit: int = 1000, ignore_case: bool = False
    ) -> list[Found]:
        """The lines from number `first` on that hold this text, at most `limit` of them.

        ignore_case: of the letters A to Z. UsageError if `text` is empty, holds a newline or is longer
        than a thousand characters.
        """
        ...

    def summary(self) -> LogSummary:
        """Computed anew from the file."""
        ...

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class Logs(Protocol):
    """Where sealed logs are kept. build_id: 32 hexadecimal digits. key: `LOG_KEY_LENGTH` bytes, which the
    caller may forget once the call returns."""

    def create(self, build_id: str, key: Secret) -> LogWriter:
        """A new log. PermanentError if this build has or had one already, or it cannot be kept."""
        ...

    def open(self, build_id: str, key: Secret) -> LogReader:
        """UsageError if this build has no log, or it was removed; PermanentError if it is not what was
        kept."""
        ...

    def has_begun(self, build_id: str) -> bool:
        """Whether there is something of its log to open. UsageError for an id that is none."""
        ...

    def all(self) -> list[str]:
        """The builds that have a log, by id."""
        ...

    def remove(self, build_id: str, by: str, why: str = "") -> None:
        """Remove a build's log for good; that it was there, who removed it, when and why is remembered. Cut
        short, it can be asked for again, also by several at once. UsageError if there is none, or it was
        removed."""
        ...

    def removal(self, build_id: str) -> LogRemoval | None:
        """What is remembered of a log that was removed. None for any other."""
        ...


class NewLogs(Protocol):
    """What begins the log of a build."""

    async def begin(self, owner: Owner, build_id: str) -> LogWriter:
        """As `BuildLogs.begin`."""
        ...


class BuildLogs(Protocol):
    """The sealed logs of builds, with their keys, which only the keeper opens."""

    async def begin(self, owner: Owner, build_id: str) -> LogWriter:
        """A new log, under a fresh random key that is sealed to the owner's key set before the log is
        made. As `Logs.create`; `core.lease.KeeperAway`."""
        ...

    async def read(self, owner: Owner, build_id: str) -> LogReader:
        """A build's log, for whoever may read it. The keeper writes down that it was read.

        As `Logs.open`; UsageError if there is no key of that log; `core.lease.Refused` or `KeeperAway`."""
        ...

    def remove(self, owner: Owner | None, build_id: str, by: str) -> None:
        """Destroy the sealed key of a build's log, then remove the log. As `Logs.remove`. owner None: the
        project is gone, and its keys with it."""
        ...

    def removal(self, build_id: str) -> LogRemoval | None:
        """As `Logs.removal`."""
        ...


class MemberLogs(Protocol):
    """The sealed logs of attempts at builds, for members of the accounts whose projects they are of. owner:
    the project. run_id: as `core.builds.run_id` says. What is another owner's is not found."""

    def has_begun(self, owner: Owner, run_id: str) -> bool:
        """Whether there is something of it to read. UsageError if it was removed."""
        ...

    async def read(self, owner: Owner, run_id: str, *, person: str) -> LogReader:
        """The log, for this member, an id. The keeper writes down that they read it.

        UsageError if there is none, or it was removed; PermanentError if it is not what was kept;
        `core.lease.Refused` or `KeeperAway`."""
        ...

    def remove(self, owner: Owner, run_id: str, by: str, why: str = "") -> None:
        """Destroy its sealed key, then remove it. As `BuildLogs.remove`."""
        ...

    def removal(self, run_id: str) -> LogRemoval | None:
        """As `Logs.removal`."""
        ...
