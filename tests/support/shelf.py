"""A shelf over real files and keys, whose keeper writes down in memory who had what opened."""

from __future__ import annotations

import os
from pathlib import Path

from sealock.core.lease import KeeperAway
from sealock.core.log import LogReader, LogWriter
from sealock.core.log_pages import LogShelf, log_topic
from sealock.core.sealed import Kind, Owner, Sealed, SealedName
from sealock.core.secret import Secret
from sealock.keeper.member import SealedMemberLogs
from sealock.livelog.files import LogFiles
from sealock.livelog.received import ReceivedLogs
from sealock.livelog.shelf import SealedShelf
from sealock.store.queue.wakeups import LocalWakeups
from sealock.store.sealed import SealedFiles

ACCOUNT, PROJECT, RUN = "team", "parser", "ab" * 16


class OpenedLogs(SealedMemberLogs):
    """Everything real but the keeper: keys lie in memory. opened: who read which run, in order."""

    def __init__(self, logs: LogFiles, values: SealedFiles) -> None:
        self.files, self.values = logs, values
        self._logs, self._values = logs, values
        self.keys: dict[str, bytes] = {}
        self.opened: list[tuple[str, str]] = []
        self.away = False

    async def read(self, owner: Owner, run_id: str, *, person: str) -> LogReader:
        self._sealed_key(owner, run_id)
        if self.away:
            raise KeeperAway("it is away")
        self.opened.append((person, run_id))
        return self.files.open(run_id, Secret(self.keys[run_id]))


class ShelfFixture:
    """A shelf over the directory that logs arrive in."""

    def __init__(self, directory: Path) -> None:
        self.files = LogFiles(directory / "logs")
        self.worker = LogFiles(directory / "of-the-worker")
        self.logs = OpenedLogs(self.files, SealedFiles(directory / "sealed"))
        self.wakeups = LocalWakeups()
        self.shelf = SealedShelf(self.logs, self.wakeups)
        self.received = ReceivedLogs(self.files.directory)
        self.port: LogShelf = self.shelf

    def add_key(self, run: str = RUN, project: str = PROJECT) -> Secret:
        """The key of a log, sealed as far as anybody can see."""
        name = SealedName(ACCOUNT, project, Kind.LOG_KEY, run, 1)
        self.logs.values.put(Sealed(name, 1, "none", b"", 0.0))
        self.logs.keys[run] = os.urandom(32)
        return Secret(self.logs.keys[run])

    def begin(self, run: str = RUN, project: str = PROJECT) -> LogWriter:
        """A log that is written here."""
        return self.files.create(run, self.add_key(run, project))

    def begin_at_worker(self, run: str = RUN) -> LogWriter:
        """A log that is written elsewhere, and has to be sent."""
        return self.worker.create(run, self.add_key(run))

    async def send(self, run: str = RUN) -> None:
        """What there is of it."""
        data = self.worker.place(run).read_bytes()
        kept = self.received.append(run, len(data), b"")
        while kept < len(data):
            kept = self.received.append(run, kept, data[kept : kept + 1000])
            await self.wakeups.tell(log_topic(run))
