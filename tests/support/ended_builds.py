"""What must be true of builds that have all ended, whatever was killed while they ran."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import select

from sealock.core.builds import run_id
from sealock.core.receipt import Verification
from sealock.core.sealed import LOCAL_ACCOUNT, Kind, SealedName
from sealock.ledger.verify import ReceiptVerifier
from sealock.livelog.files import LogFiles
from sealock.store.database.engine import open_database
from sealock.store.database.kept_tables import receipts
from sealock.store.database.tables import builds
from sealock.store.queue.tables import queue_builds, queue_events
from sealock.store.sealed import SealedFiles
from tests.support.keeper_process import key_sets_of

ENDS = {"finished", "failed", "cancelled"}
NEVER_BEGUN = ""


@dataclass
class Kept:
    """Rows of a server's database, by build."""

    builds: list[Any] = field(default_factory=list)
    queued: dict[str, Any] = field(default_factory=dict)
    events: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))
    receipts: dict[str, list[Any]] = field(default_factory=lambda: defaultdict(list))

    @classmethod
    async def read(cls, url: str) -> Kept:
        """Of a server that is stopped."""
        made = cls()
        async with open_database(url) as database, database.read() as connection:
            made.builds = list(await connection.execute(select(builds).order_by(builds.c.number)))
            made.queued = {row.build: row for row in await connection.execute(select(queue_builds))}
            for row in await connection.execute(select(queue_events).order_by(queue_events.c.id)):
                made.events[row.build].append(row)
            for row in await connection.execute(select(receipts).order_by(receipts.c.attempt)):
                made.receipts[row.build].append(row)
        return made

    @property
    def kinds(self) -> Counter[str]:
        """How often each thing happened."""
        return Counter(str(event.kind) for events in self.events.values() for event in events)

    @property
    def outcomes(self) -> Counter[str]:
        """How builds came out."""
        return Counter(str(row.outcome) for row in self.builds)

    def check(self, asked: Mapping[str, str]) -> None:
        """asked: what was asked for, and the build that was the answer. Each is there, none is twice, and
        each ended once."""
        assert {row.id for row in self.builds} == set(asked.values()), "one was lost, or nobody asked for it"
        assert len(set(asked.values())) == len(asked), "one is two answers"
        by_project = defaultdict(list)
        for row in self.builds:
            by_project[row.project].append(row.number)
            self._check_build(row)
        for numbers in by_project.values():
            assert numbers == list(range(1, len(numbers) + 1))

    def _check_build(self, row: Any) -> None:
        events = [event for event in self.events[row.id] if event.kind != "refused"]
        kinds = [event.kind for event in events]
        story = f"{row.number}: {[(event.kind, event.attempt, event.reason) for event in events]}"
        assert (row.state, self.queued[row.id].state) == ("ended", kinds[-1]), story
        assert [kind for kind in kinds if kind in ENDS] == kinds[-1:], story
        claims = [event.attempt for event in events if event.kind == "claimed"]
        assert claims == list(range(1, len(claims) + 1)), story
        assert row.attempt == len(claims) == self.queued[row.id].attempt, story
        assert kinds.count("put-back") == max(0, len(claims) - 1) + (kinds[-2:-1] == ["put-back"]), story
        assert row.outcome and row.ended_at, story
        self._check_receipts(row, events[-1], story)

    def _check_receipts(self, row: Any, end: Any, story: str) -> None:
        """One, of the attempt that ended it; none of an attempt that was lost."""
        found = [receipt.attempt for receipt in self.receipts[row.id]]
        assert found in ([], [end.attempt]), (found, story)
        if row.outcome in {"green", "red"}:
            assert found == [end.attempt], story


@dataclass
class Logs:
    """The logs of a server that is stopped. directory: holds `data`. text: what was opened."""

    directory: Path

    def __post_init__(self) -> None:
        data = self.directory / "data"
        self._values = SealedFiles(data / "sealed")
        self._files = LogFiles(data / "logs")
        self._sets = key_sets_of(self.directory)
        self._verifier = ReceiptVerifier((data / "keys/installation.pub").read_bytes())

    def of(self, project: str, run: str) -> bytes:
        """All of it, which must be whole."""
        owner = SealedName(LOCAL_ACCOUNT, project, Kind.LOG_KEY, run, 1).owner
        sealed = self._values.get(owner, Kind.LOG_KEY, run)
        assert sealed is not None, f"{run} has no key"
        with self._sets.open(sealed) as key, self._files.open(run, key) as reader:
            assert reader.complete, f"the log of {run} is not whole"
            return b"".join(line.data + b"\n" for line in reader.read(1, reader.lines))

    def check(self, kept: Kept, *, last: bytes, secret: bytes) -> int:
        """Each accepted end's receipt is signed, its log whole and without the secret; a green one's has the
        last line. One that was stopped before its first step has no log, and says so. How many had one."""
        project = {row.id: row for row in kept.builds}
        count = 0
        for build, rows in kept.receipts.items():
            for receipt in rows:
                found = self._verifier.verify(receipt.envelope)
                assert found.authentic, build
                if not _names_log(found):
                    assert project[build].outcome not in {"green", "red"}, build
                    continue
                text = self.of(project[build].project, run_id(build, receipt.attempt))
                assert secret not in text
                assert last in text or project[build].outcome != "green", text[-400:]
                count += 1
        return count


def _names_log(found: Verification) -> bool:
    predicate = found.statements[-1]["predicate"]
    assert isinstance(predicate, Mapping)
    return predicate.get("log") is not None
